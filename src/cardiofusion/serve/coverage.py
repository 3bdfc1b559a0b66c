"""How often the sets that were given held what turned out to be true, beside the share that was promised.

An answer that stayed closed, or was guessed without the ECG that its task asks for, promised nothing and
counts for nothing; neither do the virtual patients of the examples. What another bundle answered is told
apart: it is another promise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import Select, func, select

from cardiofusion.records import assessment_from_json
from cardiofusion.serve.shares import Share
from cardiofusion.serve.store import Case, Outcome, Store, unpack

AT_A_TIME = 500  # confirmed answers in memory
State = Literal["few", "below", "kept"]


@dataclass(frozen=True)
class TargetCoverage:
    """Of one target: sets that held the truth, of those who have it and of those who have not."""

    target: str
    present: Share
    absent: Share


@dataclass(frozen=True)
class TaskCoverage:
    """Of one task as one bundle answered it. promised: of each class, between 0 and 1.

    together: all its targets, each confirmed answer once.
    """

    bundle: str
    task: str
    promised: float
    together: Share
    targets: tuple[TargetCoverage, ...]

    @property
    def state(self) -> State:
        """ "below" where a class of a target, or all of them, is; "few" where none has patients enough."""
        shares = [self.together, *(share for one in self.targets for share in (one.present, one.absent))]
        states = {share.against(self.promised) for share in shares}
        return "below" if "below" in states else "kept" if "kept" in states else "few"


@dataclass(frozen=True)
class Confirmed:
    """tasks: of the bundle in use. others: of other bundles. unpromised: confirmed answers left out."""

    tasks: tuple[TaskCoverage, ...]
    others: tuple[TaskCoverage, ...]
    unpromised: int

    @property
    def state(self) -> State:
        """Of the bundle in use: the worst of its tasks."""
        states = {task.state for task in self.tasks}
        return "below" if "below" in states else "kept" if "kept" in states else "few"

    @property
    def together(self) -> tuple[int, int]:
        """(sets that held the truth, confirmed answers) of the bundle in use."""
        return sum(t.together.part for t in self.tasks), sum(t.together.n for t in self.tasks)


@dataclass
class _Tally:
    held: int = 0
    n: int = 0
    patients: set[str] = field(default_factory=set)

    def add(self, held: bool, patient: str) -> None:
        self.held += held
        self.n += 1
        self.patients.add(patient)

    @property
    def share(self) -> Share:
        return Share(self.held, self.n, len(self.patients))


_Task = tuple[str, str]  # bundle, task


@dataclass
class _Tallies:
    """What has been counted. asked: for each task a case whose answer says what was promised."""

    asked: dict[_Task, str] = field(default_factory=dict)
    tasks: dict[_Task, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    targets: dict[tuple[_Task, str, str], _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    unpromised: int = 0

    def add(self, row: Any) -> None:
        """One confirmed answer."""
        said = _verdicts(row.headline).get((row.task, row.target))
        if said is None:
            return
        if row.task in _unpromised(row.headline):
            self.unpromised += 1
            return
        task = (row.bundle_hash or "", row.task)
        held = said in (row.verdict, "cannot tell")
        self.asked.setdefault(task, row.id)
        self.tasks[task].add(held, row.patient)
        self.targets[task, row.target, row.verdict].add(held, row.patient)


def confirmed(store: Store, bundle: str) -> Confirmed:
    """Everything confirmed so far. bundle: the hash of the one in use. Raises StorageError."""
    tallies = _Tallies()
    with store.look() as connection:
        for row in connection.execute(_newest(), execution_options={"yield_per": AT_A_TIME}):
            tallies.add(row)
        promises = dict(_promises(connection, tallies.asked))
    told = [_told(tallies, task, promised) for task, promised in sorted(promises.items())]
    return Confirmed(
        tasks=tuple(one for one in told if one.bundle == bundle),
        others=tuple(one for one in told if one.bundle != bundle),
        unpromised=tallies.unpromised,
    )


def _newest() -> Select[Any]:
    """What was confirmed of each case and target last; "unknown" takes an earlier entry back."""
    entries = select(
        Outcome.case_id,
        Outcome.task,
        Outcome.target,
        Outcome.verdict,
        func.row_number()
        .over(
            partition_by=(Outcome.case_id, Outcome.task, Outcome.target),
            order_by=(Outcome.entered.desc(), Outcome.id.desc()),
        )
        .label("age"),
    ).subquery()
    patient = func.coalesce(Case.patient_id, Case.id).label("patient")
    told = (entries.c.task, entries.c.target, entries.c.verdict)
    return (
        select(Case.id, patient, Case.bundle_hash, Case.headline, *told)
        .join(entries, entries.c.case_id == Case.id)
        .where(entries.c.age == 1, entries.c.verdict != "unknown")
        .where(Case.status == "assessed", Case.source != "example")
        .order_by(Case.created.desc(), Case.id)
    )


def _promises(connection: Any, asked: Mapping[_Task, str]) -> Iterator[tuple[_Task, float]]:
    """The share that each task's sets promised, as one of its answers says."""
    for task, case in asked.items():
        packed = connection.scalar(select(Case.assessment).where(Case.id == case))
        answer = assessment_from_json(unpack(packed or b"")).tasks.get(task[1])
        if answer is not None:
            yield task, answer.coverage


def _told(tallies: _Tallies, task: _Task, promised: float) -> TaskCoverage:
    named = sorted({target for of, target, _ in tallies.targets if of == task})
    targets = tuple(
        TargetCoverage(target, *(_share(tallies.targets, (task, target, v)) for v in ("present", "absent")))
        for target in named
    )
    return TaskCoverage(*task, promised, tallies.tasks[task].share, targets)


def _share(targets: Mapping[tuple[_Task, str, str], _Tally], key: tuple[_Task, str, str]) -> Share:
    return targets.get(key, _Tally()).share


def _verdicts(headline: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """What a case's sets said, by task and target."""
    findings: Iterable[Any] = (headline or {}).get("findings", ())
    return {(task, target): said for task, target, said, *_ in findings}


def _unpromised(headline: Mapping[str, Any]) -> set[str]:
    return {*headline.get("closed", ()), *headline.get("guessed", ())}
