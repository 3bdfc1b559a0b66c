"""What can be asked of a store without changing it: cases, patients, batches, embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session as Connection
from sqlalchemy.orm import selectinload, sessionmaker, undefer

from cardiofusion.records import InputError
from cardiofusion.serve.store.database import database_errors, reading
from cardiofusion.serve.store.originals import Originals
from cardiofusion.serve.store.searching import Search, ecgs_before, matching, newest_first, of_one_person
from cardiofusion.serve.store.tables import Batch, Case, CaseFile, Patient
from cardiofusion.serve.store.text import clean

PAGE = 50  # cases a page of the worklist
RECENT = 5000  # ECGs among which similar ones are looked for: 2 MB, and some 50 ms
MANY = 500  # cases at a time of an export

_LISTED = (selectinload(Case.files), selectinload(Case.patient), selectinload(Case.outcomes))


class Looking:
    """Reads the cases of one data folder. Safe to call from threads."""

    def __init__(self, engine: Engine, originals: Originals) -> None:
        self.engine = engine
        self.originals = originals
        self._read = sessionmaker(reading(engine), expire_on_commit=False)

    @contextmanager
    def look(self) -> Iterator[Connection]:
        """A transaction that only reads, all of it at one moment."""
        with database_errors(), self._read.begin() as connection:
            yield connection

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

    def not_in_batch(self, batch: str, groups: Sequence[dict[str, bytes]]) -> list[dict[str, bytes]]:
        """Those of some recordings' files that no case of the batch holds, for whoever sends them twice."""
        held = select(CaseFile.case_id, CaseFile.sha256).join(Case).where(Case.batch_id == clean(batch))
        cases: dict[str, set[str]] = {}
        with self.look() as connection:
            for case, sha256 in connection.execute(held):
                cases.setdefault(case, set()).add(sha256)
        known = {frozenset(hashes) for hashes in cases.values()}
        return [files for files in groups if _hashes(files) not in known]

    def waiting(self) -> list[tuple[str, str]]:
        """(id, source) of the cases that wait to be assessed, the oldest first.

        Those that were begun before come last: one of them may have ended the server, and would again.
        """
        found = select(Case.id, Case.source).where(Case.status == "received")
        with self.look() as connection:
            ordered = connection.execute(found.order_by(Case.attempts, Case.created, Case.id))
            return [(case, source) for case, source in ordered]


def _hashes(files: Mapping[str, bytes]) -> frozenset[str]:
    return frozenset(hashlib.sha256(content).hexdigest() for content in files.values())


def unknown(what: str) -> InputError:
    """Nothing is there under this id."""
    return InputError("serve.unknown", f"there is no such {what}", "it may have been deleted")
