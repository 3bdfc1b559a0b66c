"""The arithmetic that the scores share: a weighted sum by group, and survival models' risks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiofusion.tabular.scores.inputs import Values

Groups = NDArray[np.intp]  # [row]: the column of a coefficient table that each row uses
Coefficients = Mapping[str, tuple[float, ...]]  # term -> one coefficient a group


def groups(codes: Values) -> Groups:
    """Codes of a category as positions in a coefficient table."""
    return codes.astype(np.intp)


def of_group(numbers: tuple[float, ...], group: Groups) -> Values:
    """Each row's number."""
    return np.asarray(numbers, dtype=np.float64)[group]


def weighted(coefficients: Coefficients, terms: Mapping[str, Values], group: Groups) -> Values:
    """Sum over the terms of coefficient x value, every row with its group's coefficients."""
    parts = [of_group(numbers, group) * terms[name] for name, numbers in coefficients.items()]
    return np.asarray(np.sum(parts, axis=0), dtype=np.float64)


def log_hazard(survival: Values, predictor: Values) -> Values:
    """ln(-ln S) of a proportional-hazards model with this baseline survival."""
    return np.log(-np.log(survival)) + predictor


def risk_of(log_hazards: Values) -> Values:
    """1 - S from ln(-ln S). `expm1` keeps small risks exact."""
    return -np.expm1(-np.exp(log_hazards))
