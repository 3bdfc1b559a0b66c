"""Named clinical columns with unit, plausible range and categories; tables and rows of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records.errors import ClinicalError
from cardiofusion.records.units import conversion_factor, split_quantity

Value = float | str | None
_MISSING_WORDS = frozenset({"", "na", "nan", "none", "null", "unknown", "not known", "?"})


@dataclass(frozen=True)
class Column:
    """One clinical column.

    number: `unit` and the plausible range [low, high] in it. category: `categories` in order;
    a value is stored as its position. `codes` maps how a file writes a category to its name
    ("1" -> "female"). `may_be_missing`: whether the training table has gaps here. `molar_mass`: of a
    substance, g/mol, where mg/dL and mmol/L are to convert; no part of a bundle.
    """

    name: str
    kind: Literal["number", "category"] = "number"
    unit: str = ""
    low: float = -np.inf
    high: float = np.inf
    categories: tuple[str, ...] = ()
    codes: Mapping[str, str] = field(default_factory=dict)
    ordered: bool = False
    may_be_missing: bool = True
    description: str = ""
    molar_mass: float | None = None

    def parse(self, given: object) -> float:
        """A value as given (61, "61", "82kg", "male", "2") in this column's unit; NaN where missing.

        Raises ClinicalError for text that is no number, a unit of another kind, an unknown category,
        or a value outside the plausible range.
        """
        if given is None or str(given).strip().casefold() in _MISSING_WORDS:
            return float("nan")
        return self._category(given) if self.kind == "category" else self._number(given)

    def show(self, value: float) -> Value:
        """An encoded value as people read it: a number, a category's name, None where missing."""
        if np.isnan(value):
            return None
        return self.categories[int(value)] if self.kind == "category" else float(value)

    def plausible(self, value: float) -> bool:
        return bool(self.low <= value <= self.high)

    def _category(self, given: object) -> float:
        text = str(given).strip()
        if isinstance(given, float) and given.is_integer():
            text = str(int(given))
        name = self.codes.get(text, text)
        folded = [category.casefold() for category in self.categories]
        if name.casefold() in folded:
            return float(folded.index(name.casefold()))
        raise ClinicalError(
            "clinical.category",
            f"{self.name} cannot be {text!r}",
            f"one of: {', '.join(self.categories)}",
        )

    def _number(self, given: object) -> float:
        quantity = split_quantity(str(given))
        if quantity is None or not np.isfinite(quantity[0]):
            raise ClinicalError(
                "clinical.number", f"{self.name} is {str(given)!r}, not a number", self._example()
            )
        value, unit = quantity
        if unit:
            value *= self._factor(unit)
        if not self.plausible(value):
            raise ClinicalError(
                "clinical.range",
                f"{self.name} = {value:g} {self.unit}".rstrip() + " is outside the plausible range",
                f"{self.low:g} to {self.high:g} {self.unit}".rstrip(),
            )
        return value

    def _factor(self, unit: str) -> float:
        factor = conversion_factor(unit, self.unit, self.molar_mass)
        if factor is None:
            raise ClinicalError(
                "clinical.unit",
                f"{self.name} is in {self.unit or 'no unit'}; {unit!r} does not convert to that",
                self._example(),
            )
        return factor

    def _example(self) -> str:
        if not np.isfinite([self.low, self.high]).all():
            return f"a number in {self.unit}" if self.unit else "a number"
        low, high = max(self.low, -1e6), min(self.high, 1e6)
        return f"for example {(low + high) / 2:g} {self.unit}".rstrip()


@dataclass(frozen=True)
class ClinicalSchema:
    """The columns of a clinical table, in order."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: str) -> Column:
        """The column of that name; ClinicalError with the nearest names where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        near = difflib.get_close_matches(name, self.names, n=2) or self.names
        raise ClinicalError("clinical.column", f"no column {name!r}", f"known: {', '.join(near)}")

    def encode(self, row: Mapping[str, object]) -> NDArray[np.float64]:
        """One row as float64 [column], NaN where missing. Raises ClinicalError (see Column.parse)."""
        for name in row:
            self[name]
        return np.array([column.parse(row.get(column.name)) for column in self.columns], dtype=np.float64)

    def decode(self, values: NDArray[np.float64]) -> dict[str, Value]:
        """The inverse of `encode`."""
        return {c.name: c.show(float(v)) for c, v in zip(self.columns, values, strict=True)}


@dataclass(frozen=True, eq=False)
class ClinicalTable:
    """Encoded rows: values float64 [row, column], NaN where missing, in the schema's units."""

    schema: ClinicalSchema
    values: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.schema):
            raise ClinicalError(
                "clinical.shape",
                f"the table is {self.values.shape}, the schema has {len(self.schema)} columns",
                "give one value a column",
            )

    def __len__(self) -> int:
        return int(self.values.shape[0])

    def take(self, rows: NDArray[np.intp]) -> ClinicalTable:
        return ClinicalTable(self.schema, self.values[rows])
