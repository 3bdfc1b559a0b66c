"""NHANES I (1971-75) with mortality to 1992: 9,932 adults of the United States, and when they died.

The two files of the SHAP package, made from the public tapes of the survey and of its Epidemiologic Followup
Study by Lundberg et al., Nature Machine Intelligence 2, 56 (2020).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.recordings import read_index
from cardiofusion.datasets.sources import (
    Source,
    category,
    encode_sources,
    number,
    numbers,
    survival,
    times_words,
)
from cardiofusion.datasets.table import Table
from cardiofusion.records import Cohort, DatasetError, Task

FEATURES = "NHANESI_subset_X.csv"
YEARS = "NHANESI_subset_y.csv"
_ROW = ""  # the heading of the row number in both files
_HINT = "give the folder with both files as the SHAP package distributes them, ',' between the cells"

SOURCES = (
    Source("Age", number("age", "years", 18, 90, "at the examination", missing=False)),
    Source("Diastolic BP", number("diastolic", "mmHg", 20, 180, "blood pressure")),
    Source(
        "Poverty index",
        number(
            "poverty_index", "%", 0, 998, "income as a share of the poverty line; 998 stands for all above"
        ),
        unknown=(999.0,),  # 390 people who are like the average, while 998 continues the richest
    ),
    Source("Race", category("race", {"1": "white", "2": "black", "3": "other"}, missing=False)),
    Source(
        "Red blood cells",  # written with one decimal too few: 45.0 is 4.50 million
        number("red_blood_cells", "10^6/uL", 1, 9),
        unknown=(77.7, 88.8),  # the tape's 777 "unacceptable" and 888 "blank but applicable"
        factor=0.1,
    ),
    Source("Sedimentation rate", number("sedimentation_rate", "mm/h", 0, 150)),
    Source("Serum Albumin", number("albumin", "g/dL", 1, 7)),
    Source("Serum Cholesterol", number("cholesterol", "mg/dL", 40, 1000)),
    Source("Serum Iron", number("iron", "ug/dL", 5, 500)),
    Source("Serum Magnesium", number("magnesium", "mEq/L", 0.4, 4)),
    Source("Serum Protein", number("protein", "g/dL", 3, 13)),
    Source("Sex", category("sex", {"2": "female", "1": "male"}, missing=False)),
    Source("Systolic BP", number("systolic", "mmHg", 60, 280, "blood pressure")),
    Source("TIBC", number("iron_binding_capacity", "ug/dL", 80, 900)),
    Source("TS", number("transferrin_saturation", "%", 0, 100, "iron over binding capacity")),
    Source("White blood cells", number("white_blood_cells", "10^3/uL", 0.5, 80)),
    Source("BMI", number("bmi", "kg/m2", 10, 90)),
    Source("Pulse pressure", number("pulse_pressure", "mmHg", 5, 200, "systolic less diastolic")),
)
MORTALITY = Task(
    "mortality",
    ("death",),
    "survival",
    modalities=("row",),
    question="Will this person die, of whatever cause, within ten years of the examination?",
    horizon=10.0,
)


def load_nhanes1(folder: Path | str) -> Cohort:
    """The 9,932 people of both files, one row each, with a survival task `mortality`.

    The file writes y > 0 where someone died after y years and y < 0 where someone was alive after -y years.
    y = 0 (written -0.0) is of 382 people who were never traced again: their outcome is not known.

    Raises DatasetError where a file is missing, the files do not list the same people, or a cell cannot be
    read.
    """
    features = read_index(Path(folder), FEATURES, _HINT)
    years = read_index(Path(folder), YEARS, _HINT)
    _check_same_people(features, years)
    table, notes = encode_sources(features, SOURCES, _HINT)
    outcome = _outcome(years)
    return Cohort(
        name="nhanes1",
        patient_ids=np.array(features[_ROW]),
        table=table,
        tasks=(MORTALITY,),
        outcomes={MORTALITY.name: outcome},
        provenance={
            "name": "NHANES I with mortality",
            "version": "subset of the SHAP package",
            "licence": "public domain (United States government)",
            "citation": "National Center for Health Statistics. NHANES I Epidemiologic Followup Study",
            "source": "SHAP package, datasets.nhanesi; tapes of the NCHS",
            "n": f"{len(features)} people",
            "dates": "examined 1971 to 1975, followed to 1992",
            "mortality": f"{times_words(outcome)} (never traced: y = 0)",
            "sampling": "oversamples women of childbearing age, the old and the poor; no survey weights here",
            **notes,
        },
    )


def _check_same_people(features: Table, years: Table) -> None:
    if features[_ROW] != years[_ROW]:
        raise DatasetError("dataset.rows", f"{FEATURES} and {YEARS} do not list the same rows", _HINT)
    if len(set(features[_ROW])) < len(features):
        raise DatasetError("dataset.patient", f"{FEATURES} lists a row number twice", _HINT)


def _outcome(years: Table) -> NDArray[np.float32]:
    signed = numbers(years, "y", _HINT)
    if np.isnan(signed).any():
        row = int(np.flatnonzero(np.isnan(signed))[0])
        raise DatasetError("dataset.gap", f"{YEARS}, row {row + 1}: y is missing", _HINT)
    return survival(np.abs(signed), signed > 0)
