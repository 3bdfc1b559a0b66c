"""PTB-XL 1.0.3 (Wagner et al., Scientific Data 2020): 12-lead ECGs of 10 s with diagnostic statements."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.encoding import encode_table, whole_text
from cardiofusion.datasets.recordings import read_index, recording_sources
from cardiofusion.datasets.table import Table, is_missing
from cardiofusion.records import ClinicalTable, Cohort, Column, DatasetError, Task

INDEX = "ptbxl_database.csv"
STATEMENTS = "scp_statements.csv"
SUPERCLASSES = ("NORM", "MI", "STTC", "CD", "HYP")
OLDEST_AGE = 90
MAX_CODES_LENGTH = 10_000
_HINT = "give the folder of PTB-XL as published on PhysioNet, with both its CSV files"

COLUMNS = (
    Column(
        "age", unit="years", low=0, high=120, description="90 stands for every age over 89 (300 in the file)"
    ),
    Column(
        "sex",
        kind="category",
        categories=("female", "male"),
        codes={"0": "male", "1": "female"},
        may_be_missing=False,
    ),
    Column("height", unit="cm", low=40, high=230),
    Column("weight", unit="kg", low=2, high=300),
)
SUPERCLASS = Task(
    "superclass",
    SUPERCLASSES,
    "multi_label",
    question="Which of the five diagnostic superclasses did the cardiologist's statements name?",
)


def load_ptbxl(folder: Path | str) -> Cohort:
    """PTB-XL, or any part of it that has the same two CSV files, one row a recording.

    recordings: 500 Hz files, the 100 Hz ones where `records500` is absent. Outcome `superclass`: a label is
    present where any statement of its diagnostic class stands in `scp_codes`, whatever its likelihood
    (as the publisher's example does); a recording without a diagnostic statement has all five absent.
    A file that is missing stays in the cohort, and raises RecordingError when read.

    Raises DatasetError where an index file is missing or a row cannot be understood.
    """
    folder = Path(folder)
    index = read_index(folder, INDEX, _HINT)
    classes = _diagnostic_classes(read_index(folder, STATEMENTS, _HINT))
    table, notes = _clinical(index)
    outcome = _superclasses(index, classes)
    patients = tuple(map(whole_text, index["patient_id"]))
    records = tuple(map(whole_text, index["ecg_id"]))
    which = "filename_hr" if (folder / "records500").is_dir() else "filename_lr"
    paths = [folder / name for name in index[which]]
    dates = sorted(date[:10] for date in index["recording_date"] if not is_missing(date))
    unnamed = int((outcome.sum(axis=1) == 0).sum())
    return Cohort(
        name="ptb-xl",
        patient_ids=np.array(patients),
        recordings=recording_sources(paths, records, patients, table),
        table=table,
        tasks=(SUPERCLASS,),
        outcomes={SUPERCLASS.name: outcome},
        fold=_folds(index),
        provenance={
            "name": "PTB-XL",
            "version": "1.0.3",
            "licence": "CC BY 4.0",
            "citation": "Wagner et al. PTB-XL, a large publicly available electrocardiography dataset. "
            "Sci Data 7, 154 (2020)",
            "source": "PhysioNet, doi:10.13026/kfzx-aw45",
            "n": f"{len(index)} recordings of {len(set(patients))} patients",
            "dates": f"recorded {dates[0]} to {dates[-1]}" if dates else "not known",
            "signals": "500 Hz" if which == "filename_hr" else "100 Hz",
            "superclass": f"any likelihood; {unnamed} recordings without a diagnostic statement",
            **notes,
        },
    )


def _clinical(index: Table) -> tuple[ClinicalTable, dict[str, str]]:
    cells: dict[str, Sequence[str]] = {column.name: index[column.name] for column in COLUMNS}
    cells["age"] = [_capped(age) for age in cells["age"]]
    return encode_table([(column, cells[column.name]) for column in COLUMNS], index.name)


def _capped(age: str) -> str:
    try:
        return str(min(float(age), OLDEST_AGE)) if age else age
    except ValueError:
        return age


def _diagnostic_classes(statements: Table) -> dict[str, str]:
    """Statement -> diagnostic class, of the diagnostic statements only."""
    rows = zip(statements[""], statements["diagnostic"], statements["diagnostic_class"], strict=True)
    return {code: name for code, diagnostic, name in rows if diagnostic and name in SUPERCLASSES}


def _superclasses(index: Table, classes: dict[str, str]) -> NDArray[np.float32]:
    """float32 [recording, superclass]: 1 where a statement of that class is given."""
    outcome = np.zeros((len(index), len(SUPERCLASSES)), dtype=np.float32)
    for row, text in enumerate(index["scp_codes"]):
        for code in _codes(text, row):
            if code in classes:
                outcome[row, SUPERCLASSES.index(classes[code])] = 1.0
    return outcome


def _codes(text: str, row: int) -> dict[str, float]:
    """The statements of one recording; the file writes them as a Python dict."""
    try:
        codes = ast.literal_eval(text) if len(text) <= MAX_CODES_LENGTH else None
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        codes = None
    if not isinstance(codes, dict):
        raise DatasetError(
            "dataset.cell",
            f"{INDEX}, row {row + 1}: scp_codes is no list of statements: {text[:40]!r}",
            "download the file again; a spreadsheet may have changed it",
        )
    return codes


def _folds(index: Table) -> NDArray[np.int64]:
    try:
        return np.array([int(whole_text(fold)) for fold in index["strat_fold"]], dtype=np.int64)
    except ValueError as error:
        raise DatasetError("dataset.cell", f"{INDEX}: a strat_fold is no whole number", _HINT) from error
