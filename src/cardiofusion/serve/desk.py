"""The desk: where cases are assessed, a few at a time, whoever waits for the answer first.

Files are read and examined in processes of their own with limits (`signal.LimitedExaminer`). A case is taken
from the store, so nothing is lost when the process ends: what was not answered is taken up again at the next
start.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cardiofusion.records import CardioFusionError, Recording, innermost
from cardiofusion.report.sheet import named
from cardiofusion.runtime import Assessed, System
from cardiofusion.runtime.admission import PATIENT_KEYS
from cardiofusion.serve.headline import headline
from cardiofusion.serve.store import Answered, Case, Store
from cardiofusion.signal import Examined, ExaminingFault, LimitedExaminer

T = TypeVar("T")
log = logging.getLogger(__name__)


@dataclass(order=True)
class _Work:
    """Urgent before the rest, then in the order in which it came."""

    rank: tuple[int, int]
    act: Callable[[], Any] | None = field(compare=False)
    future: Future[Any] = field(compare=False)


class Desk:
    """Threads that assess. Safe to call from threads.

    workers: processes that read and examine ECGs. threads: how many assess, one more than workers where not
    said: while it does its part of one assessment, the next ECG is examined.
    """

    def __init__(self, system: System, store: Store, workers: int = 1, threads: int | None = None) -> None:
        self.system = system
        self._store = store
        self._reader = LimitedExaminer(workers)
        self._queue: queue.PriorityQueue[_Work] = queue.PriorityQueue()
        self._order = itertools.count()
        self._threads = [
            threading.Thread(target=self._work, name=f"desk-{i}", daemon=True)
            for i in range(threads or workers + 1)
        ]
        for thread in self._threads:
            thread.start()

    def take_up(self) -> int:
        """Queue what the store says is still waiting; how many cases that is."""
        waiting = self._store.waiting()
        for case_id, source in waiting:
            self.submit(case_id, urgent=source == "page")
        return len(waiting)

    def submit(self, case_id: str, urgent: bool = False) -> Future[None]:
        """Assess a stored case. The future is done when the store has the answer; it never raises."""
        return self.run(lambda _: self._assess_case(case_id), urgent)

    def run(self, work: Callable[[System], T], urgent: bool = True) -> Future[T]:
        """Do some work with the system, in turn. The future gives what it returns or raises."""
        future: Future[T] = Future()
        self._queue.put(_Work((not urgent, next(self._order)), lambda: work(self.system), future))
        return future

    @property
    def waiting(self) -> int:
        """How much work has not begun."""
        return self._queue.qsize()

    def read(self, files: Mapping[str, bytes]) -> Recording:
        """One recording's files, read with limits. Raises RecordingError."""
        return self._reader.read_files(files)

    def examine(self, files: Mapping[str, bytes]) -> Examined:
        """The same, and what is told of it before a model sees it."""
        return self._reader.examine_files(files)

    def close(self) -> None:
        """Finish what has begun; the rest waits in the store."""
        for _ in self._threads:
            self._queue.put(_Work((-1, next(self._order)), None, Future()))
        for thread in self._threads:
            thread.join()
        self._reader.close()

    def _work(self) -> None:
        while (work := self._queue.get()).act is not None:
            if not work.future.set_running_or_notify_cancel():
                continue  # whoever asked has gone
            try:
                work.future.set_result(work.act())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits
                work.future.set_exception(error)

    def _assess_case(self, case_id: str) -> None:
        row = None
        try:
            if self._store.begin_attempt(case_id):
                case = self._store.case(case_id)
                row = case.row
                self._answer(case)
        except CardioFusionError as error:
            self._refuse(case_id, row, error.code, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the desk or lose the case
            # Only what kind of error it is: its words may hold what the file says of the patient.
            log.error("case %s: %s", case_id, _fault(error))
            self._refuse(
                case_id, row, "internal", "CardioFusion made a mistake", "report it; the file is kept"
            )

    def _answer(self, case: Case) -> None:
        examined = self.examine(self._store.files_of(case)) if case.files else None
        assessed = self.system.assess_examined(examined, case.row)
        answer = answered(assessed, None if examined is None else examined.recording, case.row)
        self._store.save_answer(case.id, answer, case.row)

    def _refuse(
        self, case_id: str, row: Mapping[str, Any] | None, code: str, message: str, hint: str
    ) -> None:
        try:
            self._store.save_refusal(case_id, code, message, hint, row)
        except CardioFusionError as error:
            log.error("case %s: %s; it stays waiting", case_id, error.code)


def answered(assessed: Assessed, recording: Recording | None, row: Mapping[str, Any]) -> Answered:
    """An assessment as the store keeps it: of whom the sheet says it is."""
    assessment = assessed.assessment
    who: Mapping[str, Any] = named(assessment.patient, recording)
    ecg_of, row_of = recording.patient_id if recording else None, stated_number(row)
    return Answered(
        assessment=assessment.to_json(),
        headline=headline(assessment),
        patient=ecg_of or row_of,
        recorded=recording.time if recording else None,
        age=who["age"],
        sex=who["sex"],
        grade=assessment.quality.grade if assessment.quality else None,
        bundle_hash=assessment.provenance["bundle_hash"],
        embedding=assessed.embedding,
        contradicted=None not in (ecg_of, row_of) and ecg_of != row_of,
    )


def stated_number(row: Mapping[str, Any]) -> str | None:
    """The patient's number that a row states."""
    return next((str(row[key]) for key in PATIENT_KEYS if row.get(key)), None)


def _fault(error: Exception) -> str:
    """Its kind and place, whichever process it happened in."""
    return (
        str(error) if isinstance(error, ExaminingFault) else f"{type(error).__name__} in {innermost(error)}"
    )
