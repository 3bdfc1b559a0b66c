"""What is posted to $assess: an ECG, a patient and clinical values, as one question to the system.

A unit is never guessed: a clinical Observation has one that converts, or is refused. A value that nothing
here understands is refused too, by name; left out in silence it would look as if it had been taken in.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from cardiofusion.readers.details import MAX_AGE
from cardiofusion.readers.fhir import recognises
from cardiofusion.readers.format import HEAD_BYTES
from cardiofusion.records import ClinicalError, ClinicalSchema, InputError, conversion_factor
from cardiofusion.serve.fhir.terms import BLOOD_PRESSURE, CLINICAL_CODES, LOINC, Clinical, Json, column_unit
from cardiofusion.serve.fhir.wire import HINT, object_of, objects, text_of

MAX_PARAMETERS = 200
MAX_NAME = 256  # characters of a patient's number
YEAR = 365.25  # days
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_VALUES = ("valueDecimal", "valueInteger", "valueString", "valueCode", "valueBoolean")
_VOID = frozenset({"entered-in-error", "cancelled"})


@dataclass
class Question:
    """What is asked: an ECG (a FHIR Observation as bytes), a row by columns, who it is about.

    identifiers: all that the patient is called, numbers of hospitals first. unused: what no column of the
    bundle or of a published score takes. taken: the day of the ECG, where it is stated. keep: whether it goes
    on the worklist.
    """

    ecg: bytes | None = None
    row: dict[str, Any] = field(default_factory=dict)
    identifiers: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    taken: date | None = None
    keep: bool = False

    @property
    def number(self) -> str | None:
        """The patient's number; None where nobody is named."""
        return next(iter(self.identifiers), None)

    def about(self, ecg_of: str | None) -> dict[str, Any]:
        """The row; with who it is about where the ECG does not say the same, so that this is noticed.

        ecg_of: the patient whom the ECG names, by any of the names that the patient has.
        """
        same = not self.identifiers or ecg_of in self.identifiers
        return dict(self.row) if same else {**self.row, "patient_id": self.number}


def read_question(document: Json, schema: ClinicalSchema, today: date) -> Question:
    """A Parameters resource: `observation`*, `patient`?, `row`? with a part a column, `keep`?.

    schema: the columns that a row may have. today: by which a birth date becomes an age.
    Raises InputError "fhir.parameters", "fhir.code", "fhir.value"; ClinicalError.
    """
    if document.get("resourceType") != "Parameters":
        raise InputError("fhir.parameters", "the body is no Parameters resource", HINT)
    given = objects(document, "parameter")
    if len(given) > MAX_PARAMETERS:
        raise InputError("fhir.parameters", "there are too many parameters", f"at most {MAX_PARAMETERS}")
    question = Question()
    for parameter in sorted(given, key=lambda one: text_of(one, "name") == "patient"):
        _take(question, parameter, schema, today)
    return question


def question_about(
    observations: Iterable[Json], patient: Json, schema: ClinicalSchema, today: date
) -> Question:
    """The same of Observations and a Patient, as CDS Hooks prefetches them. Raises as `read_question`."""
    question = Question()
    for one in observations:
        _observation(question, one, schema)
    if patient:
        _patient(question, patient, schema, today)
    return question


def ecg_bytes(observation: Json, sent: bytes = b"") -> bytes:
    """An ECG as a file that its reader recognises by its first bytes: as it was sent, where it is one.

    JSON has no order, so a client may put the type after a megabyte of samples; then the same goes first.
    """
    if recognises(sent[:HEAD_BYTES]):
        return sent
    parts = sorted(objects(observation, "component"), key=lambda part: "valueSampledData" not in part)
    first: Json = {"resourceType": "Observation", **({"component": parts} if parts else {})}
    return json.dumps(first | {key: value for key, value in observation.items() if key not in first}).encode()


def is_ecg(observation: Json) -> bool:
    """Whether an Observation holds samples."""
    return any("valueSampledData" in part for part in (observation, *objects(observation, "component")))


def _take(question: Question, parameter: Json, schema: ClinicalSchema, today: date) -> None:
    name, resource = text_of(parameter, "name"), object_of(parameter, "resource")
    if name == "observation" and resource.get("resourceType") == "Observation":
        _observation(question, resource, schema)
    elif name == "patient" and resource.get("resourceType") == "Patient":
        _patient(question, resource, schema, today)
    elif name == "row":
        for part in objects(parameter, "part"):
            _column(question, part, schema)
    elif name == "keep" and isinstance(parameter.get("valueBoolean"), bool):
        question.keep = parameter["valueBoolean"]
    else:
        raise InputError(
            "fhir.parameters",
            f"a parameter {name[:40]!r} of this kind is not known",
            "known: observation (Observation), patient (Patient), row (parts), keep (valueBoolean)",
        )


