"""Logits to probabilities that can be taken at their word, and how well they are known."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.conformal import fields
from cardiofusion.records import CalibrationError

Float = NDArray[np.float64]
Covariance = tuple[tuple[float, float], tuple[float, float]]

# Weak Gaussian priors: the slope near 1 (believe the model), the intercept anywhere plausible.
SLOPE_SD = 0.5
INTERCEPT_SD = 5.0
# A model that ranks the calibration patients the wrong way round is flattened, never turned over in silence.
SLOPE_MIN = 0.01
COEFFICIENT_LIMIT = 1e6
NEWTON_STEPS = 100
ROUNDING = 1.001  # a covariance of correlation 1 may come out a little beyond it


@dataclass(frozen=True)
class ProbabilityCalibrator:
    """Platt scaling on the logit: p = sigmoid(slope * logit + intercept) (Platt 1999). slope > 0.

    covariance: of (slope, intercept) under the calibration patients; None where a bundle does not hold it.
    """

    slope: float
    intercept: float
    covariance: Covariance | None = None

    def apply(self, logit: NDArray[np.floating[Any]]) -> Float:
        """Calibrated probabilities, of the same shape; they rank as the logits do."""
        return sigmoid(self.slope * np.asarray(logit, np.float64) + self.intercept)

    def interval(self, logit: NDArray[np.floating[Any]], level: float = 0.95) -> Float | None:
        """(low, high) of the calibrated probability given the logit [n]: [n, 2]; None where not known.

        It says how well the calibration patients pin down which share of patients with this score have it:
        the line's own uncertainty, normal on the logit scale (Laplace). Not in it: whether the model would be
        another one with other training patients, and whether this patient is like those it was calibrated on.
        With few positives and a true slope far above 1 it is too narrow, for the prior holds the slope near 1
        (docs/architecture.md has the coverage that was measured).
        """
        if self.covariance is None:
            return None
        z = np.asarray(logit, np.float64)
        covariance = np.broadcast_to(self.covariance, (*z.shape, 2, 2))
        return line_interval(self.slope, self.intercept, covariance, z, level)

    def to_json(self) -> dict[str, Any]:
        known = {} if self.covariance is None else {"covariance": [list(row) for row in self.covariance]}
        return {"slope": self.slope, "intercept": self.intercept, **known}

    @classmethod
    def from_json(cls, document: object, where: str = "probability") -> ProbabilityCalibrator:
        """The inverse of `to_json`. Raises BundleError "bundle.conformal"."""
        found = fields.mapping(document, where, ("slope", "intercept"), optional=("covariance",))
        limit, covariance = COEFFICIENT_LIMIT, f"{where}/covariance"
        return cls(
            fields.number(found["slope"], f"{where}/slope", SLOPE_MIN, limit),
            fields.number(found["intercept"], f"{where}/intercept", -limit, limit),
            _covariance_from(found["covariance"], covariance) if "covariance" in found else None,
        )


def line_interval(slope: Any, intercept: Any, covariance: Float, logit: Float, level: float = 0.95) -> Float:
    """sigmoid of slope * logit + intercept, give or take its normal error: [n, 2], NaN where covariance is.

    slope, intercept: [n] or one for all; covariance: [n, 2, 2]; logit: [n].
    """
    line = slope * logit + intercept
    variance = covariance[:, 0, 0] * logit**2 + 2.0 * covariance[:, 0, 1] * logit + covariance[:, 1, 1]
    # Rounding can bring a variance of next to nothing below zero; NaN stays NaN.
    reach = NormalDist().inv_cdf(0.5 + level / 2.0) * np.sqrt(np.maximum(variance, 0.0))
    with np.errstate(invalid="ignore"):  # NumPy warns of NaN in logaddexp
        return sigmoid(np.column_stack([line - reach, line + reach]))


def fit_probability(
    logit: NDArray[Any],
    y: NDArray[Any],
    weight: NDArray[Any] | None = None,
    patient_ids: NDArray[np.str_] | None = None,
) -> ProbabilityCalibrator:
    """The most probable slope and intercept under the outcomes and two weak priors, by Newton's method.

    The slope's prior is centred on 1, so that a handful of positives, or none, cannot ruin it.
    logit: [n]. y: 0 or 1, NaN not known and left out [n]. weight: how much each row counts [n].
    patient_ids: whose row it is [n], every row another patient's where not given: the covariance alone asks.
    Raises CalibrationError "conformal.logit".
    """
    outcome = np.asarray(y, np.float64)
    known = ~np.isnan(outcome)
    times = np.ones(len(outcome)) if weight is None else np.asarray(weight, np.float64)
    people = np.arange(len(outcome)) if patient_ids is None else np.asarray(patient_ids)
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
    p = sigmoid(slope * z + intercept)
    return ProbabilityCalibrator(float(slope), float(intercept), _covariance(both, p, times, people[known]))


def _covariance(design: Float, p: Float, weight: Float, people: NDArray[Any]) -> Covariance:
    """Of (slope, intercept): the inverse curvature of the posterior, a sandwich where it would be too narrow.

    With one row a patient and weights of 1 it is Laplace's. Weights stand for patients who were lost and tell
    nothing themselves, and a second ECG of a patient tells little anew: the variance of the score function
    (the sandwich's filling; White, Econometrica 1982) has the weights squared, and a patient's rows in step
    with each other, the worst case. It is the variance that the model expects, not the observed
    squares: with ten positives those are noise, and too small on average.
    """
    prior = np.diag([SLOPE_SD**-2, INTERCEPT_SD**-2])
    deviation = np.sqrt(p * (1.0 - p))
    curvature = (design.T * (weight * deviation**2)) @ design + prior
    _, who = np.unique(people, return_inverse=True)
    scores = np.zeros((len(design), 2))
    np.add.at(scores, who, design * (weight * deviation)[:, None])
    inverse = np.linalg.inv(curvature)
    (a, b), (_, c) = (inverse @ (scores.T @ scores + prior) @ inverse).tolist()
    return (a, b), (b, c)


def _covariance_from(document: object, where: str) -> Covariance:
    rows = [fields.sequence(row, where, 2) for row in fields.sequence(document, where, 2)]
    if [len(row) for row in rows] != [2, 2]:
        raise fields.refusal(where, "is not 2 rows of 2 numbers")
    limit = COEFFICIENT_LIMIT**2
    (a, b), (other, c) = ([fields.number(x, where, -limit, limit) for x in row] for row in rows)
    if b != other or min(a, c) < 0.0 or b * b > a * c * ROUNDING:
        raise fields.refusal(where, "is no covariance")
    return (a, b), (b, c)


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
