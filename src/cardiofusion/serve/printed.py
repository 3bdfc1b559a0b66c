"""The sheet on one printed A4 landscape page: what must be there, few lines of each, the ECG true to scale.

A line that is too long ends in "…" (sheet.css), and what there is no room for is counted: both stand on the
screen in full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from cardiofusion.records import Assessment, Recording, TaskAnswer
from cardiofusion.report.gate import gate_reasons
from cardiofusion.report.layouts import LAYOUTS, STANDARD
from cardiofusion.report.measured import measured_part
from cardiofusion.report.page import drawn
from cardiofusion.report.paper import ecg_paper
from cardiofusion.report.published import risk_words, scores_part
from cardiofusion.report.sheet import PAPER_SECONDS
from cardiofusion.report.unjudged import beside_normal, of_form
from cardiofusion.report.verdicts import Verdict, task_title, verdicts, without_ecg_words
from cardiofusion.report.waterfall import waterfall
from cardiofusion.report.wording import quantity, spoken
from cardiofusion.serve.drawing import PaperChoice

TRACE_MM = 250.0  # across the page; names, pulses and margins beside it make 277 mm at most
ROWS_MM, MORE_ROWS_MM = 84.0, 96.0  # down the page for all rows: 21, 14 or 7 mm each; 24, 16 or 8
MAX_WARNINGS, FEW_WARNINGS = 4, 1  # with few, there is more room for the ECG
ANSWER_LINES = 10  # each task heads its own
MAX_BESIDE, MAX_MEASURED, MAX_CONTRIBUTIONS, MAX_SCORES, MAX_FIGURES = 5, 2, 3, 2, 2


@dataclass(frozen=True)
class PrintedAnswer:
    """A task's first verdicts, what is pointed to before what is unlikely; closed: not on paper.

    without_ecg, of_form, beside: as of the answer on the screen.
    """

    task: str
    closed: bool
    proxy: bool
    verdicts: tuple[Verdict, ...]
    without_ecg: str = ""
    of_form: bool = False
    beside: tuple[tuple[str, str], ...] = ()

    @property
    def n_lines(self) -> int:
        """That it takes on paper."""
        return 2 if self.closed else 1 + len(self.verdicts) + self.of_form + bool(self.beside)


@dataclass(frozen=True)
class PrintedPage:
    """warnings, answers: those there is room for; more_warnings, more_verdicts: how many more there are.

    beside: rhythm, reasons and published scores, a line each. made: the bundle's date. ecg: at most
    PAPER_SECONDS, fewer where the speed needs more paper. figures: waterfalls, where there is no ECG.
    """

    warnings: tuple[str, ...]
    more_warnings: int
    answers: tuple[PrintedAnswer, ...]
    more_verdicts: int
    beside: tuple[str, ...]
    trained_on: str
    made: str
    ecg: Markup | None
    figures: tuple[Markup, ...]


def printed_page(assessment: Assessment, recording: Recording | None, choice: PaperChoice) -> PrintedPage:
    """What the printed page shows. choice: as on the screen."""
    answers, more = _answers(assessment)
    return PrintedPage(
        warnings=assessment.warnings[:MAX_WARNINGS],
        more_warnings=max(0, len(assessment.warnings) - MAX_WARNINGS),
        answers=answers,
        more_verdicts=more,
        beside=tuple(_beside(assessment))[:MAX_BESIDE],
        trained_on=_trained_on(assessment.provenance.get("training_data") or ()),
        made=str(assessment.provenance.get("created") or "")[:10],
        ecg=None
        if recording is None
        else drawn(_draw(recording, choice.within(recording), _room(assessment, answers))),
        figures=() if recording is not None else tuple(_figures(assessment))[:MAX_FIGURES],
    )


def _answers(assessment: Assessment) -> tuple[tuple[PrintedAnswer, ...], int]:
    """Answers for ANSWER_LINES, and how many verdicts of open ones are left out."""
    room, more, found = ANSWER_LINES, 0, []
    for name, answer in assessment.tasks.items():
        part = _answer(name, answer, assessment)
        others = part.n_lines - len(part.verdicts)
        kept = part.verdicts[: max(0, room - others)]
        more += len(part.verdicts) - len(kept)
        if room > 1:
            found.append(replace(part, verdicts=kept))
        room -= others + len(kept)
    return tuple(found), more


def _answer(name: str, answer: TaskAnswer, assessment: Assessment) -> PrintedAnswer:
    proxy = answer.alignment != "matched"
    if gate_reasons(name, assessment):
        return PrintedAnswer(task_title(name), True, proxy, ())
    told = verdicts(answer)
    return PrintedAnswer(
        task_title(name),
        False,
        proxy,
        told,
        without_ecg_words(answer, assessment.quality),
        "ecg" in answer.modalities and of_form(told),
        beside_normal(told, assessment.measurements),
    )


def _room(assessment: Assessment, answers: Sequence[PrintedAnswer]) -> float:
    """For the ECG's rows, in mm: less where much is to be said above it."""
    much = len(assessment.warnings) > FEW_WARNINGS or any(part.beside for part in answers)
    return ROWS_MM if much else MORE_ROWS_MM


