"""A published score: what it needs, its formula, and the two answers it gives, a risk or an absence.

One formula on arrays serves a patient and a table. A value that is missing or outside the published range
makes the score absent: nothing is guessed, imputed or clipped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import OutOfRange, ScoreAbsence, ScoreRisk
from cardiofusion.tabular.scores.inputs import INPUTS, Inputs, Values


@dataclass(frozen=True)
class Need:
    """An input of a score and the values the score was published for.

    low, high: of a number, both inside; `below`: `high` itself is outside (an age of 74.9 years is 74).
    only: of a category, the ones allowed; empty for all. stated: the source states this range; else it is
    the plausible one of INPUTS. optional: may be unknown, but not outside.
    """

    name: str
    low: float = -np.inf
    high: float = np.inf
    below: bool = False
    only: tuple[str, ...] = ()
    stated: bool = False
    optional: bool = False

    def holds(self, values: Values) -> NDArray[np.bool_]:
        """Whether each value [row] is known and allowed."""
        return np.where(np.isnan(values), self.optional, self.allows(values))

    def allows(self, values: Values) -> NDArray[np.bool_]:
        """Whether each known value [row] is one the score was published for; NaN is not."""
        if self.only:
            codes = map(INPUTS[self.name].categories.index, self.only)
            return np.asarray(np.any([values == code for code in codes], axis=0), np.bool_)
        return (values >= self.low) & ((values < self.high) if self.below else (values <= self.high))

    @property
    def words(self) -> str:
        """The allowed values: "30 to under 75 years"."""
        if self.only:
            return "only " + " or ".join(self.only)
        unit = INPUTS[self.name].unit
        return f"{self.low:.4g} to {'under ' if self.below else ''}{self.high:.4g} {unit}"


@dataclass(frozen=True)
class Score:
    """A published risk score.

    name: stable. title, outcome, source: in words, the source with its paper. horizon: years.
    formula: inputs [row], all known and in range, to risks [row] from 0 to 1.
    """

    name: str
    title: str
    outcome: str
    horizon: int
    source: str
    needs: tuple[Need, ...]
    formula: Callable[[Inputs], Values]

    def risks(self, inputs: Inputs) -> Values:
        """The risk of each row, NaN where the score is absent."""
        there = np.all([need.holds(inputs[need.name]) for need in self.needs], axis=0)
        risks = np.full(there.shape, np.nan)
        risks[there] = self.formula({name: values[there] for name, values in inputs.items()})
        return risks

    @property
    def valid(self) -> Mapping[str, str]:
        """input -> the values its source states it for, in words."""
        return {need.name: need.words for need in self.needs if need.stated}

    def answer(self, inputs: Inputs) -> ScoreRisk | ScoreAbsence:
        """The answer for inputs of one row."""
        about = (self.name, self.title, self.horizon, self.outcome, self.source, self.valid)
        unmet = [need for need in self.needs if not need.holds(inputs[need.name])[0]]
        if not unmet:
            return ScoreRisk(*about, float(self.formula(inputs)[0]))
        missing = [name for need in unmet for name in _missing(need, inputs)]
        outside = [_out_of_range(need, inputs) for need in unmet if not np.isnan(inputs[need.name][0])]
        return ScoreAbsence(*about, tuple(missing), tuple(outside))


def within(name: str, low: float, high: float, below: bool = False) -> Need:
    """A number with the range its source states."""
    return Need(name, low, high, below, stated=True)


def years(low: int, high: int) -> Need:
    """An age in completed years, both inside."""
    return within("age", low, high + 1, below=True)


def plausible(*names: str) -> tuple[Need, ...]:
    """Inputs for which the source states no range."""
    return tuple(Need(name, INPUTS[name].low, INPUTS[name].high) for name in names)


# Every one of these scores was fitted on people without a cardiovascular event before.
NO_EVENT_YET = Need("cardiovascular_disease", only=("no",), stated=True, optional=True)


def _missing(need: Need, inputs: Inputs) -> tuple[str, ...]:
    """The names to ask for: a body mass index is had from height and weight."""
    if not np.isnan(inputs[need.name][0]):
        return ()
    if need.name == "bmi":
        return tuple(name for name in ("height", "weight") if np.isnan(inputs[name][0])) or ("bmi",)
    return (need.name,)


def _out_of_range(need: Need, inputs: Inputs) -> OutOfRange:
    return OutOfRange(need.name, INPUTS[need.name].show(float(inputs[need.name][0])), need.words, need.stated)
