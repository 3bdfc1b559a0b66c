"""A first look at a user's table: what each column seems to be. Guesses, to be confirmed by a person."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cardiofusion.datasets.files import files_there
from cardiofusion.datasets.outcomes import ABSENT_WORDS, PRESENT_WORDS
from cardiofusion.datasets.table import Table, is_missing, read_table
from cardiofusion.records import split_quantity

ColumnKind = Literal["number", "category", "text", "id", "date"]

MAX_CATEGORIES = 12
MAX_NUMERIC_CATEGORIES = 5
MAX_CATEGORY_LENGTH = 40
FILES_TRIED = 100
_DATE = re.compile(r"^(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4})([ T].*)?$")
_ID_NAME = re.compile(r"(^|[^a-z])(id|ids|patient|subject|person|case|mrn|record)([^a-z]|$)|id$")
_PATIENT_NAME = re.compile(r"patient|subject|person|mrn|case")
_OUTCOME_NAME = re.compile(r"outcome|death|died|dead|event|target|label|status|diagnos|disease")
_SEX_NAME = re.compile(r"sex|gender")


@dataclass(frozen=True)
class ColumnLook:
    """What one column seems to hold.

    low, high: of a number. categories: how the file writes them, the most frequent first. missing: share of
    empty cells. distinct: different filled cells. The three `maybe` flags are guesses from name and content.
    """

    name: str
    kind: ColumnKind
    missing: float
    distinct: int
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    maybe_patient: bool = False
    maybe_outcome: bool = False
    maybe_ecg: bool = False


@dataclass(frozen=True)
class TableLook:
    """What a table seems to hold. patient, ecg: the best guess at those columns, None where there is none."""

    name: str
    rows: int
    columns: tuple[ColumnLook, ...]
    patient: str | None
    ecg: str | None
    outcomes: tuple[str, ...]


def look(table: Path | str, ecg_folder: Path | str | None = None) -> TableLook:
    """A look at a CSV or Parquet table, and at whether a column names files in `ecg_folder`.

    Raises DatasetError where the table cannot be read.
    """
    read = read_table(Path(table))
    folder = None if ecg_folder is None else Path(ecg_folder)
    columns = tuple(_look(name, read, folder) for name in read.columns)
    ids = [column for column in columns if column.maybe_patient]
    named = [column for column in ids if _PATIENT_NAME.search(column.name.casefold())]
    return TableLook(
        read.name,
        len(read),
        columns,
        patient=next((column.name for column in (*named, *ids)), None),
        ecg=next((column.name for column in columns if column.maybe_ecg), None),
        outcomes=tuple(column.name for column in columns if column.maybe_outcome),
    )


def _look(name: str, table: Table, ecg_folder: Path | None) -> ColumnLook:
    filled = [cell.strip() for cell in table.columns[name] if not is_missing(cell)]
    counts = Counter(filled)
    ecg = ecg_folder is not None and _names_files(list(counts), ecg_folder)
    numbers = _numbers(counts)
    kind = "id" if ecg else _kind(name, counts, numbers)
    return ColumnLook(
        name,
        kind,
        missing=1.0 - len(filled) / len(table),
        distinct=len(counts),
        low=min(numbers) if numbers and kind == "number" else None,
        high=max(numbers) if numbers and kind == "number" else None,
        categories=tuple(text for text, _ in counts.most_common()) if kind == "category" else (),
        maybe_patient=kind == "id" and not ecg,
        maybe_outcome=kind == "category" and _is_outcome(name, counts),
        maybe_ecg=ecg,
    )


def _kind(name: str, counts: Counter[str], numbers: list[float] | None) -> ColumnKind:
    n_filled = counts.total()
    named_id = bool(_ID_NAME.search(name.casefold()))
    if counts and all(_DATE.match(text) for text in counts):
        return "date"
    if named_id and len(counts) > MAX_CATEGORIES and (numbers is None or _whole(numbers)):
        return "id"
    if numbers is not None:
        few = len(counts) <= MAX_NUMERIC_CATEGORIES and len(counts) < n_filled and _whole(numbers)
        return "category" if few else "number"
    if len(counts) == n_filled > MAX_CATEGORIES and not any(" " in text for text in counts):
        return "id"
    short = all(len(text) <= MAX_CATEGORY_LENGTH for text in counts)
    return "category" if 0 < len(counts) <= MAX_CATEGORIES and short else "text"


def _numbers(counts: Counter[str]) -> list[float] | None:
    """The cells as numbers, or None where one of them is none (a unit behind it makes it text)."""
    quantities = [split_quantity(text) for text in counts]
    numbers = [quantity[0] for quantity in quantities if quantity and not quantity[1]]
    return numbers if numbers and len(numbers) == len(counts) else None


def _whole(numbers: Sequence[float]) -> bool:
    return all(number.is_integer() for number in numbers)


def _names_files(texts: Sequence[str], folder: Path) -> bool:
    """Whether at least half of the first cells are files in the folder."""
    tried = texts[:FILES_TRIED]
    return bool(tried) and sum(files_there([folder / text for text in tried])) * 2 >= len(tried)


def _is_outcome(name: str, counts: Counter[str]) -> bool:
    """Two values that say yes and no, or any two under a heading that speaks of an outcome."""
    if len(counts) != 2 or _SEX_NAME.search(name.casefold()):
        return False
    words = {text.casefold() for text in counts}
    says = len(words & set(PRESENT_WORDS)) == len(words & set(ABSENT_WORDS)) == 1
    return says or bool(_OUTCOME_NAME.search(name.casefold()))
