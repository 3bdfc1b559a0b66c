"""Published risk scores in words, for the sheet and the terminal: what was computed, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from cardiofusion.records import PublishedScores, ScoreAnswer, ScoreInput, ScoreRisk
from cardiofusion.report.verdicts import natural
from cardiofusion.report.wording import NOT_TOLD, percent, quantity, spoken

ABOUT = (
    "Beside the model; they answer other questions: how likely is a first cardiovascular event within years, "
    "in people who had none?"
)
EVENT = "cardiovascular_disease"
EVENT_NOT_TOLD = "whether there was an event before: not told"


@dataclass(frozen=True)
class ScoreLine:
    """One computed score. risks: horizon in years -> risk from 0 to 1."""

    title: str
    risks: Mapping[int, float]

    def frequency(self, horizon: int) -> str:
        """ "about 7 of 100" """
        found = natural(self.risks[horizon])
        return NOT_TOLD if found is None else found.words


@dataclass(frozen=True)
class OutcomePart:
    """The computed scores of one outcome."""

    outcome: str
    lines: tuple[ScoreLine, ...]


@dataclass(frozen=True)
class ScoresPart:
    """Published scores as sheet and terminal show them.

    horizons: years, each a column. In one line each, empty where there is none: what the scores were given,
    the sources of those computed, the titles of the absent ones, values outside a range of theirs.
    missing: names of all that the absent ones lack.
    """

    about: str
    outcomes: tuple[OutcomePart, ...]
    horizons: tuple[int, ...]
    given: str
    sources: str
    absent: str
    missing: tuple[str, ...]
    outside: str

    @property
    def missing_words(self) -> str:
        """What is missing, as people say it."""
        return ", ".join(map(spoken, self.missing))


def scores_part(scores: PublishedScores | None) -> ScoresPart | None:
    """The scores in words; None where there are none."""
    if scores is None:
        return None
    given = [_given(name, value) for name, value in scores.inputs.items()]
    outside = dict.fromkeys(f"{spoken(o.name)} {o.shown}" for score in scores.absent for o in score.outside)
    return ScoresPart(
        about=ABOUT,
        outcomes=_outcomes(scores.risks),
        horizons=tuple(sorted({score.horizon for score in scores.risks})),
        given=", ".join(given if EVENT in scores.inputs else [*given, EVENT_NOT_TOLD]),
        sources="; ".join(dict.fromkeys(score.source for score in scores.risks)),
        absent=_titles(scores.absent),
        missing=tuple(dict.fromkeys(name for score in scores.absent for name in score.missing)),
        outside=", ".join(outside),
    )


def risk_words(line: ScoreLine) -> str:
    """ "3.3 % in 10 years, 21 % in 30 years" """
    return ", ".join(f"{percent(risk)} in {horizon} years" for horizon, risk in line.risks.items())


def _outcomes(risks: Iterable[ScoreRisk]) -> tuple[OutcomePart, ...]:
    """Scores of one outcome together, outcomes in the order in which they come first."""
    order = {outcome: i for i, outcome in enumerate(dict.fromkeys(score.outcome for score in risks))}
    together = sorted(risks, key=lambda score: order[score.outcome])
    return tuple(
        OutcomePart(outcome, _lines(scores))
        for outcome, scores in groupby(together, key=lambda score: score.outcome)
    )


def _lines(scores: Iterable[ScoreRisk]) -> tuple[ScoreLine, ...]:
    """One line a score, whatever the number of its horizons."""
    risks: dict[str, dict[int, float]] = {}
    for score in scores:
        title = score.title.removesuffix(f", {score.horizon} years")
        risks.setdefault(title, {})[score.horizon] = score.risk
    return tuple(ScoreLine(title, by_horizon) for title, by_horizon in risks.items())


def _titles(scores: Iterable[ScoreAnswer]) -> str:
    """Titles of scores, those of one family counted: "SCORE2, PREVENT (6)"."""
    families = Counter(score.title.split(",")[0] for score in scores)
    return ", ".join(f"{title} ({n})" if n > 1 else title for title, n in families.items())


def _given(name: str, value: ScoreInput) -> str:
    origin = " (from the ECG file)" if value.source.startswith("ecg.") else ""
    return f"{spoken(name)} {quantity(value.value, value.unit)}{origin}"
