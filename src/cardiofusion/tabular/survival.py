"""Survival by boosted trees: the chance of the event in each interval of time, for those who reach it.

Discrete-time hazards (Singer and Willett, J Educ Stat 1993;18:155): a patient stands in a row for every
interval entered, with its number as one more column, and one booster learns from all rows. So trees may split
on time: a risk factor need not act alike early and late. Who is censored inside an interval counts in it if
observed for half of it or more. Within an interval the hazard is taken as constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import Observed
from cardiofusion.records import BundleError, ClinicalSchema, ClinicalTable, Column, DatasetError
from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.training import train_booster

INTERVALS = 12
INTERVAL = "interval_of_time"  # the name of the added column
FEW_EVENTS = 20

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


class RowModel(Protocol):
    """Trees that answer one target from a clinical row: `Booster` and `SurvivalBooster`."""

    @property
    def model(self) -> BoosterModel: ...

    def predict_logit(self, values: Values, threads: int = 1) -> Values: ...

    def contributions(self, values: Values, threads: int = 1) -> Values: ...

    def missing(self, row: Values) -> dict[str, str]: ...

    def to_json(self) -> dict[str, Any]: ...


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


def hazard_targets(observed: Observed, edges: Values) -> NDArray[np.float32]:
    """The same as one row a patient: [patient, interval], NaN where not observed in that interval."""
    patient, interval, y = person_periods(observed, edges)
    targets = np.full((len(observed), len(edges) - 1), np.nan, dtype=np.float32)
    targets[patient, interval] = y
    return targets


def risk_logit(hazard_logits: NDArray[np.floating[Any]]) -> Values:
    """Log-odds [row] of the event in any interval, from log-odds [row, interval] of it in each; NaN stays."""
    with np.errstate(invalid="ignore"):
        return np.asarray(reduce(_either, np.asarray(hazard_logits, np.float64).T))


def _either(one: Values, other: Values) -> Values:
    """Log-odds of either of two events: odds a + b + ab, exact however rare or sure they are."""
    return np.asarray(np.logaddexp(np.logaddexp(one, other), one + other))


@dataclass(frozen=True, eq=False)
class SurvivalBooster:
    """booster: the log-odds of the event in an interval. edges: years, see `time_edges`."""

    booster: Booster
    edges: Values

    @property
    def model(self) -> BoosterModel:
        """The trees: of the schema's columns and the interval."""
        return self.booster.model

    def predict_logit(self, values: Values, threads: int = 1) -> Values:
        """Log-odds [row] that the event comes by the last edge."""
        return risk_logit(self._hazard_logits(values, threads))

    def contributions(self, values: Values, threads: int = 1) -> Values:
        """SHAP values [row, column + 1] of the hazard's log-odds, mean over intervals; the last: the base.

        The interval's own contributions belong to the base: they are the same for everybody on average.
        """
        shap = self.booster.contributions(self._repeated(values), threads)
        *columns, interval, base = shap.reshape(len(values), -1, shap.shape[1]).mean(axis=1).T
        return np.column_stack([*columns, interval + base])

    def missing(self, row: Values) -> dict[str, str]:
        """For each gap of a row [column] what it meant, in words."""
        return self.booster.missing(np.append(row, 0.0))

    def to_json(self) -> dict[str, Any]:
        """All but the model's text."""
        return {**self.booster.to_json(), "edges": self.edges.tolist()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], text: str, names: tuple[str, ...]) -> SurvivalBooster:
        """The inverse of `to_json`, with the model's text and the schema's columns. Raises BundleError."""
        edges = np.asarray(document["edges"], np.float64)
        rises = edges.ndim == 1 and len(edges) >= 2 and bool((np.diff(edges) > 0).all())
        if not rises or edges[0] != 0.0 or not np.isfinite(edges[-1]):
            raise BundleError("bundle.booster", "intervals of time do not follow each other", "train again")
        return cls(Booster.from_json(document, text, (*names, INTERVAL)), edges)

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
        return -np.logaddexp(0.0, self._hazard_logits(values, threads))

    def _hazard_logits(self, values: Values, threads: int) -> Values:
        """Log-odds [row, interval] of the event in an interval, for who has come to it."""
        return self.booster.predict_logit(self._repeated(values), threads).reshape(len(values), -1)

    def _repeated(self, values: Values) -> Values:
        """Every row once for each interval: [row * interval, column + 1]."""
        k = len(self.edges) - 1
        return _with_interval(np.repeat(values, k, axis=0), np.tile(np.arange(k), len(values)))


def load_booster(document: Mapping[str, Any], text: str, names: tuple[str, ...]) -> RowModel:
    """What `to_json` of a booster of either kind gave, with the model's text. Raises BundleError."""
    try:
        kind = SurvivalBooster if "edges" in document else Booster
        return kind.from_json(document, text, names)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BundleError(
            "bundle.booster", f"a booster's entry is damaged: {error}", "train again"
        ) from error


def train_survival(
    values: Values,
    observed: Observed,
    schema: ClinicalSchema,
    horizon: float,
    seed: int,
    valid: tuple[Values, Observed] | None = None,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
) -> SurvivalBooster:
    """Boosted hazards of encoded rows [n, column] up to `horizon` years; a patient's rows stay together.

    valid: rows that tell when to stop, as in `train_booster`. groups: [n] patients.
    Raises DatasetError where there are too few events.
    """
    edges = time_edges(observed, horizon)
    people = np.arange(len(values)).astype(np.str_) if groups is None else groups
    longer = ClinicalSchema((*schema, Column(INTERVAL, low=0, high=len(edges) - 2)))
    patient, interval, y = person_periods(observed, edges)
    rows = _with_interval(values[patient], interval)
    stopping = None
    if valid is not None:
        whose, when, came = person_periods(valid[1], edges)
        stopping = _with_interval(valid[0][whose], when), came
    # What a gap means follows from patients: a row stands here once for every interval of its patient.
    policy = MissingPolicy.fit(ClinicalTable(longer, _with_interval(values, np.zeros(len(values), np.intp))))
    booster = train_booster(rows, y, longer, seed, stopping, people[patient], threads, policy)
    return SurvivalBooster(booster, edges)


def train_row_model(
    values: Values,
    outcome: NDArray[np.floating[Any]],
    schema: ClinicalSchema,
    seed: int,
    horizon: float | None = None,
    valid: tuple[Values, NDArray[np.floating[Any]]] | None = None,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
) -> RowModel:
    """`train_booster`, or with a horizon `train_survival`; rows whose outcome is not known are left out.

    outcome: [n], 1 present, 0 absent; with a horizon [n, 2], years and 1 or 0. valid: the same of other rows.
    """
    if horizon is None:
        return train_booster(values, outcome, schema, seed, valid, groups, threads)
    people = np.arange(len(values)).astype(np.str_) if groups is None else groups
    known = ~np.isnan(outcome).any(axis=1)
    times = Observed.of(outcome[known])
    stopping = None
    if valid is not None:
        there = ~np.isnan(valid[1]).any(axis=1)
        stopping = valid[0][there], Observed.of(valid[1][there])
    return train_survival(values[known], times, schema, horizon, seed, stopping, people[known], threads)


def _with_interval(values: Values, interval: Rows) -> Values:
    return np.column_stack([values, interval.astype(np.float64)])
