"""The ECG files of a table's rows, with what the row says about the patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cardiofusion.datasets.table import Table, read_table
from cardiofusion.readers import RecordingFile
from cardiofusion.records import ClinicalTable, DatasetError, Recording, RecordingError, RecordingSource, Sex


@dataclass(frozen=True)
class AbsentRecording:
    """The RecordingSource of a row without an ECG."""

    record_id: str

    def read(self) -> Recording:
        """Always raises RecordingError."""
        raise RecordingError(
            "recording.absent", f"{self.record_id} has no ECG", "the table names no file for this row"
        )


def recording_sources(
    paths: Sequence[Path | None],
    record_ids: Sequence[str],
    patient_ids: Sequence[str | None],
    table: ClinicalTable | None,
) -> tuple[RecordingSource, ...]:
    """One source a row; age and sex come from the table's columns of that name. Nothing is read yet."""
    ages, sexes = _ages(table, len(paths)), _sexes(table, len(paths))
    return tuple(
        AbsentRecording(record_id)
        if path is None
        else RecordingFile(path, patient_id=patient, age=age, sex=sex, record_id=record_id)
        for path, record_id, patient, age, sex in zip(
            paths, record_ids, patient_ids, ages, sexes, strict=True
        )
    )


def read_index(folder: Path, name: str, publisher_hint: str) -> Table:
    """The table that lists a published data set. Raises DatasetError naming the file looked for."""
    if not folder.is_dir():
        raise DatasetError("dataset.missing", f"no folder {folder.name!r}", "check the path of the data set")
    if not (folder / name).is_file():
        raise DatasetError("dataset.index", f"no {name} in {folder.name!r}", publisher_hint)
    return read_table(folder / name)


def _ages(table: ClinicalTable | None, n: int) -> list[float | None]:
    if table is None or "age" not in table.schema.names:
        return [None] * n
    values = table.values[:, table.schema.names.index("age")]
    return [None if np.isnan(value) else float(value) for value in values]


def _sexes(table: ClinicalTable | None, n: int) -> list[Sex | None]:
    if table is None or "sex" not in table.schema.names:
        return [None] * n
    position = table.schema.names.index("sex")
    column = table.schema.columns[position]
    names: dict[object, Sex] = {"female": "female", "male": "male"}
    return [names.get(column.show(float(value))) for value in table.values[:, position]]
