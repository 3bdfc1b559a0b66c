"""A cohort of one's own: a table (CSV or Parquet), a folder of ECGs, and a spec that names the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.encoding import encode_table, whole_text
from cardiofusion.datasets.files import files_there
from cardiofusion.datasets.outcomes import TaskSpec, read_outcomes
from cardiofusion.datasets.recordings import recording_sources
from cardiofusion.datasets.table import Table, is_missing, read_table
from cardiofusion.records import ClinicalTable, Cohort, Column, DatasetError, RecordingSource

__all__ = ["ColumnSpec", "FolderSpec", "TaskSpec", "load_folder"]


@dataclass(frozen=True)
class ColumnSpec:
    """A clinical column and the heading it stands under in the table ("": the column's own name)."""

    column: Column
    source: str = ""

    @property
    def heading(self) -> str:
        return self.source or self.column.name


@dataclass(frozen=True)
class FolderSpec:
    """How a user's table becomes a cohort.

    table: CSV or Parquet. patient: heading of the patient's id. ecg: heading of the ECG file's name, relative
    to `ecg_folder` (else the table's folder), with or without its extension. fold: heading of a fold number
    that the splits shall follow. provenance: licence, dates and whatever else is to be told.
    """

    table: Path
    patient: str
    columns: Mapping[str, ColumnSpec] = field(default_factory=dict)
    tasks: Mapping[str, TaskSpec] = field(default_factory=dict)
    ecg: str | None = None
    ecg_folder: Path | None = None
    fold: str | None = None
    name: str = ""
    provenance: Mapping[str, str] = field(default_factory=dict)


def load_folder(spec: FolderSpec) -> Cohort:
    """The cohort a spec describes, one row a table row.

    Values outside their plausible range, and cells that cannot be read in columns that may be missing,
    become missing and are counted in `provenance`. Rows without an ECG, or whose file is not there, stay:
    their recording raises RecordingError when read.

    Raises DatasetError: a table or column that is not there (with the nearest names), a patient, fold or
    outcome that cannot be read (with row and column), or not one of the ECG files in its folder.
    """
    table = read_table(Path(spec.table))
    patients = _patients(table, spec.patient)
    rows, notes = _clinical(table, spec)
    recordings, ecg_notes = _recordings(table, spec, patients, rows)
    outcomes = {name: read_outcomes(table, name, task) for name, task in spec.tasks.items()}
    name = spec.name or Path(spec.table).stem
    return Cohort(
        name=name,
        patient_ids=np.array(patients),
        recordings=recordings,
        table=rows,
        tasks=tuple(task.task(name) for name, task in spec.tasks.items()),
        outcomes=outcomes,
        fold=_folds(table, spec.fold),
        provenance={
            "name": name,
            "source": table.name,
            "n": f"{len(table)} rows of {len(set(patients))} patients",
            **notes,
            **ecg_notes,
            **spec.provenance,
        },
    )


def _patients(table: Table, heading: str) -> list[str]:
    patients = [whole_text(cell) for cell in table[heading]]
    gap = next((row for row, patient in enumerate(patients) if is_missing(patient)), None)
    if gap is not None:
        raise DatasetError(
            "dataset.patient",
            f"{table.name}, row {gap + 1}: {heading} is missing",
            "every row needs a patient id: splits are by patient",
        )
    return patients


def _clinical(table: Table, spec: FolderSpec) -> tuple[ClinicalTable | None, dict[str, str]]:
    for name, column in spec.columns.items():
        if name != column.column.name:
            raise DatasetError(
                "dataset.column",
                f"column {column.column.name!r} is listed as {name!r}",
                "use one name for both",
            )
    if not spec.columns:
        return None, {}
    return encode_table([(c.column, table[c.heading]) for c in spec.columns.values()], table.name)


def _recordings(
    table: Table, spec: FolderSpec, patients: Sequence[str], rows: ClinicalTable | None
) -> tuple[tuple[RecordingSource, ...], dict[str, str]]:
    if spec.ecg is None:
        if spec.ecg_folder is not None:
            raise DatasetError(
                "dataset.ecg",
                f"ECGs in {Path(spec.ecg_folder).name!r}, but no column names a row's file",
                "name the column with the ECG file names (ecg)",
            )
        return (), {}
    folder = Path(spec.ecg_folder or Path(spec.table).parent)
    cells = [cell.strip() for cell in table[spec.ecg]]
    paths = [None if is_missing(cell) else folder / cell for cell in cells]
    notes = _missing_files(paths, folder, table.name)
    ids = [path.stem if path else f"row {row + 1}" for row, path in enumerate(paths)]
    return recording_sources(paths, ids, patients, rows), notes


def _missing_files(paths: Sequence[Path | None], folder: Path, table: str) -> dict[str, str]:
    if not folder.is_dir():
        raise DatasetError(
            "dataset.missing", f"no folder {folder.name!r}", "check the path of the ECG folder"
        )
    named = [path for path in paths if path is not None]
    absent = [path for path, there in zip(named, files_there(named), strict=True) if not there]
    if len(absent) == len(named):
        example = f" (the first is {absent[0].name!r})" if absent else ""
        raise DatasetError(
            "dataset.ecg",
            f"none of the {len(named)} ECG files {table} names is in {folder.name!r}{example}",
            "check the ECG folder and the column with the file names",
        )
    counts = {"rows without an ECG": len(paths) - len(named), "ECG files not found": len(absent)}
    return {what: f"{count} of {len(paths)}" for what, count in counts.items() if count}


def _folds(table: Table, heading: str | None) -> NDArray[np.int64] | None:
    if heading is None:
        return None
    cells = [whole_text(cell) for cell in table[heading]]
    strange = next((row for row, cell in enumerate(cells) if not cell.isdecimal()), None)
    if strange is not None:
        raise DatasetError(
            "dataset.fold",
            f"{table.name}, row {strange + 1}: fold {heading} is {cells[strange]!r}",
            "a fold is a whole number in every row",
        )
    return np.array(cells, dtype=np.int64)
