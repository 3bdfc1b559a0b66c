"""A user's outcome columns -> a task and its float32 outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.encoding import whole_text
from cardiofusion.datasets.table import Table, is_missing
from cardiofusion.records import Alignment, DatasetError, Modality, Task

PRESENT_WORDS = ("1", "true", "yes", "y", "present", "positive")
ABSENT_WORDS = ("0", "false", "no", "n", "absent", "negative")


@dataclass(frozen=True)
class TaskSpec:
    """A task and the columns its outcomes stand in.

    binary: two labels, the absent one first, and one column. multi_label: one column a label, in order.
    present, absent: the cells that say so, compared without case; any other filled cell is an error.
    """

    kind: Literal["binary", "multi_label"]
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    present: tuple[str, ...] = PRESENT_WORDS
    absent: tuple[str, ...] = ABSENT_WORDS
    modalities: tuple[Modality, ...] = ("ecg", "row")
    alignment: Alignment = "matched"
    question: str = ""

    def task(self, name: str) -> Task:
        """The task under its name. Raises DatasetError where kind, labels and columns do not agree."""
        problem = self._problem()
        if problem:
            raise DatasetError("dataset.task", f"task {name!r}: {problem}", "correct the task's entry")
        return Task(name, self.labels, self.kind, self.modalities, self.alignment, self.question)

    def _problem(self) -> str | None:
        if self.kind not in ("binary", "multi_label"):
            return f"kind {self.kind!r} is not 'binary' or 'multi_label'"
        if len(set(self.labels)) != len(self.labels):
            return "a label stands twice"
        if self.kind == "binary" and (len(self.labels), len(self.columns)) != (2, 1):
            return "a binary task has two labels, the absent one first, and one column"
        if self.kind == "multi_label" and len(self.labels) != len(self.columns):
            return f"{len(self.labels)} labels but {len(self.columns)} columns; it needs one column a label"
        both = _folded(self.present) & _folded(self.absent)
        return f"{min(both)!r} cannot say both present and absent" if both else None


def read_outcomes(table: Table, name: str, spec: TaskSpec) -> NDArray[np.float32]:
    """float32 [row, target]: 1 present, 0 absent, NaN where the cell is empty.

    Raises DatasetError for a cell that says neither ("dataset.outcome"), or where every row says the same.
    """
    spec.task(name)
    return np.column_stack([_target(table, heading, spec) for heading in spec.columns])


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
    if len(np.unique(values[~np.isnan(values)])) < 2:
        raise DatasetError(
            "dataset.outcome",
            f"{table.name}: {heading} does not have both outcomes",
            "a task needs patients with and without the outcome",
        )
    return values


def _folded(words: Sequence[str]) -> set[str]:
    return {word.strip().casefold() for word in words}
