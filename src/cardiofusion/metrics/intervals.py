"""95 % intervals: percentiles of replicates, shares, means of a few folds."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from cardiofusion.metrics.ordering import Float

CONFIDENCE = 0.95
Interval = tuple[float, float]

_Z = NormalDist().inv_cdf((1.0 + CONFIDENCE) / 2.0)
# 97.5 % points of Student's t for 1 to 10 degrees of freedom; above, its expansion about the normal.
_T = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def percentile_interval(replicates: Float) -> Interval:
    """The middle 95 % of bootstrap replicates [repeat]; undefined ones (NaN) are left out. NaN for none."""
    defined = replicates[np.isfinite(replicates)]
    if not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    return float(low), float(high)


def wilson_interval(share: float, n: int) -> Interval:
    """Interval of a share seen in n independent trials (Wilson 1927); good near 0 and 1. NaN for n = 0."""
    if n <= 0:
        return float("nan"), float("nan")
    centre = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def t_interval(values: Float) -> Interval:
    """Student's interval of the mean of a few values, such as fold scores. NaN for fewer than two."""
    if len(values) < 2:
        return float("nan"), float("nan")
    half = _t_quantile(len(values) - 1) * float(values.std(ddof=1)) / math.sqrt(len(values))
    mean = float(values.mean())
    return mean - half, mean + half


def _t_quantile(freedom: int) -> float:
    if freedom <= len(_T):
        return _T[freedom - 1]
    first = (_Z**3 + _Z) / (4 * freedom)
    second = (5 * _Z**5 + 16 * _Z**3 + 3 * _Z) / (96 * freedom**2)
    third = (3 * _Z**7 + 19 * _Z**5 + 17 * _Z**3 - 15 * _Z) / (384 * freedom**3)
    return _Z + first + second + third
