"""What this server can do, as CapabilityStatement and OperationDefinition; tests hold both to the routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cardiofusion import __version__
from cardiofusion.records import NOTICE
from cardiofusion.serve.fhir.terms import FHIR_VERSION, Json

DATE = "2026-11-28"  # of the last change of what follows


@dataclass(frozen=True)
class Offered:
    """What can be done with a type. searches: parameter -> (type, words); no search where there are none."""

    interactions: tuple[str, ...]
    searches: Mapping[str, tuple[str, str]]
    words: str


_BY_PATIENT: Mapping[str, tuple[str, str]] = {
    "patient": ("reference", "the Patient; a search needs it"),
    "subject": ("reference", "the same"),
}
OFFERED: Mapping[str, Offered] = {
    "Patient": Offered(
        ("read", "search-type"),
        {
            "identifier": ("token", "as the ECG file or the form states it"),
            "_id": ("token", "the id on this server"),
        },
        "Who the cases are about. A birth date is never stated: files state an age.",
    ),
    "Observation": Offered(
        ("read", "create", "search-type"),
        {**_BY_PATIENT, "code": ("token", "what it is")},
        "Create takes an ECG as SampledData; it is kept, stands on the worklist and is assessed. Read: the "
        "ECG, its quality, intervals and axes with their confidence, the clinical row.",
    ),
    "RiskAssessment": Offered(
        ("read", "search-type"),
        _BY_PATIENT,
        "One a question and case: prediction sets in words, calibrated probabilities in per cent.",
    ),
    "OperationDefinition": Offered(("read",), {}, "What $assess takes and gives."),
}  # fmt: skip


def capability_statement(base: str) -> Json:
    """The CapabilityStatement of the server at `base`."""
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "experimental": True,
        "date": DATE,
        "publisher": "CardioFusion",
        "kind": "instance",
        "description": f"ECGs and clinical rows in, risk as sets with a guarantee out. {NOTICE}",
        "software": {"name": "CardioFusion", "version": __version__},
        "implementation": {"description": "CardioFusion on this machine", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Parameters that are not known are refused unless handling=lenient.",
                "security": {"description": "Authorization: Bearer TOKEN"},
                "resource": [_resource(name, offered) for name, offered in OFFERED.items()],
                "operation": [{"name": "assess", "definition": f"{base}/OperationDefinition/assess"}],
            }
        ],
    }


def _resource(name: str, offered: Offered) -> Json:
    stated: Json = {
        "type": name,
        "documentation": offered.words,
        "interaction": [{"code": code} for code in offered.interactions],
        "versioning": "no-version",
    }
    if offered.searches:
        stated["searchParam"] = [
            {"name": parameter, "type": kind, "documentation": words}
            for parameter, (kind, words) in offered.searches.items()
        ]
    return stated


def assess_operation(base: str) -> Json:
    """The OperationDefinition of $assess."""
    taken = (
        ("observation", 0, "*", "Observation", "one ECG as SampledData; clinical values by LOINC"),
        ("patient", 0, "1", "Patient", "identifier, gender, birthDate"),
        ("row", 0, "1", None, "a part a value, named after the column; valueQuantity converts"),
        ("keep", 0, "1", "boolean", "whether it is kept and stands on the worklist; else nothing is kept"),
    )  # fmt: skip
    return {
        "resourceType": "OperationDefinition",
        "id": "assess",
        "url": f"{base}/OperationDefinition/assess",
        "name": "Assess",
        "title": "Assess one patient",
        "status": "active",
        "kind": "operation",
        "experimental": True,
        "date": DATE,
        "affectsState": True,
        "code": "assess",
        "system": True,
        "type": False,
        "instance": False,
        "description": f"Assess an ECG, clinical values, or both. {NOTICE}",
        "parameter": [
            *(_parameter("in", *one) for one in taken),
            _parameter("out", "return", 1, "1", "Bundle", "Patient, RiskAssessments and Observations"),
        ],
    }


def _parameter(use: str, name: str, low: int, high: str, kind: str | None, words: str) -> Json:
    stated: Json = {"name": name, "use": use, "min": low, "max": high, "documentation": words}
    if kind is not None:
        return {**stated, "type": kind}
    part = {"name": "column", "use": use, "min": 0, "max": "*", "type": "Element", "documentation": words}
    return {**stated, "part": [part]}
