"""Whether prediction sets hold the truth, and how large they are."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics.ordering import Vector


def coverage_by_class(y: Vector, sets: NDArray[np.bool_]) -> tuple[float, float]:
    """The share of sets that hold the truth among the absent and among the present.

    y: 0 absent, 1 present, NaN left out [n]. sets: (absent included, present included) [n, 2].
    NaN for a class that nobody is in.
    """
    outcome = np.asarray(y, np.float64)
    absent, present = sets[outcome == 0, 0], sets[outcome == 1, 1]
    return _share(absent), _share(present)


def mean_set_size(sets: NDArray[np.bool_]) -> float:
    """Mean number of answers in a set: 1 is decided, 0 is empty, 2 cannot tell. NaN for no sets."""
    return float(sets.sum(axis=1).mean()) if len(sets) else float("nan")


def _share(covered: NDArray[np.bool_]) -> float:
    return float(covered.mean()) if len(covered) else float("nan")
