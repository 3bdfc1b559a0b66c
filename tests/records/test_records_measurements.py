"""Measurements: when a value is sure, and that they travel in an assessment's JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import pytest

from cardiofusion.records import (
    Assessment,
    Finding,
    Measurement,
    Measurements,
    Quality,
    Rhythm,
    assessment_schema,
)

PROVENANCE = {
    "bundle_hash": "0" * 64, "bundle_name": "b", "version": "1", "created": "2026-11-20T09:00:00",
    "training_data": [],
}  # fmt: skip
PR = Measurement(162.0, "ms", 4.0, 0.9, 9)
FOUND = Measurements(
    {"pr": PR},
    {"V1": {"r_prime": replace(PR, value=0.2, unit="mV")}},
    {"cornell": replace(PR, value=1.2, unit="mV")},
    Rhythm("irregularly irregular", PR, 0.2, 0.2, 0.1, 0.1, 0.8),
    {"pr": 160.0},
)


def document(measurements: Measurements | None) -> dict[str, object]:
    whole = Assessment({}, (), None, {}, None, {}, PROVENANCE, measurements=measurements)
    found: dict[str, object] = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    return found


@pytest.mark.parametrize("measurements", [None, Measurements(), FOUND])
def test_measurements_travel_in_the_json(measurements: Measurements | None) -> None:
    jsonschema.validate(document(measurements), assessment_schema())


def test_the_json_holds_every_value_with_its_unit_and_confidence() -> None:
    found = document(FOUND)["measurements"]
    assert isinstance(found, dict)
    assert found["intervals"]["pr"] == {
        "value": 162.0,
        "unit": "ms",
        "spread": 4.0,
        "confidence": 0.9,
        "n": 9,
    }
    assert found["rhythm"]["regularity"] == "irregularly irregular"
    assert found["device"] == {"pr": 160.0}


@pytest.mark.parametrize(
    "wrong",
    [{"intervals": {"pr": {"value": 1.0}}}, {"intervals": {"rp": 1.0}}, {"rhythm": "regular"}, {"new": 1}],
)
def test_the_schema_refuses_what_is_none(wrong: dict[str, object]) -> None:
    spoilt = document(FOUND)
    assert isinstance(spoilt["measurements"], dict)
    spoilt["measurements"] |= wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, assessment_schema())


def test_a_value_is_sure_from_the_limit_on() -> None:
    assert PR.sure
    assert not replace(PR, confidence=0.3).sure


def test_reasons_are_those_of_unfit_findings_alone() -> None:
    findings = (
        Finding("a", "unfit", "A: do this."),
        Finding("b", "warning", "B."),
        Finding("c", "unfit", "C."),
    )
    assert Quality("unfit", findings).reasons == ("A: do this.", "C.")
    assert Quality("fair", findings[1:2]).reasons == ()
