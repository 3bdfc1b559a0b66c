"""How well risks fit times to an event, where some were observed only for a while (censored).

Harrell's C counts the pairs of which it is known who had the event first; what it tends to depends on the
censoring. Uno's C weighs pairs by the inverse of the chance not to be censored, up to a horizon (Harrell et
al., Stat Med 1996;15:361; Uno et al., Stat Med 2011;30:1105). The Brier score under censoring: Graf et al.,
Stat Med 1999;18:2529. An event and a censoring at one time: the event came first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics.bootstrap import REPEATS
from cardiofusion.metrics.intervals import percentile_interval
from cardiofusion.metrics.ordering import Float, Vector

ROWS_AT_ONCE = 256  # of the table of pairs: bounds memory


@dataclass(frozen=True, eq=False)
class Observed:
    """time: [n] years observed. event: [n], whether the event ended it; else it is censored there."""

    time: Float
    event: NDArray[np.bool_]

    @classmethod
    def of(cls, outcome: Vector) -> Observed:
        """Of an outcome [n, 2] as a cohort holds it: years, and 1 or 0.

        Raises ValueError where it is not known: such rows are to be left out, not to be taken for censored.
        """
        if np.isnan(outcome).any():
            raise ValueError("an outcome that is not known has no time: leave its row out")
        return cls(np.asarray(outcome[:, 0], np.float64), np.asarray(outcome[:, 1]) > 0)

    def __len__(self) -> int:
        return len(self.time)

    def status(self, horizon: float) -> Float:
        """[n] whether the event had come at `horizon` years: 1 yes, 0 no, NaN censored before."""
        came = self.event & (self.time <= horizon)
        there = ~came & (self.time >= horizon)
        return np.where(came, 1.0, np.where(there, 0.0, np.nan))

    def weight(self, horizon: float) -> Float:
        """[n] how much each patient's status at `horizon` counts: one over the chance that it was observed.

        0 where it is not known. Stands for those who were lost before, if losing them had nothing to do
        with their risk (inverse probability of censoring weights; Graf et al. 1999).
        """
        seen_until = np.minimum(self.time, horizon)
        share = np.maximum(censoring(self).at(np.nextafter(seen_until, 0.0)), 1e-12)
        return np.where(np.isnan(self.status(horizon)), 0.0, 1.0 / share)


@dataclass(frozen=True, eq=False)
class Steps:
    """A survival curve: `value` [k] holds from `time` [k] on; before the first, 1."""

    time: Float
    value: Float

    def at(self, time: Vector) -> Float:
        """Its value at these times [n]."""
        index = np.searchsorted(self.time, np.asarray(time, np.float64), side="right")
        return np.append(1.0, self.value)[index]


def kaplan_meier(observed: Observed) -> Steps:
    """The chance that the event has not come (Kaplan and Meier, J Am Stat Assoc 1958;53:457)."""
    return _product_limit(observed.time, observed.event, ties_at_risk=np.zeros(len(observed), bool))


def censoring(observed: Observed) -> Steps:
    """The chance not to be censored yet, by the same estimator; who has the event is out before."""
    return _product_limit(observed.time, ~observed.event, ties_at_risk=observed.event)


def _product_limit(time: Float, ends: NDArray[np.bool_], ties_at_risk: NDArray[np.bool_]) -> Steps:
    """ends: [n], who ends the way that is counted. ties_at_risk: who is out before others of that time."""
    moments, of = np.unique(time, return_inverse=True)
    left = np.bincount(of, minlength=len(moments))
    at_risk = left[::-1].cumsum()[::-1] - np.bincount(of[ties_at_risk], minlength=len(moments))
    ended = np.bincount(of[ends], minlength=len(moments))
    share = np.divide(ended, at_risk, out=np.zeros(len(moments)), where=at_risk > 0)
    return Steps(moments, np.asarray(np.cumprod(1.0 - share), np.float64))


def concordance(observed: Observed, risk: Vector, horizon: float = np.inf, by: Steps | None = None) -> float:
    """Harrell's C of `risk` [n] (higher: earlier), or Uno's where `by`, the curve of censoring, is given.

    horizon: pairs whose first event comes later do not count. NaN without a pair.
    """
    return float(concordances(observed, np.asarray(risk)[:, None], None, horizon, by)[0, 0])


def concordances(
    observed: Observed,
    risks: Vector,
    weights: Vector | None = None,
    horizon: float = np.inf,
    by: Steps | None = None,
) -> Float:
    """C of every column of `risks` [n, model] under every row of `weights` [repeat, n]: [repeat, model].

    weights: how often each patient counts, such as draws of a bootstrap; None for once each.
    """
    scores = np.asarray(risks, np.float64)
    times = np.ones((1, len(observed))) if weights is None else np.asarray(weights, np.float64)
    first = np.flatnonzero(observed.event & (observed.time < horizon))
    pair = np.ones(len(first)) if by is None else np.maximum(by.at(observed.time[first]), 1e-12) ** -2.0
    right, all_pairs = np.zeros((len(times), scores.shape[1])), np.zeros((len(times), 1))
    for at in range(0, len(first), ROWS_AT_ONCE):
        rows = first[at : at + ROWS_AT_ONCE]
        later = observed.time[rows, None] < observed.time
        later |= (observed.time[rows, None] == observed.time) & ~observed.event
        earlier = times[:, rows] * pair[at : at + ROWS_AT_ONCE]
        all_pairs[:, 0] += np.sum((earlier @ later) * times, axis=1)
        for model, score in enumerate(scores.T):
            won = np.where(score[rows, None] > score, 1.0, 0.5 * (score[rows, None] == score)) * later
            right[:, model] += np.sum((earlier @ won) * times, axis=1)
    return np.divide(right, all_pairs, out=np.full_like(right, np.nan), where=all_pairs > 0)


def patient_draws(groups: Vector, rng: np.random.Generator, repeats: int = REPEATS) -> Float:
    """How often each row counts [repeat, n] when patients are drawn with replacement; groups: [n]."""
    patients, of = np.unique(groups, return_inverse=True)
    drawn = rng.multinomial(len(patients), np.full(len(patients), 1.0 / len(patients)), repeats)
    return drawn[:, of].astype(np.float64)


def brier_curve(observed: Observed, survival: Vector, times: Vector, by: Steps) -> Float:
    """Each patient's part of the Brier score [n, time]; its mean over patients is the score.

    survival: predicted chances [n, time] that the event has not come at `times`; by: the curve of censoring.
    """
    predicted = np.asarray(survival, np.float64)
    moments = np.asarray(times, np.float64)
    gone = (observed.time[:, None] <= moments) & observed.event[:, None]
    there = observed.time[:, None] > moments
    when_gone = 1.0 / np.maximum(by.at(observed.time), 1e-12)[:, None]
    when_there = 1.0 / np.maximum(by.at(moments), 1e-12)
    return gone * predicted**2 * when_gone + there * (1.0 - predicted) ** 2 * when_there


def integrated_brier(observed: Observed, survival: Vector, times: Vector, by: Steps) -> Float:
    """Each patient's part [n] of the Brier score averaged over time from the first to the last of `times`."""
    moments = np.asarray(times, np.float64)
    curve = brier_curve(observed, survival, moments, by)
    return np.asarray(np.trapezoid(curve, moments, axis=1) / (moments[-1] - moments[0]))


def mean_interval(parts: Vector, draws: Float) -> tuple[float, float, float]:
    """The mean of patients' parts [n] with its interval under draws of patients [repeat, n]."""
    values = np.asarray(parts, np.float64)
    drawn = (draws @ values) / draws.sum(axis=1)
    return (float(values.mean()), *percentile_interval(drawn))
