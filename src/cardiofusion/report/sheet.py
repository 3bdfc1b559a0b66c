"""The patient sheet: one assessment as one HTML file that opens offline and prints on A4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from cardiofusion.records import Assessment, Quality, Recording, TaskAnswer
from cardiofusion.report.answers import (
    DEMONSTRATION,
    NOT_OF_RHYTHM,
    answer_parts,
    two_things,
    unused_words,
)
from cardiofusion.report.heatmap import attention_map
from cardiofusion.report.measured import measured_part
from cardiofusion.report.page import drawn, render
from cardiofusion.report.paper import ecg_paper
from cardiofusion.report.published import scores_part
from cardiofusion.report.shading import heat_frames
from cardiofusion.report.tables import COLUMN_WORDS, cell
from cardiofusion.report.verdicts import task_title
from cardiofusion.report.waterfall import waterfall
from cardiofusion.report.wording import identity, interval_words, number, percent, quantity, spoken

PAPER_SECONDS = 10.0
SEVERITY_MARKS: Mapping[str, str] = {"note": "ℹ", "warning": "⚠", "unfit": "✖"}
GRADE_WORDS: Mapping[str, str] = {
    "good": "Good: fit for reading",
    "fair": "Fair: read with care",
    "unfit": "✖ Unfit for reading",
}

Fact = tuple[str, str]


@dataclass(frozen=True)
class ReasonPart:
    """One task's explanations as the template shows them; what is not available is empty or None."""

    task: str
    heat_target: str
    peaks: str
    refused: str
    caution: str
    shap_target: str
    waterfall: Markup | None
    attention: Markup | None
    unattended: str
    attention_top: str


def patient_sheet(assessment: Assessment, recording: Recording | None) -> str:
    """One self-contained HTML page: warnings, quality, answer, ECG, reasons, phenotype, provenance.

    recording: the ECG to draw, None where there was none. Its first 10 s are drawn, which the models saw.
    """
    heated = heated_task(assessment) if recording else None
    gradcam = assessment.explanations[heated]["gradcam"] if heated else {}
    answers = answer_parts(assessment)
    return render(
        "sheet.html",
        title="ECG and clinical row: assessment",
        notice=assessment.notice,
        who=identity(named(assessment.patient, recording)),
        row=row_facts(assessment.patient.get("row") or {}),
        warnings=assessment.warnings,
        quality=quality_part(assessment.quality),
        answers=answers,
        two_things=two_things(answers),
        not_of_rhythm=NOT_OF_RHYTHM,
        demonstration=DEMONSTRATION,
        unanswered=unanswered_words(assessment),
        interval_words=interval_words(assessment.tasks.values()),
        scores=scores_part(assessment.scores),
        measured=measured_part(assessment.measurements),
        ecg=None if recording is None else drawn(_paper(recording, gradcam)),
        ecg_about=ecg_about_words(recording, heated, gradcam),
        heat_target=gradcam.get("target"),
        reasons=[
            reason
            for name, given in assessment.explanations.items()
            if (reason := reason_part(name, assessment.tasks.get(name), given))
        ],
        phenotype=phenotype_facts(assessment.phenotype),
        missing=[(spoken(name), words) for name, words in assessment.missing.items()],
        provenance=provenance_facts(assessment.provenance),
        bundle_hash=str(assessment.provenance.get("bundle_hash") or ""),
    )


def unanswered_words(assessment: Assessment) -> str:
    """Why no task has an answer."""
    if assessment.quality is not None and assessment.quality.grade == "unfit":
        return (
            "Nothing was answered: the ECG is unfit for reading. What to do about it stands with each reason."
        )
    return "No task could be answered with what was given."


def row_facts(row: Mapping[str, Any]) -> list[Fact]:
    """The clinical row as (column, "162 mmHg")."""
    return [
        (spoken(name), quantity(given.get("value"), given.get("unit") or "")) for name, given in row.items()
    ]


def phenotype_facts(phenotype: Mapping[str, Any] | None) -> list[Fact]:
    """What can be said of a phenotype in words; nothing where it cannot be told."""
    if not phenotype:
        return []
    facts = [("Most like", str(phenotype.get("name", "")))]
    if (typicality := phenotype.get("typicality")) is not None:
        facts.append(("Typical", f"{percent(float(typicality))} of its members lie farther from its centre"))
    if (stable := phenotype.get("stable")) is not None:
        facts.append(("Stable", "yes: it came back in the bootstraps" if stable else "no: read with care"))
    known = {"name", "typicality", "stable", "index"}
    rest = {key: value for key, value in phenotype.items() if key not in known}
    return facts + [(spoken(key).capitalize(), _said(value)) for key, value in rest.items() if value]


