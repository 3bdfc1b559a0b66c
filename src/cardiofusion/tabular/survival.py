"""Survival by two readers of a row, boosted trees and straight lines, on the hazards of a few intervals.

Discrete-time hazards (Singer and Willett, J Educ Stat 1993;18:155): a patient stands in a row for every
interval entered, with its number as one more column, and one booster learns from all rows. So trees may split
on time: a risk factor need not act alike early and late. Beside them stands a ridge on the same rows
(hazards.py). The log-odds of both are averaged. A cross-validation by patient inside the training rows picks
the number of trees and the strength of the ridge, and other shares than equal ones where they are clearly
better (docs/tabular.md).

Who is censored inside an interval counts in it if observed for half of it or more. Within an interval the
hazard is taken as constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import Observed
from cardiofusion.records import BundleError, ClinicalSchema, ClinicalTable, Column, DatasetError
from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.design import Design
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.hazards import STRENGTHS, LinearHazards, Periods, linear_path, risk_logit
from cardiofusion.tabular.recipe import Recipe, booster_parameters
from cardiofusion.tabular.training import (
    INNER_FOLDS,
    KEPT_TO_STOP,
    RULE,
    SMALL_TABLE,
    Parts,
    cross_grown,
    dataset,
    dealt_folds,
    grown,
    parts_of,
)

INTERVALS = (4, 12)
EVENTS_AN_INTERVAL = 20
INTERVAL = "interval_of_time"  # the name of the added column
FEW_EVENTS = 20
LEARNING_RATE = 0.08  # twice the rule's: as good here, in half the time
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of the trees
EQUAL = 0.5
CLEAR = 2.0  # standard errors

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


def time_edges(observed: Observed, horizon: float, intervals: int | None = None) -> Values:
    """Ends of intervals [interval + 1] in years from 0 to `horizon`, about as many events in each.

    intervals: left out, one for every EVENTS_AN_INTERVAL events, INTERVALS at the least and most.

    Raises DatasetError where there are too few events to learn from.
    """
    times = observed.time[observed.event & (observed.time < horizon)]
    if len(times) < FEW_EVENTS:
        raise DatasetError(
            "dataset.few_events",
            f"{len(times)} events within {horizon:g} years",
            f"at least {FEW_EVENTS} are needed to learn when they come",
        )
    if intervals is None:
        intervals = int(np.clip(len(times) // EVENTS_AN_INTERVAL, *INTERVALS))
    inner = np.quantile(times, np.linspace(0.0, 1.0, intervals + 1)[1:-1])
    return np.unique(np.concatenate([[0.0], inner, [horizon]]))


def person_periods(observed: Observed, edges: Values) -> Periods:
    """Every interval that somebody was observed in: patient, interval, and 1 where the event came in it."""
    start, end = edges[:-1], edges[1:]
    came = observed.event[:, None] & (observed.time[:, None] > start) & (observed.time[:, None] <= end)
    at_risk = came | (observed.time[:, None] >= (start + end) / 2.0) & ~_over(observed, start)
    patient, interval = np.nonzero(at_risk)
    return Periods(patient, interval, came[patient, interval].astype(np.float32))


def _over(observed: Observed, start: Values) -> NDArray[np.bool_]:
    """Whether the event came before an interval began."""
    return observed.event[:, None] & (observed.time[:, None] <= start)


def hazard_targets(observed: Observed, edges: Values) -> NDArray[np.float32]:
    """Person-periods as one row a patient: [patient, interval], NaN where not observed in that interval."""
    periods = person_periods(observed, edges)
    targets = np.full((len(observed), len(edges) - 1), np.nan, dtype=np.float32)
    targets[periods.patient, periods.interval] = periods.y
    return targets


@dataclass(frozen=True, eq=False)
class SurvivalBooster:
    """Two readers of the log-odds of the event in an interval, and the share of the trees among them.

    edges: years, see `time_edges`.
    """

    booster: Booster
    lines: LinearHazards
    share: float
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
        trees = np.column_stack([*columns, interval + base])
        return np.asarray(self.share * trees + (1.0 - self.share) * self.lines.contributions(values))

    def missing(self, row: Values) -> dict[str, str]:
        """For each gap of a row [column] what it meant, in words."""
        return self.booster.missing(np.append(row, 0.0))

    def to_json(self) -> dict[str, Any]:
        """All but the trees' text."""
        own = {"edges": self.edges.tolist(), "share": self.share, "lines": self.lines.to_json()}
        return {**self.booster.to_json(), **own}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], text: str, names: tuple[str, ...]) -> SurvivalBooster:
        """The inverse of `to_json`, with the trees' text and the schema's columns. Raises BundleError."""
        edges, share = np.asarray(document["edges"], np.float64), float(document["share"])
        lines = LinearHazards.from_json(document["lines"])
        follow = edges.ndim == 1 and len(edges) > 1 and bool((np.diff(edges) > 0).all())
        follow = follow and edges[0] == 0.0 and bool(np.isfinite(edges[-1]))
        sizes = len(lines.levels) == len(edges) - 1 and len(lines.design.categories) == len(names)
        sizes = sizes and len(lines.slopes) == len(lines.design.columns)
        if not (follow and sizes and 0.0 <= share <= 1.0):
            raise BundleError(
                "bundle.booster", "the intervals and lines of a booster do not fit", "train again"
            )
        return cls(Booster.from_json(document, text, (*names, INTERVAL)), lines, share, edges)

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
        trees = self.booster.predict_logit(self._repeated(values), threads).reshape(len(values), -1)
        return np.asarray(self.share * trees + (1.0 - self.share) * self.lines.logits(values))

    def _repeated(self, values: Values) -> Values:
        """Every row once for each interval: [row * interval, column + 1]."""
        k = len(self.edges) - 1
        return _with_interval(np.repeat(values, k, axis=0), np.tile(np.arange(k), len(values)))


