"""MUSIC (Sudden Cardiac Death in Chronic Heart Failure, PhysioNet 2024): 695 outpatients, and how they died.

Clinical, laboratory and echo findings at enrolment, and measurements of a 12-lead and a 24 h ECG; the
waveforms are not read here. Vazquez et al., European Heart Journal 30, 1088 (2009).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.music_columns import CLINICAL, ECG
from cardiofusion.datasets.recordings import read_index
from cardiofusion.datasets.sources import (
    DAYS_A_YEAR,
    Source,
    codes_only,
    encode_sources,
    numbers,
    survival,
    times_words,
)
from cardiofusion.datasets.table import Table, nearest
from cardiofusion.records import Cohort, DatasetError, Task

INDEX = "subject-info.csv"
PATIENT = "Patient ID"
DAYS = "Follow-up period from enrollment (days)"
EXIT = "Exit of the study"
CAUSE = "Cause of death"
EXITS = (0, 1, 2, 3)  # survivor (or empty), lost, transplanted, died
DIED = 3
CAUSES: Mapping[str, tuple[int, ...]] = {
    "death": (1, 3, 6, 7),
    "cardiac_death": (3, 6, 7),
    "sudden_cardiac_death": (3,),
    "pump_failure_death": (6, 7),
}
Group = Literal["clinical", "ecg", "all"]
GROUPS: Mapping[str, tuple[Source, ...]] = {"clinical": CLINICAL, "ecg": ECG, "all": (*CLINICAL, *ECG)}
_HINT = "give the folder of MUSIC with subject-info.csv as on PhysioNet, ';' between the cells"


def _task(name: str, question: str) -> Task:
    words = name.replace("_", " ")
    return Task(name, (words,), "survival", modalities=("row",), question=question, horizon=4.0)


TASKS = (
    _task("death", "Will this patient with chronic heart failure die within four years?"),
    _task("cardiac_death", "Will this patient die suddenly or of pump failure within four years?"),
    _task("sudden_cardiac_death", "Will this patient die suddenly within four years?"),
    _task("pump_failure_death", "Will this patient die of pump failure within four years?"),
)


def load_music(folder: Path | str, columns: Group = "all") -> Cohort:
    """The 695 patients, one row each, with four survival tasks (TASKS; the publisher too looks at 4 years).

    columns: "clinical" (history, blood, chest X-ray, echo, drugs), "ecg" (12-lead and Holter) or "all".
    Each task's event is a death of its causes; a death of another cause, a transplantation and a loss to
    follow-up end the observation (censored). So a risk of one cause, read off a survival curve, is one in a
    world without the others: use a cumulative incidence where that matters.

    Raises DatasetError where the file is missing, a cell cannot be read, or exit and cause of death disagree;
    and for an unknown group of columns.
    """
    if columns not in GROUPS:
        raise DatasetError("dataset.columns", f"no columns {columns!r}", nearest(columns, tuple(GROUPS)))
    index = _ascii_headings(read_index(Path(folder), INDEX, _HINT))
    outcomes = _outcomes(index)
    table, notes = encode_sources(index, GROUPS[columns], _HINT)
    return Cohort(
        name="music",
        patient_ids=np.array(_patients(index)),
        table=table,
        tasks=TASKS,
        outcomes=outcomes,
        provenance={
            "name": "MUSIC (Sudden Cardiac Death in Chronic Heart Failure)",
            "version": "1.0.0",
            "licence": "as on PhysioNet (open access); see its page",
            "citation": "Martin-Yebra, Martinez, Laguna. MUSIC (Sudden Cardiac Death in Chronic Heart "
            "Failure). PhysioNet (2024)",
            "source": "PhysioNet, doi:10.13026/cec2-9w70",
            "n": f"{len(index)} patients, {len(table.schema)} columns ({columns})",
            "dates": "enrolled 2003 to 2004, followed to November 2008",
            **{name: times_words(outcome) for name, outcome in outcomes.items()},
            "censored": "deaths of other causes, transplantations, losses and the end of the study",
            "selection": "outpatients of eight heart failure clinics in Spain; the study enrolled 992",
            **notes,
        },
    )


def _ascii_headings(table: Table) -> Table:
    """Headings as one release writes them, which has lost the Greek letter of "umol/L"."""
    return Table(table.name, {h.encode("ascii", "replace").decode(): c for h, c in table.columns.items()})


def _patients(index: Table) -> tuple[str, ...]:
    patients = index[PATIENT]
    if len(set(patients)) < len(patients):
        raise DatasetError("dataset.patient", f"{INDEX} lists a patient twice", _HINT)
    return patients


def _outcomes(index: Table) -> dict[str, NDArray[np.float32]]:
    years = numbers(index, DAYS, _HINT) / DAYS_A_YEAR
    left, cause = np.nan_to_num(numbers(index, EXIT, _HINT)), np.nan_to_num(numbers(index, CAUSE, _HINT))
    codes_only(left, EXITS, f"{EXIT} in {INDEX}", _HINT)
    codes_only(cause, (0, *CAUSES["death"]), f"{CAUSE} in {INDEX}", _HINT)
    contrary = np.flatnonzero((left == DIED) != (cause > 0))
    if len(contrary):
        raise DatasetError(
            "dataset.cell",
            f"{INDEX}, row {contrary[0] + 1}: exit and cause of death contradict each other",
            _HINT,
        )
    return {name: survival(years, np.isin(cause, causes)) for name, causes in CAUSES.items()}
