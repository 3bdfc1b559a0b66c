"""Mending impossible values in a training table, by rules that never look at an outcome.

Only training tables are repaired. At the clinic a value outside its range is refused, not guessed at.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalSchema, ClinicalTable, Column

# (systolic, diastolic) under the names tables give them
PRESSURE_PAIRS = (("systolic", "diastolic"), ("ap_hi", "ap_lo"), ("sbp", "dbp"))
BODY_PAIRS = (("height", "weight"),)
# A digit too many or too few: 1200 and 12000 were 120, 12 was 120.
TYPING_FACTORS = (0.1, 0.01, 10.0)
# How tables write "not measured": no typing error, though a tenth of it would be a pressure.
MISSING_CODES = (999.0, 9999.0)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Repair:
    """A rule, the column it mended and how many values."""

    rule: str
    column: str
    count: int


@dataclass(frozen=True)
class RepairReport:
    """What `repair` did, in the order it did it; rules that found nothing are left out."""

    rules: tuple[Repair, ...]
    rows: int

    def to_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "rules": [{"rule": r.rule, "column": r.column, "count": r.count} for r in self.rules],
        }


def repair(table: ClinicalTable) -> tuple[ClinicalTable, RepairReport]:
    """The table with impossible values mended where that is safe, else missing; and what was done.

    Blood pressures (PRESSURE_PAIRS): a minus sign is dropped; a value outside its range is brought back by a
    factor of 10 or 100 where that lands in the range and leaves diastolic below systolic; swapped values
    change places; a diastolic that is still not below its systolic empties both. Height and weight change
    places where only that makes both plausible. Last, every value outside its column's range becomes missing.
    A column in which values became missing may be missing from then on. Each row is mended from itself alone.
    """
    values = table.values.copy()
    done: list[Repair] = []
    for high, low in _pairs(table.schema, PRESSURE_PAIRS):
        done += _mend_pressures(values, table.schema, high, low)
    for first, second in _pairs(table.schema, BODY_PAIRS):
        implausible = ~_inside(values[:, first], table.schema.columns[first])
        done += _swap_back(values, table.schema, first, second, implausible)
    done += [_empty_implausible(values, position, column) for position, column in enumerate(table.schema)]
    columns = tuple(
        replace(column, may_be_missing=column.may_be_missing or bool(np.isnan(cells).any()))
        for column, cells in zip(table.schema, values.T, strict=True)
    )
    report = RepairReport(tuple(step for step in done if step.count), len(table))
    return ClinicalTable(ClinicalSchema(columns), values), report


def _pairs(schema: ClinicalSchema, named: tuple[tuple[str, str], ...]) -> list[tuple[int, int]]:
    """Positions of the pairs of which both columns are there."""
    names = schema.names
    return [(names.index(a), names.index(b)) for a, b in named if a in names and b in names]


def _mend_pressures(values: Values, schema: ClinicalSchema, high: int, low: int) -> list[Repair]:
    return [
        *_drop_signs(values, schema, high, low),
        *_undo_typing(values, schema, high, low),
        *_swap_back(values, schema, high, low, values[:, high] < values[:, low]),
        *_empty_contradictions(values, schema, high, low),
    ]


def _drop_signs(values: Values, schema: ClinicalSchema, *positions: int) -> list[Repair]:
    done = []
    for position in positions:
        negative = values[:, position] < 0
        values[negative, position] *= -1.0
        done.append(Repair("minus sign dropped", schema.columns[position].name, int(negative.sum())))
    return done


def _undo_typing(values: Values, schema: ClinicalSchema, high: int, low: int) -> list[Repair]:
    """A digit too many or too few, undone where the pair then makes sense."""
    before = values[:, [high, low]]
    after = np.column_stack([_rescaled(values[:, p], schema.columns[p]) for p in (high, low)])
    sensible = ~(after[:, 1] >= after[:, 0])
    values[:, [high, low]] = np.where(sensible[:, None], after, before)
    changed = (values[:, [high, low]] != before) & ~np.isnan(before)
    return [
        Repair("factor of 10 or 100 undone", schema.columns[p].name, int(count))
        for p, count in zip((high, low), changed.sum(axis=0), strict=True)
    ]


def _rescaled(cells: Values, column: Column) -> Values:
    """Each implausible value by the first factor that makes it plausible, else as it was."""
    result = cells.copy()
    for factor in TYPING_FACTORS:
        scaled = np.round(cells * factor, 6)
        fits = ~_inside(result, column) & _inside(scaled, column) & ~np.isin(cells, MISSING_CODES)
        result[fits] = scaled[fits]
    return result


def _swap_back(
    values: Values, schema: ClinicalSchema, first: int, second: int, suspect: NDArray[np.bool_]
) -> list[Repair]:
    """Suspect pairs change places where both values then lie in their ranges."""
    pair, columns = values[:, [first, second]], schema.columns
    swapped = suspect & _inside(pair[:, 1], columns[first]) & _inside(pair[:, 0], columns[second])
    values[:, [first, second]] = np.where(swapped[:, None], pair[:, ::-1], pair)
    return [Repair(f"swapped with {columns[second].name}", columns[first].name, int(swapped.sum()))]


def _empty_contradictions(values: Values, schema: ClinicalSchema, high: int, low: int) -> list[Repair]:
    """Which of the two is wrong cannot be told, so both go. Values outside their range go by that rule."""
    plausible = _inside(values[:, high], schema.columns[high]) & _inside(values[:, low], schema.columns[low])
    contradiction = plausible & (values[:, low] >= values[:, high])
    values[contradiction, high] = values[contradiction, low] = np.nan
    rule, count = "diastolic not below systolic: emptied", int(contradiction.sum())
    return [Repair(rule, schema.columns[position].name, count) for position in (high, low)]


def _empty_implausible(values: Values, position: int, column: Column) -> Repair:
    implausible = ~_inside(values[:, position], column) & ~np.isnan(values[:, position])
    values[implausible, position] = np.nan
    return Repair("outside its range: emptied", column.name, int(implausible.sum()))


def _inside(cells: Values, column: Column) -> NDArray[np.bool_]:
    return (cells >= column.low) & (cells <= column.high)
