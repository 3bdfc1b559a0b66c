"""FHIR R4 Observation (JSON) whose components, or which itself, hold an ECG as SampledData.

A sample is origin + factor x number; "E", "U" and "L" stand for one that is missing or beyond the limits.
Source: HL7 FHIR R4 (4.0.1), Observation and SampledData; IEEE 11073-10101 for leads and measurements.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.decimals import as_millivolts, decimals
from cardiofusion.readers.details import MAX_AGE, Details, as_sex, known, years_between
from cardiofusion.readers.format import HINT, MAX_RATE, MIN_RATE, Format
from cardiofusion.readers.hl7 import BEATS_A_MINUTE, DEGREES, MILLIVOLTS, SECONDS, YEARS, day
from cardiofusion.readers.mdc import ELECTRIC_POTENTIAL, FHIR_SYSTEM, MDC_ONLY, MEASURED, NUMBERED, OID, code
from cardiofusion.records import Recording, RecordingError, lead_name, standard_leads

AGE = "30525-0"  # LOINC
UCUM = "http://unitsofmeasure.org"
MAX_STRING = 1 << 20  # characters, as FHIR has it
MIN_STEP, MAX_STEP = 1e-7, 10.0  # mV a number

_SYSTEMS = frozenset({FHIR_SYSTEM, f"urn:oid:{OID}"})
_LEADS = NUMBERED | MDC_ONLY
_MEASURED = {str(code(term.number)): (name, term.unit) for name, term in MEASURED.items()}
_UNITS = {
    "ms": {unit: 1e3 * factor for unit, factor in SECONDS.items()},
    "deg": DEGREES,
    "/min": BEATS_A_MINUTE,
}
_OBSERVATION = re.compile(rb'"resourceType"\s*:\s*"Observation"')
_ECG = re.compile(rb'SampledData|MDC_ECG|"11524-6"')
_DATA = re.compile(r"[-0-9.EUL \t\r\n]*", re.ASCII)
_MARK = re.compile(r"(?<!\S)[EUL](?!\S)")

Json = dict[str, Any]


def recognises(head: bytes) -> bool:
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    return begins and bool(_OBSERVATION.search(head)) and bool(_ECG.search(head))


def decode(content: bytes, name: str) -> Recording:
    """The leads in mV, NaN where a sample is missing. Raises RecordingError."""
    document = _parsed(content, name)
    details = Details()
    leads: dict[str, NDArray[np.float32]] = {}
    rates = set()
    for part in (document, *_items(document, "component")):
        sampled = _object(part, "valueSampledData")
        lead = _lead(part, name) if sampled else None
        if lead is None:
            details.note("skipped", _words(part) if sampled else "")
            continue
        if lead in leads:
            raise RecordingError("recording.lead", f"{name} has {lead} twice", HINT)
        rates.add(_rate(sampled, name))
        leads[lead] = _millivolts(sampled, f"lead {lead} of {name}")
    signal = _stacked(leads, rates, name)
    _describe(details, document)
    signal, names = standard_leads(signal, tuple(leads))
    return Recording(
        signal=signal,
        sampling_rate=rates.pop(),
        leads=names,
        unverified=("header", "samples"),
        **details.fields(),
    )


def _parsed(content: bytes, name: str) -> Json:
    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise RecordingError(
            "recording.json", f"{name} is no complete JSON: {str(error)[:80]}", HINT
        ) from error
    if not isinstance(document, dict) or document.get("resourceType") != "Observation":
        raise RecordingError("recording.header", f"{name} is no FHIR Observation", HINT)
    status = _text(document, "status")
    if status in {"entered-in-error", "cancelled"}:
        raise RecordingError("recording.status", f"{name} is {status}", "ask for the corrected ECG")
    return document


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _stacked(leads: dict[str, NDArray[np.float32]], rates: set[float], name: str) -> NDArray[np.float32]:
    if not leads:
        raise RecordingError("recording.empty", f"{name} holds no ECG as SampledData", HINT)
    if len(rates) > 1:
        raise RecordingError("recording.rate", f"{name} has leads at different rates", HINT)
    if len({len(row) for row in leads.values()}) > 1:
        raise RecordingError("recording.truncated", f"{name} has leads of different lengths", HINT)
    signal = np.stack([*leads.values()])
    if np.isnan(signal).all():
        raise RecordingError("recording.empty", f"{name} has no samples", HINT)
    return signal


def _lead(part: Json, name: str) -> str | None:
    """The lead that a code stands for, None where it is no ECG.

    Raises RecordingError where code and words disagree, or volts are of a lead that we do not know.
    """
    concept = _object(part, "code")
    codings = [*_items(concept, "coding")]
    numbers = [number for coding in codings if (number := _number_in(coding)) is not None]
    words = [_text(concept, "text"), *(_text(coding, "display") for coding in codings)]
    named = {lead for lead in (*map(_LEADS.get, numbers), *map(_spoken, words)) if lead}
    if len(named) == 1 and all(number in _LEADS for number in numbers):
        return named.pop()
    if named or numbers or _unit(_object(_object(part, "valueSampledData"), "origin")) in MILLIVOLTS:
        raise RecordingError("recording.lead", f"{name} has {_words(part)!r}, which is no one lead", HINT)
    return None


def _number_in(coding: Json) -> int | None:
    """The lead's number in a code of the nomenclature, as a lead or as its voltage; None for other codes."""
    text = _text(coding, "code")
    if _text(coding, "system") not in _SYSTEMS or not re.fullmatch(r"\d{6}", text, re.ASCII):
        return None
    number = int(text) - code(0)
    lead = number - ELECTRIC_POTENTIAL if number > ELECTRIC_POTENTIAL else number
    return lead if 0 < lead < ELECTRIC_POTENTIAL else None


