"""What published risk scores say of a patient: a risk, or why there is none; and what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cardiofusion.records.clinical import Value


@dataclass(frozen=True)
class OutOfRange:
    """A value a score does not take; `valid` in words ("40 to under 70 years").

    stated: the score's source states that range; else it is a plausible one of ours (a wrong unit?).
    """

    name: str
    value: Value
    valid: str
    stated: bool

    @property
    def words(self) -> str:
        reason = "published for" if self.stated else "plausible is"
        return f"{self.name} is {self.shown}, {reason} {self.valid}"

    @property
    def shown(self) -> str:
        """The value as text: "81", "yes"."""
        return f"{self.value:.4g}" if isinstance(self.value, float) else str(self.value)


@dataclass(frozen=True)
class ScoreAnswer:
    """A published score: `outcome` within `horizon` years, after `source` (its paper).

    valid: input -> the values the paper states it for, in words.
    """

    name: str
    title: str
    horizon: int
    outcome: str
    source: str
    valid: Mapping[str, str]


@dataclass(frozen=True)
class ScoreRisk(ScoreAnswer):
    """A patient's risk after a published score: a share from 0 to 1."""

    risk: float

    @property
    def words(self) -> str:
        return f"{self.title}: {self.risk:.1%} risk of {self.outcome} within {self.horizon} years"


@dataclass(frozen=True)
class ScoreAbsence(ScoreAnswer):
    """Why a published score has no answer for a patient: missing inputs, values outside its range."""

    missing: tuple[str, ...]
    outside: tuple[OutOfRange, ...]

    @property
    def words(self) -> str:
        reasons = [f"missing {', '.join(self.missing)}"] if self.missing else []
        reasons += [outside.words for outside in self.outside]
        return f"{self.title}: not computed ({'; '.join(reasons)})"


@dataclass(frozen=True)
class ScoreInput:
    """A value that scores were given, in their unit. source: "row.COLUMN", or "ecg.age", "ecg.sex"."""

    value: Value
    unit: str
    source: str


@dataclass(frozen=True)
class PublishedScores:
    """All published scores of one patient. inputs: name -> what they were made from."""

    inputs: Mapping[str, ScoreInput]
    risks: tuple[ScoreRisk, ...]
    absent: tuple[ScoreAbsence, ...]
