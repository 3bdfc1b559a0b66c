"""How far probabilities can be taken at their word. Rows whose outcome is NaN are left out.

All metrics take y: 0 or 1 [n], p: probability of 1 [n], weight: how often each row counts [n],
and are NaN where nothing is known or a probability is NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cardiofusion.metrics.ordering import Float, Vector, ascending, known, scorable, tie_ends


class ReliabilityCurve(NamedTuple):
    """Per bin of rising probability: mean prediction, observed share, weight of its rows. All [bin]."""

    predicted: Float
    observed: Float
    mass: Float


def brier(y: Vector, p: Vector, weight: Vector | None = None) -> float:
    """Mean squared difference of probability and outcome (Brier 1950)."""
    rows = known(y, p, weight)
    return _mean((rows.score - rows.y) ** 2, rows.weight)


def log_loss(y: Vector, p: Vector, weight: Vector | None = None) -> float:
    """Mean negative log-likelihood in nats; probabilities are kept off 0 and 1 by the machine's epsilon."""
    rows = known(y, p, weight)
    epsilon = np.finfo(np.float64).eps
    clipped = np.clip(rows.score, epsilon, 1.0 - epsilon)
    return _mean(-np.log(np.where(rows.y > 0.5, clipped, 1.0 - clipped)), rows.weight)


def expected_calibration_error(y: Vector, p: Vector, bins: int = 10, weight: Vector | None = None) -> float:
    """Mean distance of prediction and observed share over bins of equal mass, weighted by their rows.

    It is biased upwards in small samples: noise in a bin counts as error.
    """
    curve = reliability_curve(y, p, bins, weight)
    return _mean(np.abs(curve.predicted - curve.observed), curve.mass)


def reliability_curve(y: Vector, p: Vector, bins: int = 10, weight: Vector | None = None) -> ReliabilityCurve:
    """Predicted against observed over at most `bins` bins of equal mass.

    Equal probabilities share a bin (the one in which the middle of their mass lies), so a weight of 3 and
    three equal rows give the same curve. Empty arrays where nothing can be measured.
    """
    rows = ascending(y, p, weight)
    if not scorable(rows):
        return ReliabilityCurve(np.zeros(0), np.zeros(0), np.zeros(0))
    ends = tie_ends(rows.score)
    mass = np.cumsum(rows.weight)[ends]
    middle = (mass + np.append(0.0, mass[:-1])) / 2.0
    bin_of_run = np.minimum((bins * middle / mass[-1]).astype(np.intp), bins - 1)
    bin_of_row = np.repeat(bin_of_run, np.diff(ends, prepend=-1))
    totals = [np.bincount(bin_of_row, rows.weight * column, bins) for column in (1.0, rows.score, rows.y)]
    in_bin, predicted, observed = np.array(totals, np.float64)
    full = in_bin > 0
    return ReliabilityCurve(predicted[full] / in_bin[full], observed[full] / in_bin[full], in_bin[full])


def _mean(values: Float, weight: Float) -> float:
    # Not a dot product: BLAS would wake its threads for it thousands of times in a bootstrap.
    total = weight.sum()
    return float(np.sum(values * weight) / total) if total > 0 else float("nan")
