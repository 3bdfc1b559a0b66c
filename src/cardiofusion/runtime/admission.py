"""Whom the bundle does not know, and whether ECG and row are of the same person: said before any number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cardiofusion.records import LEADS, Caution, Measurements, Quality, Recording, Value

ADULT_YEARS = 18.0
AGE_TOLERANCE_YEARS = 1.5  # a birthday between ECG and form, and rounding
MIN_PACED = 20  # paced patients a bundle must have learnt from to be believed on one
DISTRUST = "do not rely on what follows"
PATIENT_KEYS = ("patient_id", "patient")
FIBRILLATION = "The rhythm is irregularly irregular, as in atrial fibrillation: read the rhythm yourself."
UNFIT = "This ECG is unfit for reading: nothing that follows comes from it."


@dataclass(frozen=True)
class Warned:
    """A warning in words, and the code of the caution it is; None where it is about a detail of the ECG."""

    words: str
    code: Caution | None = None


def population_warnings(
    population: Mapping[str, Any],
    recording: Recording | None,
    quality: Quality | None,
    row: Mapping[str, Value],
) -> Iterator[Warned]:
    """A child, an age beyond the training data, a paced rhythm.

    population: the manifest's, {"age": [lowest, highest], "paced": count}.
    """
    age = _age(recording, row)
    known = population.get("age")
    if age is not None and age < ADULT_YEARS and (not known or known[0] >= ADULT_YEARS - 2):
        yield Warned(
            f"This patient is a child ({age:g} years), the bundle learnt from adults: {DISTRUST}.", "child"
        )
    elif age is not None and known and not known[0] <= age <= known[1]:
        learnt = f"{known[0]:g} to {known[1]:g} years"
        yield Warned(f"Age {age:g} is outside the training data ({learnt}): {DISTRUST}.", "age")
    paced = quality is not None and any(finding.code == "paced" for finding in quality.findings)
    if paced and population.get("paced", 0) < MIN_PACED:
        yield Warned(
            f"The rhythm looks paced, and the bundle did not learn from paced patients: {DISTRUST}.", "paced"
        )


def lead_warnings(population: Mapping[str, Any], quality: Quality | None) -> Iterator[Warned]:
    """Of an ECG of few leads, where the bundle learnt from more.

    population: the manifest's, {"leads": typical count}; a bundle that does not say learnt from twelve.
    """
    few = next((one for one in quality.findings if one.code == "few_leads"), None) if quality else None
    known = population.get("leads", len(LEADS))
    if few is not None and len(few.leads) < known:
        words = f"The bundle learnt from {known} leads; this ECG has {len(few.leads)}: {DISTRUST}."
        yield Warned(words, "leads")


def quality_warnings(quality: Quality) -> Iterator[Warned]:
    """That an ECG is unfit, and what else was found that hinders reading it."""
    if quality.grade == "unfit":
        yield Warned(UNFIT, "unfit")
    for finding in quality.findings:
        if finding.severity in ("unfit", "warning"):
            yield Warned(finding.message)


def rhythm_warnings(measurements: Measurements | None) -> Iterator[Warned]:
    """A rhythm that labels of form do not speak of: a "normal ECG" among them may be fibrillation."""
    rhythm = None if measurements is None else measurements.rhythm
    if rhythm is not None and rhythm.sure and rhythm.regularity == "irregularly irregular":
        yield Warned(FIBRILLATION)


def identity_warnings(
    recording: Recording | None, row: Mapping[str, Value], given: Mapping[str, object]
) -> Iterator[Warned]:
    """Where ECG file and clinical row disagree on who this is."""
    if recording is not None:
        for words in _contradictions(recording, row, given):
            yield Warned(f"WRONG PATIENT? {words}", "wrong_patient")


def _contradictions(
    recording: Recording, row: Mapping[str, Value], given: Mapping[str, object]
) -> Iterator[str]:
    if "patient conflict" in recording.notes:
        yield recording.notes["patient conflict"]
    age, sex = row.get("age"), row.get("sex")
    if recording.sex is not None and isinstance(sex, str) and sex != recording.sex:
        yield f"The ECG is of a {recording.sex}, the clinical row of a {sex}."
    if (
        recording.age is not None
        and isinstance(age, float)
        and abs(age - recording.age) > AGE_TOLERANCE_YEARS
    ):
        yield f"The ECG says {recording.age:g} years, the clinical row {age:g}."
    for key in PATIENT_KEYS:
        if key in given and recording.patient_id is not None and str(given[key]) != recording.patient_id:
            yield f"The ECG is of {recording.patient_id}, the clinical row of {given[key]}."


def _age(recording: Recording | None, row: Mapping[str, Value]) -> float | None:
    age = row.get("age")
    if isinstance(age, float):
        return age
    return recording.age if recording is not None else None
