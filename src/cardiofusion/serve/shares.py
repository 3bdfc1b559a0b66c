"""A share with its 95 % interval, told only where there are patients enough to say something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cardiofusion.conformal import chance_of_so_few
from cardiofusion.metrics import Interval, wilson_interval

ERROR = 0.05
ENOUGH = 20  # patients: 18 of 20 may still be any share from 70 to 97 %, and fewer say less


@dataclass(frozen=True)
class Share:
    """`part` of `n` cases, which are of so many `patients`.

    The interval is Wilson's (1927) with the number of patients for n: several cases of a patient are taken
    to move in step, so that one who comes every week makes no figure look sure. below: whether it is fewer
    than what was promised, beyond chance.
    """

    part: int
    n: int
    patients: int
    below: bool = False

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

    def short_of(self, promised: float, calibrated: int, of: int) -> bool:
        """Whether so few are beyond chance in less than 5 of 100 clinics that look once at `of` such shares.

        A promise holds on average over draws of the patients who calibrated it: few of them make a share
        that may itself lie well below it (`conformal.chance_of_so_few`). Bonferroni's correction.
        """
        if not (self.enough and calibrated):
            return False
        covered = math.ceil(self.value * self.patients)
        return chance_of_so_few(covered, self.patients, calibrated, promised) < ERROR / of

    def beside(self, other: Share) -> Literal["", "more", "fewer"]:
        """How this differs from another share where the two intervals do not touch, else ""."""
        if not (self.enough and other.enough):
            return ""
        if self.interval[0] > other.interval[1]:
            return "more"
        return "fewer" if self.interval[1] < other.interval[0] else ""