def _observation(question: Question, observation: Json, schema: ClinicalSchema) -> None:
    status = text_of(observation, "status")
    if status in _VOID:
        raise InputError("fhir.status", f"an Observation is {status}", "send the corrected one")
    if is_ecg(observation):
        if question.ecg is not None:
            raise InputError("fhir.parameters", "there is more than one ECG", "assess one ECG at a time")
        question.ecg = ecg_bytes(observation)
        question.taken = _day(text_of(observation, "effectiveDateTime")[:10])
        return
    for part, clinical, code in _clinical_parts(observation):
        _value(question, part, clinical, code, schema)


def _clinical_parts(observation: Json) -> Iterator[tuple[Json, Clinical, str]]:
    """The parts of an Observation that hold a value, each with what it is."""
    codes = _loinc(observation)
    if BLOOD_PRESSURE in codes:
        for part in objects(observation, "component"):
            for code in _loinc(part):
                if code in CLINICAL_CODES:
                    yield part, CLINICAL_CODES[code], code
        return
    known = [code for code in codes if code in CLINICAL_CODES]
    if not known:
        shown = ", ".join(codes)[:60] or text_of(object_of(observation, "code"), "text")[:60] or "no code"
        raise InputError(
            "fhir.code",
            f"an Observation with {shown!r} is neither an ECG nor a clinical value that is known here",
            f"LOINC: {', '.join((BLOOD_PRESSURE, *CLINICAL_CODES))}; other values go into `row` by column",
        )
    yield observation, CLINICAL_CODES[known[0]], known[0]


def _loinc(part: Json) -> list[str]:
    return [
        text_of(coding, "code")
        for coding in objects(object_of(part, "code"), "coding")
        if text_of(coding, "system") == LOINC
    ]


def _value(question: Question, part: Json, clinical: Clinical, code: str, schema: ClinicalSchema) -> None:
    if "dataAbsentReason" in part and "valueQuantity" not in part:
        return
    value, unit = _quantity(object_of(part, "valueQuantity"), clinical.display)
    if not unit:
        raise InputError("fhir.value", f"{clinical.display} has no unit", "state it in UCUM")
    columns = [name for name in clinical.columns if name in schema.names]
    if not columns:
        question.unused.append(f"{clinical.display} (LOINC {code})")
    for name in columns:
        factor = conversion_factor(unit, schema[name].unit, clinical.molar_mass)
        _put(question, schema, name, f"{value!r} {unit}" if factor is None else value * factor)


def _quantity(quantity: Json, what: str) -> tuple[float, str]:
    """(value, unit as columns write it). Raises InputError "fhir.value"."""
    value = quantity.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        raise InputError("fhir.value", f"{what} has no plausible valueQuantity.value", HINT)
    if quantity.get("comparator"):
        raise InputError("fhir.value", f"{what} is not exact ({quantity['comparator']!s:.2})", "give a value")
    return float(value), column_unit(text_of(quantity, "code") or text_of(quantity, "unit"))


def _column(question: Question, part: Json, schema: ClinicalSchema) -> None:
    """A part of `row`: named after a column; a plain number is in the column's own unit."""
    name = text_of(part, "name")
    schema[name]  # raises where there is none
    if "valueQuantity" in part:
        value, unit = _quantity(object_of(part, "valueQuantity"), name)
        _put(question, schema, name, f"{value!r} {unit}".strip())
        return
    stated = [part[kind] for kind in _VALUES if isinstance(part.get(kind), str | int | float | bool)]
    if len(stated) != 1 or (isinstance(stated[0], float) and not math.isfinite(stated[0])):
        raise InputError("fhir.value", f"{name} has no one value", f"one of {', '.join(_VALUES)}")
    _put(question, schema, name, stated[0])


def _patient(question: Question, patient: Json, schema: ClinicalSchema, today: date) -> None:
    numbers = [text_of(one, "value") for one in objects(patient, "identifier")]
    names = [name for name in (*numbers, text_of(patient, "id")) if name]
    if any(len(name) > MAX_NAME for name in names):
        raise InputError("fhir.value", "an identifier is too long", f"at most {MAX_NAME} characters")
    question.identifiers += names
    gender = text_of(patient, "gender")
    if gender in ("female", "male") and "sex" in schema.names:
        _put(question, schema, "sex", gender)
    born = text_of(patient, "birthDate")
    if born and "age" in schema.names:
        _put(question, schema, "age", _age(born, question.taken or today))


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


def _age(born: str, today: date) -> float:
    """Years from a birth date. Raises ClinicalError where it is no full date, or of nobody alive."""
    day = _day(born)
    age = math.nan if day is None else (today - day).days / YEAR
    if not 0.0 <= age <= MAX_AGE:
        raise ClinicalError(
            "clinical.number", "birthDate is no full date of somebody alive", "YYYY-MM-DD, or age in `row`"
        )
    return round(age, 2)


def _put(question: Question, schema: ClinicalSchema, name: str, value: object) -> None:
    """Set a column once. Raises ClinicalError for a value that cannot be, and for a second, other one."""
    parsed = schema[name].parse(value)
    before = schema[name].parse(question.row.get(name))
    if not math.isnan(before) and not math.isclose(before, parsed, rel_tol=1e-3):
        raise ClinicalError("clinical.twice", f"{name} is given twice, with two values", "give it once")
    question.row[name] = value
