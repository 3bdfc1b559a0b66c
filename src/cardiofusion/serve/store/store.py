"""What a clinic keeps: cases, their original files, outcomes. The only way from pages and APIs to the tables.

A file counts as accepted once `accept` has returned: its bytes are on the disk and its case is committed.
Whatever happens to the process afterwards, the case waits with the status "received" until it is assessed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import update
from sqlalchemy.orm import Session as Connection
from sqlalchemy.orm import sessionmaker

from cardiofusion.records import CardioFusionError, InputError, StorageError
from cardiofusion.serve.store.database import database_errors
from cardiofusion.serve.store.locking import Gate
from cardiofusion.serve.store.looking import Looking, unknown
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
from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Outcome
from cardiofusion.serve.store.text import LONGEST_NOTE, clean, clean_names, clean_row
from cardiofusion.serve.store.wiping import wipe

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


class Store(Looking):
    """Cases of one data folder: what `Looking` answers, and what changes it. Safe to call from threads."""

    def __init__(self, folder: Path, url: str) -> None:
        originals = Originals(folder)
        super().__init__(open_database(url), originals)
        self._write = sessionmaker(self.engine, expire_on_commit=False)
        # Between keeping a file and committing its case, deleting another case must not take the file away.
        self._gate = Gate(folder)
        self._unwiped = False

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that may write: committed where the block ends well, else undone."""
        with database_errors(), self._write.begin() as connection:
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

    # Assessing

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

    def save_refusal(
        self, case_id: str, code: str, message: str, hint: str, row: Mapping[str, Any] | None = None
    ) -> None:
        """The case cannot be assessed: why, and what to do. Nothing happens where it waits no more.

        row: what could not be assessed; where the case was corrected meanwhile, this does not speak of it.
        """
        with self.begin() as connection:
            case = locked_case(connection, case_id)
            if case is not None and case.status == "received" and row in (None, case.row):
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


def _bytes(embedding: NDArray[np.float32] | None) -> bytes | None:
    return None if embedding is None else embedding.astype("<f4").tobytes()
