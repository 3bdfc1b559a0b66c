"""Codes, units and the small pieces that every resource is made of.

LOINC for what a laboratory, a scale or an ECG measures; IEEE 11073-10101 beside it where it has a term; units
in UCUM. What no published code stands for (a task's label, a finding of ours) has a system of ours.
Source: HL7 FHIR R4 (4.0.1); LOINC; UCUM.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cardiofusion.readers.mdc import FHIR_SYSTEM, MEASURED, code

Json = dict[str, Any]

LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"
CATEGORIES = "http://terminology.hl7.org/CodeSystem/observation-category"
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
ABSENT_EXTENSION = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
OURS = "urn:cardiofusion"
CONFIDENCE = f"{OURS}:confidence"  # extension: how sure a measurement is, 0 to 1
BUNDLE = f"{OURS}:bundle"  # system of a bundle's hash
ECG_STUDY = "11524-6"  # LOINC: EKG study
FHIR_VERSION = "4.0.1"
# Of whatever a machine says and nobody has confirmed.
STATUS = "preliminary"


@dataclass(frozen=True)
class Clinical:
    """A clinical value: the columns that take it, its LOINC codes, how the code is displayed, its category.

    codes: where there are two, the first is of mass and the second of amount a volume. molar_mass: g/mol,
    where mg/dL and mmol/L are to convert.
    """

    columns: tuple[str, ...]
    codes: tuple[str, ...]
    display: str
    kind: str
    molar_mass: float | None = None


CHOLESTEROL = 386.7  # g/mol
CLINICAL: tuple[Clinical, ...] = (
    Clinical(("age",), ("30525-0",), "Age", "exam"),
    Clinical(("systolic",), ("8480-6",), "Systolic blood pressure", "vital-signs"),
    Clinical(("diastolic",), ("8462-4",), "Diastolic blood pressure", "vital-signs"),
    Clinical(("height",), ("8302-2",), "Body height", "vital-signs"),
    Clinical(("weight",), ("29463-7",), "Body weight", "vital-signs"),
    Clinical(("bmi",), ("39156-5",), "Body mass index", "vital-signs"),
    Clinical(
        ("total_cholesterol", "cholesterol"),
        ("2093-3", "14647-2"),
        "Cholesterol in serum",
        "laboratory",
        CHOLESTEROL,
    ),
    Clinical(
        ("hdl_cholesterol",), ("2085-9", "14646-4"), "HDL cholesterol in serum", "laboratory", CHOLESTEROL
    ),
    Clinical(("egfr",), ("98979-8", "62238-1"), "Glomerular filtration rate (CKD-EPI)", "laboratory"),
)
BLOOD_PRESSURE = "85354-9"  # LOINC: a panel with both pressures as components
CLINICAL_CODES: Mapping[str, Clinical] = {number: one for one in CLINICAL for number in one.codes}
CLINICAL_COLUMNS: Mapping[str, Clinical] = {name: one for one in CLINICAL for name in one.columns}

# Intervals and axes: LOINC code and words. Those with a name in the nomenclature of devices say it too.
INTERVALS: Mapping[str, tuple[str, str]] = {
    "heart_rate": ("8867-4", "Heart rate"),
    "pr": ("8625-6", "P-R interval"),
    "p_duration": ("", "P duration"),
    "qrs": ("8633-0", "QRS duration"),
    "qt": ("8634-8", "Q-T interval"),
    "qtc_bazett": ("76635-2", "QTc interval by Bazett formula"),
    "qtc_fridericia": ("76634-5", "QTc interval by Fridericia formula"),
    "qtc_framingham": ("", "QTc interval by Framingham formula"),
    "qtc_hodges": ("", "QTc interval by Hodges formula"),
    "p_axis": ("8626-4", "P wave axis"),
    "qrs_axis": ("8632-2", "QRS axis"),
    "t_axis": ("8638-9", "T wave axis"),
}
# How we write a unit -> its UCUM code.
_UCUM: Mapping[str, str] = {
    "°": "deg",
    "mmHg": "mm[Hg]",
    "years": "a",
    "mL/min/1.73m2": "mL/min/{1.73_m2}",
    "10^6/uL": "10*6/uL",
    "10^3/uL": "10*3/uL",
    **{
        same: same
        for same in ("ms", "/min", "mV", "cm", "kg", "kg/m2", "mg/dL", "mmol/L", "g/dL", "ug/dL", "mm/h")
    },
    "mEq/L": "meq/L",
    "%": "%",
}
# UCUM code -> how our columns write it, where that differs.
_FROM_UCUM: Mapping[str, str] = {
    **{ucum: ours for ours, ucum in _UCUM.items() if ucum != ours},
    "[lb_av]": "lb",
    "[in_i]": "in",
    "[ft_i]": "ft",
    "[stone_av]": "st",
    "mo": "months",
    "d": "days",
    "1": "",
}


def column_unit(ucum: str) -> str:
    """A UCUM code as columns write the unit; another text stays what it is."""
    return _FROM_UCUM.get(ucum, ucum)


def quantity(value: float, unit: str) -> Json:
    """A Quantity in one of our units; with a UCUM code where we know it."""
    stated: Json = {"value": value}
    if unit:
        stated["unit"] = unit
    if ucum := _UCUM.get(unit):
        stated |= {"system": UCUM, "code": ucum}
    return stated


def concept(text: str, *codings: tuple[str, str, str]) -> Json:
    """A CodeableConcept. codings: (system, code, display); those without a code are left out.

    display: "" for a code of LOINC, which has its own words; ours stand in `text`.
    """
    found = [
        {"system": system, "code": number} | ({"display": said} if said else {})
        for system, number, said in codings
        if number
    ]
    return {**({"coding": found} if found else {}), "text": text}


def interval_code(name: str) -> Json:
    """What a measured interval or axis is."""
    loinc, words = INTERVALS[name]
    term = MEASURED.get(name)
    mdc = ("", "", "") if term is None else (FHIR_SYSTEM, str(code(term.number)), term.name)
    return concept(words, (LOINC, loinc, ""), mdc)


def absent(reason: str, words: str) -> Json:
    """A data-absent-reason as a CodeableConcept. reason: a code of that system."""
    return concept(words, (ABSENT, reason, reason.replace("-", " ").title()))


def absent_extension(reason: str) -> Json:
    """What stands beside a primitive element that has no value."""
    return {"extension": [{"url": ABSENT_EXTENSION, "valueCode": reason}]}


def category(names: Iterable[str]) -> list[Json]:
    """An Observation's categories, of "procedure", "vital-signs", "laboratory", "exam"."""
    return [concept(name, (CATEGORIES, name, name.replace("-", " ").title())) for name in names]


def notes(*texts: str) -> list[Json]:
    """Annotations in order, empty ones left out."""
    return [{"text": text} for text in texts if text.strip()]


def without_gaps(resource: Mapping[str, Any]) -> Json:
    """The resource without elements that are None or empty: FHIR knows neither."""
    return {key: value for key, value in resource.items() if value is not None and value not in ("", [], {})}
