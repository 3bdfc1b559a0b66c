"""FHIR R4 Observation (JSON): a component a lead with SampledData in microvolts, "E" for a missing sample.

A FHIR time needs a zone, and a recording's is not known: "-00:00" says just that (RFC 3339, 4.3).
Source: HL7 FHIR R4 (4.0.1), Observation and SampledData; IEEE 11073-10101 for leads and measurements.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.fhir import AGE, MAX_STRING, UCUM
from cardiofusion.readers.mdc import ELECTRIC_POTENTIAL, FHIR_SYSTEM, MEASURED, code, lead_number
from cardiofusion.records import Recording
from cardiofusion.writers.writer import (
    Writer,
    identity,
    local_time,
    microvolts,
    one_line,
    refuse_uncalibrated,
    step_between,
    unwritable,
)

TITLE = "A FHIR Observation"

_LOINC = "http://loinc.org"
_CATEGORY = {
    "system": "http://terminology.hl7.org/CodeSystem/observation-category",
    "code": "procedure",
    "display": "Procedure",
}


def encode(recording: Recording) -> bytes:
    """The resource. Raises RecordingError: not calibrated, or over a megabyte of samples a lead."""
    refuse_uncalibrated(recording, TITLE)
    time, device = local_time(recording), one_line(recording.notes.get("device", ""))
    statement = one_line(recording.notes.get("interpretation", ""))
    patient = _patient(recording)
    document = {
        "resourceType": "Observation",
        "id": str(identity(recording, "fhir")),
        "contained": [patient] if patient else None,
        "status": "final",
        "category": [{"coding": [_CATEGORY]}],
        "code": {"coding": [{"system": _LOINC, "code": "11524-6", "display": "EKG study"}]},
        "subject": {"reference": f"#{patient['id']}"} if patient else None,
        "effectiveDateTime": f"{time.isoformat()}-00:00" if time else None,
        "device": {"display": device} if device else None,
        "note": [{"text": statement}] if statement else None,
        "component": [*_age(recording), *_measured(recording), *_leads(recording)],
    }
    stated = {key: value for key, value in document.items() if value is not None}
    return (json.dumps(stated, ensure_ascii=False, allow_nan=False, indent=1) + "\n").encode()


def _patient(recording: Recording) -> dict[str, Any] | None:
    """A patient contained in the observation; none where nothing is known."""
    patient: dict[str, Any] = {"resourceType": "Patient", "id": "patient"}
    if recording.patient_id is not None:
        patient["identifier"] = [{"value": one_line(recording.patient_id)}]
    if recording.sex is not None:
        patient["gender"] = recording.sex
    return patient if len(patient) > 2 else None


def _age(recording: Recording) -> list[dict[str, Any]]:
    if recording.age is None:
        return []
    coding = {"system": _LOINC, "code": AGE, "display": "Age"}
    return [{"code": {"coding": [coding]}, "valueQuantity": _quantity(recording.age, "a")}]


def _measured(recording: Recording) -> list[dict[str, Any]]:
    return [
        {
            "code": {
                "coding": [_coding(MEASURED[name].number, MEASURED[name].name)],
                "text": MEASURED[name].meaning,
            },
            "valueQuantity": _quantity(value, MEASURED[name].unit),
        }
        for name, value in recording.measured.items()
    ]


def _leads(recording: Recording) -> list[dict[str, Any]]:
    period = step_between(recording.sampling_rate, 1000.0)
    return [
        {"code": _lead_code(lead), "valueSampledData": _sampled(row, period, lead)}
        for lead, row in zip(recording.leads, microvolts(recording), strict=True)
    ]


def _lead_code(lead: str) -> dict[str, Any]:
    number = lead_number(lead)
    if number is None:
        return {"text": f"Lead {lead}"}
    return {
        "coding": [_coding(ELECTRIC_POTENTIAL + number, f"MDC_ECG_ELEC_POTL_{lead.upper()}")],
        "text": f"Lead {lead}",
    }


def _sampled(row: NDArray[np.float64], period: float, lead: str) -> dict[str, Any]:
    missing = np.isnan(row)
    texts = np.where(missing, 0, row).astype(np.int64).astype(str).astype(object)
    texts[missing] = "E"
    data = " ".join(texts.tolist())
    if len(data) > MAX_STRING:
        raise unwritable(TITLE, f"{len(row):,} samples of lead {lead}")
    return {
        "origin": _quantity(0, "uV"),
        "period": period,
        "factor": 1,
        "dimensions": 1,
        "data": data,
    }


def _coding(number: int, display: str) -> dict[str, str]:
    return {"system": FHIR_SYSTEM, "code": str(code(number)), "display": display}


def _quantity(value: float, unit: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


FHIR = Writer(name="fhir", title=TITLE, suffix=".json", encode=encode)
