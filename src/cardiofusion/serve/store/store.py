"""What a clinic keeps: cases, their original files, outcomes. The only way from pages and APIs to the tables.

A file counts as accepted once `accept` has returned: its bytes are on the disk and its case is committed.
Whatever happens to the process afterwards, the case waits with the status "received" until it is assessed.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session as Connection
from sqlalchemy.orm import selectinload, sessionmaker, undefer

from cardiofusion.records import CardioFusionError, InputError, StorageError
from cardiofusion.serve.store.database import database_errors, reading
from cardiofusion.serve.store.locking import Gate
from cardiofusion.serve.store.migrating import open_database
from cardiofusion.serve.store.originals import Originals
from cardiofusion.serve.store.packing import pack
from cardiofusion.serve.store.rows import (
    batch_of,
    correct_case,
    held,
    locked_case,
    patient_of,
    remove_case,
    remove_empty_patients,
    remove_if_empty,
)
from cardiofusion.serve.store.searching import Search, ecgs_before, matching, newest_first, of_one_person
from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Outcome, Patient
from cardiofusion.serve.store.text import LONGEST_NOTE, clean, clean_names, clean_row
from cardiofusion.serve.store.wiping import wipe

PAGE = 50  # cases a page of the worklist
RECENT = 5000  # ECGs among which similar ones are looked for: 2 MB, and some 50 ms
MANY = 500  # cases at a time of an export
MAX_ATTEMPTS = 3  # an ECG that ended the server twice is not tried for ever
ENDED_THE_SERVER = {
    "code": "assess.crash",
    "message": f"the server stopped {MAX_ATTEMPTS} times while it assessed this",
    "hint": "look at the file with `cardiofusion inspect`; the original is kept",
}


@dataclass(frozen=True)
class Answered:
    """What assessing a case gave: see the columns of `Case`.

    patient: the number that the ECG states, else the row's. contradicted: they state two.
    """

    assessment: Mapping[str, Any]
    headline: Mapping[str, Any]
    patient: str | None
    recorded: datetime | None
    age: float | None
    sex: str | None
    grade: str | None
    bundle_hash: str
    embedding: NDArray[np.float32] | None
    contradicted: bool = False


class Store:
    """Cases of one data folder. Safe to call from threads."""

    def __init__(self, folder: Path, url: str) -> None:
        self.originals = Originals(folder)
        self.engine = open_database(url)
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        self._read = sessionmaker(reading(self.engine), expire_on_commit=False)
        # Between keeping a file and committing its case, deleting another case must not take the file away.
        self._gate = Gate(folder)
        self._unwiped = False

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write: committed where the block ends well, else undone."""
        with database_errors(), self._write.begin() as connection:
            yield connection

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A transaction that only reads, all of it at one moment."""
        with database_errors(), self._read.begin() as connection:
            yield connection

    def tidy(self) -> None:
        """Clear what a sudden end left: at a start, by who has the folder alone. Raises StorageError."""
        self.originals.clear_incoming()
        self.settle()
        with self.begin() as connection:
            remove_empty_patients(connection)
        self._wipe()

    def close(self) -> None:
        """Leave the database, wiped where a deletion had to leave that for later."""
        if self._unwiped:
            self._wipe()
        self.engine.dispose()

    def _wipe(self) -> None:
        """See `wipe`. Without room on the disk, or beside a reader, it is left for the next time."""
        self._unwiped = True
        with contextlib.suppress(StorageError):
            self._unwiped = not wipe(self.engine)

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
        """Keep one recording's files and, or, a row; the new case's id. All of it, or nothing.

        Raises StorageError, InputError "serve.empty", "serve.row".
        """
        if not files and not row:
            raise InputError("serve.empty", "there is neither an ECG nor a row", "give one of them, or both")
        case = Case(source=source, row=clean_row(row))
        try:
            with self._gate.adding():
                case.files = self._kept(files)
                with self.begin() as connection:
                    known = patient_of(connection, patient)  # before it is added: its rows are locked first
                    case.batch_id = batch_of(connection, batch)
                    case.patient = known
                    connection.add(case)
                    connection.flush()
                self.originals.unmark(file.sha256 for file in case.files)
        except BaseException:
            with contextlib.suppress(CardioFusionError):  # else at the next start
                self.settle()
            raise
        return case.id

    def _kept(self, files: Mapping[str, bytes]) -> list[CaseFile]:
        named = zip(clean_names(files), files.values(), strict=True)
        return [
            CaseFile(position=k, name=name, sha256=self.originals.keep(content), size=len(content))
            for k, (name, content) in enumerate(named)
        ]

    def settle(self) -> None:
        """Remove marked files that no case holds: of uploads that failed, of cases that were deleted.

        Raises StorageError: then they stay marked.
        """
        with self._gate.removing():
            marked = self.originals.marked()
            with self.look() as connection:
                lost = marked - held(connection, marked)
            for sha256 in lost:
                self.originals.remove(sha256)
            self.originals.unmark(marked)

    def new_batch(self, name: str, actor: str) -> str:
        """An empty batch's id."""
        with self.begin() as connection:
            batch = Batch(name=clean(name, LONGEST_NOTE), actor=clean(actor))
            connection.add(batch)
            connection.flush()
            return batch.id

    def not_in_batch(self, batch: str, groups: Sequence[dict[str, bytes]]) -> list[dict[str, bytes]]:
        """Those of some recordings' files that no case of the batch holds, for whoever sends them twice."""
        held = select(CaseFile.case_id, CaseFile.sha256).join(Case).where(Case.batch_id == clean(batch))
        cases: dict[str, set[str]] = {}
        with self.look() as connection:
            for case, sha256 in connection.execute(held):
                cases.setdefault(case, set()).add(sha256)
        known = {frozenset(hashes) for hashes in cases.values()}
        return [files for files in groups if _hashes(files) not in known]

    # Assessing

    def waiting(self) -> list[tuple[str, str]]:
        """(id, source) of the cases that wait to be assessed, the oldest first.

        Those that were begun before come last: one of them may have ended the server, and would again.
        """
        found = select(Case.id, Case.source).where(Case.status == "received")
        with self.look() as connection:
            ordered = connection.execute(found.order_by(Case.attempts, Case.created, Case.id))
            return [(case, source) for case, source in ordered]

    def begin_attempt(self, case_id: str) -> bool:
        """Count an attempt; False where the case is gone or answered. One tried too often is refused."""
        with self.begin() as connection:
            case = locked_case(connection, case_id)
            if case is None or case.status != "received":
                return False
            if case.attempts >= MAX_ATTEMPTS:
                case.status, case.refusal = "refused", dict(ENDED_THE_SERVER)
                return False
            case.attempts += 1
            return True

    def save_answer(self, case_id: str, answered: Answered, row: Mapping[str, Any] | None = None) -> None:
        """The case is assessed; nothing happens where it was deleted meanwhile.

        row: what was assessed; where the case was corrected meanwhile, this is no answer to it. Where ECG and
        row name two patients, the case goes under the ECG's number: it is that one's ECG.
        """
        packed = pack(answered.assessment)
        with self.begin() as connection:
            case = locked_case(connection, case_id)
            if case is None or (row is not None and case.row != row):
                return
            case.status, case.refusal, case.assessment = "assessed", None, packed
            case.headline = dict(answered.headline)
            case.recorded, case.age, case.sex = answered.recorded, answered.age, answered.sex
            case.grade, case.bundle_hash = answered.grade, answered.bundle_hash
            case.embedding = _bytes(answered.embedding)
            left = case.patient_id
            if left is None or answered.contradicted:
                case.patient = patient_of(connection, answered.patient) or case.patient
        self._left(left, case)

    def save_refusal(self, case_id: str, code: str, message: str, hint: str) -> None:
        """The case cannot be assessed: why, and what to do."""
        with self.begin() as connection:
            case = locked_case(connection, case_id)
            if case is not None:
                case.status = "refused"
                case.refusal = {"code": code, "message": clean(message), "hint": clean(hint)}

    def again(self, case_id: str) -> None:
        """Let a case be assessed anew, for example after it was refused or with another bundle."""
        with self.begin() as connection:
            connection.execute(
                update(Case).where(Case.id == case_id).values(status="received", attempts=0, refusal=None)
            )

    def correct(self, case_id: str, row: Mapping[str, Any], patient: str, actor: str) -> None:
        """Give a case another row and patient's number; it waits to be assessed anew.

        What it said before is kept in `corrections`. Raises InputError "serve.unknown", ".empty", ".row".
        """
        with self.begin() as connection:
            case = locked_case(connection, clean(case_id))
            if case is None:
                raise unknown("case")
            if not row and not case.files:
                raise InputError(
                    "serve.empty", "there is neither an ECG nor a row", "give one of them, or both"
                )
            left = case.patient_id
            correct_case(connection, case, clean_row(row), patient, clean(actor))
        self._left(left, case)

    def _left(self, patient_id: str | None, case: Case) -> None:
        """A case went from this patient to another: nothing stays of one who has no case.

        In a transaction of its own: whoever holds one patient and waits for another may wait in a circle.
        """
        if patient_id is not None and patient_id != case.patient_id:
            with self.begin() as connection:
                remove_if_empty(connection, patient_id)

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
        with self.look() as connection:
            case = connection.get(Case, clean(case_id), options=everything)
        if case is None:
            raise unknown("case")
        return case

    def files_of(self, case: Case) -> dict[str, bytes]:
        """Its original files, name -> bytes. Raises StorageError."""
        return {file.name: self.originals.read(file.sha256) for file in case.files}

    def search(self, search: Search) -> tuple[list[Case], int]:
        """A page of cases, the newest first, and how many there are in all."""
        counted = select(func.count()).select_from(Case).where(*matching(search))
        page = newest_first(search).limit(PAGE).offset(PAGE * (max(1, search.page) - 1))
        page = page.options(*_LISTED)
        with self.look() as connection:
            return list(connection.scalars(page)), connection.scalar(counted) or 0

    def every(self, search: Search) -> Iterator[Case]:
        """All matching cases, the newest first, whatever the page: for exports. No transaction stays open."""
        last: Case | None = None
        while True:
            with self.look() as connection:
                found = list(connection.scalars(newest_first(search, last).limit(MANY).options(*_LISTED)))
            yield from found
            if len(found) < MANY:
                return
            last = found[-1]

    def earlier(self, case: Case) -> Case | None:
        """The same patient's ECG before this one, by the ECGs' own times; see `of_one_person`."""
        if case.patient_id is None or case.recorded is None:
            return None
        found = ecgs_before(case).options(selectinload(Case.files), selectinload(Case.patient))
        with self.look() as connection:
            fitting = (one for one in connection.scalars(found).all() if of_one_person(one, case))
            earlier = next(fitting, None)
            if earlier is not None:
                connection.refresh(earlier, ["assessment"])
            return earlier

    def patient(self, patient_id: str) -> Patient:
        """A patient by the random id. Raises InputError "serve.unknown"."""
        with self.look() as connection:
            patient = connection.get(Patient, clean(patient_id))
        if patient is None:
            raise unknown("patient")
        return patient

    def embedding(self, case_id: str) -> NDArray[np.float32] | None:
        """Where a case's ECG lies among others; None without one that is fit to be read."""
        with self.look() as connection:
            content = connection.scalar(select(Case.embedding).where(Case.id == clean(case_id)))
        return None if content is None else np.frombuffer(content, "<f4")

    def embeddings(self, most: int = RECENT) -> list[tuple[str, str | None, NDArray[np.float32]]]:
        """(case, patient, embedding) of the assessed ECGs, the newest first."""
        found = select(Case.id, Case.patient_id, Case.embedding).where(Case.embedding.is_not(None))
        found = found.order_by(Case.created.desc()).limit(most)
        with self.look() as connection:
            return [
                (case, patient, np.frombuffer(content or b"", "<f4"))
                for case, patient, content in connection.execute(found)
            ]

    def batch(self, batch_id: str) -> tuple[Batch, dict[str, int]]:
        """A batch, and how many of its cases have each status. Raises InputError "serve.unknown"."""
        known = clean(batch_id)
        counted = select(Case.status, func.count()).where(Case.batch_id == known).group_by(Case.status)
        with self.look() as connection:
            batch = connection.get(Batch, known)
            if batch is None:
                raise unknown("batch")
            found = connection.execute(counted).all()
            return batch, {str(status): int(count) for status, count in found}

    # Afterwards

    def add_outcome(
        self, case_id: str, task: str, target: str, verdict: str, note: str = "", actor: str = ""
    ) -> str:
        """Enter what turned out to be true. Raises InputError "serve.unknown", ".verdict", ".note"."""
        if verdict not in ("present", "absent", "unknown"):
            raise InputError("serve.verdict", "this is no verdict", "present, absent or unknown")
        if max(map(len, (task, target, note))) > LONGEST_NOTE:
            raise InputError("serve.note", "this is too long", f"at most {LONGEST_NOTE:,} characters")
        with self.begin() as connection:
            if locked_case(connection, clean(case_id)) is None:
                raise unknown("case")
            said = {"task": task, "target": target, "note": note, "actor": actor}
            cleaned = {name: clean(text) for name, text in said.items()}
            outcome = Outcome(case_id=case_id, verdict=verdict, **cleaned)
            connection.add(outcome)
            connection.flush()
            return outcome.id

    def delete(self, case_id: str) -> None:
        """Remove a case for ever: rows, files that no other case holds, a patient or batch without cases.

        See `wipe` for what the database still holds then. Backups are out of its reach.
        Raises InputError "serve.unknown", StorageError.
        """
        with self._gate.removing(), self.begin() as connection:
            case = locked_case(connection, clean(case_id))
            if case is None:
                raise unknown("case")
            self.originals.mark(file.sha256 for file in case.files)
            remove_case(connection, case)
        self.settle()
        self._wipe()


def _hashes(files: Mapping[str, bytes]) -> frozenset[str]:
    return frozenset(hashlib.sha256(content).hexdigest() for content in files.values())


def unknown(what: str) -> InputError:
    """Nothing is there under this id."""
    return InputError("serve.unknown", f"there is no such {what}", "it may have been deleted")


_LISTED = (selectinload(Case.files), selectinload(Case.patient), selectinload(Case.outcomes))


def _bytes(embedding: NDArray[np.float32] | None) -> bytes | None:
    return None if embedding is None else embedding.astype("<f4").tobytes()