def train_survival(
    values: Values,
    observed: Observed,
    schema: ClinicalSchema,
    horizon: float,
    seed: int,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
    recipe: Recipe = RULE,
) -> SurvivalBooster:
    """Hazards of encoded rows [n, column] up to `horizon` years; a patient's rows stay together.

    groups: [n] patients. recipe: what departs from the rule for the trees. Raises DatasetError where there
    are too few events.
    """
    edges = time_edges(observed, horizon)
    periods, k = person_periods(observed, edges), len(edges) - 1
    people = np.arange(len(values)).astype(np.str_) if groups is None else groups
    parts = _inner_parts(people, observed, seed)
    table = ClinicalTable(schema, values)
    trees, by_trees = _trees(table, periods, k, parts, _sized(recipe, observed, periods), seed, threads)
    lines, by_lines = _lines(table, periods, k, parts)
    return SurvivalBooster(trees, lines, _best_share(by_trees, by_lines, periods), edges)


def _inner_parts(people: NDArray[np.str_], observed: Observed, seed: int) -> Parts:
    """Parts of the rows, by patient: five in turn, or in a large table one that is held out."""
    event = observed.event.astype(np.float32)
    if len(people) < SMALL_TABLE:
        return parts_of(dealt_folds(people, event, [1.0] * INNER_FOLDS, seed))
    return parts_of(dealt_folds(people, event, (1.0 - KEPT_TO_STOP, KEPT_TO_STOP), seed))[1:]


def _trees(
    table: ClinicalTable, periods: Periods, k: int, parts: Parts, recipe: Recipe, seed: int, threads: int
) -> tuple[Booster, Values]:
    """The booster of all rows, and held-out log-odds [person-period], NaN where none was held out."""
    longer = ClinicalSchema((*table.schema, Column(INTERVAL, low=0, high=k - 1)))
    # Of patients, not of their periods: what stands in for a gap is then the same as for the lines.
    start = np.zeros(len(table), dtype=np.intp)
    policy = MissingPolicy.fit(ClinicalTable(longer, _with_interval(table.values, start)))
    rows = policy.fill_rows(_with_interval(table.values[periods.patient], periods.interval))
    parameters = recipe.lightgbm_parameters(longer, len(rows), seed, threads)
    training = dataset(rows, periods.y, longer, parameters)
    of_rows = [
        (np.flatnonzero(np.isin(periods.patient, part)), np.flatnonzero(np.isin(periods.patient, held)))
        for part, held in parts
    ]
    n_trees, _, boosters = cross_grown(training, parameters, of_rows, recipe.max_trees)
    found = np.full(len(rows), np.nan)
    for booster, (_, held) in zip(boosters, of_rows, strict=True):
        found[held] = booster.predict(rows[held], num_iteration=n_trees, raw_score=True)
    text = grown(training, parameters, n_trees)
    return Booster(BoosterModel(text, longer.names), policy, len(rows), 0), found


def _sized(recipe: Recipe, observed: Observed, periods: Periods) -> Recipe:
    """The rule for as many rows as there are events; a leaf holds as many patients, with their periods."""
    rule = booster_parameters(int(periods.y.sum()), seed=0)
    leaf_rows = round(rule["min_data_in_leaf"] * len(periods.y) / len(observed))
    own = {"num_leaves": rule["num_leaves"], "min_data_in_leaf": leaf_rows, "learning_rate": LEARNING_RATE}
    return replace(recipe, parameters={**own, **recipe.parameters})


def _lines(table: ClinicalTable, periods: Periods, k: int, parts: Parts) -> tuple[LinearHazards, Values]:
    """The ridge of all rows with the best strength, and held-out log-odds as of the trees."""
    found = np.full((len(STRENGTHS), len(periods.y)), np.nan)
    for part, held in parts:
        own = np.isin(periods.patient, part)
        position = np.searchsorted(part, periods.patient[own])
        inner = Periods(position, periods.interval[own], periods.y[own])
        values = table.values[part]
        path = linear_path(values, inner, Design.fit(ClinicalTable(table.schema, values)), k)
        asked = np.isin(periods.patient, held)
        row = np.searchsorted(held, periods.patient[asked])
        for strength, model in enumerate(path):
            found[strength, asked] = model.logits(table.values[held])[row, periods.interval[asked]]
    best = int(np.argmin([_by_patient(logits, periods).sum() for logits in found]))
    (lines,) = linear_path(table.values, periods, Design.fit(table), k, STRENGTHS[best : best + 1])
    return lines, found[best]


def _best_share(trees: Values, lines: Values, periods: Periods) -> float:
    """The share with the lowest loss, where it beats equal shares by two standard errors over patients.

    With few events the best share is chance, and equal shares are hard to beat (Bates and Granger, Oper Res Q
    1969;20:451).
    """
    losses = {share: _by_patient(share * trees + (1.0 - share) * lines, periods) for share in SHARES}
    best = min(SHARES, key=lambda share: losses[share].sum())
    gain = losses[EQUAL] - losses[best]
    clear = gain.sum() > CLEAR * gain.std() * np.sqrt(len(gain))
    return best if clear else EQUAL


def _by_patient(logits: Values, periods: Periods) -> Values:
    """Log-loss of each patient who was held out, over all intervals."""
    held = ~np.isnan(logits)
    loss = np.logaddexp(0.0, logits[held]) - periods.y[held] * logits[held]
    _, of = np.unique(periods.patient[held], return_inverse=True)
    return np.asarray(np.bincount(of, loss))


def _with_interval(values: Values, interval: Rows) -> Values:
    return np.column_stack([values, interval.astype(np.float64)])
