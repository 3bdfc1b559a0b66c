"""What is posted to $assess, as one question: units, names, what is not used."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import ClinicalSchema, Column, InputError
from cardiofusion.serve.fhir.incoming import Question, ecg_bytes, read_question
from cardiofusion.serve.fhir.wire import parse_object

TODAY = date(2026, 11, 28)
SCHEMA = ClinicalSchema(
    (
        Column("age", unit="years", low=0, high=120),
        Column("weight", unit="kg", low=2, high=300),
        Column("cholesterol", unit="mg/dL", low=40, high=1000),
        Column("total_cholesterol", unit="mmol/L", low=1, high=25),
        Column("smoking", "category", categories=("no", "yes"), codes={"True": "yes", "False": "no"}),
    )
)


def clinical(code: str, value: Any, unit: str = "", **stated: Any) -> dict[str, Any]:
    observation = {
        "resourceType": "Observation",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "code": unit},
        **stated,
    }
    return {"name": "observation", "resource": observation}


def read(*parameters: dict[str, Any]) -> Question:
    return read_question({"resourceType": "Parameters", "parameter": list(parameters)}, SCHEMA, TODAY)


@pytest.mark.parametrize(
    ("unit", "factor"), [("kg", 1.0), ("g", 1000.0), ("[lb_av]", 2.2046226), ("[stone_av]", 0.15747304)]
)
@given(kilograms=st.floats(3, 290))
def test_known_units_convert(unit, factor, kilograms):
    row = read(clinical("29463-7", kilograms * factor, unit)).row
    assert SCHEMA["weight"].parse(row["weight"]) == pytest.approx(kilograms, rel=1e-6)


@pytest.mark.parametrize(
    ("code", "value", "unit"), [("2093-3", 200.0, "mg/dL"), ("14647-2", 5.172, "mmol/L")]
)
def test_cholesterol_fills_every_column_of_it_in_the_columns_own_unit(code, value, unit):
    row = read(clinical(code, value, unit)).row
    assert SCHEMA["cholesterol"].parse(row["cholesterol"]) == pytest.approx(200.0, rel=1e-3)
    assert SCHEMA["total_cholesterol"].parse(row["total_cholesterol"]) == pytest.approx(5.172, rel=1e-3)


def test_what_no_column_takes_is_named():
    question = read(clinical("8302-2", 170, "cm"), clinical("29463-7", 80, "kg"))
    assert question.unused == ["Body height (LOINC 8302-2)"]
    assert list(question.row) == ["weight"]


@pytest.mark.parametrize("value", [True, "80", None, float("1e300"), [80], {"value": 80}])
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(InputError) as refused:
        read(clinical("29463-7", value, "kg"))
    assert refused.value.code == "fhir.value"


def test_a_value_that_is_not_exact_is_refused():
    inexact = clinical("29463-7", 80, "kg")
    inexact["resource"]["valueQuantity"]["comparator"] = "<"
    with pytest.raises(InputError, match="not exact"):
        read(inexact)


def test_an_absent_value_is_no_value():
    absent = clinical("29463-7", 80, "kg", dataAbsentReason={"text": "unknown"})
    del absent["resource"]["valueQuantity"]
    assert read(absent).row == {}


def test_a_column_may_have_two_values_where_they_are_the_same():
    row = {"name": "row", "part": [{"name": "weight", "valueDecimal": 80}]}
    assert read(row, clinical("29463-7", 80000, "g")).row["weight"] == pytest.approx(80)
    with pytest.raises(InputError, match="given twice"):
        read(row, clinical("29463-7", 80, "[lb_av]"))


@pytest.mark.parametrize(("born", "age"), [("1966-11-28", 60.0), ("2026-11-28", 0.0), ("2000-02-29", 26.75)])
def test_a_birth_date_becomes_years(born, age):
    patient = {"name": "patient", "resource": {"resourceType": "Patient", "birthDate": born}}
    assert read(patient).row["age"] == pytest.approx(age, abs=0.02)


@pytest.mark.parametrize("born", ["1966", "1966-11", "2027-01-01", "1850-01-01", "2001-02-29", "x"])
def test_a_birth_date_that_says_no_age_is_refused(born):
    patient = {"name": "patient", "resource": {"resourceType": "Patient", "birthDate": born}}
    with pytest.raises(InputError, match="birthDate"):
        read(patient)


def test_the_row_names_the_patient_only_where_the_ecg_does_not():
    patient = {"identifier": [{"value": "A"}], "id": "b"}
    question = read({"name": "patient", "resource": {"resourceType": "Patient", **patient}})
    assert question.number == "A"
    assert "patient_id" not in question.about("A")
    assert "patient_id" not in question.about("b")
    assert question.about("C")["patient_id"] == "A"
    assert question.about(None)["patient_id"] == "A"


def test_an_ecg_that_its_reader_recognises_stays_as_it_was_sent():
    sent = b'{ "resourceType" : "Observation", "component": [{"valueSampledData": {}}] }'
    assert ecg_bytes(parse_object(sent), sent) is sent


def test_the_order_of_keys_is_no_part_of_an_ecg():
    sent = (
        b'{"note": [{"text": "' + b"x" * 5000 + b'"}], "valueSampledData": {}, "resourceType": "Observation"}'
    )
    again = ecg_bytes(parse_object(sent), sent)
    assert parse_object(again) == parse_object(sent)
    assert again.startswith(b'{"resourceType"')


@pytest.mark.parametrize(
    "content",
    [
        b'{"a": -Infinity}',
        b"null",
        b"",
        b'"x"',
        b'{"a": "\\ud800"}',
        b'{"a": ["x\\u0000"]}',
        b'{"\\udc00": 1}',
    ],
)
def test_json_that_is_none_is_refused(content):
    with pytest.raises(InputError) as refused:
        parse_object(content)
    assert refused.value.code == "fhir.json"


def test_a_number_without_end_is_no_value():
    document = parse_object(b'{"value": 1e999}')
    with pytest.raises(InputError):
        read(clinical("29463-7", document["value"], "kg"))


def test_escapes_that_are_text_are_taken():
    assert parse_object(rb'{"a": "\u00e9 \ud83e\udec0 \\u0000"}') == {"a": "\u00e9 \U0001fac0 \\u0000"}


def test_a_patients_number_has_an_end():
    patient = {"resourceType": "Patient", "identifier": [{"value": "9" * 300}]}
    with pytest.raises(InputError, match="too long"):
        read({"name": "patient", "resource": patient})
