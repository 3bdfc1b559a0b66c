"""Outcomes put in the order of their scores: what every ranking and binning metric starts from.

Bootstrapping hands the same scores over a thousand times with new weights, already sorted: a sorted input
is passed through untouched, so that each replicate costs a few cumulative sums and no sort.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[Any]  # anything that becomes float64 [n]: bool, integer or float
Float = NDArray[np.float64]


class Labelled(NamedTuple):
    """Rows whose outcome is known: y 0 or 1, score, weight, all float64 [n]."""

    y: Float
    score: Float
    weight: Float


def known(y: Vector, score: Vector, weight: Vector | None = None) -> Labelled:
    """The rows whose outcome is not NaN, weighted 1 where no weight is given."""
    outcome, scores = np.asarray(y, np.float64), np.asarray(score, np.float64)
    weights = np.ones(len(outcome)) if weight is None else np.asarray(weight, np.float64)
    unknown = np.isnan(outcome)
    if unknown.any():
        outcome, scores, weights = outcome[~unknown], scores[~unknown], weights[~unknown]
    return Labelled(outcome, scores, weights)


def ascending(y: Vector, score: Vector, weight: Vector | None = None) -> Labelled:
    """The known rows by rising score, NaN scores last; equal scores keep their order."""
    rows = known(y, score, weight)
    if (rows.score[:-1] <= rows.score[1:]).all():
        return rows
    order = np.argsort(rows.score, kind="stable")
    return Labelled(*(column[order] for column in rows))


def scorable(rows: Labelled) -> bool:
    """Whether there is anything to measure: rows of some weight, and no NaN among the (sorted) scores."""
    return bool(len(rows.score)) and not np.isnan(rows.score[-1]) and bool(rows.weight.any())


def tie_ends(score: Float) -> NDArray[np.intp]:
    """The position of the last row of every run of equal scores in a sorted array."""
    return np.flatnonzero(np.append(score[1:] != score[:-1], True))
