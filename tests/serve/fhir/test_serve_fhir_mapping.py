"""Assessments as FHIR R4: valid resources, the words of the set, no number where there is none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.readers import read_bytes, read_recording
from cardiofusion.records import NOTICE, Assessment, Quality, Recording, TaskAnswer
from cardiofusion.report.verdicts import set_words, verdicts
from cardiofusion.runtime import System
from cardiofusion.serve.fhir.bundles import case_bundle, listed, searchset
from cardiofusion.serve.fhir.observations import ecg_observation
from cardiofusion.serve.fhir.risk import risk_assessments
from cardiofusion.serve.store.tables import Case, CaseFile, Patient, new_id
from cardiofusion.simulate import virtual_cohort

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
DATE_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))"
)


ROW = {"systolic": 150, "weight": 80, "cholesterol": 200, "smoking": "yes"}  # age and sex: the ECG's


@pytest.fixture(scope="session")
def assessment(system: System, recording: Recording) -> Assessment:
    return system.assess(recording, {**ROW, "age": recording.age, "sex": recording.sex})


def case_of(recording: Recording | None = None, **stated: Any) -> Case:
    case = Case(
        id=new_id(),
        created=datetime(2026, 11, 28, 9, 30, tzinfo=UTC),
        status="assessed",
        source="fhir",
        row={},
        files=[CaseFile(position=0, name="ecg.json", sha256="0" * 64, size=1)] if recording else [],
        sex=recording.sex if recording else None,
        grade="good" if recording else None,
    )
    case.patient = Patient(id=new_id(), identifier="MRN 77")
    for name, value in stated.items():
        setattr(case, name, value)
    return case


def elements(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from elements(one)


def assert_valid(resource: dict[str, Any]) -> None:
    """What the published models of R4B check, and what R4 says beside them."""
    text = json.dumps(resource, allow_nan=False)
    get_fhir_model_class(resource["resourceType"]).model_validate_json(text)
    if "id" in resource:
        assert ID.fullmatch(resource["id"])
    for element in elements(resource):
        assert element is not None
        assert element not in ("", [], {})
        if isinstance(element, dict):
            for key, value in element.items():
                assert not key.endswith("DateTime") or DATE_TIME.fullmatch(value)
    if resource["resourceType"] == "RiskAssessment":
        assert resource["subject"]["reference"].startswith("Patient/") or "urn:uuid" in str(
            resource["subject"]
        )
        assert resource["status"] in ("registered", "preliminary", "final", "amended", "cancelled")
        for one in resource.get("prediction", ()):
            assert ("probabilityDecimal" in one) != ("_probabilityDecimal" in one)
            assert 0 <= one.get("probabilityDecimal", 0) <= 100
    for contained in resource.get("contained", ()):
        assert f'"#{contained["id"]}"' in text, "a contained resource must be referred to (dom-3)"


def test_every_resource_of_a_case_is_valid(assessment, recording):
    case = case_of(recording, recorded=datetime(2026, 11, 20, 8, 15))
    found = [one.make() for one in listed(case, assessment, lambda: recording)]
    assert {"RiskAssessment", "Observation"} == {resource["resourceType"] for resource in found}
    assert len({resource["id"] for resource in found}) == len(found)
    for resource in found:
        assert_valid(resource)


@pytest.mark.parametrize("kind", ["collection", "transaction"])
@pytest.mark.parametrize("with_ecg", [True, False])
def test_a_bundle_of_a_case_is_valid_and_its_references_lead_somewhere(assessment, recording, kind, with_ecg):
    bundle = case_bundle(case_of(recording), assessment, recording if with_ecg else None, kind)
    assert_valid(bundle)
    names = {entry["fullUrl"] for entry in bundle["entry"]}
    assert len(names) == len(bundle["entry"])
    assert all(name.startswith("urn:uuid:") for name in names)
    for element in elements(bundle):
        if isinstance(element, dict) and "reference" in element:
            assert element["reference"] in names | {"#device"}
    assert all(("request" in entry) == (kind == "transaction") for entry in bundle["entry"])
    assert all(("id" in entry["resource"]) == (kind == "collection") for entry in bundle["entry"])
    for entry in bundle["entry"]:
        assert_valid(entry["resource"])


def test_the_ecg_survives_export_and_reading(assessment, recording):
    bundle = case_bundle(case_of(recording), assessment, recording, "transaction")
    (ecg,) = (
        entry["resource"]
        for entry in bundle["entry"]
        if entry["resource"]["resourceType"] == "Observation"
        and any("valueSampledData" in one for one in entry["resource"].get("component", ()))
    )
    again = read_bytes(json.dumps(ecg).encode(), "ecg.json")
    assert again.leads == recording.leads
    assert again.sampling_rate == recording.sampling_rate
    np.testing.assert_allclose(again.signal, recording.signal, atol=0.000501)


def test_probabilities_are_per_cent_and_sets_are_in_words(assessment):
    risks = list(risk_assessments(case_of(), assessment))
    assert len(risks) == len(assessment.tasks)
    for risk, answer in zip(risks, assessment.tasks.values(), strict=True):
        said = {verdict.target: verdict for verdict in verdicts(answer)}
        assert len(risk["prediction"]) == len(said)
        for one in risk["prediction"]:
            target = one["outcome"]["coding"][0]["code"]
            assert one["probabilityDecimal"] == pytest.approx(100 * answer.probability[target], abs=1e-4)
            assert one["qualitativeRisk"]["text"] == said[target].said
            assert set_words(said[target], answer.coverage) in one["rationale"]
            assert not answer.horizon or ": present" not in one["rationale"]
            if answer.horizon:
                assert one["whenRange"]["high"]["value"] == answer.horizon
                assert one["whenRange"]["high"]["code"] == "a"
            else:
                assert "whenRange" not in one


def test_the_bundle_that_answered_is_named(assessment):
    (device,) = next(risk_assessments(case_of(), assessment))["contained"]
    assert device["identifier"][0]["value"] == assessment.provenance["bundle_hash"]
    assert assessment.provenance["version"] in [version["value"] for version in device["version"]]


def test_warnings_stand_before_all_other_notes(assessment):
    warned = replace(assessment, warnings=("WRONG PATIENT? One.", "Two."))
    for risk in risk_assessments(case_of(), warned):
        said = [note["text"] for note in risk["note"]]
        assert said[:2] == ["WRONG PATIENT? One.", "Two."]
        assert NOTICE in said


def answered(prediction_set: tuple[str, ...]) -> TaskAnswer:
    return TaskAnswer(
        probability={"well": 0.7, "ill": 0.3},
        prediction_set=prediction_set,
        coverage=0.9,
        guarantee="At least 90 %.",
        alignment="matched",
        modalities=("row",),
    )


def test_an_empty_set_tells_no_probability(assessment):
    (risk,) = risk_assessments(case_of(), replace(assessment, tasks={"risk": answered(())}))
    (one,) = risk["prediction"]
    assert "probabilityDecimal" not in one
    assert "unlike the patients" in one["qualitativeRisk"]["text"]
    assert "30" not in one["rationale"]
    assert_valid(risk)


def test_a_full_set_says_that_it_cannot_tell_and_keeps_its_probability(assessment):
    (risk,) = risk_assessments(case_of(), replace(assessment, tasks={"risk": answered(("well", "ill"))}))
    (one,) = risk["prediction"]
    assert one["probabilityDecimal"] == pytest.approx(30)
    assert "Cannot rule out" in one["qualitativeRisk"]["text"]
    assert_valid(risk)


@pytest.mark.parametrize("caution", ["wrong_patient", "child", "age", "paced"])
def test_with_a_caution_no_answer_is_told(assessment, caution):
    for risk in risk_assessments(case_of(), replace(assessment, cautions=(caution,))):
        for one in risk["prediction"]:
            assert "probabilityDecimal" not in one
            assert one["qualitativeRisk"]["text"].startswith("held back")
        assert_valid(risk)


def test_a_proxy_is_said_and_holds_nothing_back(assessment):
    (risk, *_) = risk_assessments(case_of(), replace(assessment, cautions=("proxy",)))
    assert all("probabilityDecimal" in one for one in risk["prediction"])


def test_the_interval_stands_beside_the_probability(assessment):
    name, answer = next(iter(assessment.tasks.items()))
    probability = dict.fromkeys(answer.probability, 0.3)
    told = replace(answer, probability=probability, interval=dict.fromkeys(probability, (0.123, 0.456)))
    (risk,) = risk_assessments(case_of(), replace(assessment, tasks={name: told}))
    for one in risk["prediction"]:
        assert "about 30 of 100 (95 %: 12 to 46)" in one["rationale"]


def unfit(system: System) -> Assessment:
    flat = Recording(np.zeros((12, 5000), np.float32), 500.0, virtual_cohort(1, 3).recordings[0].read().leads)
    return system.assess(flat)


def test_an_unfit_ecg_gives_words_and_no_number(system):
    assessment = unfit(system)
    found = [one.make() for one in listed(case_of(), assessment, lambda: None)]
    (risk,) = (one for one in found if one["resourceType"] == "RiskAssessment")
    assert "prediction" not in risk
    assert any("unfit" in note["text"] for note in risk["note"])
    assert "valueQuantity" not in json.dumps(found)
    assert any(
        one.get("valueCodeableConcept", {}).get("text") == "unfit for reading"
        for one in found
        if one["resourceType"] == "Observation"
    )
    for one in found:
        assert_valid(one)


def test_a_case_that_waits_or_was_refused_says_so():
    waits = next(risk_assessments(case_of(status="received"), None))
    assert waits["status"] == "registered"
    refusal = {"code": "recording.empty", "message": "it holds no ECG", "hint": "export it again"}
    refused = next(risk_assessments(case_of(status="refused", refusal=refusal), None))
    assert refused["status"] == "cancelled"
    assert "it holds no ECG" in refused["note"][0]["text"]
    assert_valid(waits)
    assert_valid(refused)


def test_what_cannot_be_measured_has_a_reason_and_no_value(assessment):
    assert assessment.measurements is not None
    intervals = {k: v for k, v in assessment.measurements.intervals.items() if k != "pr"}
    without_p = replace(assessment, measurements=replace(assessment.measurements, intervals=intervals))
    found = {one.id.split(".", 1)[1]: one.make() for one in listed(case_of(), without_p, lambda: None)}
    assert found["measured.pr"]["dataAbsentReason"]["coding"][0]["code"] == "unknown"
    assert "valueQuantity" not in found["measured.pr"]
    assert found["measured.qrs"]["valueQuantity"]["code"] == "ms"
    assert "dataAbsentReason" not in found["measured.qrs"]


def test_intervals_have_loinc_codes_units_and_confidence(assessment):
    found = {one.id.split(".", 1)[1]: one.make() for one in listed(case_of(), assessment, lambda: None)}
    expected = {"heart-rate": ("8867-4", "/min"), "qrs": ("8633-0", "ms"), "qrs-axis": ("8632-2", "deg")}
    for name, (code, unit) in expected.items():
        one = found[f"measured.{name}"]
        assert code in [coding["code"] for coding in one["code"]["coding"]]
        assert one["valueQuantity"]["code"] == unit
        measured = assessment.measurements.intervals[name.replace("-", "_")]
        assert one["valueQuantity"]["value"] == pytest.approx(measured.value, abs=0.051)
        assert one["extension"][0]["valueDecimal"] == pytest.approx(measured.confidence, abs=0.001)


def test_the_row_is_stated_with_codes_of_its_own_unit(assessment):
    found = [one.make() for one in listed(case_of(), assessment, lambda: None)]
    by_code = {
        coding["code"]: one
        for one in found
        if one["resourceType"] == "Observation"
        for coding in one["code"].get("coding", ())
    }
    assert by_code["8480-6"]["valueQuantity"] == {
        "value": 150.0,
        "unit": "mmHg",
        "system": "http://unitsofmeasure.org",
        "code": "mm[Hg]",
    }
    assert by_code["2093-3"]["valueQuantity"]["code"] == "mg/dL"  # by mass
    assert by_code["30525-0"]["valueQuantity"]["code"] == "a"


def test_an_ecg_whose_gain_is_not_known_is_not_stated_in_microvolts(recording):
    uncalibrated = replace(recording, calibrated=False)
    one = ecg_observation(case_of(recording), uncalibrated)
    assert "component" not in one
    assert "calibrated" in one["dataAbsentReason"]["text"]
    assert_valid(one)


def test_a_patient_without_a_number_still_has_a_reference(assessment):
    case = case_of()
    case.patient = None
    bundle = case_bundle(case, assessment)
    patient = bundle["entry"][0]["resource"]
    assert "identifier" not in patient
    assert patient["gender"] == "unknown"
    assert "birthDate" not in patient
    assert_valid(bundle)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(max_size=30),
    value=st.one_of(st.text(min_size=1, max_size=10), st.floats(-1e6, 1e6)),
    unit=st.sampled_from(["", "years", "mmHg", "furlongs", "°"]),
)
def test_whatever_a_case_holds_the_resources_are_valid(assessment, text, value, unit):
    row = {"odd column": {"value": value, "unit": unit}}
    odd = replace(
        assessment,
        warnings=(text,),
        missing={"row.age": text or "gone"},
        quality=Quality("fair", (), {}, None),
        patient={"row": row, "age": None},
    )
    case = case_of()
    case.patient.identifier = text or "x"
    for resource in (case_bundle(case, odd), *(o.make() for o in listed(case, odd, lambda: None))):
        assert json.loads(json.dumps(resource, allow_nan=False)) == resource
        for element in elements(resource):
            assert element is not None
            assert element not in ([], {})


def test_an_empty_searchset_has_no_entries():
    bundle = searchset([], {"self": "http://localhost/fhir/Patient?identifier=x"}, 0)
    assert "entry" not in bundle
    assert bundle["total"] == 0
    assert_valid(bundle)


@pytest.mark.data
def test_real_ecgs_become_valid_resources(system, data_dir):
    headers = sorted((data_dir / "ptb-xl").rglob("*.hea"))[:12]
    assert headers
    for header in headers:
        ecg = read_recording(header)
        answer = system.assess(ecg, {"age": ecg.age, "sex": ecg.sex} if ecg.age else None, explain=False)
        case = case_of(ecg, recorded=ecg.time)
        assert_valid(case_bundle(case, answer, ecg, "transaction"))
        for one in listed(case, answer, lambda ecg=ecg: ecg):
            assert_valid(one.make())
