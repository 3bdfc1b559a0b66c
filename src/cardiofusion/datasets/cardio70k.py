"""The "Cardiovascular Disease dataset" of Kaggle: 70,000 clinical rows with one binary outcome.

Its licence is unknown: it is read where it lies and never redistributed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.recordings import read_index
from cardiofusion.datasets.table import Table
from cardiofusion.records import (
    ClinicalSchema,
    ClinicalTable,
    Cohort,
    Column,
    DatasetError,
    Task,
    merge_duplicates,
)

INDEX = "cardio_train.csv"
OUTCOME = "cardio"
DAYS_A_YEAR = 365.25
_LEVELS = ("normal", "above normal", "well above normal")
_LEVEL_CODES = {"1": "normal", "2": "above normal", "3": "well above normal"}
_HINT = "give the folder with the file as Kaggle distributes it, ';' between the cells"


def _level(name: str, description: str) -> Column:
    return Column(
        name,
        kind="category",
        categories=_LEVELS,
        codes=_LEVEL_CODES,
        ordered=True,
        may_be_missing=False,
        description=description,
    )


def _yes_no(name: str, description: str) -> Column:
    return Column(
        name,
        kind="category",
        categories=("no", "yes"),
        codes={"0": "no", "1": "yes"},
        may_be_missing=False,
        description=description,
    )


# heading in the file -> (column, factor and offset from the file's number to the encoded one)
_SOURCES: dict[str, tuple[Column, float, float]] = {
    "age": (Column("age", unit="years", low=0, high=110, may_be_missing=False), 1.0 / DAYS_A_YEAR, 0.0),
    "gender": (
        Column(
            "sex",
            kind="category",
            categories=("female", "male"),
            codes={"1": "female", "2": "male"},
            may_be_missing=False,
        ),
        1.0,
        -1.0,
    ),
    "height": (Column("height", unit="cm", low=120, high=220), 1.0, 0.0),
    "weight": (Column("weight", unit="kg", low=30, high=250), 1.0, 0.0),
    "ap_hi": (Column("systolic", unit="mmHg", low=60, high=260, description="blood pressure"), 1.0, 0.0),
    "ap_lo": (Column("diastolic", unit="mmHg", low=30, high=160, description="blood pressure"), 1.0, 0.0),
    "cholesterol": (_level("cholesterol", "total cholesterol in three classes"), 1.0, -1.0),
    "gluc": (_level("glucose", "blood glucose in three classes"), 1.0, -1.0),
    "smoke": (_yes_no("smoking", "smokes, by the patient's own account"), 1.0, 0.0),
    "alco": (_yes_no("alcohol", "drinks alcohol, by the patient's own account"), 1.0, 0.0),
    "active": (_yes_no("active", "physically active, by the patient's own account"), 1.0, 0.0),
}
COLUMNS = tuple(column for column, _, _ in _SOURCES.values())
CARDIO = Task(
    OUTCOME,
    ("no cardiovascular disease", "cardiovascular disease"),
    "binary",
    question="Was cardiovascular disease found at this examination?",
)


def load_cardio70k(folder: Path | str) -> Cohort:
    """The 70,000 rows as the file has them, in the schema's units; impossible values are kept.

    `tabular.repair` mends those. The four columns it may have to empty are declared as ones that may be
    missing. Rows whose features are all equal share one patient id, whatever their outcome says, so
    that no duplicate stands on two sides of a split.

    Raises DatasetError where the file is missing or a cell is no number.
    """
    index = read_index(Path(folder), INDEX, _HINT)
    raw = {heading: _numbers(index, heading) for heading in (*_SOURCES, OUTCOME)}
    encoded = [raw[heading] * factor + offset for heading, (_, factor, offset) in _SOURCES.items()]
    _check_codes(raw)
    features = np.column_stack([raw[heading] for heading in _SOURCES])
    patients = merge_duplicates(np.array(index["id"]), [row.tobytes().hex() for row in features])
    merged = len(index) - len(set(patients.tolist()))
    return Cohort(
        name="cardio70k",
        patient_ids=patients,
        table=ClinicalTable(ClinicalSchema(COLUMNS), np.column_stack(encoded)),
        tasks=(CARDIO,),
        outcomes={OUTCOME: raw[OUTCOME][:, None].astype(np.float32)},
        provenance={
            "name": "Cardiovascular Disease dataset (cardio70k)",
            "version": "as on Kaggle, 2019",
            "licence": "unknown; do not redistribute",
            "citation": "Ulianova S. Cardiovascular Disease dataset. Kaggle (2019)",
            "source": "Kaggle, sulianova/cardiovascular-disease-dataset",
            "n": f"{len(index)} rows, {len(index) - merged} patients",
            "dates": "not known",
            "duplicates": f"{merged} rows repeat the features of another and share its patient id",
        },
    )


def _numbers(index: Table, heading: str) -> NDArray[np.float64]:
    cells = index[heading]
    try:
        return np.array(cells, dtype=np.float64)
    except ValueError:
        row = next(row for row, cell in enumerate(cells) if not _is_number(cell))
        raise DatasetError(
            "dataset.cell", f"{INDEX}, row {row + 1}: {heading} is {cells[row]!r}, not a number", _HINT
        ) from None


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _check_codes(raw: dict[str, NDArray[np.float64]]) -> None:
    """A code the file's description does not have would become a category that does not exist."""
    allowed = {heading: tuple(map(float, c.codes)) for heading, (c, _, _) in _SOURCES.items() if c.codes}
    for heading, codes in {**allowed, OUTCOME: (0.0, 1.0)}.items():
        strange = np.flatnonzero(~np.isin(raw[heading], codes))
        if len(strange):
            raise DatasetError(
                "dataset.cell",
                f"{INDEX}, row {strange[0] + 1}: {heading} cannot be {raw[heading][strange[0]]:g}",
                _HINT,
            )
