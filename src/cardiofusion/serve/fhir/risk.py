"""The answers of one case as RiskAssessments, one a task.

The set of labels stands in `qualitativeRisk`, in words; the calibrated probability in `probabilityDecimal`,
in per cent, as FHIR R4 has it (RiskAssessment.prediction.probability[x], at most 100). No number stands where
it is not to be relied on: an empty set, or a patient of whose kind the bundle has learnt nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiofusion.records import ALIGNMENT_WORDS, NOTICE, Assessment, TaskAnswer
from cardiofusion.report.answers import SET_AND_PROBABILITY, made_from
from cardiofusion.report.gate import gate_reasons
from cardiofusion.report.verdicts import Verdict, label_name, set_words, verdicts
from cardiofusion.report.wording import spoken
from cardiofusion.serve.fhir.observations import ecg_id, row_references
from cardiofusion.serve.fhir.patient import subject
from cardiofusion.serve.fhir.terms import (
    BUNDLE,
    OURS,
    STATUS,
    UCUM,
    Json,
    absent_extension,
    concept,
    notes,
    without_gaps,
)
from cardiofusion.serve.store.tables import Case

NOT_CONFIRMED = "Made by a program and confirmed by nobody."


def risk_assessments(case: Case, assessment: Assessment | None) -> Iterator[Json]:
    """One RiskAssessment a task. A case without any answer has one without predictions that says why."""
    if assessment is None or not assessment.tasks:
        yield _unanswered(case, assessment)
        return
    for i, (name, answer) in enumerate(assessment.tasks.items()):
        yield _answered(case, assessment, i, name, answer)


def held_back(task: str, assessment: Assessment) -> str:
    """Why a task's answer is not told, in words; empty where it is: as the gate on the pages."""
    reasons = gate_reasons(task, assessment)
    return f"held back: {' '.join(reasons)}" if reasons else ""


def _answered(case: Case, assessment: Assessment, index: int, task: str, answer: TaskAnswer) -> Json:
    held = held_back(task, assessment)
    return without_gaps(
        {
            **_begun(case, f"{case.id}.risk.{index}", STATUS),
            "contained": [device(assessment.provenance)],
            "performer": {"reference": "#device"},
            "method": concept(
                f"CardioFusion, conformal prediction sets at {100 * answer.coverage:g} %,"
                f" made from: {made_from(answer)}"
            ),
            "code": concept(spoken(task), (f"{OURS}:task", task, spoken(task))),
            "basis": _basis(case, assessment, answer),
            "prediction": [_prediction(task, answer, one, held) for one in verdicts(answer)],
            "note": notes(
                *assessment.warnings,
                NOTICE,
                NOT_CONFIRMED,
                SET_AND_PROBABILITY,
                answer.guarantee,
                "" if answer.alignment == "matched" else f"Trained on {ALIGNMENT_WORDS[answer.alignment]}.",
                _missing(assessment),
            ),
        }
    )


def _unanswered(case: Case, assessment: Assessment | None) -> Json:
    """What there is to say of a case that waits, was refused, or whose ECG is unfit."""
    said: tuple[str, ...] = ()
    status = STATUS
    if assessment is not None:
        reasons = () if assessment.quality is None else assessment.quality.reasons
        said = (*assessment.warnings, "No question could be answered.", *reasons, _missing(assessment))
    elif case.status == "refused" and case.refusal:
        status = "cancelled"
        said = (f"Not assessed: {case.refusal['message']} ({case.refusal['hint']})",)
    else:
        status = "registered"
        said = ("Not assessed yet.",)
    return without_gaps(
        {
            **_begun(case, f"{case.id}.risk.0", status),
            "code": concept("cardiovascular assessment"),
            "contained": [device(assessment.provenance)] if assessment else [],
            "performer": {"reference": "#device"} if assessment else None,
            "note": notes(*said, NOTICE),
        }
    )


def _begun(case: Case, identifier: str, status: str) -> Json:
    return {
        "resourceType": "RiskAssessment",
        "id": identifier,
        "status": status,
        "subject": subject(case),
        "occurrenceDateTime": case.created.isoformat(),
    }


def _prediction(task: str, answer: TaskAnswer, one: Verdict, held: str) -> Json:
    """One target: the set in words, and its probability where it may be relied on."""
    outcome = concept(label_name(one.target), (f"{OURS}:task:{task}", one.target, one.target))
    told = not held and one.leaning != "neither" and one.share is not None
    prediction: Json = {"outcome": outcome}
    if told and one.share is not None:
        prediction["probabilityDecimal"] = round(100 * one.share, 4)
    else:
        prediction["_probabilityDecimal"] = absent_extension("unknown")
    prediction["qualitativeRisk"] = concept(held or one.said)
    if answer.horizon is not None:
        prediction["whenRange"] = _years(answer.horizon)
    prediction["rationale"] = held or _rationale(answer, one, told)
    return prediction


def _rationale(answer: TaskAnswer, one: Verdict, told: bool) -> str:
    """The set, then the probability as a natural frequency with its interval: two different things."""
    often = "No probability is told."
    if told and one.frequency is not None:
        often = f"Calibrated probability: {one.frequency.words} patients like this."
    return f"{set_words(one, answer.coverage)} {often}".lstrip()


def _years(horizon: float) -> Json:
    def years(value: float) -> Json:
        return {"value": value, "unit": "years", "system": UCUM, "code": "a"}

    return {"low": years(0), "high": years(horizon)}


def _basis(case: Case, assessment: Assessment, answer: TaskAnswer) -> list[Json]:
    """What the answer was made from."""
    found = []
    if "ecg" in answer.modalities:
        found.append({"reference": f"Observation/{ecg_id(case)}", "type": "Observation"})
    if "row" in answer.modalities:
        found += row_references(case, assessment)
    return found


def _missing(assessment: Assessment) -> str:
    said = "; ".join(f"{spoken(what)}: {words}" for what, words in assessment.missing.items())
    return f"Missing: {said}" if said else ""


def device(provenance: Mapping[str, Any]) -> Json:
    """The bundle that answered, contained as a Device: its hash, name, version and what it learnt from."""
    name = f"CardioFusion {provenance.get('bundle_name', '')}".strip()
    trained = ", ".join(
        f"{data.get('name', 'unnamed')} ({data.get('use') or 'cohort'})"
        for data in provenance.get("training_data", ())
    )
    return without_gaps(
        {
            "resourceType": "Device",
            "id": "device",
            "identifier": [{"system": BUNDLE, "value": provenance["bundle_hash"]}],
            "manufacturer": "CardioFusion",
            "deviceName": [{"name": name, "type": "model-name"}],
            "type": concept("Software for research use; not a medical device"),
            "version": [
                {"type": concept("CardioFusion"), "value": str(provenance["version"])},
                {"type": concept("bundle made"), "value": str(provenance.get("created") or "unknown")},
            ],
            "note": notes(f"Learnt from: {trained}" if trained else "", NOTICE),
        }
    )
