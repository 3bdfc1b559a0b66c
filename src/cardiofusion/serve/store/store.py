"""What a clinic keeps: cases, their original files, outcomes. The only way from pages and APIs to the tables.

A file counts as accepted once `accept` has returned: its bytes are on the disk and its case is committed.
Whatever happens to the process afterwards, the case waits with the status "received" until it is assessed.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, delete, func, or_, select, text, update
from sqlalchemy.orm import Session as Connection
from sqlalchemy.orm import selectinload, sessionmaker, undefer

from cardiofusion.records import InputError
from cardiofusion.serve.store.database import database_errors, open_database
from cardiofusion.serve.store.originals import Originals
from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Outcome, Patient

PAGE = 50  # cases a page of the worklist
MAX_ATTEMPTS = 3  # an ECG that ended the server twice is not tried for ever
ENDED_THE_SERVER = {
    "code": "assess.crash",
    "message": f"the server stopped {MAX_ATTEMPTS} times while it assessed this",
    "hint": "look at the file with `cardiofusion inspect`; the original is kept",
}


@dataclass(frozen=True)
class Answered:
    """What assessing a case gave: see the columns of `Case`."""

    assessment: Mapping[str, Any]
    headline: Mapping[str, Any]
    patient: str | None
    recorded: datetime | None
    age: float | None
    sex: str | None
    grade: str | None
    bundle_hash: str
    embedding: NDArray[np.float32] | None


@dataclass(frozen=True)
class Search:
    """text: part of a patient's number or a file's name, or the start of a case's id. The rest: exactly so."""

    text: str = ""
    status: str = ""
    batch: str = ""
    patient: str = ""
    page: int = 1


