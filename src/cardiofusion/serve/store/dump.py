"""Tables as lines of JSON and back: the same for every database, so a clinic can move from one to another.

A line is an object, column -> value. Moments are ISO 8601, in UTC where they have a zone; bytes are base64.
Left out are sessions (who has signed in here is signed in nowhere else) and numbers that one database gives.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Set
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    DateTime,
    Integer,
    LargeBinary,
    String,
    insert,
    select,
)
from sqlalchemy import Table as SqlTable

from cardiofusion.records import InputError
from cardiofusion.serve.store.tables import Case, CaseFile, Moment, Session, Table
from cardiofusion.serve.store.text import clean

PART_BYTES = 8 << 20  # of a table's lines at a time
ROWS = 500  # at a time
LEFT_OUT = {Session.__tablename__}
UNNUMBERED = {("case_file", "id")}


def tables() -> list[SqlTable]:
    """All that are dumped, each after those it refers to."""
    return [table for table in Table.metadata.sorted_tables if table.name not in LEFT_OUT]


def columns(table: SqlTable) -> list[Column[Any]]:
    """Its columns that are dumped."""
    return [column for column in table.columns if (table.name, column.name) not in UNNUMBERED]


def dump(connection: Connection, table: SqlTable, without: Set[str] = frozenset()) -> Iterator[bytes]:
    """A table's lines in pieces of about PART_BYTES. without: cases left out, with what belongs to them."""
    chosen = columns(table)
    found = select(*chosen).order_by(*table.primary_key.columns)
    case = {Case.__tablename__: "id"}.get(table.name, "case_id")
    piece = bytearray()
    with connection.execute(found, execution_options={"yield_per": ROWS}) as rows:
        for row in rows.mappings():
            if row.get(case) in without:
                continue
            line = {column.name: _said(column, row[column.name]) for column in chosen}
            piece += json.dumps(line, allow_nan=False, separators=(",", ":")).encode() + b"\n"
            if len(piece) >= PART_BYTES:
                yield bytes(piece)
                piece.clear()
    if piece:
        yield bytes(piece)


def load(connection: Connection, table: SqlTable, piece: bytes, older: bool = False) -> int:
    """Insert lines of `dump`; how many. Raises InputError "backup.row" for one that does not fit.

    older: by an earlier version of the tables, which may lack what may be empty. Migrations add
    only such, and change no value: one that must would have to be done here too.
    """
    chosen = columns(table)
    optional = {column.name for column in chosen if column.nullable} if older else set()
    rows = [_row(table, chosen, line, optional) for line in piece.splitlines()]
    for start in range(0, len(rows), ROWS):
        connection.execute(insert(table), rows[start : start + ROWS])
    return len(rows)


def files_held(connection: Connection) -> dict[str, set[str]]:
    """SHA-256 of every original -> the cases that hold it."""
    found: dict[str, set[str]] = {}
    for case, sha256 in connection.execute(select(CaseFile.case_id, CaseFile.sha256)):
        found.setdefault(sha256, set()).add(case)
    return found


def is_empty(connection: Connection) -> bool:
    """Whether no table has a row."""
    every = Table.metadata.sorted_tables
    return all(connection.execute(select(table).limit(1)).first() is None for table in every)


def _row(table: SqlTable, chosen: list[Column[Any]], line: bytes, optional: Set[str]) -> dict[str, Any]:
    try:
        said = json.loads(line)
        names = {column.name for column in chosen}
        if not isinstance(said, dict) or not names - optional <= said.keys() <= names:
            raise ValueError("other columns")
        return {column.name: _meant(column, said.get(column.name)) for column in chosen}
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise InputError(
            "backup.row",
            f"a row of the table {table.name} is not what it should be",
            "take another backup: this one was changed, or made by another version",
        ) from error


def _said(column: Column[Any], value: Any) -> Any:
    """A value as JSON says it."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, float) and not isinstance(column.type, JSON):
        return value if math.isfinite(value) else None
    return value


def _meant(column: Column[Any], value: Any) -> Any:
    """The inverse of `_said`. Raises ValueError, TypeError for what does not belong there."""
    kind = column.type
    if isinstance(kind, JSON):
        return value
    if value is None:
        return _demand(bool(column.nullable), None)
    if isinstance(kind, LargeBinary):
        return base64.b64decode(value, validate=True)
    if isinstance(kind, Moment | DateTime):
        moment = datetime.fromisoformat(value)
        return _demand((moment.tzinfo is not None) == isinstance(kind, Moment), moment)
    if isinstance(kind, String):
        fits = isinstance(value, str) and clean(value, kind.length) == value
        return _demand(fits, value)
    numbers: Any = bool if isinstance(kind, Boolean) else int if isinstance(kind, Integer) else int | float
    wrong = isinstance(value, bool) and not isinstance(kind, Boolean)
    return _demand(isinstance(value, numbers) and not wrong, value)


def _demand(fits: bool, value: Any) -> Any:
    if not fits:
        raise ValueError("another kind of value")
    return value
