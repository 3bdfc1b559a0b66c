"""SHAP values as a waterfall: from the average patient's score to this patient's, one feature at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.explain.arrays import checked, checked_names
from cardiofusion.records import InputError, Value

TOLERANCE = 1e-6
OTHERS = "all others"


@dataclass(frozen=True)
class Contribution:
    """What one feature adds to the score. value, unit: as people read them; None where missing."""

    name: str
    value: Value
    unit: str
    contribution: float

    @property
    def words(self) -> str:
        """ "age 61 years: +0.42" """
        shown = (
            f" {self.value:g}" if isinstance(self.value, int | float) else f" {self.value}" * bool(self.value)
        )
        return f"{self.name}{shown}{f' {self.unit}' * bool(shown and self.unit)}: {self.contribution:+.2f}"


@dataclass(frozen=True)
class Waterfall:
    """base + every contribution = total, the model's raw score (log-odds for LightGBM's binary objective).

    contributions: largest first whichever its sign; the small ones together come last, as OTHERS.
    """

    base: float
    contributions: tuple[Contribution, ...]
    total: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def waterfall(
    names: Sequence[str],
    values: Sequence[Value],
    units: Sequence[str],
    contributions: NDArray[np.floating],
    base: float,
    total: float,
    top: int = 8,
) -> Waterfall:
    """SHAP values [feature] of one patient, sorted; beyond the `top` largest they are added up.

    base: the score without any feature. total: the model's score. Lundberg & Lee, NeurIPS 2017: base and
    values add up to it, and a waterfall that does not explains another model.
    Raises InputError where they do not (TOLERANCE, absolute or of the total) or lengths differ.
    """
    steps = checked("the contributions", contributions, ("feature",))
    for what, given in (("names", names), ("values", values), ("units", units)):
        checked_names(f"contributions ({what})", tuple(map(str, given)), len(steps))
    _check_sum(base, float(steps.sum()), total)
    order = np.argsort(-np.abs(steps), kind="stable")
    shown = [Contribution(names[i], values[i], units[i], float(steps[i])) for i in order[:top]]
    if len(order) > top:
        shown.append(Contribution(OTHERS, None, "", float(steps[order[top:]].sum())))
    return Waterfall(float(base), tuple(shown), float(total))


def _check_sum(base: float, steps: float, total: float) -> None:
    if not abs(base + steps - total) <= TOLERANCE * max(1.0, abs(total)):
        raise InputError(
            "explain.sum",
            f"SHAP values add up to {base + steps:.6g}, the score is {total:.6g}",
            "take contributions and score from the same model and row",
        )
