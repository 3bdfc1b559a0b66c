"""What was seen and measured in one case, as Observations: quality, intervals, clinical row, the ECG.

Nothing here was confirmed by a person: the status is "preliminary". What could not be measured has a
data-absent-reason, never a number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cardiofusion.records import (
    NOTICE,
    Assessment,
    Finding,
    Measurement,
    Quality,
    Recording,
    RecordingError,
    conversion_factor,
)
from cardiofusion.report.wording import spoken
from cardiofusion.serve.fhir.patient import subject
from cardiofusion.serve.fhir.terms import (
    CLINICAL_COLUMNS,
    CONFIDENCE,
    ECG_STUDY,
    INTERVALS,
    LOINC,
    OURS,
    STATUS,
    Json,
    absent,
    category,
    concept,
    interval_code,
    notes,
    quantity,
    without_gaps,
)
from cardiofusion.serve.store.tables import Case
from cardiofusion.writers.fhir import encode

EXPECTED = ("heart_rate", "pr", "qrs", "qt", "qtc_bazett", "qtc_fridericia", "p_axis", "qrs_axis", "t_axis")
PROCEDURE = ("procedure",)
GRADES: Mapping[str, str] = {
    "good": "good",
    "fair": "fair: read with care",
    "unfit": "unfit for reading",
}


def ecg_id(case: Case) -> str:
    """The id of a case's ECG as an Observation."""
    return f"{case.id}.ecg"


def observations(case: Case, assessment: Assessment) -> Iterator[Json]:
    """All but the ECG itself, the quality first: it is read before any number."""
    if assessment.quality is not None:
        yield _quality(case, assessment.quality)
    yield from _measured(case, assessment)
    yield from _row(case, assessment)


def ecg_observation(case: Case, recording: Recording | None) -> Json:
    """The ECG with its samples; where they cannot be stated as microvolts, why."""
    own: Json = {"id": ecg_id(case), "subject": subject(case)}
    try:
        if recording is None:
            raise RecordingError("recording.gone", "the ECG could not be read again", "see the original file")
        written: Json = json.loads(encode(recording))
    except RecordingError as error:
        return _observation(
            case, "ecg", concept("EKG study", (LOINC, ECG_STUDY, "EKG study")), PROCEDURE,
            dataAbsentReason=absent("unsupported", error.message),
        )  # fmt: skip
    written.pop("contained", None)  # the Patient is a resource of its own
    return {**written, **own}


def _observation(case: Case, name: str, code: Json, kinds: tuple[str, ...], **stated: Any) -> Json:
    """An Observation of a case, `stated` after what all have."""
    recorded = None if case.recorded is None else f"{case.recorded.replace(tzinfo=None).isoformat()}-00:00"
    return without_gaps(
        {
            "resourceType": "Observation",
            "id": f"{case.id}.{name}",
            "status": STATUS,
            "category": category(kinds),
            "code": code,
            "subject": subject(case),
            "effectiveDateTime": recorded or case.created.isoformat(),
            **stated,
        }
    )


def _quality(case: Case, quality: Quality) -> Json:
    return _observation(
        case,
        "quality",
        concept("Quality of the ECG", (f"{OURS}:observation", "ecg-quality", "Quality of the ECG")),
        PROCEDURE,
        valueCodeableConcept=concept(
            GRADES[quality.grade], (f"{OURS}:quality", quality.grade, GRADES[quality.grade])
        ),
        derivedFrom=[_ecg_reference(case)],
        note=notes(*quality.reasons, NOTICE),
        component=[*map(_finding, quality.findings)],
    )


def _finding(finding: Finding) -> Json:
    leads = f" ({', '.join(finding.leads)})" if finding.leads else ""
    words = f"{finding.severity}: {spoken(finding.code)}{leads}"
    return {
        "code": concept(words, (f"{OURS}:finding", finding.code, spoken(finding.code))),
        "valueString": finding.message,
    }


def _measured(case: Case, assessment: Assessment) -> Iterator[Json]:
    """Measured intervals and axes; of those that every reader looks for also what cannot be told."""
    if assessment.measurements is None:
        return
    found = assessment.measurements.intervals
    for name in INTERVALS:
        if name in found or name in EXPECTED:
            yield _interval(case, name, found.get(name))


def _interval(case: Case, name: str, one: Measurement | None) -> Json:
    stated: Json
    if one is None:
        stated = {
            "dataAbsentReason": absent("unknown", "cannot be told from this ECG"),
            "note": notes(NOTICE),
        }
    else:
        stated = {
            "valueQuantity": quantity(round(one.value, 1) + 0.0, one.unit),
            "note": notes(_how_sure(one), NOTICE),
            "extension": [{"url": CONFIDENCE, "valueDecimal": round(one.confidence, 3)}],
        }
    kinds = (*PROCEDURE, "vital-signs") if name == "heart_rate" else PROCEDURE
    number = f"measured.{name.replace('_', '-')}"
    return _observation(
        case, number, interval_code(name), kinds, derivedFrom=[_ecg_reference(case)], **stated
    )


def _how_sure(one: Measurement) -> str:
    care = "" if one.sure else " Uncertain: look at the tracing."
    return (
        f"Confidence {one.confidence:.2f} of 1; median over {one.n} beats, "
        f"half the interquartile range {one.spread:.1f} {one.unit}.{care}"
    )


def _row(case: Case, assessment: Assessment) -> Iterator[Json]:
    for i, (name, value, unit) in enumerate(_row_values(assessment)):
        yield _clinical(case, f"row.{i}", name, value, unit)


def row_references(case: Case, assessment: Assessment) -> list[Json]:
    """References to the clinical row's values."""
    return [
        {"reference": f"Observation/{case.id}.row.{i}", "type": "Observation", "display": spoken(name)}
        for i, (name, _, _) in enumerate(_row_values(assessment))
    ]


def _row_values(assessment: Assessment) -> list[tuple[str, float | str, str]]:
    """(column, value, unit): the row as the bundle took it; an age that only the ECG file states too."""
    row: Mapping[str, Any] = assessment.patient.get("row") or {}
    stated = [
        (name, entry["value"], str(entry.get("unit") or ""))
        for name, entry in row.items()
        if name != "sex" and entry.get("value") is not None
    ]
    age = assessment.patient.get("age")
    if age is not None and "age" not in row:
        stated.append(("age", age, "years"))
    return stated


def _clinical(case: Case, number: str, name: str, value: float | str, unit: str) -> Json:
    known = CLINICAL_COLUMNS.get(name)
    loinc = ""
    if known is not None:
        by_amount = known.molar_mass is not None and conversion_factor(unit, "mmol/L") is not None
        loinc = known.codes[1 if by_amount else 0]
    words = spoken(name) if known is None else known.display
    stated: Json
    if isinstance(value, str):
        stated = {"valueCodeableConcept": {"text": value}}
    else:
        stated = {"valueQuantity": quantity(value, unit)}
    code = concept(words, (LOINC, loinc, ""), (f"{OURS}:column", name, spoken(name)))
    return _observation(case, number, code, ("exam",) if known is None else (known.kind,), **stated)


def _ecg_reference(case: Case) -> Json:
    return {"reference": f"Observation/{ecg_id(case)}", "type": "Observation"}


def codes_of(observation: Mapping[str, Any]) -> set[tuple[str, str]]:
    """(system, code) of what an Observation is."""
    return {(coding.get("system", ""), coding["code"]) for coding in observation["code"].get("coding", ())}
