"""A measured number with its uncertainty and where it was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`value` with its 95 % interval [low, high], the number of examples and the data it is from.

    All three are NaN where it cannot be measured (an AUC without a positive); JSON then holds null.
    """

    value: float
    low: float
    high: float
    n: int
    data: str

    def to_json(self) -> dict[str, float | int | str | None]:
        """As it stands in metrics.json; a number that is not finite is null."""

        def plain(number: float) -> float | None:
            return float(number) if math.isfinite(number) else None

        return {
            "value": plain(self.value),
            "low": plain(self.low),
            "high": plain(self.high),
            "n": int(self.n),
            "data": self.data,
        }

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}-{self.high:.3f}] (n = {self.n:,})"
