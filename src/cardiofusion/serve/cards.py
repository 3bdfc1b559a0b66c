"""An assessment as a card of CDS Hooks: what a cardiologist sees beside the patient's record.

A card is never "critical": this is no alarm. Source: HL7 CDS Hooks 2.0, "CDS Service Response".
"""

from __future__ import annotations

import re
import uuid

from cardiofusion.records import NOTICE, Assessment, CardioFusionError
from cardiofusion.report.wording import SPACE, UNLIKE, TargetAnswer, clean, spoken, target_answers
from cardiofusion.serve.fhir.risk import held_back
from cardiofusion.serve.fhir.terms import Json, without_gaps

MAX_SUMMARY = 140  # characters
LEAD_IN = "Research use: "
RULED_OUT = "○"  # the mark of an answer that leaves only "no"
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
    """What cannot be ruled out first; that nothing can be told is an answer too."""
    if held := held_back(assessment):
        return f"{LEAD_IN}answers {held}"
    if not assessment.tasks:
        unfit = assessment.quality is not None and assessment.quality.grade == "unfit"
        return f"{LEAD_IN}{'this ECG is unfit for reading' if unfit else 'no question could be answered'}"
    answers = [one for answer in assessment.tasks.values() for one in target_answers(answer)]
    left = [one.words for one in answers if one.mark != RULED_OUT]
    return LEAD_IN + "; ".join(left or [one.words for one in answers])


def _detail(assessment: Assessment) -> list[str]:
    """Markdown: the notice, warnings, quality, then the answers."""
    parts = [f"**{_escaped(NOTICE)}**"]
    parts += [f"**Warning:** {_escaped(warning)}" for warning in assessment.warnings]
    if assessment.quality is not None:
        reasons = " ".join(assessment.quality.reasons)
        parts.append(f"Quality of the ECG: {_escaped(f'{assessment.quality.grade} {reasons}'.strip())}")
    held = held_back(assessment)
    if held:
        return [*parts, f"Answers are {_escaped(held)}.", _origin(assessment)]
    for name, answer in assessment.tasks.items():
        lines = [f"- {_line(one)}" for one in target_answers(answer)]
        title = f"**{_escaped(spoken(name))}** (prediction set at {100 * answer.coverage:g} %)"
        parts.append("\n".join([title, "", *lines]))
    return [*parts, _origin(assessment)]


def _line(one: TargetAnswer) -> str:
    told = "" if one.verdict == UNLIKE or one.probability is None else f" ({one.frequency})"
    return _escaped(f"{one.words}{told}")


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
