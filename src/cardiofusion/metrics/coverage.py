"""Whether prediction sets hold the truth, and how large they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics.ordering import Vector


def coverage_by_class(
    y: Vector, sets: NDArray[np.bool_], weight: Vector | None = None
) -> tuple[float, float]:
    """The share of sets that hold the truth among the absent and among the present.

    y: 0 absent, 1 present, NaN left out [n]. sets: (absent included, present included) [n, 2].
    weight: how much each row counts [n]. NaN for a class that nobody is in.
    """
    outcome = np.asarray(y, np.float64)
    times = np.ones(len(outcome)) if weight is None else np.asarray(weight, np.float64)
    absent, present = (_share(sets[outcome == k, k], times[outcome == k]) for k in (0, 1))
    return absent, present


def mean_set_size(sets: NDArray[np.bool_]) -> float:
    """Mean number of answers in a set: 1 is decided, 0 is empty, 2 cannot tell. NaN for no sets."""
    return float(sets.sum(axis=1).mean()) if len(sets) else float("nan")


def _share(covered: NDArray[np.bool_], weight: NDArray[np.float64]) -> float:
    total = weight.sum()
    return float(np.sum(covered * weight) / total) if total > 0 else float("nan")
