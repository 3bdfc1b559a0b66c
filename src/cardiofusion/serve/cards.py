"""An assessment as a card of CDS Hooks: what a cardiologist sees beside the patient's record.

A card is never "critical": this is no alarm. Source: HL7 CDS Hooks 2.0, "CDS Service Response".
"""

from __future__ import annotations

import re
import uuid

from cardiofusion.records import NOTICE, Assessment, CardioFusionError, TaskAnswer
from cardiofusion.report.answers import SET_AND_PROBABILITY
from cardiofusion.report.verdicts import Verdict, task_title, verdicts
from cardiofusion.report.wording import SPACE, clean
from cardiofusion.serve.fhir.risk import held_back
from cardiofusion.serve.fhir.terms import Json, without_gaps

MAX_SUMMARY = 140  # characters
LEAD_IN = "Research use: "
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")


def assessment_card(assessment: Assessment, sheet: str | None = None) -> Json:
    """The card of one assessment. sheet: the address of its sheet, where it was kept."""
    return _card(
        summary=_summary(assessment),
        detail="\n\n".join(_detail(assessment)),
        warns=bool(assessment.warnings),
        bundle=str(assessment.provenance.get("bundle_name", "")),
        links=[{"label": "Open the sheet", "url": sheet, "type": "absolute"}] if sheet else [],
    )


def refusal_card(error: CardioFusionError, bundle: str) -> Json:
    """The card of an ECG that cannot be read."""
    detail = f"**{_escaped(NOTICE)}**\n\n{_escaped(error.message)}. {_escaped(error.hint)}."
    return _card(f"{LEAD_IN}the ECG was not assessed: {error.message}", detail, True, bundle, [])


def _card(summary: str, detail: str, warns: bool, bundle: str, links: list[Json]) -> Json:
    return without_gaps(
        {
            "uuid": str(uuid.uuid4()),
            "summary": _shortened(summary),
            "indicator": "warning" if warns else "info",
            "detail": detail,
            "source": {"label": f"CardioFusion {bundle}".strip()},
            "links": links,
        }
    )


def _summary(assessment: Assessment) -> str:
    """What is pointed to or cannot be ruled out; that nothing can be told is an answer too."""
    if not assessment.tasks:
        unfit = assessment.quality is not None and assessment.quality.grade == "unfit"
        return f"{LEAD_IN}{'this ECG is unfit for reading' if unfit else 'no question could be answered'}"
    told = [
        one
        for name, answer in assessment.tasks.items()
        if not held_back(name, assessment)
        for one in verdicts(answer)
    ]
    if not told:
        return f"{LEAD_IN}answers are held back; see the warnings"
    left = [one.said for one in told if one.leaning != "absent" or not one.by_set]
    return LEAD_IN + ("; ".join(left) or f"Unlikely: {', '.join(one.name for one in told)}")


def _detail(assessment: Assessment) -> list[str]:
    """Markdown: the notice, warnings, quality, then the answers."""
    parts = [f"**{_escaped(NOTICE)}**"]
    parts += [f"**Warning:** {_escaped(warning)}" for warning in assessment.warnings]
    if assessment.quality is not None:
        reasons = " ".join(assessment.quality.reasons)
        parts.append(f"Quality of the ECG: {_escaped(f'{assessment.quality.grade} {reasons}'.strip())}")
    parts += [_answer(name, answer, held_back(name, assessment)) for name, answer in assessment.tasks.items()]
    return [*parts, *([_escaped(SET_AND_PROBABILITY)] if assessment.tasks else []), _origin(assessment)]


def _answer(name: str, answer: TaskAnswer, held: str) -> str:
    title = f"**{_escaped(task_title(name))}** (prediction set at {100 * answer.coverage:g} %)"
    lines = [held] if held else [_line(one) for one in verdicts(answer)]
    return "\n".join([title, "", *(f"- {_escaped(line)}" for line in lines)])


def _line(one: Verdict) -> str:
    told = one.frequency if one.leaning != "neither" else None
    if told is None or not one.by_set:
        return one.said
    return f"{one.sentence}. Probability: {told.words}"


def _origin(assessment: Assessment) -> str:
    origin = assessment.provenance
    return _escaped(f"Bundle {origin.get('bundle_name', '')}, {str(origin.get('bundle_hash', ''))[:12]}")


def _shortened(text: str) -> str:
    line = clean(text).replace("\n", " ").replace(SPACE, " ")
    return line if len(line) <= MAX_SUMMARY else f"{line[: MAX_SUMMARY - 1].rstrip()}…"


def _escaped(text: str) -> str:
    """Text as Markdown that says just that: a name from a file must not become a link or HTML."""
    line = clean(text).replace("\n", " ").replace("&", "&amp;").replace("<", "&lt;")
    return _MARKDOWN.sub(r"\\\1", line)
