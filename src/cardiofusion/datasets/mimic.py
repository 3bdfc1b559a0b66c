"""MIMIC-IV Clinical Demo 2.2 in MEDS form: 100 patients of an intensive care unit, 916,166 events.

Made into one row a patient: what was measured in the first 24 hours of the first stay in intensive care, and
whether the patient died later in that hospital stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.events import Events, read_events
from cardiofusion.datasets.sources import category, declare_gaps, number
from cardiofusion.records import ClinicalSchema, ClinicalTable, Cohort, Column, DatasetError, Task

EVENTS = "mimic_iv_demo_meds_events.parquet"
HOURS = 24
BIRTH, SEX, ICU, LEFT = "MEDS_BIRTH", "GENDER//", "ICU_ADMISSION//", "HOSPITAL_DISCHARGE//"
DIED = "HOSPITAL_DISCHARGE//DIED"
_HINT = "give the folder with the MEDS events of MIMIC-IV Clinical Demo as one Parquet file"


@dataclass(frozen=True)
class Measured:
    """A column and the codes it is measured under; codes that need it: value * factor + offset."""

    column: Column
    codes: tuple[str, ...]
    rescaled: tuple[tuple[str, float, float], ...] = ()

    def scales(self) -> dict[str, tuple[float, float]]:
        """code -> factor and offset to the column's unit."""
        return dict.fromkeys(self.codes, (1.0, 0.0)) | {code: (f, o) for code, f, o in self.rescaled}


AGE = number("age", "years", 18, 120, "in whole calendar years; every age over 89 is told as 91")
GENDER = category("sex", {"F": "female", "M": "male"})
MEASURED = (
    Measured(number("heart_rate", "bpm", 20, 250), ("LAB//220045//bpm",)),
    Measured(number("systolic", "mmHg", 40, 280), ("LAB//220050//mmHg", "LAB//220179//mmHg")),
    Measured(number("diastolic", "mmHg", 10, 200), ("LAB//220051//mmHg", "LAB//220180//mmHg")),
    Measured(number("respiratory_rate", "/min", 3, 80), ("LAB//220210//insp/min",)),
    Measured(number("oxygen_saturation", "%", 50, 100, "pulse oximetry"), ("LAB//220277//%",)),
    Measured(
        number("temperature", "°C", 28, 43),
        ("LAB//223762//°C",),
        (("LAB//223761//°F", 5 / 9, -160 / 9),),
    ),
    Measured(number("coma_eyes", "", 1, 4, "Glasgow coma scale"), ("LAB//220739//UNK",)),
    Measured(number("coma_verbal", "", 1, 5, "Glasgow coma scale; 1 when intubated"), ("LAB//223900//UNK",)),
    Measured(number("coma_motor", "", 1, 6, "Glasgow coma scale"), ("LAB//223901//UNK",)),
    Measured(number("creatinine", "mg/dL", 0.1, 30), ("LAB//50912//mg/dL",)),
    Measured(number("urea_nitrogen", "mg/dL", 1, 300), ("LAB//51006//mg/dL",)),
    Measured(number("sodium", "mmol/L", 90, 200), ("LAB//50983//mEq/L",)),
    Measured(number("potassium", "mmol/L", 1, 12), ("LAB//50971//mEq/L",)),
    Measured(number("chloride", "mmol/L", 50, 170), ("LAB//50902//mEq/L",)),
    Measured(number("bicarbonate", "mmol/L", 2, 60), ("LAB//50882//mEq/L",)),
    Measured(number("glucose", "mg/dL", 10, 2000), ("LAB//50931//mg/dL",)),
    Measured(number("haemoglobin", "g/dL", 2, 25), ("LAB//51222//g/dL",)),
    Measured(number("white_blood_cells", "10^3/uL", 0.05, 500), ("LAB//51301//K/uL",)),
    Measured(number("platelets", "10^3/uL", 2, 2000), ("LAB//51265//K/uL",)),
    Measured(number("inr", "", 0.5, 20), ("LAB//51237//UNK",)),
    Measured(number("lactate", "mmol/L", 0.1, 35), ("LAB//50813//mmol/L",)),
    Measured(number("ph", "", 6.5, 8, "blood gas"), ("LAB//50820//units",)),
    Measured(number("bilirubin", "mg/dL", 0.05, 80, "total"), ("LAB//50885//mg/dL",)),
    Measured(number("albumin", "g/dL", 0.5, 7), ("LAB//50862//g/dL",)),
    Measured(number("troponin_t", "ng/mL", 0, 100), ("LAB//51003//ng/mL",)),
)
DEATH = Task(
    "death_in_hospital",
    ("discharged alive", "died in hospital"),
    "binary",
    modalities=("row",),
    question="24 hours into intensive care: will this patient die in this hospital stay?",
)


