"""Discrete-time hazards on straight lines, held back by a ridge: what a small table can bear.

logit P(event in interval k | reached) = level_k + features . slopes, the same slopes in every interval: the
proportional odds form of Cox's model for grouped times (Singer and Willett, J Educ Stat 1993;18:155; ridge:
Verweij and van Houwelingen, Stat Med 1994;13:2427).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cardiofusion.tabular.design import Design

# Penalties on slopes of features of spread 1: each is the inverse variance a slope is thought to have.
STRENGTHS = (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
LEVEL_RIDGE = 1e-3  # keeps the level of an interval without events finite
STEPS, TOLERANCE = 20, 1e-4

Values = NDArray[np.float64]
Rows = NDArray[np.intp]


class Periods(NamedTuple):
    """Person-periods [row]: whose, which interval, and 1 where the event came in it."""

    patient: Rows
    interval: Rows
    y: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class LinearHazards:
    """slopes [feature] of the design's features, levels [interval]."""

    design: Design
    slopes: Values
    levels: Values

    def logits(self, values: Values) -> Values:
        """Log-odds [row, interval] of the event, of encoded rows [row, column]."""
        return np.asarray((self.design(values) @ self.slopes)[:, None] + self.levels)

    def contributions(self, values: Values) -> Values:
        """What each column adds to the log-odds, [row, column + 1]; the last is the mean level.

        A feature's mean among the training rows is 0, so these are SHAP values of a line.
        """
        terms, columns = self.design(values) * self.slopes, self.design.columns
        own = terms @ (columns[:, None] == np.arange(len(self.design.categories)))
        return np.column_stack([own, np.full(len(values), self.levels.mean())])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {
            "design": self.design.to_json(),
            "slopes": self.slopes.tolist(),
            "levels": self.levels.tolist(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LinearHazards:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError and BundleError."""
        slopes, levels = (np.asarray(document[name], np.float64) for name in ("slopes", "levels"))
        return cls(Design.from_json(document["design"]), slopes, levels)


def risk_logit(hazard_logits: NDArray[np.floating[Any]]) -> Values:
    """Log-odds [row] of the event in any interval, from log-odds [row, interval] of it in each; NaN stays."""
    with np.errstate(invalid="ignore"):
        return np.asarray(reduce(_either, np.asarray(hazard_logits, np.float64).T))


def _either(one: Values, other: Values) -> Values:
    """Log-odds of either of two events: odds a + b + ab, exact however rare or sure they are."""
    return np.asarray(np.logaddexp(np.logaddexp(one, other), one + other))


def linear_path(
    values: Values, periods: Periods, design: Design, intervals: int, strengths: Sequence[float] = STRENGTHS
) -> list[LinearHazards]:
    """One model a strength, by Newton's method; each begins where the stronger one ended."""
    features = design(values)
    slopes = np.zeros(features.shape[1])
    share = np.clip(periods.y.mean(), 1e-6, 1.0 - 1e-6)
    levels = np.full(intervals, np.log(share / (1.0 - share)))
    found = {}
    for strength in sorted(strengths, reverse=True):
        for _ in range(STEPS):
            step = _newton(features, periods, slopes, levels, strength)
            slopes, levels = slopes + step[: len(slopes)], levels + step[len(slopes) :]
            if np.abs(step).max() < TOLERANCE:
                break
        found[strength] = LinearHazards(design, slopes, levels)
    return [found[strength] for strength in strengths]


def _newton(features: Values, periods: Periods, slopes: Values, levels: Values, strength: float) -> Values:
    """The step of slopes and levels. Periods of one patient share features, so they are summed first."""
    (n, p), k = features.shape, len(levels)
    score = (features @ slopes)[periods.patient] + levels[periods.interval]
    chance = 0.5 * (1.0 + np.tanh(score / 2.0))
    residual, weight = periods.y - chance, chance * (1.0 - chance)
    by_patient = features.T @ np.bincount(periods.patient, residual, n) - strength * slopes
    gradient = np.concatenate([by_patient, np.bincount(periods.interval, residual, k) - LEVEL_RIDGE * levels])
    cells = np.zeros((n, k))
    cells[periods.patient, periods.interval] = weight
    across = features.T @ cells
    own = features.T @ (features * cells.sum(axis=1)[:, None]) + strength * np.eye(p)
    hessian = np.block([[own, across], [across.T, np.diag(cells.sum(axis=0) + LEVEL_RIDGE)]])
    return np.asarray(np.linalg.solve(hessian, gradient))
