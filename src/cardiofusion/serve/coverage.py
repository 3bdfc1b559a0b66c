"""How often the sets that were given held what turned out to be true, beside the share that was promised.

An answer that stayed closed, or was guessed without the ECG that its task asks for, promised nothing and
counts for nothing; neither do the virtual patients of the examples. What another bundle answered is told
apart: it is another promise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Select, func, select

from cardiofusion.records import InputError, StorageError, assessment_from_json
from cardiofusion.serve.shares import Share
from cardiofusion.serve.store import Case, Outcome, Store, unpack

AT_A_TIME = 500  # confirmed answers in memory
ASKED = 5  # answers of a task that are asked what was promised, should some be damaged
VERDICTS = ("present", "absent")
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
        """ "below" where a class of a target is; "few" where any has too few patients to tell."""
        shares = [share for one in self.targets for share in (one.present, one.absent)]
        if any(share.below for share in shares):
            return "below"
        return "kept" if all(share.enough for share in shares) else "few"


@dataclass(frozen=True)
class Confirmed:
    """tasks: of the bundle in use. others: of other bundles. unpromised: confirmed answers left out.

    early: left out because somebody said that an event stayed away before its years were over.
    """

    tasks: tuple[TaskCoverage, ...]
    others: tuple[TaskCoverage, ...]
    unpromised: int
    early: int = 0

    @property
    def state(self) -> State:
        """Of the bundle in use: the worst of its tasks."""
        states = {task.state for task in self.tasks}
        return "below" if "below" in states else "kept" if states == {"kept"} else "few"

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
_Class = tuple[str, str, str]  # bundle, task, target


@dataclass
class _Tallies:
    """What has been counted. asked: for each task some cases whose answers say what was promised.

    horizons: years until nobody can say any more that an event stays away.
    """

    horizons: Mapping[str, float]
    asked: dict[_Task, list[str]] = field(default_factory=lambda: defaultdict(list))
    tasks: dict[_Task, _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    targets: dict[tuple[_Task, str, str], _Tally] = field(default_factory=lambda: defaultdict(_Tally))
    unpromised: int = 0
    early: int = 0

    def add(self, row: Any) -> None:
        """One confirmed answer."""
        said = _verdicts(row.headline).get((row.task, row.target))
        if said is None:
            return
        if row.task in _unpromised(row.headline):
            self.unpromised += 1
            return
        if row.verdict == "absent" and row.entered < _over(row, self.horizons.get(row.task, 0.0)):
            self.early += 1
            return
        task = (row.bundle_hash or "", row.task)
        held = said in (row.verdict, "cannot tell")
        if len(self.asked[task]) < ASKED:
            self.asked[task].append(row.id)
        self.tasks[task].add(held, row.patient)
        self.targets[task, row.target, row.verdict].add(held, row.patient)


def confirmed(
    store: Store,
    bundle: str,
    calibrated: Mapping[tuple[str, str], tuple[int, int]] | None = None,
    horizons: Mapping[str, float] | None = None,
) -> Confirmed:
    """Everything confirmed so far. Raises StorageError.

    bundle: the hash of the one in use. calibrated: patients who calibrated its sets, see
    `System.calibration_patients`; without them nothing is called below its promise. horizons: of its tasks
    that speak of events, in years.
    """
    tallies = _Tallies(horizons or {})
    with store.look() as connection:
        for row in connection.execute(_newest(), execution_options={"yield_per": AT_A_TIME}):
            tallies.add(row)
        promises = dict(_promises(connection, tallies.asked))
    fewest = {(bundle, *named): n for named, n in (calibrated or {}).items()}
    told = [_told(tallies, task, promised, fewest) for task, promised in sorted(promises.items())]
    return Confirmed(
        tasks=tuple(one for one in told if one.bundle == bundle),
        others=tuple(one for one in told if one.bundle != bundle),
        unpromised=tallies.unpromised,
        early=tallies.early,
    )


def _over(row: Any, horizon: float) -> datetime:
    """When the years of an event are over, counted from the case's arrival."""
    began: datetime = row.created
    return began + timedelta(days=365.25 * horizon)


def _newest() -> Select[Any]:
    """What was confirmed of each case and target last; "unknown" takes an earlier entry back."""
    entries = select(
        Outcome.case_id,
        Outcome.task,
        Outcome.target,
        Outcome.verdict,
        Outcome.entered,
        func.row_number()
        .over(
            partition_by=(Outcome.case_id, Outcome.task, Outcome.target),
            order_by=(Outcome.entered.desc(), Outcome.id.desc()),
        )
        .label("age"),
    ).subquery()
    patient = func.coalesce(Case.patient_id, Case.id).label("patient")
    told = (entries.c.task, entries.c.target, entries.c.verdict, entries.c.entered)
    return (
        select(Case.id, patient, Case.bundle_hash, Case.created, Case.headline, *told)
        .join(entries, entries.c.case_id == Case.id)
        .where(entries.c.age == 1, entries.c.verdict != "unknown")
        .where(Case.status == "assessed", Case.source != "example")
        .order_by(Case.created.desc(), Case.id)
    )


def _promises(connection: Any, asked: Mapping[_Task, Sequence[str]]) -> Iterator[tuple[_Task, float]]:
    """The share that each task's sets promised, as one of its answers says that is not damaged."""
    for task, cases in asked.items():
        said = (_promise(connection, case, task[1]) for case in cases)
        promised = next((share for share in said if share is not None), None)
        if promised is not None:
            yield task, promised


def _promise(connection: Any, case: str, task: str) -> float | None:
    packed = connection.scalar(select(Case.assessment).where(Case.id == case))
    with suppress(StorageError, InputError):
        answer = assessment_from_json(unpack(packed or b"")).tasks.get(task)
        return None if answer is None else answer.coverage
    return None


def _told(
    tallies: _Tallies, task: _Task, promised: float, calibrated: Mapping[_Class, tuple[int, int]]
) -> TaskCoverage:
    named = sorted({target for of, target, _ in tallies.targets if of == task})
    classes = {
        (target, verdict): _share(tallies.targets, (task, target, verdict))
        for target in named
        for verdict in VERDICTS
    }
    looked_at = sum(share.enough for share in classes.values())
    for (target, verdict), share in classes.items():
        n = calibrated.get((*task, target), (0, 0))[verdict == "present"]
        classes[target, verdict] = replace(share, below=share.short_of(promised, n, looked_at))
    targets = tuple(TargetCoverage(target, *(classes[target, v] for v in VERDICTS)) for target in named)
    return TaskCoverage(*task, promised, tallies.tasks[task].share, targets)


def _share(targets: Mapping[tuple[_Task, str, str], _Tally], key: tuple[_Task, str, str]) -> Share:
    return targets.get(key, _Tally()).share


def _verdicts(headline: Mapping[str, Any] | None) -> dict[tuple[str, str], str]:
    """What a case's sets said, by task and target."""
    findings: Iterable[Any] = (headline or {}).get("findings", ())
    return {(task, target): said for task, target, said, *_ in findings}


def _unpromised(headline: Mapping[str, Any]) -> set[str]:
    return {*headline.get("closed", ()), *headline.get("guessed", ())}
