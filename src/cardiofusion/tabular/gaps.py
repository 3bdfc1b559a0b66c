"""What a missing value means to a trained booster, and what stands in for it.

A column that had no gaps in training makes LightGBM score a later NaN as 0 (an age of 0, a pressure of 0).
So such a column is imputed, in the open; only a column whose gaps the booster learnt from may stay empty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import BundleError, ClinicalTable, Column

# Fewer gaps than this teach nothing but chance.
MIN_GAPS = 20


@dataclass(frozen=True)
class MissingPolicy:
    """For each column: whether its gaps were learnt from, and else what stands in for one.

    columns: names in the model's order. learnt: True where a gap may stay. fill: the training median (of a
    number) or mode (of a category), NaN where there is none. shown: `fill` in words ("53 years", "normal").
    """

    columns: tuple[str, ...]
    learnt: tuple[bool, ...]
    fill: tuple[float, ...]
    shown: tuple[str, ...]

    @classmethod
    def fit(cls, table: ClinicalTable) -> MissingPolicy:
        """From the rows a booster learns from, and no others.

        Fewer than MIN_GAPS gaps count as none: they are imputed in training too. A column that is always
        missing stays so.
        """
        gaps = np.isnan(table.values).sum(axis=0)
        learnt = (gaps >= MIN_GAPS) | (gaps == len(table))
        fill = [_typical(cells, column) for cells, column in zip(table.values.T, table.schema, strict=True)]
        shown = [_words(value, column) for value, column in zip(fill, table.schema, strict=True)]
        return cls(table.schema.names, tuple(map(bool, learnt)), tuple(fill), tuple(shown))

    @classmethod
    def merged(cls, policies: Sequence[MissingPolicy]) -> MissingPolicy:
        """One policy for several boosters: a gap may stay only where every one of them learnt from gaps."""
        first = policies[0]
        learnt = tuple(all(column) for column in zip(*(p.learnt for p in policies), strict=True))
        return cls(first.columns, learnt, first.fill, first.shown)

    def fill_rows(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows [row, column] with every gap that may not stay filled."""
        stands_in = np.where(self.learnt, np.nan, self.fill)
        return np.where(np.isnan(values), stands_in, values)

    def apply(self, row: NDArray[np.float64]) -> tuple[NDArray[np.float64], dict[str, str]]:
        """One row [column] with its gaps filled, and for each gap (filled or left) a sentence."""
        gaps = np.flatnonzero(np.isnan(row))
        words = {self.columns[gap]: self._sentence(int(gap)) for gap in gaps}
        return self.fill_rows(row[None])[0], words

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a fill that does not exist is null."""
        fill = [None if np.isnan(value) else value for value in self.fill]
        return {
            "columns": list(self.columns),
            "learnt": list(self.learnt),
            "fill": fill,
            "shown": list(self.shown),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MissingPolicy:
        """The inverse of `to_json`. Raises BundleError where entries are absent, mistyped or contradict."""
        try:
            columns = tuple(str(name) for name in document["columns"])
            learnt = tuple(_boolean(flag) for flag in document["learnt"])
            fill = tuple(float("nan") if value is None else float(value) for value in document["fill"])
            shown = tuple(str(words) for words in document["shown"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(str(error)) from error
        if not len(columns) == len(learnt) == len(fill) == len(shown):
            raise _damaged("its lists differ in length")
        if any(not known and not np.isfinite(value) for known, value in zip(learnt, fill, strict=True)):
            raise _damaged("a column has nothing to stand in for a gap")
        return cls(columns, learnt, fill, shown)

    def _sentence(self, position: int) -> str:
        if self.learnt[position]:
            return "not given; the model learnt from patients without it"
        return f"not given; the typical training patient's value stands in: {self.shown[position]}"


def _typical(cells: NDArray[np.float64], column: Column) -> float:
    known = cells[~np.isnan(cells)]
    if not len(known):
        return float("nan")
    if column.kind == "number":
        return float(np.median(known))
    return float(np.bincount(known.astype(np.intp)).argmax())


def _words(value: float, column: Column) -> str:
    if np.isnan(value):
        return "nothing known"
    if column.kind == "category":
        return str(column.show(value))
    return f"{value:.4g} {column.unit}".rstrip()


def _boolean(flag: object) -> bool:
    if not isinstance(flag, bool):
        raise TypeError(f"{flag!r} is neither true nor false")
    return flag


def _damaged(what: str) -> BundleError:
    return BundleError("bundle.gaps", f"the policy for missing values is damaged: {what}", "train again")
