"""An answer as two things that are never mixed: what cannot be ruled out, and how many of 100 have it.

A class-conditional set says what a patient looks like, read alone: of those without the finding at most one
in ten gets a set that leaves "absent" out, however rare the finding is. The probability also counts how rare
it is. So a rare finding can be pointed to and yet be there in 27 of 100; "yes, 27 of 100" would be misread.

Two kinds of answer are told by their probability alone. Of an event within years "points to death" frightens
and says less than "37 of 100". And where a question to the ECG was answered from the clinical row alone,
nobody looked at a heart: nothing is pointed to, some findings are only more to be expected than others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cardiofusion.records import Quality, TaskAnswer
from cardiofusion.report.wording import NOT_TOLD, UNLIKE, spoken

Leaning = Literal["present", "both", "absent", "neither"]

ORDER: tuple[Leaning, ...] = ("present", "both", "neither", "absent")
MARKS: Mapping[Leaning, str] = {"present": "●", "both": "◐", "absent": "○", "neither": "◇"}
# PTB-XL's diagnostic superclasses (Wagner et al., Sci Data 2020) as people say them. NORM is of form: an ECG
# in atrial fibrillation can have it.
LABEL_NAMES: Mapping[str, str] = {
    "NORM": "a normal waveform – rhythm not judged",
    "MI": "myocardial infarction",
    "STTC": "ST or T wave change",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
}
SENTENCES: Mapping[Leaning, str] = {
    "present": "Points to {name}",
    "both": "Cannot rule out {name}",
    "absent": "Unlikely: {name}",
    "neither": f"Cannot tell {{name}}: {UNLIKE}",
}
HELD: Mapping[Leaning, str] = {
    "present": "present",
    "both": "present or absent",
    "absent": "absent",
    "neither": "neither present nor absent",
}
LEFT_OUT: Mapping[Leaning, str] = {
    "present": "The set at {coverage} % leaves the absence of {name} out: at most {error} % of those without"
    " it look like this.",
    "absent": "The set at {coverage} % leaves {name} out: at most {error} % of those with it look like this.",
    "both": "The set at {coverage} % leaves nothing out about {name}.",
    "neither": f"The set at {{coverage}} % is empty about {{name}}: {UNLIKE}.",
}
EXPECTED = "expected from the clinical row alone"
SHORT: Mapping[Leaning, str] = {
    "present": "Points to",
    "both": "Cannot rule out",
    "absent": "Unlikely",
    "neither": "Unlike any it learnt from",
}


@dataclass(frozen=True)
class Frequency:
    """A natural frequency: about `n` of `of`; `low` to `high` of `of` at 95 %, None where it is not known.

    fewer, more: the probability lies beyond what `n` of `of` can say.
    """

    n: int
    of: int
    low: int | None = None
    high: int | None = None
    fewer: bool = False
    more: bool = False

    @property
    def words(self) -> str:
        """ "about 27 of 100 (95 %: 18 to 38)" """
        how = "fewer than" if self.fewer else "more than" if self.more else "about"
        about = f"{how} {self.n} of {self.of:,}"
        return about if self.low is None else f"{about} (95 %: {self.low} to {self.high})"


@dataclass(frozen=True)
class Verdict:
    """One target: which way its set leans, and its probability with an interval of the calibration.

    code: as the bundle names it, "" where `name` says no more. share, low, high: 0 to 1. years: within
    which the event is meant, "" where no time is. expected: no ECG was read for it though it asks for one.
    """

    target: str
    name: str
    code: str
    leaning: Leaning
    share: float | None
    low: float | None
    high: float | None
    years: str = ""
    expected: bool = False

    @property
    def by_set(self) -> bool:
        """Whether it is told by its set; else by its probability alone."""
        return not (self.years or self.expected)

    @property
    def mark(self) -> str:
        """A shape for the set, so that no colour says it alone."""
        return MARKS[self.leaning]

    @property
    def what(self) -> str:
        """ "myocardial infarction (MI)", "death within 10 years" """
        within = f" within {self.years} years" if self.years else ""
        return f"{self.name}{f' ({self.code})' if self.code else ''}{within}"

    @property
    def sentence(self) -> str:
        """The set in words that hold without the probability."""
        return SENTENCES[self.leaning].format(name=self.what)

    @property
    def held(self) -> str:
        """What the set holds, as a list says it."""
        return HELD[self.leaning]

    @property
    def said(self) -> str:
        """What is told first: the set; of an event how often it happens; of an ECG unread what to expect."""
        if self.by_set:
            return self.sentence
        often = NOT_TOLD if self.frequency is None else self.frequency.words
        often = "not to be relied on" if self.leaning == "neither" else often
        return f"{self.what}, {EXPECTED}: {often}" if self.expected else f"{self.what}: {often}"

    @property
    def heading(self) -> str:
        """What heads its line where how many have it stands beside: the set, or what is told without one."""
        unlike = not self.by_set and self.leaning == "neither"
        return self.sentence if self.by_set else f"{self.what}{f': {UNLIKE}' if unlike else ''}"

    @property
    def often(self) -> str:
        """How many have it, or may have it, as it stands beside `heading`."""
        expected = "expected from the row alone: " if self.expected else ""
        doubt = "not to be relied on: " if self.leaning == "neither" else ""
        return f"{expected}{doubt}{NOT_TOLD if self.frequency is None else self.frequency.words}"

    @property
    def frequency(self) -> Frequency | None:
        """None where there is no probability."""
        return None if self.share is None else natural(self.share, self.low, self.high)


def verdicts(answer: TaskAnswer) -> tuple[Verdict, ...]:
    """Every target of a task: what is pointed to first, what is unlikely last, the likelier before.

    What is not told by its set is in the order of its probability alone.
    """
    told = [_verdict(answer, target, leaning) for target, leaning in leanings(answer).items()]
    return tuple(sorted(told, key=lambda v: (ORDER.index(v.leaning) if v.by_set else 0, -(v.share or 0.0))))


def set_words(one: Verdict, coverage: float) -> str:
    """The set in a sentence; "" of an ECG that was not read: there it says too much.

    Of an event a set "present" reads as a prognosis: told is what the set leaves out, and how often wrongly.
    """
    if one.expected:
        return ""
    share = f"{100 * coverage:g}"
    if not one.years:
        return f"Prediction set at {share} %: {one.sentence}."
    error = f"{100 - 100 * coverage:.3g}"
    return LEFT_OUT[one.leaning].format(name=one.what, coverage=share, error=error)


def leanings(answer: TaskAnswer) -> dict[str, Leaning]:
    """Target -> what its set holds; of a binary task the second label is the target."""
    if isinstance(answer.prediction_set, Mapping):
        return {target: _leaning(held) for target, held in answer.prediction_set.items()}
    target = list(answer.probability)[-1] if answer.probability else "answer"
    held = {"present" if label == target else "absent" for label in answer.prediction_set}
    return {target: _leaning(tuple(held))}


def natural(share: float, low: float | None = None, high: float | None = None) -> Frequency | None:
    """A probability as a natural frequency (Gigerenzer & Hoffrage, 1995); None where it is no number."""
    if not math.isfinite(share):
        return None
    of = 100 if 0.0095 <= share <= 0.9905 else 1000
    between = None if low is None or high is None else (_of(low, of), _of(high, of))
    least, most = between or (None, None)
    if share < 0.001 or share > 0.999:
        return Frequency(1 if share < 0.5 else 999, 1000, least, most, share < 0.5, share > 0.5)
    return Frequency(round(share * of), of, least, most)


def _of(share: float, of: int) -> int:
    return math.floor(share * of + 0.5)


def label_name(target: str) -> str:
    """ "myocardial infarction (MI)", and any other target as it is spoken"""
    name = LABEL_NAMES.get(target)
    return f"{name} ({target})" if name else spoken(target)


def without_ecg_words(answer: TaskAnswer, quality: Quality | None) -> str:
    """Why a question to the ECG was answered without one; "" where it was not. quality: of the ECG."""
    if not answer.expected:
        return ""
    if quality is None:
        return "no ECG was given"
    return "the ECG is unfit and was not used" if quality.grade == "unfit" else "the ECG was not used"


def task_title(name: str) -> str:
    """ "ECG findings" for "ecg-findings" """
    words = ["ECG" if word == "ecg" else word for word in spoken(name).replace("-", " ").split()]
    title = " ".join(words)
    return title[:1].upper() + title[1:]


def _leaning(held: tuple[str, ...]) -> Leaning:
    if len(held) > 1:
        return "both"
    return "neither" if not held else "present" if held[0] == "present" else "absent"


def _verdict(answer: TaskAnswer, target: str, leaning: Leaning) -> Verdict:
    intervals: Mapping[str, tuple[float, float]] = getattr(answer, "interval", {})
    low, high = intervals.get(target, (None, None))
    known = target in LABEL_NAMES
    return Verdict(
        target=target,
        name=LABEL_NAMES.get(target, spoken(target)),
        code=target if known else "",
        leaning=leaning,
        share=answer.probability.get(target),
        low=low,
        high=high,
        years="" if answer.horizon is None else f"{answer.horizon:g}",
        expected=answer.expected,
    )