def _spoken(text: str) -> str | None:
    return lead_name(text.removeprefix("MDC_ECG_ELEC_POTL_"))


def _words(part: Json) -> str:
    concept = _object(part, "code")
    codings = (_text(coding, key) for coding in _items(concept, "coding") for key in ("display", "code"))
    return next(filter(None, (_text(concept, "text"), *codings)), "a component without a code")[:60]


def _rate(sampled: Json, name: str) -> float:
    """Hz, by the milliseconds between two samples."""
    period = _number(sampled, "period")
    rate = 1000.0 / period if period else 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        raise RecordingError("recording.rate", f"{name} has samples {period} ms apart", HINT)
    return rate


def _millivolts(sampled: Json, what: str) -> NDArray[np.float32]:
    origin = _object(sampled, "origin")
    unit = _unit(origin)
    if unit not in MILLIVOLTS:
        raise RecordingError("recording.units", f"{what} is in {unit[:20]!r}, not uV, mV, nV or V", HINT)
    zero, factor = _number(origin, "value"), _number(sampled, "factor", 1.0)
    if zero is None or factor is None or not MIN_STEP <= factor * MILLIVOLTS[unit] <= MAX_STEP:
        raise RecordingError("recording.gain", f"{what} has no plausible origin and factor", HINT)
    data = _text(sampled, "data")
    if _number(sampled, "dimensions") != 1 or not data or not _DATA.fullmatch(data):
        raise RecordingError("recording.header", f"{what} is no list of samples", HINT)
    values = decimals(_MARK.sub("nan", data), what, missing=True)
    return as_millivolts((zero + factor * values) * MILLIVOLTS[unit], what)


def _describe(details: Details, document: Json) -> None:
    subject = _object(document, "subject")
    patient = _contained(document, _text(subject, "reference"))
    details.patient_id = _patient_id(subject, patient)
    details.sex = as_sex(_text(patient, "gender"))
    details.time = _time(document)
    born = day(_text(patient, "birthDate").replace("-", ""))
    details.age = years_between(born, details.time) if born and details.time else None
    details.note("device", _text(_object(document, "device"), "display"))
    for note in _items(document, "note"):
        details.note("interpretation", _text(note, "text"))
    for component in _items(document, "component"):
        for coding in _items(_object(component, "code"), "coding"):
            _measure(details, coding, _object(component, "valueQuantity"))


def _measure(details: Details, coding: Json, quantity: Json) -> None:
    """The age, or what a device measured."""
    value, unit, text = _number(quantity, "value"), _unit(quantity), _text(coding, "code")
    if value is None:
        return
    if text == AGE and 0.0 <= value * YEARS.get(unit, math.inf) <= MAX_AGE:
        details.age = value * YEARS[unit]
    name, wanted = _MEASURED.get(text, ("", "")) if _text(coding, "system") in _SYSTEMS else ("", "")
    factor = _UNITS[wanted].get(unit) if name else None
    if factor is not None:
        details.measured[name] = value if factor == 1.0 else round(value * factor, 6)


def _patient_id(subject: Json, patient: Json) -> str | None:
    """The identifier of the patient, else what the server that holds them calls them."""
    stated = [
        _text(item, "value") for item in (*_items(patient, "identifier"), _object(subject, "identifier"))
    ]
    _, _, linked = _text(subject, "reference").partition("Patient/")
    return next((text for text in map(known, (*stated, linked)) if text), None)


def _contained(document: Json, reference: str) -> Json:
    found = (item for item in _items(document, "contained") if reference == f"#{_text(item, 'id')}")
    return next(found, {})


def _time(document: Json) -> datetime | None:
    """The local time that the observation states, whatever its zone; none where it states a mere date."""
    period = _object(document, "effectivePeriod")
    stated = (
        _text(document, "effectiveDateTime"),
        _text(document, "effectiveInstant"),
        _text(period, "start"),
    )
    return next((time for time in map(_moment, stated) if time is not None), None)


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if "T" in text else None
    except ValueError:
        return None


def _unit(quantity: Json) -> str:
    """The unit's code; what people read where there is none."""
    return _text(quantity, "code") or _text(quantity, "unit")


def _object(parent: Json, key: str) -> Json:
    value = parent.get(key)
    return value if isinstance(value, dict) else {}


def _items(parent: Json, key: str) -> Iterator[Json]:
    value = parent.get(key)
    return (item for item in (value if isinstance(value, list) else []) if isinstance(item, dict))


def _text(parent: Json, key: str) -> str:
    value = parent.get(key)
    return value.strip() if isinstance(value, str) else ""


def _number(parent: Json, key: str, absent: float | None = None) -> float | None:
    value = parent.get(key, absent)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return float(value)


FHIR = Format(name="FHIR Observation", files=".json", recognises=recognises, decode=decode)
