"""The sheet on one printed A4 landscape page: what must be there, cut where it is long, true to scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cardiofusion.records import Assessment, Recording
from cardiofusion.report.layouts import LAYOUTS, STANDARD
from cardiofusion.report.page import drawn
from cardiofusion.report.paper import ecg_paper
from cardiofusion.report.published import risk_words, scores_part
from cardiofusion.report.sheet import PAPER_SECONDS
from cardiofusion.report.verdicts import task_title
from cardiofusion.report.waterfall import waterfall
from cardiofusion.report.wording import quantity, spoken
from cardiofusion.serve.drawing import PaperChoice

TRACE_MM = 250.0  # across the page; the names, pulses and margins beside it make 277 mm at most
ROWS_MM = 96.0  # down the page for all rows
MAX_WARNINGS, MAX_WORDS = 4, 150
MAX_CONTRIBUTIONS, MAX_SCORES = 4, 3


@dataclass(frozen=True)
class PrintedPage:
    """warnings: identity first, each cut to MAX_WORDS; more: how many there is no room for. reasons, scores:
    short lines. made: the bundle's date. ecg: at most PAPER_SECONDS, fewer where the speed needs more paper.
    figures: waterfalls, where there is no ECG.
    """

    warnings: tuple[str, ...]
    more: int
    reasons: tuple[str, ...]
    scores: tuple[str, ...]
    trained_on: str
    made: str
    ecg: Markup | None
    figures: tuple[Markup, ...]


def printed_page(assessment: Assessment, recording: Recording | None, choice: PaperChoice) -> PrintedPage:
    """What the printed page shows. choice: as on the screen."""
    warnings = [cut(words) for words in assessment.warnings]
    return PrintedPage(
        warnings=tuple(warnings[:MAX_WARNINGS]),
        more=max(0, len(warnings) - MAX_WARNINGS),
        reasons=tuple(_reasons(assessment)),
        scores=tuple(_scores(assessment)),
        trained_on=_trained_on(assessment.provenance.get("training_data") or ()),
        made=str(assessment.provenance.get("created") or "")[:10],
        ecg=None if recording is None else drawn(_draw(recording, choice.within(recording))),
        figures=() if recording is not None else tuple(_figures(assessment)),
    )


def cut(text: str, most: int = MAX_WORDS) -> str:
    """The whole text, or as many whole words of it as there is room for."""
    if len(text) <= most:
        return text
    return f"{text[: most - 1].rsplit(' ', 1)[0]} …"


def _draw(recording: Recording, choice: PaperChoice) -> str:
    rows = LAYOUTS[choice.layout].rows
    n_rows = len(rows) + (choice.layout == STANDARD)
    return ecg_paper(
        recording,
        layout=choice.layout,
        speed=choice.speed,
        gain=choice.gain,
        start=choice.start,
        seconds=min(PAPER_SECONDS, TRACE_MM / choice.speed),
        row_height=ROWS_MM / n_rows,
    )


def _reasons(assessment: Assessment) -> list[str]:
    lines = []
    for name, given in assessment.explanations.items():
        gradcam, shap = given.get("gradcam") or {}, given.get("shap") or {}
        if peaks := gradcam.get("peaks"):
            lines.append(f"{task_title(name)}, {gradcam.get('target', '')}: looked at {'; '.join(peaks[:3])}")
        if steps := shap.get("contributions"):
            largest = sorted(steps, key=lambda step: -abs(step["contribution"]))[:MAX_CONTRIBUTIONS]
            lines.append(f"{task_title(name)}, {shap.get('target', '')}: {', '.join(map(_step, largest))}")
    return [cut(line) for line in lines]


def _step(step: Mapping[str, Any]) -> str:
    value = "" if step.get("value") is None else f" {quantity(step['value'], step.get('unit') or '')}"
    return f"{spoken(str(step['feature']))}{value} {step['contribution']:+.2f}".replace("-", "−")


def _scores(assessment: Assessment) -> list[str]:
    part = scores_part(assessment.scores)
    if part is None:
        return []
    lines = [f"{line.title}: {risk_words(line)}" for group in part.outcomes for line in group.lines]
    return lines[:MAX_SCORES]


def _trained_on(data: Sequence[Mapping[str, Any]]) -> str:
    """ "PTB-XL (466 patients), NHANES I with mortality (9,932)": what the tasks were learnt from."""
    cohorts = [one for one in data if one.get("use", "cohort") == "cohort"]
    named = [
        f"{one.get('name', '')} ({one['n_patients']:,} patients)"
        if one.get("n_patients")
        else str(one.get("name", ""))
        for one in cohorts
    ]
    return cut(", ".join(dict.fromkeys(named)))


def _figures(assessment: Assessment) -> list[Markup]:
    return [
        drawn(waterfall(given["shap"])) for given in assessment.explanations.values() if given.get("shap")
    ][:2]
