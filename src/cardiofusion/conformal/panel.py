"""The calibrations of a task's targets side by side: one patient, all targets at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.conformal.document import TargetCalibration
from cardiofusion.conformal.probability import line_interval, sigmoid
from cardiofusion.conformal.sets import nonconformity

Float = NDArray[np.float64]
UNKNOWN = ((np.nan, np.nan), (np.nan, np.nan))


@dataclass(frozen=True, eq=False)
class CalibrationPanel:
    """`TargetCalibration` for targets in a row: slope, intercept [target], quantile [target, 2], and the
    covariance of slope and intercept [target, 2, 2], NaN where the bundle does not hold it.
    """

    slope: Float
    intercept: Float
    quantile: Float
    covariance: Float

    @classmethod
    def of(cls, targets: Iterable[TargetCalibration]) -> CalibrationPanel:
        each = list(targets)
        return cls(
            np.array([t.probability.slope for t in each]),
            np.array([t.probability.intercept for t in each]),
            np.array([t.sets.quantile for t in each]),
            np.array([t.probability.covariance or UNKNOWN for t in each]),
        )

    def probability(self, logit: Float) -> Float:
        """Calibrated probabilities [target] of one patient's logits [target]."""
        return sigmoid(self.slope * logit + self.intercept)

    def interval(self, logit: Float) -> Float:
        """Their 95 % intervals [target, 2], NaN where not known: see `ProbabilityCalibrator.interval`."""
        return line_interval(self.slope, self.intercept, self.covariance, logit)

    def included(self, probability: Float) -> NDArray[np.bool_]:
        """bool [target, 2]: absent included, present included.

        Raises CalibrationError "conformal.probability".
        """
        kept: NDArray[np.bool_] = nonconformity(probability) <= self.quantile
        return kept
