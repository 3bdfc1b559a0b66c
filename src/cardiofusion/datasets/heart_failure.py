"""Heart Failure Clinical Records: 299 patients of two hospitals in Faisalabad, 2015, and who died.

Chicco & Jurman, BMC Medical Informatics and Decision Making 20, 16 (2020).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.recordings import read_index
from cardiofusion.datasets.sources import (
    DAYS_A_YEAR,
    Source,
    category,
    codes_only,
    encode_sources,
    number,
    numbers,
    survival,
    times_words,
)
from cardiofusion.datasets.table import Table
from cardiofusion.records import Cohort, Column, Task

INDEX = "heart_failure_clinical_records_dataset.csv"
UNREADABLE = 0.05  # share of a column's cells: copies of the file hold some like "196000++++"
_HINT = "give the folder with the file as UCI distributes it, ',' between the cells"


def _yes_no(name: str, description: str = "") -> Column:
    codes = {"0": "no", "1": "yes", "no": "no", "yes": "yes"}
    return category(name, codes, description)


# The two codes for "not known" are the column's mean, with which the publishers filled gaps: 582 U/L stands
# in 47 rows, 263358.03 platelets in 24.
SOURCES = (
    Source("age", number("age", "years", 18, 110)),
    Source("anaemia", _yes_no("anaemia")),
    Source("creatinine_phosphokinase", number("creatine_kinase", "U/L", 5, 20_000), (582.0,)),
    Source("diabetes", _yes_no("diabetes")),
    Source("ejection_fraction", number("lvef", "%", 5, 90, "left ventricular ejection fraction")),
    Source("high_blood_pressure", _yes_no("hypertension")),
    Source("platelets", number("platelets", "/uL", 5_000, 1_500_000), (263358.03,)),
    Source("serum_creatinine", number("creatinine", "mg/dL", 0.2, 20)),
    Source("serum_sodium", number("sodium", "mmol/L", 100, 180)),
    Source("sex", category("sex", {"0": "female", "1": "male"})),
    Source("smoking", _yes_no("smoking")),
)
DEATH = Task(
    "death",
    ("death",),
    "survival",
    modalities=("row",),
    question="Will this patient with heart failure die within half a year?",
    horizon=0.5,  # the follow-up ends after 285 days
)


def load_heart_failure(folder: Path | str) -> Cohort:
    """The 299 patients with a survival task `death`.

    `time` is how long a patient was observed: part of the outcome, and no feature (many published models
    use it as one). Cells that make no sense, up to 5 % of a column, become missing and are counted; a patient
    whose `time` is such a cell has an unknown outcome. A gap filled with the column's mean is one again.

    Raises DatasetError where the file is missing, or a column holds more such cells.
    """
    index = read_index(Path(folder), INDEX, _HINT)
    table, notes = encode_sources(index, SOURCES, _HINT, UNREADABLE)
    outcome = _outcome(index)
    return Cohort(
        name="heart-failure",
        patient_ids=np.array([f"row-{row + 1}" for row in range(len(index))]),
        table=table,
        tasks=(DEATH,),
        outcomes={DEATH.name: outcome},
        provenance={
            "name": "Heart Failure Clinical Records",
            "version": "2020",
            "licence": "CC BY 4.0",
            "citation": "Chicco, Jurman. Machine learning can predict survival of patients with heart "
            "failure from serum creatinine and ejection fraction alone. BMC Med Inform Decis Mak (2020)",
            "source": "UCI Machine Learning Repository, doi:10.24432/C5Z89R",
            "n": f"{len(index)} patients",
            "dates": "April to December 2015, followed up to 285 days",
            "death": times_words(outcome),
            "order": "rows stand in the order of `time`: never split them by position",
            **notes,
        },
    )


def _outcome(index: Table) -> NDArray[np.float32]:
    days = numbers(index, "time", _HINT, UNREADABLE)
    died = numbers(index, "DEATH_EVENT", _HINT)
    codes_only(died, (0, 1), f"DEATH_EVENT in {INDEX}", _HINT)
    return survival(days / DAYS_A_YEAR, died == 1)