def provenance_facts(provenance: Mapping[str, Any]) -> list[Fact]:
    """Everything in the provenance but the hash, which the sheet prints apart."""
    facts = []
    for key, value in provenance.items():
        if key == "training_data" and isinstance(value, Sequence) and not isinstance(value, str):
            facts += [("Training data", _data_words(data)) for data in value]
        elif key != "bundle_hash" and value not in (None, "", [], {}):
            facts.append((spoken(key).capitalize(), str(value) if key == "seed" else _said(value)))
    return facts


def _data_words(data: object) -> str:
    """ "PTB-XL (500 ECGs, 466 patients, licence CC BY 4.0)" """
    if not isinstance(data, Mapping):
        return _said(data)
    counts = [f"{_said(n)} {COLUMN_WORDS[key]}" for key, n in data.items() if key in COLUMN_WORDS and n]
    rest = {key: value for key, value in data.items() if key not in COLUMN_WORDS and key != "name"}
    said = ", ".join([*counts, *([_said(rest)] if rest else [])])
    return f"{data.get('name', 'unnamed')}" + (f" ({said})" if said else "")


def named(patient: Mapping[str, Any], recording: Recording | None) -> dict[str, object]:
    """Who the sheet is about: what the assessment says, else the ECG file, else the clinical row."""
    names = ("patient_id", "age", "sex", "record_id", "time")
    row = patient.get("row") or {}
    told = {name: [patient.get(name), getattr(recording, name, None)] for name in names}
    for name in ("age", "sex"):
        told[name].append(row.get(name, {}).get("value"))
    return {name: next((one for one in ones if one not in (None, "")), None) for name, ones in told.items()}


def quality_part(quality: Quality | None) -> dict[str, Any] | None:
    """An ECG's quality as the templates show it: grade, rate, findings, leads that are not good."""
    if quality is None:
        return None
    findings = [
        (SEVERITY_MARKS[found.severity], found.severity, found.lead, found.message)
        for found in quality.findings
    ]
    return {
        "grade": GRADE_WORDS[quality.grade],
        "rate": "" if quality.heart_rate is None else f"{quality.heart_rate:.0f}\u00a0/min",
        "findings": findings,
        "leads": [(lead, words) for lead, words in quality.leads.items() if words != "good"],
    }


def heated_task(assessment: Assessment) -> str | None:
    """The task whose Grad-CAM is drawn, one a sheet: the first whose answer used the ECG, else the first."""
    able = [name for name, given in assessment.explanations.items() if "map" in given.get("gradcam", {})]
    used = [name for name in able if name in assessment.tasks and "ecg" in assessment.tasks[name].modalities]
    return next(iter(used + able), None)


def _paper(recording: Recording, gradcam: Mapping[str, Any]) -> str:
    overlay = heat_frames(gradcam, PAPER_SECONDS) if gradcam else None
    return ecg_paper(recording, overlay=overlay, peaks=gradcam.get("peaks"), seconds=PAPER_SECONDS)


def ecg_about_words(recording: Recording | None, heated: str | None, gradcam: Mapping[str, Any]) -> str:
    """How to read the drawn ECG: its scale, and what the shading means where there is one."""
    if recording is None:
        return ""
    scale = "On A4 paper at 100 % one large square is 5 mm: 0.2 s across, 0.5 mV up."
    if not heated:
        return scale
    words = (
        f"The shading is for {gradcam.get('target', heated)}. Times count from the start of the ECG, so a "
        "stretch that is named may lie before or after what its lead's column shows."
    )
    return f"{scale} {words} It shows what moved the model's score, not where a disease sits."


def reason_part(name: str, answer: TaskAnswer | None, given: Mapping[str, Any]) -> ReasonPart | None:
    """One task's explanations as the templates show them; None where there is nothing to explain."""
    gradcam, shap, attention = (given.get(kind) or {} for kind in ("gradcam", "shap", "attention"))
    if not (gradcam or shap or attention):
        return None
    return ReasonPart(
        task=task_title(name),
        heat_target=gradcam.get("target", ""),
        peaks="; ".join(gradcam.get("peaks", ())),
        refused=str(gradcam.get("refused", "")),
        caution=unused_words(answer, given),
        shap_target=shap.get("target", ""),
        waterfall=drawn(waterfall(shap)) if shap else None,
        attention=drawn(attention_map(attention)) if "weights" in attention else None,
        unattended=str(attention.get("refused", "")),
        attention_top="; ".join(attention.get("top", ())),
    )


def _said(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(
            f"{spoken(str(key))} {cell(inner)}" for key, inner in value.items() if inner not in (None, "")
        )
    return number(value) if isinstance(value, float) else cell(value)
