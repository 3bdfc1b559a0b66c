"""Counts of what the store holds, by day, refusal, quality and source; answers beside confirmed outcomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import func, select

from cardiofusion.serve.store import Case, Outcome, Store
from cardiofusion.serve.store.tables import now

DAYS = 30
MOST = 10  # kinds of refusal shown


@dataclass(frozen=True)
class Confirmed:
    """Of one target: confirmed outcomes, and how many of the sets given held what turned out to be true."""

    task: str
    target: str
    present: int
    absent: int
    held: int

    @property
    def n(self) -> int:
        """Cases of which the truth is known."""
        return self.present + self.absent


@dataclass(frozen=True)
class Monitored:
    """days: (day, cases) of the last DAYS days. The others: what -> cases. confirmed: see `Confirmed`."""

    days: tuple[tuple[date, int], ...]
    status: Mapping[str, int]
    source: Mapping[str, int]
    grade: Mapping[str, int]
    refusals: tuple[tuple[str, int], ...]
    confirmed: tuple[Confirmed, ...]

    @property
    def busiest(self) -> int:
        """Cases of the busiest day, at least 1."""
        return max(1, *(cases for _, cases in self.days))


def monitored(store: Store) -> Monitored:
    """Everything the monitor shows."""
    refusals: Counter[str] = Counter()
    with store.look() as connection:

        def counts(column: Any) -> dict[str, int]:
            found = connection.execute(
                select(column, func.count()).where(column.is_not(None)).group_by(column)
            )
            return {str(value): int(count) for value, count in found}

        for refusal in connection.scalars(select(Case.refusal).where(Case.status == "refused")):
            refusals[(refusal or {}).get("code", "?")] += 1
        first = now() - timedelta(days=DAYS - 1)
        created = connection.scalars(select(Case.created).where(Case.created >= first))
        by_day = Counter(moment.date() for moment in created)
        return Monitored(
            days=tuple((day, by_day[day]) for day in (_day(first, i) for i in range(DAYS))),
            status=counts(Case.status),
            source=counts(Case.source),
            grade=counts(Case.grade),
            refusals=tuple(refusals.most_common(MOST)),
            confirmed=_confirmed(
                connection.execute(
                    select(Case.id, Case.headline, Outcome.task, Outcome.target, Outcome.verdict)
                    .join(Outcome, Outcome.case_id == Case.id)
                    .order_by(Outcome.entered)
                ).all()
            ),
        )


def _day(first: Any, after: int) -> date:
    day: date = (first + timedelta(days=after)).date()
    return day


def _confirmed(rows: Any) -> tuple[Confirmed, ...]:
    """The newest outcome of each case and target counts; "unknown" takes an earlier one back."""
    newest = {(case, task, target): (headline, verdict) for case, headline, task, target, verdict in rows}
    tally: dict[tuple[str, str], Counter[str]] = {}
    for (_, task, target), (headline, verdict) in newest.items():
        said = {(t, name): word for t, name, word, *_ in (headline or {}).get("findings", [])}.get(
            (task, target)
        )
        if verdict == "unknown" or said is None:
            continue
        counted = tally.setdefault((task, target), Counter())
        counted[verdict] += 1
        counted["held"] += said in (verdict, "cannot tell")
    return tuple(
        Confirmed(task, target, counted["present"], counted["absent"], counted["held"])
        for (task, target), counted in sorted(tally.items())
    )
