"""Whom the bundle does not know, and whether ECG and row are of the same person: said before any number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cardiofusion.records import Quality, Recording, Value

ADULT_YEARS = 18.0
AGE_TOLERANCE_YEARS = 1.5  # a birthday between ECG and form, and rounding
MIN_PACED = 20  # paced patients a bundle must have learnt from to be believed on one
DISTRUST = "do not rely on what follows"
PATIENT_KEYS = ("patient_id", "patient")


def population_warnings(
    population: Mapping[str, Any],
    recording: Recording | None,
    quality: Quality | None,
    row: Mapping[str, Value],
) -> Iterator[str]:
    """A child, an age beyond the training data, a paced rhythm.

    population: the manifest's, {"age": [lowest, highest], "paced": count}.
    """
    age = _age(recording, row)
    known = population.get("age")
    if age is not None and age < ADULT_YEARS and (not known or known[0] >= ADULT_YEARS - 2):
        yield f"This patient is a child ({age:g} years), the bundle learnt from adults: {DISTRUST}."
    elif age is not None and known and not known[0] <= age <= known[1]:
        yield (f"Age {age:g} is outside the training data ({known[0]:g} to {known[1]:g} years): {DISTRUST}.")
    paced = quality is not None and any(finding.code == "paced" for finding in quality.findings)
    if paced and population.get("paced", 0) < MIN_PACED:
        yield f"The rhythm looks paced, and the bundle did not learn from paced patients: {DISTRUST}."


def identity_warnings(
    recording: Recording | None, row: Mapping[str, Value], given: Mapping[str, object]
) -> Iterator[str]:
    """Where ECG file and clinical row disagree on who this is."""
    if recording is None:
        return
    if "patient conflict" in recording.notes:
        yield f"WRONG PATIENT? {recording.notes['patient conflict']}"
    age, sex = row.get("age"), row.get("sex")
    if recording.sex is not None and isinstance(sex, str) and sex != recording.sex:
        yield f"WRONG PATIENT? The ECG is of a {recording.sex}, the clinical row of a {sex}."
    if (
        recording.age is not None
        and isinstance(age, float)
        and abs(age - recording.age) > AGE_TOLERANCE_YEARS
    ):
        yield f"WRONG PATIENT? The ECG says {recording.age:g} years, the clinical row {age:g}."
    for key in PATIENT_KEYS:
        if key in given and recording.patient_id is not None and str(given[key]) != recording.patient_id:
            yield f"WRONG PATIENT? The ECG is of {recording.patient_id}, the clinical row of {given[key]}."


def _age(recording: Recording | None, row: Mapping[str, Value]) -> float | None:
    age = row.get("age")
    if isinstance(age, float):
        return age
    return recording.age if recording is not None else None
