"""Columns of a published table, each with its heading and its codes for "not known" -> an encoded table.

A published file is known cell by cell, so that a cell which cannot be read means another or a damaged file:
it is refused, never guessed. What a code or a plausible range empties is counted in the notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.encoding import encode_column, encode_table
from cardiofusion.datasets.table import Table, is_missing
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column, DatasetError

DAYS_A_YEAR = 365.25
_CLOSE = 1e-6  # a code may be written 77.7 or 77.69999999999999


@dataclass(frozen=True)
class Source:
    """A column, the heading it stands under, and the numbers that mean "not known" there.

    factor: from the file's number to the column's unit.
    """

    heading: str
    column: Column
    unknown: tuple[float, ...] = ()
    factor: float = 1.0


def number(
    name: str, unit: str, low: float, high: float, description: str = "", *, missing: bool = True
) -> Column:
    """A column of numbers in the plausible range [low, high]."""
    return Column(name, unit=unit, low=low, high=high, may_be_missing=missing, description=description)


def yes_no(name: str, description: str = "", *, missing: bool = False) -> Column:
    """A column that is 0 (no) or 1 (yes) in the file."""
    return Column(
        name,
        kind="category",
        categories=("no", "yes"),
        codes={"0": "no", "1": "yes", "FALSE": "no", "TRUE": "yes"},
        may_be_missing=missing,
        description=description,
    )


def category(
    name: str, codes: dict[str, str], description: str = "", *, ordered: bool = False, missing: bool = True
) -> Column:
    """A column of categories, in the order of `codes` (how the file writes one -> its name)."""
    return Column(
        name,
        kind="category",
        categories=tuple(dict.fromkeys(codes.values())),
        codes=codes,
        ordered=ordered,
        may_be_missing=missing,
        description=description,
    )


def encode_sources(
    table: Table, sources: Sequence[Source], hint: str, unreadable: float = 0.0
) -> tuple[ClinicalTable, dict[str, str]]:
    """The encoded table, its gaps declared (see `declare_gaps`), and notes on what became missing.

    unreadable: share of a column's cells that may make no sense; they become missing and are counted.
    Raises DatasetError for a column that is not there, and for a cell that cannot be read, or is empty where
    it may not be, naming its row and column.
    """
    cells: list[tuple[Column, Sequence[str]]] = []
    notes = {}
    for source in sources:
        known = _without_codes(table[source.heading], source.unknown)
        emptied = sum(a != b for a, b in zip(known, table[source.heading], strict=True))
        if emptied:
            codes = " or ".join(f"{code:g}" for code in source.unknown)
            notes[f"{source.column.name}: {codes} means not known"] = f"{emptied} of {len(table)}"
        known = [_scaled(cell, source.factor) for cell in known]
        _refuse_unreadable(source, known, table.name, hint, unreadable)
        cells.append((source.column, known))
    encoded, lost = encode_table(cells, table.name)
    return declare_gaps(encoded), notes | lost


def declare_gaps(table: ClinicalTable) -> ClinicalTable:
    """The table with `may_be_missing` where it has a gap and nowhere else: a model learns from these rows."""
    gaps = [bool(np.isnan(values).any()) for values in table.values.T]
    columns = (replace(c, may_be_missing=gap) for c, gap in zip(table.schema, gaps, strict=True))
    return ClinicalTable(ClinicalSchema(tuple(columns)), table.values)


def numbers(table: Table, heading: str, hint: str, unreadable: float = 0.0) -> NDArray[np.float64]:
    """A column that is no feature (an id, a time, an outcome): float64 [row], NaN where empty.

    Raises DatasetError as `encode_sources` does.
    """
    encoded, _ = encode_sources(table, [Source(heading, Column(heading))], hint, unreadable)
    return encoded.values[:, 0]


def codes_only(values: NDArray[np.float64], allowed: Sequence[float], where: str, hint: str) -> None:
    """Raise DatasetError at the first value that is none of the codes, an empty one included."""
    strange = np.flatnonzero(~np.isin(values, allowed))
    if len(strange):
        value = values[strange[0]]
        what = "is missing" if np.isnan(value) else f"cannot be {value:g}"
        raise DatasetError("dataset.cell", f"{where}, row {strange[0] + 1}: the outcome {what}", hint)


def survival(years: NDArray[np.float64], event: NDArray[np.bool_]) -> NDArray[np.float32]:
    """float32 [row, 2]: years observed and 1 (event) or 0 (censored).

    NaN in both where the years are not known, or not above 0: nobody was observed then.
    """
    outcome = np.column_stack([years, event]).astype(np.float32)
    outcome[~(years > 0)] = np.nan
    return outcome


def times_words(outcome: NDArray[np.float32]) -> str:
    """How many events, censored and unknown, for a cohort's provenance."""
    events, censored = int((outcome[:, 1] == 1).sum()), int((outcome[:, 1] == 0).sum())
    return f"{events} events, {censored} censored, {len(outcome) - events - censored} not known"


def _without_codes(cells: Sequence[str], unknown: tuple[float, ...]) -> list[str]:
    if not unknown:
        return list(cells)
    known = {cell: "" if _is_code(cell, unknown) else cell for cell in set(cells)}
    return [known[cell] for cell in cells]


def _is_code(cell: str, unknown: tuple[float, ...]) -> bool:
    try:
        value = float(cell.replace(",", "."))
    except ValueError:
        return False
    return any(abs(value - code) < _CLOSE for code in unknown)


def _scaled(cell: str, factor: float) -> str:
    if factor == 1.0 or is_missing(cell):
        return cell
    try:
        return repr(float(cell.replace(",", ".")) * factor)
    except ValueError:
        return cell


def _refuse_unreadable(source: Source, cells: Sequence[str], table: str, hint: str, allowed: float) -> None:
    rows = encode_column(source.column, cells).unreadable
    if len(rows) > allowed * len(cells):
        raise DatasetError(
            "dataset.cell",
            f"{table}, row {rows[0] + 1}: {source.heading.strip()} cannot be {cells[rows[0]].strip()!r}",
            hint,
        )
