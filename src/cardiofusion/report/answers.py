"""One task's answer as people read it: in the terminal, on the command line's sheet and in the clinic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cardiofusion.records import ALIGNMENT_WORDS, Assessment, TaskAnswer
from cardiofusion.report.gate import IDENTITY, gate_reasons
from cardiofusion.report.measured import rhythm_words
from cardiofusion.report.tables import Table
from cardiofusion.report.unjudged import beside_normal, of_form
from cardiofusion.report.verdicts import Verdict, set_words, task_title, verdicts, without_ecg_words
from cardiofusion.report.wording import VIEW_WORDS, percent

VIEW_COLUMNS: Mapping[str, str] = {"ecg": "ECG alone", "row": "row alone", "ecg+row": "both"}
ABSENT = "–"
NOT_OF_RHYTHM = "These labels do not speak of rhythm."
NOT_NORMAL = "A normal waveform is not a normal ECG. Measured beside it"
DEMONSTRATION = "Such an answer is a demonstration of the method, not evidence about this patient."
TWO_PEOPLE = "ECG and clinical row may be of two people: until that is settled, do not rely on this answer."
UNKNOWN_KIND = "This bundle has not learnt from such patients or such ECGs: do not rely on this answer."
SET_AND_PROBABILITY = (
    "The set says what a patient looks like, read alone; the probability also counts how rare it is."
    " What is pointed to may still be absent in most."
)
TWO_THINGS = (
    "Two different things. Left is what this patient looks like, read alone: “points to” means that at most"
    " {share} % of the patients without it look like this, “unlikely” that at most {share} % of those with it"
    " do. Right also counts how rare it is: a rare finding can be pointed to and still be absent in most."
)


@dataclass(frozen=True)
class AnswerPart:
    """One task's answer. gate: why it is not to be relied on (the clinic keeps it closed until asked for);
    whose: because ECG and row may be of two people; reasons: all others. sets: those of events, in
    sentences. coverage, error: what the set
    promises, and what is left to 100, in per cent. proxy: words where the bundle learnt from pairs that are
    not of one person. without_ecg: why no ECG was read though the task asks for one. of_form: whether its
    labels leave the rhythm out. beside: (what, value) of what was measured and belies a normal waveform.
    """

    task: str
    verdicts: tuple[Verdict, ...]
    gate: tuple[str, ...]
    whose: bool
    reasons: tuple[str, ...]
    proxy: str
    made_from: str
    without_ecg: str
    of_form: bool
    rhythm: str
    beside: tuple[tuple[str, str], ...]
    guarantee: str
    sets: str
    coverage: str
    error: str
    views: Table | None

    @property
    def title(self) -> str:
        """ "ECG findings, guessed from the clinical row (no ECG was given)" """
        return (
            f"{self.task}, guessed from the clinical row ({self.without_ecg})"
            if self.without_ecg
            else self.task
        )

    @property
    def columns(self) -> tuple[str, str]:
        """What heads the two columns of its table."""
        first = self.verdicts[0] if self.verdicts else None
        if first is not None and first.years:
            return "What may happen", "To how many patients like this it happens"
        left = "Finding" if first and not first.by_set else f"What the set says (at {self.coverage} %)"
        return left, "How many patients like this have it"

    @property
    def distrust(self) -> str:
        """That it is not to be relied on, and why in short; "" where nothing speaks against it."""
        if self.whose:
            return TWO_PEOPLE
        return UNKNOWN_KIND if self.gate else ""

    @property
    def belied(self) -> str:
        """What was measured beside a normal waveform and is not normal; "" where nothing was."""
        found = ", ".join(f"{what} {value}" for what, value in self.beside)
        return f"{NOT_NORMAL}: {found}." if found else ""

    @property
    def promise(self) -> str:
        """The guarantee; "" where the ECG that the task asks for was not read: there it says too much."""
        return "" if self.without_ecg else self.guarantee


def answer_parts(assessment: Assessment) -> list[AnswerPart]:
    """Every task's answer."""
    return [answer_part(name, answer, assessment) for name, answer in assessment.tasks.items()]


def answer_part(name: str, answer: TaskAnswer, assessment: Assessment) -> AnswerPart:
    """One task's answer. assessment: what it is part of, with the warnings and measurements beside it."""
    gate = gate_reasons(name, assessment)
    told = verdicts(answer)
    return AnswerPart(
        task=task_title(name),
        verdicts=told,
        gate=gate,
        whose=any(words.startswith(IDENTITY) for words in gate),
        reasons=tuple(words for words in gate if not words.startswith(IDENTITY)),
        proxy="" if answer.alignment == "matched" else ALIGNMENT_WORDS[answer.alignment],
        made_from=made_from(answer),
        without_ecg=without_ecg_words(answer, assessment.quality),
        of_form="ecg" in answer.modalities and of_form(told),
        rhythm=rhythm_words(assessment.measurements),
        beside=beside_normal(told, assessment.measurements),
        guarantee=answer.guarantee,
        sets=" ".join(set_words(one, answer.coverage) for one in told if one.years),
        coverage=f"{100 * answer.coverage:g}",
        error=f"{100 - 100 * answer.coverage:.3g}",
        views=view_table(answer),
    )


def two_things(parts: Sequence[AnswerPart]) -> str:
    """How the two columns are read; "" where no answer is told by its set."""
    return TWO_THINGS.format(share=parts[0].error) if any_by_set(parts) else ""


def any_by_set(parts: Sequence[AnswerPart]) -> bool:
    """Whether anything is told by its set."""
    return any(one.by_set for part in parts for one in part.verdicts)


def made_from(answer: TaskAnswer) -> str:
    """ "ECG and clinical row" """
    return VIEW_WORDS.get("+".join(answer.modalities), ", ".join(answer.modalities) or "nothing")


def view_table(answer: TaskAnswer) -> Table | None:
    """What each view alone would have said; None where only one was there."""
    if len(answer.by_modality) < 2:
        return None
    targets = list(dict.fromkeys(target for view in answer.by_modality.values() for target in view))
    rows = tuple(
        (
            target,
            *(percent(view[target]) if target in view else ABSENT for view in answer.by_modality.values()),
        )
        for target in targets
    )
    columns = ("", *(VIEW_COLUMNS.get(view, view) for view in answer.by_modality))
    return Table("What each part would have said", "", columns, rows)


def unused_words(answer: TaskAnswer | None, given: Mapping[str, Any]) -> str:
    """A caution where an explanation is about a modality that the answer was not made from."""
    shown = {kind: found for kind, found in given.items() if found and "refused" not in found}
    kinds = {"ecg": ("gradcam", "attention"), "row": ("shap", "attention")}
    unused = [
        modality
        for modality, explained in kinds.items()
        if answer is not None and modality not in answer.modalities and any(map(shown.get, explained))
    ]
    if answer is None or not unused:
        return ""
    names = " and ".join({"ecg": "the ECG", "row": "the clinical row"}[modality] for modality in unused)
    return f"The answer was made from: {made_from(answer)}. What is said here of {names} did not enter it."
