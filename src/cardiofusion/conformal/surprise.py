"""How surprising a coverage is that test patients showed, were they exchangeable with the calibration ones.

The share that a split conformal set covers depends on which patients calibrated it: of m new patients of a
class the number covered is beta-binomial, with the calibration rank as parameter (Vovk 2012, "Conditional
validity of inductive conformal predictors"; Angelopoulos & Bates 2023, section 3.2).
"""

from __future__ import annotations

import math

from cardiofusion.conformal.sets import quantile_rank


def chance_of_so_few(covered: int, n_new: int, n_calibration: int, coverage: float) -> float:
    """P(at most `covered` of `n_new` exchangeable patients of a class have the truth in their set).

    Exact where no two calibration scores are equal; ties only make sets larger. One class at a time: of ten
    classes one reaches 0.1 by chance alone. Raises CalibrationError "conformal.coverage".
    """
    inside = quantile_rank(n_calibration, coverage)
    outside = n_calibration + 1 - inside
    start = _log_beta(inside, outside)
    terms = (
        _log_choose(n_new, k) + _log_beta(inside + k, outside + n_new - k) - start for k in range(covered + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
