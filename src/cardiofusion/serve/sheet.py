"""What the sheet's page shows of an assessment: plain data for sheet.html, warnings before any number.

Sentences of the rooms below stay in English here; the template says them through `say`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from cardiofusion.records import Assessment, Recording
from cardiofusion.report.answers import answer_parts
from cardiofusion.report.change import ChangePart, changes_between
from cardiofusion.report.gate import gate_reasons, identity_alerts, plain_warnings
from cardiofusion.report.layouts import GAINS, LAYOUTS, SPEEDS, STANDARD
from cardiofusion.report.measured import measured_part
from cardiofusion.report.published import scores_part
from cardiofusion.report.sheet import (
    GRADE_WORDS,
    PAPER_SECONDS,
    ReasonPart,
    heated_task,
    named,
    phenotype_facts,
    provenance_facts,
    quality_part,
    reason_part,
    row_facts,
)
from cardiofusion.report.wording import number, spoken
from cardiofusion.serve.drawing import PaperChoice, draw_ecg
from cardiofusion.serve.language import translator
from cardiofusion.serve.printed import printed_page
from cardiofusion.serve.saying import Said

LONGER = 0.5  # s beyond what one sheet shows, from which a start can be chosen


Say = Callable[[str], Said]


@dataclass(frozen=True)
class SimilarCase:
    """An earlier case whose ECG is like this one. headline, outcomes: in words; likeness: 0 to 1."""

    href: str
    who: str
    when: str
    headline: str
    likeness: float
    outcomes: tuple[str, ...] = ()


@dataclass(frozen=True)
class EarlierView:
    """The previous ECG of the patient and what changed since."""

    when: str
    ecg: Markup | None
    change: ChangePart


def sheet_context(
    assessment: Assessment,
    recording: Recording | None,
    *,
    layout: str = STANDARD,
    speed: float = 25.0,
    gain: float = 10.0,
    start: float = 0.0,
    earlier: tuple[Assessment, Recording | None] | None = None,
    similar: Sequence[SimilarCase] = (),
    assessed: str = "",
    say: Say | None = None,
    opened: bool = False,
    may_open: bool = False,
) -> dict[str, Any]:
    """All variables of sheet.html.

    recording: the ECG to draw, None where there was none. earlier: the same patient's previous ECG. assessed:
    when, in words. say: an English sentence of ours in the reader's language; without it they stay English.
    opened: closed answers are shown, on the page and never on paper. may_open: whether the reader may ask
    for that. Raises InputError "serve.paper" for what no paper has.
    """
    choice = PaperChoice(layout, speed, gain, start)
    choice = choice if recording is None else choice.within(recording)
    return {
        "say": say or translator("en").say,
        "assessed": assessed,
        "opened": opened,
        "may_open": may_open,
        "similar": tuple(similar),
        "earlier": None if earlier is None else _earlier(assessment, *earlier, choice),
        "printed": printed_page(assessment, recording, choice),
        **_read_first(assessment, recording),
        **_answered(assessment),
        **_drawn(assessment, recording, choice, opened),
        **_explained(assessment),
        **_source(assessment),
    }


def _read_first(assessment: Assessment, recording: Recording | None) -> dict[str, Any]:
    """What stands above any number: whose it is, warnings, quality."""
    return {
        "notice": assessment.notice,
        "who": who_facts(assessment, recording),
        "identity_alerts": identity_alerts(assessment),
        "warnings": plain_warnings(assessment),
        "quality": quality_part(assessment.quality),
        "grades": GRADE_WORDS,
        "unfit": assessment.quality.reasons if assessment.quality else (),
    }


def _answered(assessment: Assessment) -> dict[str, Any]:
    return {"answers": answer_parts(assessment), "measured": measured_part(assessment.measurements)}


def _drawn(
    assessment: Assessment, recording: Recording | None, choice: PaperChoice, opened: bool
) -> dict[str, Any]:
    """The ECG, shaded where the model looked; not for an answer that is closed."""
    heated = heated_task(assessment) if recording and opened else _heated(assessment, recording)
    gradcam = assessment.explanations[heated]["gradcam"] if heated else {}
    return {
        "ecg": None if recording is None else draw_ecg(recording, choice, gradcam),
        "paper": _paper_controls(choice, recording),
        "heat_target": gradcam.get("target", ""),
    }


def _explained(assessment: Assessment) -> dict[str, Any]:
    """Reasons, what stands beside the answer, what was given and what was not."""
    return {
        "reasons": _reasons(assessment),
        "scores": scores_part(assessment.scores),
        "phenotype": phenotype_facts(assessment.phenotype),
        "row": row_facts(assessment.patient.get("row") or {}),
        "missing": missing_facts(assessment),
    }


def _source(assessment: Assessment) -> dict[str, Any]:
    return {
        "provenance": provenance_facts(assessment.provenance),
        "bundle_hash": str(assessment.provenance.get("bundle_hash") or ""),
        "bundle_name": str(assessment.provenance.get("bundle_name") or ""),
    }


def _heated(assessment: Assessment, recording: Recording | None) -> str | None:
    """The task whose Grad-CAM is on the trace; none where its answer is closed."""
    name = heated_task(assessment) if recording else None
    return None if name is None or gate_reasons(name, assessment) else name


def who_facts(assessment: Assessment, recording: Recording | None) -> list[tuple[str, str]]:
    """(what, value) of the person and the record: "patient", "age", "sex", "record", "recorded"."""
    facts = named(assessment.patient, recording)
    age = facts.get("age")
    given = {
        "patient": facts.get("patient_id"),
        "age": f"{number(age)} years" if isinstance(age, int | float) else None,
        "sex": facts.get("sex"),
        "recorded": str(facts["time"]).replace("T", " ")[:16] if facts.get("time") else None,
        "record": facts.get("record_id"),
    }
    return [(name, str(value)) for name, value in given.items() if value]


def missing_facts(assessment: Assessment) -> list[tuple[str, str]]:
    """What was absent, what it was about without its prefix ("height" for "row.height")."""
    return [(spoken(name.split(".", 1)[-1]), words) for name, words in assessment.missing.items()]


def _reasons(assessment: Assessment) -> list[tuple[ReasonPart, tuple[str, ...]]]:
    """Each task's reasons, with what keeps them closed."""
    made = (
        (name, reason_part(name, assessment.tasks.get(name), given))
        for name, given in assessment.explanations.items()
    )
    return [(part, gate_reasons(name, assessment)) for name, part in made if part]


def _earlier(
    assessment: Assessment, before: Assessment, recording: Recording | None, choice: PaperChoice
) -> EarlierView:
    when = dict(who_facts(before, recording)).get("recorded", "")
    own = replace(choice, start=0.0)
    ecg = None if recording is None else draw_ecg(recording, own, {})
    return EarlierView(when, ecg, changes_between(before, assessment))


def _paper_controls(choice: PaperChoice, recording: Recording | None) -> dict[str, Any]:
    """What can be chosen, as (value, chosen). latest: the last start, None where one sheet shows all."""
    duration = 0.0 if recording is None else recording.duration
    return {
        "layouts": [(name, name == choice.layout) for name in LAYOUTS],
        "speeds": [(f"{speed:g}", speed == choice.speed) for speed in SPEEDS],
        "gains": [(f"{gain:g}", gain == choice.gain) for gain in GAINS],
        "start": f"{choice.start:g}",
        "latest": f"{duration - PAPER_SECONDS:.4g}" if duration > PAPER_SECONDS + LONGER else None,
    }
