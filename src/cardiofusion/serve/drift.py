"""Whether the patients who come are like those the bundle learnt from: these days beside the year before.

Each row is a share of cases with its interval. Nothing here is a test: where two intervals do not touch, that
is a reason to look. The virtual patients of the examples are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, Text, and_, case, cast, func, not_, or_, select

from cardiofusion.runtime.admission import MIN_PACED
from cardiofusion.serve.shares import Share
from cardiofusion.serve.store import Case, Store
from cardiofusion.serve.store.tables import now

RECENT_DAYS = 30
BEFORE_DAYS = 365  # before those
Condition = ColumnElement[bool]
Kind = Literal["closed", "age", "paced", "leads", "unlike", "female", "unfit", "doubt", "refused"]
Populations = Sequence[tuple[str, Mapping[str, Any]]]


@dataclass(frozen=True)
class Drift:
    """One share, of the last RECENT_DAYS days and of the year before, by when the cases came in.

    kind: closed (not a patient it knows: an answer stayed closed), age (outside the ages a task learnt from),
    paced, leads (fewer than it learnt from), unlike (an empty set), female; of recordings: unfit, doubt (ECG
    and row may be of two people), refused. task, learnt: of which task, and the population it learnt from.
    """

    kind: Kind
    recent: Share
    before: Share
    task: str = ""
    learnt: Mapping[str, Any] = field(default_factory=dict)

    @property
    def moved(self) -> str:
        """ "more" or "fewer" than before where the intervals do not touch, else ""."""
        return self.recent.beside(self.before)


@dataclass(frozen=True)
class _Measure:
    """has: whether a case is counted. of: among which."""

    kind: Kind
    has: Condition
    of: Condition
    task: str = ""
    learnt: Mapping[str, Any] = field(default_factory=dict)


def drifts(store: Store, bundle: str, populations: Populations) -> tuple[Drift, ...]:
    """All shares that have a case. bundle: the hash of the one in use. populations: (task, manifest's)."""
    measures = list(_measures(bundle, populations))
    since = now() - timedelta(days=RECENT_DAYS)
    recent = _shares(store, measures, Case.created >= since)
    before = _shares(store, measures, _year_before(since))
    return tuple(
        Drift(one.kind, new, old, one.task, one.learnt)
        for one, new, old in zip(measures, recent, before, strict=True)
        if (new.n or old.n) and (one.kind != "leads" or new.part or old.part)
    )


def _year_before(since: datetime) -> Condition:
    return and_(Case.created < since, Case.created >= since - timedelta(days=BEFORE_DAYS))


def _measures(bundle: str, populations: Populations) -> Iterator[_Measure]:
    """Cautions and sets are of the bundle that answered; ages, sexes and files are everybody's."""
    ours = and_(Case.status == "assessed", Case.bundle_hash == bundle)
    read = and_(ours, Case.grade.is_not(None))
    doubt = _says("cautions", '"wrong_patient"')
    yield _Measure("closed", and_(_says("closed", '"'), not_(doubt)), ours)
    yield from _ages(populations)
    paced = [int(one.get("paced", 0)) for _, one in populations]
    if max(paced, default=0) < MIN_PACED:  # one that learnt from such patients says nothing of them
        yield _Measure("paced", _says("cautions", '"paced"'), read, learnt={"paced": max(paced, default=0)})
    yield _Measure("leads", _says("cautions", '"leads"'), read)
    yield _Measure("unlike", _says("findings", '"unlike"'), ours)
    yield _Measure("female", Case.sex == "female", and_(Case.status == "assessed", Case.sex.is_not(None)))
    yield _Measure("unfit", Case.grade == "unfit", and_(Case.status == "assessed", Case.grade.is_not(None)))
    yield _Measure("doubt", doubt, Case.status == "assessed")
    yield _Measure("refused", Case.status == "refused", Case.status.in_(("assessed", "refused")))


def _ages(populations: Populations) -> Iterator[_Measure]:
    """One a task, among those whom it answered: tasks learn from other people."""
    for task, population in populations:
        if len(ages := population.get("age", ())) == 2:
            low, high = ages
            answered = _says("findings", f"[{json.dumps(task)},")
            known = and_(Case.status == "assessed", Case.age.is_not(None), answered)
            outside = or_(Case.age < low, Case.age > high)
            yield _Measure("age", outside, known, task, population)


def _says(part: str, words: str) -> Condition:
    """Whether a part of the headline, as JSON, holds these characters: both databases can tell that."""
    return cast(Case.headline[part], Text).contains(words, autoescape=True)


def _shares(store: Store, measures: Sequence[_Measure], period: Condition) -> list[Share]:
    with store.look() as connection:
        counts = [int(count or 0) for count in connection.execute(_counting(measures, period)).one()]
    parts = iter(counts)
    return [Share(part, n, patients) for part, n, patients in zip(parts, parts, parts, strict=True)]


def _counting(measures: Sequence[_Measure], period: Condition) -> Select[*tuple[int, ...]]:
    """Three numbers a measure: cases that have it, cases among which, their patients.

    First each patient's cases, then all patients: ten times `count(distinct ...)` would sort ten times.
    """
    patient = func.coalesce(Case.patient_id, Case.id)
    counted = [(and_(one.of, one.has), one.of) for one in measures]
    sums = [func.sum(case((condition, 1), else_=0)) for pair in counted for condition in pair]
    each = select(*(one.label(f"n{i}") for i, one in enumerate(sums)))
    patients = each.where(period, Case.source != "example").group_by(patient).subquery()
    columns = [
        total
        for have, among in zip(list(patients.c)[::2], list(patients.c)[1::2], strict=True)
        for total in (func.sum(have), func.sum(among), func.count(case((among > 0, 1))))
    ]
    return select(*columns)
