"""Survival by boosted trees: the chance of the event in each interval of time, for those who reach it.

Discrete-time hazards (Singer and Willett, J Educ Stat 1993;18:155): a patient stands in a row for every
interval entered, with its number as one more column, and one booster learns from all rows. So trees may split
on time: a risk factor need not act alike early and late. Who is censored inside an interval counts in it if
observed for half of it or more. Within an interval the hazard is taken as constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import Observed
from cardiofusion.records import ClinicalSchema, Column, DatasetError
from cardiofusion.tabular.booster import Booster
from cardiofusion.tabular.training import train_booster

INTERVALS = 12
INTERVAL = "interval_of_time"  # the name of the added column
FEW_EVENTS = 20

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


def time_edges(observed: Observed, horizon: float, intervals: int = INTERVALS) -> Values:
    """Ends of intervals [interval + 1] in years from 0 to `horizon`, about as many events in each.

    Raises DatasetError where there are too few events to learn from.
    """
    times = observed.time[observed.event & (observed.time < horizon)]
    if len(times) < FEW_EVENTS:
        raise DatasetError(
            "dataset.few_events",
            f"{len(times)} events within {horizon:g} years",
            f"at least {FEW_EVENTS} are needed to learn when they come",
        )
    inner = np.quantile(times, np.linspace(0.0, 1.0, intervals + 1)[1:-1])
    return np.unique(np.concatenate([[0.0], inner, [horizon]]))


def person_periods(observed: Observed, edges: Values) -> tuple[Rows, Rows, NDArray[np.float32]]:
    """Every interval that somebody was observed in: patient, interval, and 1 where the event came in it."""
    start, end = edges[:-1], edges[1:]
    came = observed.event[:, None] & (observed.time[:, None] > start) & (observed.time[:, None] <= end)
    at_risk = came | (observed.time[:, None] >= (start + end) / 2.0) & ~_over(observed, start)
    patient, interval = np.nonzero(at_risk)
    return patient, interval, came[patient, interval].astype(np.float32)


def _over(observed: Observed, start: Values) -> NDArray[np.bool_]:
    """Whether the event came before an interval began."""
    return observed.event[:, None] & (observed.time[:, None] <= start)


@dataclass(frozen=True, eq=False)
class SurvivalBooster:
    """booster: the log-odds of the event in an interval. edges: years, see `time_edges`."""

    booster: Booster
    edges: Values

    def survival(self, values: Values, times: Values, threads: int = 1) -> Values:
        """The chance [row, time] that the event has not come at `times` (years, up to the last edge)."""
        at_edges = np.pad(np.cumsum(self._log_steps(values, threads), axis=1), ((0, 0), (1, 0)))
        index = np.clip(np.searchsorted(self.edges, times, side="right") - 1, 0, len(self.edges) - 2)
        share = (times - self.edges[index]) / (self.edges[index + 1] - self.edges[index])
        step = at_edges[:, index + 1] - at_edges[:, index]
        return np.asarray(np.exp(at_edges[:, index] + np.clip(share, 0.0, 1.0) * step))

    def risk(self, values: Values, horizon: float, threads: int = 1) -> Values:
        """The chance [row] that the event comes within `horizon` years."""
        return 1.0 - self.survival(values, np.array([horizon]), threads)[:, 0]

    def _log_steps(self, values: Values, threads: int) -> Values:
        """The logarithm of the chance to get through each interval: [row, interval]."""
        n, k = len(values), len(self.edges) - 1
        repeated = np.repeat(values, k, axis=0)
        logit = self.booster.predict_logit(_with_interval(repeated, np.tile(np.arange(k), n)), threads)
        return -np.logaddexp(0.0, logit).reshape(n, k)


def train_survival(
    values: Values,
    observed: Observed,
    schema: ClinicalSchema,
    horizon: float,
    seed: int,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
) -> SurvivalBooster:
    """Boosted hazards of encoded rows [n, column] up to `horizon` years; a patient's rows stay together.

    groups: [n] patients. Raises DatasetError where there are too few events.
    """
    edges = time_edges(observed, horizon)
    patient, interval, y = person_periods(observed, edges)
    people = np.arange(len(values)).astype(np.str_) if groups is None else groups
    longer = ClinicalSchema((*schema, Column(INTERVAL, low=0, high=len(edges) - 2)))
    rows = _with_interval(values[patient], interval)
    booster = train_booster(rows, y, longer, seed, groups=people[patient], threads=threads)
    return SurvivalBooster(booster, edges)


def _with_interval(values: Values, interval: Rows) -> Values:
    return np.column_stack([values, interval.astype(np.float64)])