def _draw(recording: Recording, choice: PaperChoice, room: float) -> str:
    n_rows = len(LAYOUTS[choice.layout].rows) + (choice.layout == STANDARD)
    return ecg_paper(
        recording,
        layout=choice.layout,
        speed=choice.speed,
        gain=choice.gain,
        start=choice.start,
        seconds=min(PAPER_SECONDS, TRACE_MM / choice.speed),
        row_height=room / n_rows,
    )


def _beside(assessment: Assessment) -> Iterator[str]:
    """The rhythm; of every open task where the model looked and what weighed most; published scores."""
    if part := measured_part(assessment.measurements):
        yield from part.lines[:MAX_MEASURED]
    for name, given in assessment.explanations.items():
        if name in assessment.tasks and not gate_reasons(name, assessment):
            yield from _reasons(given, assessment.tasks[name])
    if scores := scores_part(assessment.scores):
        lines = [line for group in scores.outcomes for line in group.lines]
        yield from (f"{line.title}: {risk_words(line)}" for line in lines[:MAX_SCORES])


def _reasons(given: Mapping[str, Any], answer: TaskAnswer) -> Iterator[str]:
    """Of what the answer was made from: there is no room here to say what did not enter it."""
    gradcam, shap = given.get("gradcam") or {}, given.get("shap") or {}
    if "ecg" in answer.modalities and (peaks := gradcam.get("peaks")):
        yield f"the model looked at (for {gradcam.get('target', '')}): {'; '.join(peaks[:3])}"
    if "row" in answer.modalities and (steps := shap.get("contributions")):
        largest = sorted(steps, key=lambda step: -abs(step["contribution"]))[:MAX_CONTRIBUTIONS]
        yield f"largest contributions (for {shap.get('target', '')}): {', '.join(map(_step, largest))}"


def _step(step: Mapping[str, Any]) -> str:
    value = "" if step.get("value") is None else f" {quantity(step['value'], step.get('unit') or '')}"
    return f"{spoken(str(step['feature']))}{value} {step['contribution']:+.2f}".replace("-", "−")


def _trained_on(data: Sequence[Mapping[str, Any]]) -> str:
    """ "PTB-XL (466 patients), NHANES I with mortality (9,932 patients)": what the tasks were learnt from."""
    named = {
        f"{one.get('name', '')} ({one['n_patients']:,} patients)"
        if one.get("n_patients")
        else one.get("name", "")
        for one in data
        if one.get("use", "cohort") == "cohort"
    }
    return ", ".join(sorted(named))


def _figures(assessment: Assessment) -> Iterator[Markup]:
    for name, given in assessment.explanations.items():
        if given.get("shap") and not gate_reasons(name, assessment):
            yield drawn(waterfall(given["shap"]))
