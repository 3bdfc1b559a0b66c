"""A user's outcome columns -> a task and its float32 outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.encoding import whole_text
from cardiofusion.datasets.table import Table, is_missing
from cardiofusion.records import (
    Alignment,
    DatasetError,
    Modality,
    Task,
    TaskKind,
    conversion_factor,
    split_quantity,
)

PRESENT_WORDS = ("1", "true", "yes", "y", "present", "positive")
ABSENT_WORDS = ("0", "false", "no", "n", "absent", "negative")
TIME_UNITS = ("years", "months", "days")


@dataclass(frozen=True)
class TaskSpec:
    """A task and the columns its outcomes stand in.

    binary: two labels, the absent one first, and one column. multi_label: one column a label, in order.
    survival: one label, the columns of the time observed (in `time_unit`) and of the event, and a horizon.
    present, absent: the cells that say so, compared without case; any other filled cell is an error.
    """

    kind: TaskKind
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    present: tuple[str, ...] = PRESENT_WORDS
    absent: tuple[str, ...] = ABSENT_WORDS
    modalities: tuple[Modality, ...] = ("ecg", "row")
    alignment: Alignment = "matched"
    question: str = ""
    horizon: float | None = None
    time_unit: str = "years"

    def task(self, name: str) -> Task:
        """The task under its name. Raises DatasetError where kind, labels and columns do not agree."""
        problem = self._problem()
        if problem:
            raise DatasetError("dataset.task", f"task {name!r}: {problem}", "correct the task's entry")
        return Task(
            name, self.labels, self.kind, self.modalities, self.alignment, self.question, self.horizon
        )

    def _problem(self) -> str | None:
        if self.kind not in ("binary", "multi_label", "survival"):
            return f"kind {self.kind!r} is not 'binary', 'multi_label' or 'survival'"
        if len(set(self.labels)) != len(self.labels):
            return "a label stands twice"
        if self.kind == "binary" and (len(self.labels), len(self.columns)) != (2, 1):
            return "a binary task has two labels, the absent one first, and one column"
        if self.kind == "survival" and (len(self.labels), len(self.columns)) != (1, 2):
            return "a survival task has one label and two columns, of the time and of the event"
        if self.kind == "survival" and not self.horizon:
            return "a survival task needs a horizon"
        if self.time_unit not in TIME_UNITS:
            return f"a time is in {', '.join(TIME_UNITS)}, not in {self.time_unit!r}"
        if self.kind == "multi_label" and len(self.labels) != len(self.columns):
            return f"{len(self.labels)} labels but {len(self.columns)} columns; it needs one column a label"
        both = _folded(self.present) & _folded(self.absent)
        return f"{min(both)!r} cannot say both present and absent" if both else None


def read_outcomes(table: Table, name: str, spec: TaskSpec) -> NDArray[np.float32]:
    """float32 [row, target]: 1 present, 0 absent, NaN where the cell is empty.

    Of a survival task [row, 2]: years, and whether the event came then; NaN in both where either is empty.
    Raises DatasetError for a cell that says neither ("dataset.outcome"), or where every row says the same.
    """
    spec.task(name)
    if spec.kind == "survival":
        return _times(table, spec)
    targets = [_target(table, heading, spec) for heading in spec.columns]
    for heading, values in zip(spec.columns, targets, strict=True):
        _check_both(table, heading, values)
    return np.column_stack(targets)


def _times(table: Table, spec: TaskSpec) -> NDArray[np.float32]:
    time, event = spec.columns
    years = np.array([_years(table, time, row, spec.time_unit) for row in range(len(table))], np.float32)
    found = np.column_stack([years, _target(table, event, spec)])
    found[np.isnan(found).any(axis=1)] = np.nan
    if not (found[:, 1] == 1).any():
        _one_outcome(table, event, "never says that the event came")
    return found


def _years(table: Table, heading: str, row: int, unit: str) -> float:
    """A time above 0, NaN where the cell is empty. Raises DatasetError for anything else."""
    cell = table[heading][row].strip()
    if is_missing(cell):
        return float("nan")
    value, given = split_quantity(cell) or (0.0, "")
    factor = conversion_factor(given or unit, "years")
    if factor is None or not 0.0 < value < float("inf"):
        raise DatasetError(
            "dataset.outcome",
            f"{table.name}, row {row + 1}: {heading} is {cell!r}, which is no time",
            "a number above 0: who was not observed at all tells nothing, leave the cell empty",
        )
    return value * factor


def _target(table: Table, heading: str, spec: TaskSpec) -> NDArray[np.float32]:
    meaning = {**dict.fromkeys(_folded(spec.absent), 0.0), **dict.fromkeys(_folded(spec.present), 1.0)}
    values = np.full(len(table), np.nan, dtype=np.float32)
    for row, cell in enumerate(table[heading]):
        text = whole_text(cell).casefold()
        if text in meaning:
            values[row] = meaning[text]
        elif not is_missing(text):
            raise DatasetError(
                "dataset.outcome",
                f"{table.name}, row {row + 1}: {heading} is {cell.strip()!r}, neither present nor absent",
                f"present: {', '.join(spec.present)}; absent: {', '.join(spec.absent)}",
            )
    return values


def _check_both(table: Table, heading: str, values: NDArray[np.float32]) -> None:
    if len(np.unique(values[~np.isnan(values)])) < 2:
        _one_outcome(table, heading, "does not have both outcomes")


def _one_outcome(table: Table, heading: str, what: str) -> NoReturn:
    raise DatasetError(
        "dataset.outcome",
        f"{table.name}: {heading} {what}",
        "a task needs patients with and without the outcome",
    )


def _folded(words: Sequence[str]) -> set[str]:
    return {word.strip().casefold() for word in words}
