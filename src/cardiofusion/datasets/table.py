"""A table on disk (CSV or Parquet) as columns of text.

Text, because only the schema knows whether "1" is a number, a category or a name; CSV needs nothing
beyond the standard library, Parquet needs polars (the `train` extra).
"""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cardiofusion.records import DatasetError, ExtraMissingError

MAX_TABLE_BYTES = 2 << 30
DELIMITERS = (",", ";", "\t", "|")
MISSING_WORDS = frozenset({"", "na", "nan", "none", "null", "unknown", "not known", "?"})


@dataclass(frozen=True)
class Table:
    """Columns of text, all of one length; "" where a cell is empty. name: the file's name."""

    name: str
    columns: Mapping[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> tuple[str, ...]:
        """The cells of a column. Raises DatasetError with the nearest names where there is none."""
        if column not in self.columns:
            raise DatasetError(
                "dataset.column",
                f"{self.name} has no column {column!r}",
                nearest(column, tuple(self.columns)),
            )
        return self.columns[column]


def is_missing(text: str) -> bool:
    """Whether a cell says that nothing is known ("", "NA", "unknown", ...)."""
    return text.strip().casefold() in MISSING_WORDS


def nearest(name: str, known: tuple[str, ...]) -> str:
    """A hint that names what was probably meant: the closest known names, or the first few."""
    folded = {other.casefold(): other for other in known}
    close = [folded[match] for match in difflib.get_close_matches(name.casefold(), list(folded), n=3)]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    return f"it has: {', '.join(known[:12])}" + (" ..." if len(known) > 12 else "")


def read_table(path: Path) -> Table:
    """A CSV (delimiter , ; tab or |; UTF-8, UTF-16 or Latin-1) or Parquet file.

    Raises DatasetError: no such file ("dataset.missing"), not readable or not a table
    ("dataset.unreadable", "dataset.format"), a header or row that does not fit ("dataset.header",
    "dataset.row"), no rows ("dataset.empty"). Raises ExtraMissingError for Parquet without polars.
    """
    content = _content(Path(path))
    if content.startswith(b"PAR1"):
        columns = _parquet_columns(content, path.name)
    else:
        columns = _csv_columns(_text(content, path.name), path.name)
    if not columns or not next(iter(columns.values())):
        raise DatasetError("dataset.empty", f"{path.name} has no rows", "give a table with one row a visit")
    return Table(path.name, columns)


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise DatasetError("dataset.missing", f"no table {path.name!r}", "check the path of the table")
        if path.stat().st_size > MAX_TABLE_BYTES:
            raise DatasetError(
                "dataset.large",
                f"{path.name} is larger than {MAX_TABLE_BYTES >> 30} GiB",
                "keep only the columns the study uses",
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(
            "dataset.unreadable",
            f"cannot read {path.name}: {(error.strerror or str(error)).lower()}",
            "check that the file is readable and not open elsewhere",
        ) from error


def _text(content: bytes, name: str) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    if b"\x00" in content or content.startswith(b"PK\x03\x04"):
        raise DatasetError(
            "dataset.format", f"{name} is neither CSV nor Parquet", "save the table as CSV and name that file"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _csv_columns(text: str, name: str) -> dict[str, tuple[str, ...]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)) if row]
    except csv.Error as error:
        raise DatasetError("dataset.format", f"{name} is no CSV: {error}", "save it as CSV again") from error
    if not rows:
        return {}
    header = _header(rows[0], name)
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(header):
            raise DatasetError(
                "dataset.row",
                f"{name}, row {number}: {len(row)} cells under {len(header)} headings",
                "look for a stray delimiter or line break in that row",
            )
    cells = zip(*rows[1:], strict=True) if len(rows) > 1 else (() for _ in header)
    return dict(zip(header, cells, strict=True))


def _delimiter(text: str) -> str:
    """The delimiter that splits the heading into most parts: quoted headings are read as one."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))


def _header(cells: list[str], name: str) -> list[str]:
    """The headings; one that stands twice is numbered, so that naming it plainly is an error, not a guess."""
    plain = [cell.strip() for cell in cells]
    header = [
        f"{cell} ({plain[:position].count(cell) + 1})" if plain.count(cell) > 1 else cell
        for position, cell in enumerate(plain)
    ]
    if len(set(header)) < len(header):
        raise DatasetError(
            "dataset.header", f"{name} has headings that look alike", "give each column its own name"
        )
    return header


def _parquet_columns(content: bytes, name: str) -> dict[str, tuple[str, ...]]:
    try:
        import polars
    except ImportError as error:
        raise ExtraMissingError("reading Parquet tables", "train") from error
    try:
        frame = polars.read_parquet(io.BytesIO(content))
    except (polars.exceptions.PolarsError, OSError, ValueError) as error:
        raise DatasetError(
            "dataset.format", f"{name} is a damaged Parquet file", "write the file again, or give it as CSV"
        ) from error
    return {column: tuple(map(_cell_text, frame[column].to_list())) for column in frame.columns}


def _cell_text(cell: object) -> str:
    """A typed cell as a CSV would write it: a whole float without its ".0", nothing for a null."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
