"""The calibrations of a task's targets side by side: one patient, all targets at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.conformal.document import TargetCalibration
from cardiofusion.conformal.probability import sigmoid
from cardiofusion.conformal.sets import nonconformity

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CalibrationPanel:
    """`TargetCalibration` for targets in a row: slope, intercept [target], quantile [target, 2]."""

    slope: Float
    intercept: Float
    quantile: Float

    @classmethod
    def of(cls, targets: Iterable[TargetCalibration]) -> CalibrationPanel:
        each = list(targets)
        return cls(
            np.array([t.probability.slope for t in each]),
            np.array([t.probability.intercept for t in each]),
            np.array([t.sets.quantile for t in each]),
        )

    def probability(self, logit: Float) -> Float:
        """Calibrated probabilities [target] of one patient's logits [target]."""
        return sigmoid(self.slope * logit + self.intercept)

    def included(self, probability: Float) -> NDArray[np.bool_]:
        """bool [target, 2]: absent included, present included.

        Raises CalibrationError "conformal.probability".
        """
        kept: NDArray[np.bool_] = nonconformity(probability) <= self.quantile
        return kept
