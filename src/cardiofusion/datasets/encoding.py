"""Columns of text -> an encoded `ClinicalTable`; what a cell could not give is counted, never hidden."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets.table import is_missing
from cardiofusion.records import ClinicalError, ClinicalSchema, ClinicalTable, Column, DatasetError

_WHOLE = re.compile(r"^(-?\d+)\.0*$")


@dataclass(frozen=True, eq=False)
class EncodedColumn:
    """values: float64 [row], NaN where missing. The rows (from 0) that became missing, and why."""

    column: Column
    values: NDArray[np.float64]
    outside: tuple[int, ...] = ()
    unreadable: tuple[int, ...] = ()

    def notes(self) -> dict[str, str]:
        """What was lost, in words, for a cohort's provenance."""
        lost = {
            f"{self.column.name}: outside its range": self.outside,
            f"{self.column.name}: not readable": self.unreadable,
        }
        return {
            what: f"{len(rows)} of {len(self.values)} set to missing" for what, rows in lost.items() if rows
        }


def whole_text(text: str) -> str:
    """A cell with a whole number as whole ("15709.0" -> "15709"): how spreadsheets write codes and ids."""
    match = _WHOLE.match(text.strip())
    return match[1] if match else text.strip()


def encode_column(column: Column, texts: Sequence[str]) -> EncodedColumn:
    """Each cell by `Column.parse`; what does not parse or lies outside the range becomes missing."""
    parsed = {text: _parse(column, text) for text in set(texts)}
    values = np.array([parsed[text][0] for text in texts], dtype=np.float64)
    rows: dict[str, list[int]] = {"clinical.range": [], "unreadable": []}
    for row, text in enumerate(texts):
        if parsed[text][1]:
            rows[parsed[text][1]].append(row)
    return EncodedColumn(column, values, tuple(rows["clinical.range"]), tuple(rows["unreadable"]))


def encode_table(
    sources: Sequence[tuple[Column, Sequence[str]]], table: str
) -> tuple[ClinicalTable, dict[str, str]]:
    """Columns and their cells -> the encoded table, and notes on what became missing.

    A column in which values outside the range became missing may be missing from then on. Raises
    DatasetError, naming row and column, where a column that may not be missing has an empty cell
    ("dataset.gap") or one that cannot be read ("dataset.cell").
    """
    encoded = [encode_column(column, cells) for column, cells in sources]
    for result, (_, cells) in zip(encoded, sources, strict=True):
        if not result.column.may_be_missing:
            _refuse_gaps(result, cells, table)
    columns = tuple(
        replace(result.column, may_be_missing=result.column.may_be_missing or bool(result.outside))
        for result in encoded
    )
    notes = {what: words for result in encoded for what, words in result.notes().items()}
    values = np.column_stack([result.values for result in encoded])
    return ClinicalTable(ClinicalSchema(columns), values), notes


def _parse(column: Column, text: str) -> tuple[float, str]:
    try:
        return column.parse(_as_given(column, text)), ""
    except ClinicalError as error:
        return float("nan"), error.code if error.code == "clinical.range" else "unreadable"


def _as_given(column: Column, text: str) -> str:
    """A category's code without the ".0" that a gap elsewhere in the column made a spreadsheet add."""
    known = (*column.codes, *column.categories)
    return whole_text(text) if column.kind == "category" and text.strip() not in known else text


def _refuse_gaps(result: EncodedColumn, cells: Sequence[str], table: str) -> None:
    name = result.column.name
    if result.unreadable:
        row = result.unreadable[0]
        raise DatasetError(
            "dataset.cell",
            f"{table}, row {row + 1}: {name} cannot be {cells[row].strip()!r}",
            f"correct the cell, or let {name} be missing",
        )
    gap = next((row for row, cell in enumerate(cells) if is_missing(cell)), None)
    if gap is not None:
        raise DatasetError(
            "dataset.gap",
            f"{table}, row {gap + 1}: {name} is missing",
            f"fill the cell, or let {name} be missing",
        )
