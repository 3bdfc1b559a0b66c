"""How the server is used: counts of what the store holds, by day, state, source, quality and refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session as Connection

from cardiofusion.serve.store import Case, Store
from cardiofusion.serve.store.tables import now

DAYS = 30
MOST = 10  # kinds of refusal shown


@dataclass(frozen=True)
class Monitored:
    """days: (day, cases) of the last DAYS days, UTC. The others: what -> cases."""

    days: tuple[tuple[date, int], ...]
    status: Mapping[str, int]
    source: Mapping[str, int]
    grade: Mapping[str, int]
    refusals: tuple[tuple[str, int], ...]

    @property
    def busiest(self) -> int:
        """Cases of the busiest day, at least 1."""
        return max(1, *(cases for _, cases in self.days))

    @property
    def recent(self) -> int:
        """Cases of these days."""
        return sum(cases for _, cases in self.days)


def monitored(store: Store) -> Monitored:
    """Counted by the database: a clinic's cases do not fit into memory."""
    first = now() - timedelta(days=DAYS - 1)
    with store.look() as connection:
        by_day = _by_day(connection, first)
        codes = _counts(connection, Case.refusal["code"].as_string(), Case.status == "refused")
        return Monitored(
            days=tuple((day, by_day.get(day, 0)) for day in (_day(first, i) for i in range(DAYS))),
            status=_counts(connection, Case.status),
            source=_counts(connection, Case.source),
            grade=_counts(connection, Case.grade),
            refusals=tuple(sorted(codes.items(), key=lambda pair: (-pair[1], pair[0])))[:MOST],
        )


def _counts(connection: Connection, what: Any, *where: Any) -> dict[str, int]:
    """value -> cases. The value gets a name first: PostgreSQL does not know an expression again."""
    named = select(what.label("value")).where(what.is_not(None), *where).subquery()
    found = connection.execute(select(named.c.value, func.count()).group_by(named.c.value))
    return {str(value): int(count) for value, count in found}


def _by_day(connection: Connection, first: datetime) -> dict[date, int]:
    since = datetime.combine(first.date(), datetime.min.time(), first.tzinfo)
    counted = _counts(connection, func.date(Case.created), Case.created >= since)
    return {date.fromisoformat(day): cases for day, cases in counted.items()}


def _day(first: datetime, after: int) -> date:
    return (first + timedelta(days=after)).date()
