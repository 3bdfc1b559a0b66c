"""The audit log: who did what, and when, as a chain of hashes that shows where it was changed.

    line n:  seq, time, actor, action, subject, detail, previous = hash of line n-1,
             hash = SHA-256 of previous and the line's canonical JSON

Whoever can write to the database can also hash a changed log anew. The head, "SEQ:HASH", written down
elsewhere (paper, mail, another machine) is what shows that: `verify` with a head from yesterday says whether
everything up to then still stands. Nothing about a patient enters it: cases are named by their random ids,
details are codes and numbers. The idea: Schneier and Kelsey, Secure audit logs to support computer forensics,
1999.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy import text as sql

from cardiofusion.records import InputError, StorageError
from cardiofusion.serve.store.database import database_errors, reading
from cardiofusion.serve.store.tables import Audit as AuditLine
from cardiofusion.serve.store.tables import now

ROOT = "0" * 64  # what the first line follows
CHUNK = 1000  # lines in memory while verifying
BEFORE_ALL = -(1 << 63)  # no line has so small a number
LARGEST = 1e12  # a count or a size
MAX_CODE_DIGITS = 3  # "1AVB" is a code; a row of digits could be a patient's number

_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{64}")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}|[0-9]?[A-Z]{2,8}")
_ACTION = re.compile(r"[a-z][a-z.-]{0,31}")
_ACTOR = re.compile(r"[A-Za-z][A-Za-z0-9._@-]{0,63}")
_HEAD = re.compile(r"(0|[1-9][0-9]{0,17}):([0-9a-f]{64})")


@dataclass(frozen=True)
class Line:
    """One line of the log. subject: a random id, a code, or "" for nothing in particular."""

    seq: int
    time: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]
    previous: str
    hash: str

    def computed(self) -> str:
        """The hash that this line ought to have: SHA-256 of the previous one and the line."""
        content = {
            "seq": self.seq,
            "time": self.time.isoformat(timespec="microseconds"),
            "actor": self.actor,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
        }
        line = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(f"{self.previous}\n{line}".encode()).hexdigest()


@dataclass(frozen=True)
class Verified:
    """lines: how many stand. head: "SEQ:HASH" of the last, to be kept elsewhere."""

    lines: int
    head: str


class Audit:
    """The log of one database. Several threads and processes may write at the same time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def write(self, actor: str, action: str, subject: str = "", **detail: Any) -> None:
        """Append a line. Raises InputError "audit.private" for what could name a patient, StorageError.

        actor: an account's name, or a part of the server ("local", "dicom"). action: "case.opened".
        """
        _check(actor, action, subject, detail)
        with database_errors(), self._engine.begin() as connection:
            _lock(connection)
            last = connection.execute(
                select(AuditLine.seq, AuditLine.hash).order_by(AuditLine.seq.desc()).limit(1)
            ).first()
            seq, previous = (last.seq + 1, last.hash) if last else (1, ROOT)
            line = Line(seq, now(), actor, action, subject, detail, previous, "")
            connection.execute(insert(AuditLine).values({**vars(line), "hash": line.computed()}))

    def verify(self, expect_head: str | None = None) -> Verified:
        """Go through the log from its first line. Raises StorageError naming the first line that is wrong.

        expect_head: a head kept elsewhere; the log may have grown since, but must hold that very line.
        """
        wanted = _parsed(expect_head)
        seq, head = 0, ROOT
        for line in self.lines():
            seq += 1
            _check_line(line, seq, head)
            head = line.hash
            _check_head(wanted, seq, head)
        if wanted is not None and wanted[0] > seq:
            raise _broken(seq + 1, f"the log ends before line {wanted[0]}, which the head names")
        _check_head(wanted, 0, ROOT)
        return Verified(seq, f"{seq}:{head}")

    def lines(self, after: int = BEFORE_ALL) -> Iterator[Line]:
        """The lines in order, read in pieces, also such as should not be there."""
        while piece := self._piece(after):
            yield from piece
            after = piece[-1].seq

    def last(self, count: int) -> list[Line]:
        """The newest lines, the newest first."""
        return self._read(select(AuditLine).order_by(AuditLine.seq.desc()).limit(count))

    def _piece(self, after: int) -> list[Line]:
        return self._read(select(AuditLine).where(AuditLine.seq > after).order_by(AuditLine.seq).limit(CHUNK))

    def _read(self, query: Any) -> list[Line]:
        with database_errors(), reading(self._engine).connect() as connection:
            return [Line(**row) for row in connection.execute(query).mappings()]


def _lock(connection: Connection) -> None:
    """One writer at a time, from reading the last line to appending the next; SQLite has no other way."""
    if connection.dialect.name == "postgresql":
        connection.execute(sql("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE"))


def _check(actor: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
    named = {"actor": _ACTOR.fullmatch(actor), "action": _ACTION.fullmatch(action)}
    named["subject"] = not subject or _harmless(subject)  # type: ignore[assignment]
    named |= {name: _harmless(value) for name, value in detail.items()}
    wrong = [name for name, fine in named.items() if not fine]
    if wrong:
        raise InputError(
            "audit.private",
            f"the audit log does not take this {wrong[0]}",
            "random ids, short codes and numbers; nothing that could name a patient",
        )


def _harmless(value: Any) -> Any:
    """Whether it is a number, a random id or a short code."""
    if value is None or isinstance(value, bool | int | float):
        return value is None or abs(value) < LARGEST
    if not isinstance(value, str):
        return False
    digits = sum(character.isdigit() for character in value)
    return _ID.fullmatch(value) or (_CODE.fullmatch(value) and digits <= MAX_CODE_DIGITS)


def _check_line(line: Line, seq: int, previous: str) -> None:
    if line.seq != seq:
        raise _broken(seq, "it is missing")
    if line.previous != previous:
        raise _broken(seq, "it does not follow the line before it")
    if line.hash != line.computed():
        raise _broken(seq, "it was changed")


def _check_head(wanted: tuple[int, str] | None, seq: int, head: str) -> None:
    if wanted is not None and wanted[0] == seq and wanted[1] != head:
        raise _broken(seq, "it is not the line of the head that was kept: the log was written anew")


def _parsed(head: str | None) -> tuple[int, str] | None:
    if head is None:
        return None
    found = _HEAD.fullmatch(head.strip())
    if found is None:
        raise InputError("audit.head", "this is no head of an audit log", "SEQ:HASH, as `verify` prints it")
    return int(found[1]), found[2]


def _broken(seq: int, what: str) -> StorageError:
    return StorageError(
        "audit.broken",
        f"the audit log is not whole at line {seq}: {what}",
        "keep the database as it is, and compare it with a backup",
    )