class Store:
    """Cases of one data folder. Safe to call from threads."""

    def __init__(self, folder: Path, url: str) -> None:
        self.originals = Originals(folder)
        self.engine = open_database(url)
        self._connect = sessionmaker(self.engine, expire_on_commit=False)
        # Between keeping a file and committing its case, deleting another case must not take the file away.
        self._files = threading.Lock()

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction: committed where the block ends well, else undone."""
        with database_errors(), self._connect.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()

    # Taking in

    def accept(
        self,
        files: Mapping[str, bytes],
        row: Mapping[str, Any] | None = None,
        *,
        source: str = "page",
        batch: str | None = None,
        patient: str | None = None,
    ) -> str:
        """Keep one recording's files and, or, a row; the new case's id. Raises StorageError."""
        with self._files:
            kept = [(name, self.originals.keep(content), len(content)) for name, content in files.items()]
            with self.begin() as connection:
                case = Case(source=source, batch_id=batch, row=dict(row or {}))
                case.files = [
                    CaseFile(position=i, name=name, sha256=sha256, size=size)
                    for i, (name, sha256, size) in enumerate(kept)
                ]
                case.patient = _patient(connection, patient)
                connection.add(case)
                connection.flush()
                return case.id

    def new_batch(self, name: str, actor: str) -> str:
        """An empty batch's id."""
        with self.begin() as connection:
            batch = Batch(name=name, actor=actor)
            connection.add(batch)
            connection.flush()
            return batch.id

    # Assessing

    def waiting(self) -> list[tuple[str, str]]:
        """(id, source) of the cases that wait to be assessed, the oldest first."""
        with self.begin() as connection:
            found = connection.execute(
                select(Case.id, Case.source).where(Case.status == "received").order_by(Case.created)
            )
            return [(case, source) for case, source in found]

    def begin_attempt(self, case_id: str) -> bool:
        """Count an attempt; False where the case is gone or answered. One tried too often is refused."""
        with self.begin() as connection:
            case = connection.get(Case, case_id)
            if case is None or case.status != "received":
                return False
            if case.attempts >= MAX_ATTEMPTS:
                case.status, case.refusal = "refused", dict(ENDED_THE_SERVER)
                return False
            case.attempts += 1
            return True

    def save_answer(self, case_id: str, answered: Answered) -> None:
        """The case is assessed; nothing happens where it was deleted meanwhile."""
        with self.begin() as connection:
            case = connection.get(Case, case_id)
            if case is None:
                return
            case.status, case.refusal = "assessed", None
            case.assessment = pack(answered.assessment)
            case.headline = dict(answered.headline)
            case.recorded, case.age, case.sex = answered.recorded, answered.age, answered.sex
            case.grade, case.bundle_hash = answered.grade, answered.bundle_hash
            case.embedding = (
                None if answered.embedding is None else answered.embedding.astype("<f4").tobytes()
            )
            if case.patient is None:
                case.patient = _patient(connection, answered.patient)

    def save_refusal(self, case_id: str, code: str, message: str, hint: str) -> None:
        """The case cannot be assessed: why, and what to do."""
        with self.begin() as connection:
            case = connection.get(Case, case_id)
            if case is not None:
                case.status = "refused"
                case.refusal = {"code": code, "message": message, "hint": hint}

    def again(self, case_id: str) -> None:
        """Let a case be assessed anew, for example after it was refused or with another bundle."""
        with self.begin() as connection:
            connection.execute(
                update(Case).where(Case.id == case_id).values(status="received", attempts=0, refusal=None)
            )

    # Looking

    def case(self, case_id: str) -> Case:
        """A case with files, outcomes, patient and its assessment. Raises InputError "serve.unknown"."""
        everything = (
            undefer(Case.assessment),
            selectinload(Case.files),
            selectinload(Case.outcomes),
            selectinload(Case.patient),
            selectinload(Case.batch),
        )
        with self.begin() as connection:
            case = connection.get(Case, case_id, options=everything)
        if case is None:
            raise unknown("case")
        return case

    def files_of(self, case: Case) -> dict[str, bytes]:
        """Its original files, name -> bytes. Raises StorageError."""
        return {file.name: self.originals.read(file.sha256) for file in case.files}

    def search(self, search: Search) -> tuple[list[Case], int]:
        """A page of cases, the newest first, and how many there are in all."""
        found = _filtered(select(Case), search)
        with self.begin() as connection:
            total = connection.scalar(select(func.count()).select_from(found.subquery())) or 0
            page = found.order_by(Case.created.desc(), Case.id).limit(PAGE)
            page = page.offset(PAGE * (max(1, search.page) - 1))
            page = page.options(
                selectinload(Case.files), selectinload(Case.patient), selectinload(Case.outcomes)
            )
            return list(connection.scalars(page)), total

    def earlier(self, case: Case) -> Case | None:
        """The same patient's ECG before this one, by the ECG's own time where both have one."""
        if case.patient_id is None:
            return None
        when = func.coalesce(Case.recorded, Case.created)
        mine = case.recorded or case.created.replace(tzinfo=None)
        found = (
            select(Case)
            .where(Case.patient_id == case.patient_id, Case.id != case.id, Case.status == "assessed")
            .where(Case.grade.is_not(None), when < mine)
            .order_by(when.desc())
            .limit(1)
            .options(undefer(Case.assessment), selectinload(Case.files), selectinload(Case.patient))
        )
        with self.begin() as connection:
            return connection.scalar(found)

    def patient(self, patient_id: str) -> Patient:
        """A patient by the random id. Raises InputError "serve.unknown"."""
        with self.begin() as connection:
            patient = connection.get(Patient, patient_id)
        if patient is None:
            raise unknown("patient")
        return patient

    def embeddings(self) -> list[tuple[str, str | None, NDArray[np.float32]]]:
        """(case, patient, embedding) of every assessed ECG."""
        found = select(Case.id, Case.patient_id, Case.embedding).where(Case.embedding.is_not(None))
        with self.begin() as connection:
            return [
                (case, patient, np.frombuffer(content or b"", "<f4"))
                for case, patient, content in connection.execute(found)
            ]

    def batch(self, batch_id: str) -> tuple[Batch, dict[str, int]]:
        """A batch, and how many of its cases have each status. Raises InputError "serve.unknown"."""
        counted = select(Case.status, func.count()).where(Case.batch_id == batch_id).group_by(Case.status)
        with self.begin() as connection:
            batch = connection.get(Batch, batch_id)
            if batch is None:
                raise unknown("batch")
            return batch, {status: count for status, count in connection.execute(counted)}

    # Afterwards

    def add_outcome(
        self, case_id: str, task: str, target: str, verdict: str, note: str = "", actor: str = ""
    ) -> str:
        """Enter what turned out to be true. Raises InputError "serve.unknown", "serve.verdict"."""
        if verdict not in ("present", "absent", "unknown"):
            raise InputError("serve.verdict", "this is no verdict", "present, absent or unknown")
        with self.begin() as connection:
            if connection.get(Case, case_id) is None:
                raise unknown("case")
            outcome = Outcome(
                case_id=case_id, task=task, target=target, verdict=verdict, note=note, actor=actor
            )
            connection.add(outcome)
            connection.flush()
            return outcome.id

    def delete(self, case_id: str) -> None:
        """Remove a case for ever: rows, files that no other case holds, a patient or batch without cases.

        SQLite overwrites what is deleted, and its write-ahead log is emptied. Backups are out of its reach.
        Raises InputError "serve.unknown".
        """
        with self._files:
            with self.begin() as connection:
                case = connection.get(Case, case_id)
                if case is None:
                    raise unknown("case")
                hashes = {file.sha256 for file in case.files}
                patient, batch = case.patient_id, case.batch_id
                connection.delete(case)
                connection.flush()
                _remove_empty(connection, Patient, patient, Case.patient_id)
                _remove_empty(connection, Batch, batch, Case.batch_id)
                used = set(connection.scalars(select(CaseFile.sha256).where(CaseFile.sha256.in_(hashes))))
            for sha256 in hashes - used:
                self.originals.remove(sha256)
        if self.engine.dialect.name == "sqlite":
            with self.engine.connect() as plain:
                plain.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def pack(document: Mapping[str, Any]) -> bytes:
    """JSON, compressed."""
    return zlib.compress(json.dumps(document, allow_nan=False, separators=(",", ":")).encode(), 6)


