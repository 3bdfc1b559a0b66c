"""Logits to probabilities that can be taken at their word."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.conformal import fields
from cardiofusion.records import CalibrationError

Float = NDArray[np.float64]

# Weak Gaussian priors: the slope near 1 (believe the model), the intercept anywhere plausible.
SLOPE_SD = 0.5
INTERCEPT_SD = 5.0
# A model that ranks the calibration patients the wrong way round is flattened, never turned over in silence.
SLOPE_MIN = 0.01
COEFFICIENT_LIMIT = 1e6
NEWTON_STEPS = 100


@dataclass(frozen=True)
class ProbabilityCalibrator:
    """Platt scaling on the logit: p = sigmoid(slope * logit + intercept) (Platt 1999). slope > 0."""

    slope: float
    intercept: float

    def apply(self, logit: NDArray[np.floating[Any]]) -> Float:
        """Calibrated probabilities, of the same shape; they rank as the logits do."""
        return sigmoid(self.slope * np.asarray(logit, np.float64) + self.intercept)

    def to_json(self) -> dict[str, float]:
        return {"slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_json(cls, document: object, where: str = "probability") -> ProbabilityCalibrator:
        """The inverse of `to_json`. Raises BundleError "bundle.conformal"."""
        found = fields.mapping(document, where, ("slope", "intercept"))
        limit = COEFFICIENT_LIMIT
        return cls(
            fields.number(found["slope"], f"{where}/slope", SLOPE_MIN, limit),
            fields.number(found["intercept"], f"{where}/intercept", -limit, limit),
        )


def fit_probability(
    logit: NDArray[Any], y: NDArray[Any], weight: NDArray[Any] | None = None
) -> ProbabilityCalibrator:
    """The most probable slope and intercept under the outcomes and two weak priors, by Newton's method.

    The slope's prior is centred on 1, so that a handful of positives, or none, cannot ruin it.
    logit: [n]. y: 0 or 1, NaN not known and left out [n]. weight: how much each row counts [n].
    Raises CalibrationError "conformal.logit".
    """
    outcome = np.asarray(y, np.float64)
    known = ~np.isnan(outcome)
    times = np.ones(len(outcome)) if weight is None else np.asarray(weight, np.float64)
    z, outcome, times = np.asarray(logit, np.float64)[known], outcome[known], times[known]
    if not np.isfinite(z).all():
        raise CalibrationError(
            "conformal.logit", "a logit is not a finite number", "look at the model that gave it"
        )
    ones = np.ones((len(z), 1))
    both = np.column_stack([z, ones])
    slope, intercept = _posterior_mode(
        both, np.zeros(len(z)), outcome, times, np.array([1.0, 0.0]), np.array([SLOPE_SD, INTERCEPT_SD])
    )
    if slope < SLOPE_MIN:
        slope = SLOPE_MIN
        prior = np.zeros(1), np.array([INTERCEPT_SD])
        (intercept,) = _posterior_mode(ones, slope * z, outcome, times, *prior)
    return ProbabilityCalibrator(float(slope), float(intercept))


def _posterior_mode(design: Float, offset: Float, y: Float, weight: Float, mean: Float, sd: Float) -> Float:
    """Logistic regression with Gaussian priors; design [n, coefficient]. Convex, so one optimum."""

    def loss(theta: Float) -> float:
        z = offset + design @ theta
        fit = np.sum(weight * (np.logaddexp(0.0, z) - y * z))
        return float(fit + 0.5 * np.sum(((theta - mean) / sd) ** 2))

    theta = mean
    for _ in range(NEWTON_STEPS):
        p = sigmoid(offset + design @ theta)
        gradient = design.T @ (weight * (p - y)) + (theta - mean) / sd**2
        curvature = (design.T * (weight * p * (1.0 - p))) @ design + np.diag(sd**-2)
        step = np.linalg.solve(curvature, gradient)
        # Far from the optimum a full step can overshoot: halve it until the loss does not rise.
        while loss(theta - step) > loss(theta) and np.abs(step).max() > 1e-12:
            step = step / 2.0
        theta = theta - step
        if np.abs(step).max() < 1e-10:
            break
    return theta


def sigmoid(z: Float) -> Float:
    """1 / (1 + exp(-z)) that does not overflow."""
    p: Float = np.exp(-np.logaddexp(0.0, -z))
    return p