def load_mimic_demo(folder: Path | str) -> Cohort:
    """One row a patient who was ever in intensive care, with the binary task `death_in_hospital`.

    A column is the median of what was measured from the admission to intensive care until 24 hours later;
    measurements outside the plausible range are left out and counted. Only the codes of MEASURED are read:
    diagnoses, procedures and billing groups are coded when the patient has left. The time of a blood value is
    when it was sampled: one sampled just before the 24 hours end may have been known a little later.
    Where the stay ended within those 24 hours nothing is left to predict: the outcome is not known.

    Raises DatasetError where the file is missing or is no table of events; ExtraMissingError without polars.
    """
    events = _read(Path(folder))
    admitted = events.of(ICU).first()
    if not len(admitted):
        raise DatasetError("dataset.empty", f"{EVENTS} has no stay in intensive care", _HINT)
    end = admitted.time + np.timedelta64(HOURS, "h")
    table, notes = _rows(events, admitted, end)
    outcome = _died(events, admitted, end)
    known = int(np.isfinite(outcome).sum())
    return Cohort(
        name="mimic-iv-demo-meds",
        patient_ids=admitted.subject.astype(np.str_),
        table=table,
        tasks=(DEATH,),
        outcomes={DEATH.name: outcome},
        provenance={
            "name": "MIMIC-IV Clinical Demo (MEDS)",
            "version": "2.2",
            "licence": "ODbL 1.0",
            "citation": "Johnson et al. MIMIC-IV Clinical Database Demo. PhysioNet (2023)",
            "source": "PhysioNet, doi:10.13026/dp1f-ex47, as Medical Event Data Standard",
            "n": f"{len(admitted)} patients, a row each",
            "dates": "2008 to 2019, shifted for each patient",
            "death_in_hospital": f"{int(np.nansum(outcome))} of {known}; {len(outcome) - known} left "
            f"within {HOURS} hours, not known",
            **notes,
        },
    )


def _read(folder: Path) -> Events:
    if not folder.is_dir():
        raise DatasetError("dataset.missing", f"no folder {folder.name!r}", "check the path of the data set")
    if not (folder / EVENTS).is_file():
        raise DatasetError("dataset.index", f"no {EVENTS} in {folder.name!r}", _HINT)
    measured = (code for item in MEASURED for code in item.scales())
    return read_events(folder / EVENTS, (BIRTH, SEX, ICU, LEFT, *measured))


def _rows(
    events: Events, admitted: Events, end: NDArray[np.datetime64]
) -> tuple[ClinicalTable, dict[str, str]]:
    """Age, sex and the medians of the window [admitted, end)."""
    place = np.searchsorted(admitted.subject, events.subject)
    place = np.minimum(place, len(admitted) - 1)
    here = admitted.subject[place] == events.subject
    inside = events.take(here & (events.time >= admitted.time[place]) & (events.time < end[place]))
    columns, values = [AGE, GENDER], [_ages(events, admitted), _sexes(events, admitted)]
    notes = {}
    for item in MEASURED:
        medians, outside = _medians(inside, item, admitted.subject)
        columns.append(item.column)
        values.append(medians)
        if outside:
            notes[f"{item.column.name}: outside its range"] = f"{outside} measurements left out"
    table = ClinicalTable(ClinicalSchema(tuple(columns)), np.column_stack(values))
    return declare_gaps(table), notes


def _medians(events: Events, item: Measured, subjects: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """The median of each subject's plausible measurements, NaN where none; how many were not plausible."""
    found = events.of(*item.scales())
    scale = np.array([item.scales()[code] for code in found.code.tolist()]).reshape(-1, 2)
    value = found.value * scale[:, 0] + scale[:, 1]
    plausible = (value >= item.column.low) & (value <= item.column.high)
    medians = np.full(len(subjects), np.nan)
    for row, subject in enumerate(subjects):
        mine = value[plausible & (found.subject == subject)]
        if len(mine):
            medians[row] = np.median(mine)
    return medians, int((~plausible & ~np.isnan(value)).sum())


def _ages(events: Events, admitted: Events) -> NDArray[np.float64]:
    """Only the year of birth is told, as its first of January: the age is the difference of the years."""
    born = dict(zip(*_pairs(events.of(BIRTH)), strict=True))
    birth = np.array([born.get(subject, np.datetime64("NaT")) for subject in admitted.subject.tolist()])
    years = admitted.time.astype("datetime64[Y]") - birth.astype("datetime64[Y]")
    age = np.where(np.isnat(years), np.nan, years.astype(np.float64))
    return np.where((age >= AGE.low) & (age <= AGE.high), age, np.nan)


def _pairs(events: Events) -> tuple[list[int], list[np.datetime64]]:
    first = events.first()
    return first.subject.tolist(), list(first.time)


def _sexes(events: Events, admitted: Events) -> NDArray[np.float64]:
    said = events.of(SEX).first()
    sexes = {s: c.removeprefix(SEX) for s, c in zip(said.subject.tolist(), said.code.tolist(), strict=True)}
    known = [sexes.get(subject) for subject in admitted.subject.tolist()]
    return np.array([GENDER.parse(sex if sex in GENDER.codes else None) for sex in known])


def _died(events: Events, admitted: Events, end: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """float32 [patient, 1] of the first leave of hospital after the admission to intensive care."""
    left = events.of(LEFT)
    outcome = np.full((len(admitted), 1), np.nan, dtype=np.float32)
    for row, subject in enumerate(admitted.subject):
        later = left.take((left.subject == subject) & (left.time >= admitted.time[row])).first()
        if len(later) and later.time[0] >= end[row]:
            outcome[row] = later.code[0] == DIED
    return outcome
