"""A share with its 95 % interval, told only where there are patients enough to say something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cardiofusion.metrics import Interval, wilson_interval

ENOUGH = 20  # patients: 18 of 20 may still be any share from 70 to 97 %, and fewer say less


@dataclass(frozen=True)
class Share:
    """`part` of `n` cases, which are of so many `patients`.

    The interval is Wilson's (1927) with the number of patients for n: several cases of a patient are taken
    to move in step, so that one who comes every week makes no figure look sure.
    """

    part: int
    n: int
    patients: int

    @property
    def enough(self) -> bool:
        """Whether there are patients enough for a figure."""
        return self.patients >= ENOUGH

    @property
    def value(self) -> float:
        """Between 0 and 1; NaN of nothing."""
        return self.part / self.n if self.n else float("nan")

    @property
    def interval(self) -> Interval:
        """Lowest and highest, 95 %; NaN of nothing."""
        return wilson_interval(self.value, self.patients)

    def against(self, promised: float) -> Literal["few", "below", "kept"]:
        """Whether all of the interval is below a promised share."""
        if not self.enough:
            return "few"
        return "below" if self.interval[1] < promised else "kept"

    def beside(self, other: Share) -> Literal["", "more", "fewer"]:
        """How this differs from another share where the two intervals do not touch, else ""."""
        if not (self.enough and other.enough):
            return ""
        if self.interval[0] > other.interval[1]:
            return "more"
        return "fewer" if self.interval[1] < other.interval[0] else ""