def unpack(content: bytes) -> dict[str, Any]:
    """The inverse of `pack`."""
    document: dict[str, Any] = json.loads(zlib.decompress(content))
    return document


def unknown(what: str) -> InputError:
    """Nothing is there under this id."""
    return InputError("serve.unknown", f"there is no such {what}", "it may have been deleted")


def _patient(connection: Connection, identifier: str | None) -> Patient | None:
    """The patient of that number, made where there is none yet."""
    known = (identifier or "").strip()
    if not known:
        return None
    found = connection.scalar(select(Patient).where(Patient.identifier == known))
    return found or Patient(identifier=known)


def _remove_empty(connection: Connection, table: type[Patient | Batch], key: str | None, column: Any) -> None:
    if key is not None and not connection.scalar(select(func.count()).where(column == key)):
        connection.execute(delete(table).where(table.id == key))


def _filtered(found: Select[tuple[Case]], search: Search) -> Select[tuple[Case]]:
    for column, wanted in (
        (Case.status, search.status),
        (Case.batch_id, search.batch),
        (Case.patient_id, search.patient),
    ):
        if wanted:
            found = found.where(column == wanted)
    if search.text.strip():
        found = found.where(_says(search.text.strip()))
    return found


def _says(text: str) -> Any:
    return or_(
        Case.id.startswith(text.lower(), autoescape=True),
        Case.patient.has(Patient.identifier.icontains(text, autoescape=True)),
        Case.files.any(CaseFile.name.icontains(text, autoescape=True)),
    )
