"""FHIR over HTTP: ECGs in, risk out, searches, refusals; with curl and a client library."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest
from fhir.resources.R4B import get_fhir_model_class
from fhirpy import SyncFHIRClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.readers import read_bytes
from cardiofusion.serve.fhir.routes import router
from cardiofusion.serve.store import Search

MEDIA = "application/fhir+json"


def valid(response: Any, status: int = 200) -> dict[str, Any]:
    """The resource of an answer, checked against the published model."""
    assert response.status_code == status, response.text[:500]
    assert response.headers["content-type"].startswith(MEDIA)
    document: dict[str, Any] = response.json()
    get_fhir_model_class(document["resourceType"]).model_validate_json(json.dumps(document))
    return document


def refused(response: Any, status: int) -> dict[str, Any]:
    document = valid(response, status)
    assert document["resourceType"] == "OperationOutcome"
    assert document["issue"][0]["severity"] == "error"
    issue: dict[str, Any] = document["issue"][0]
    return issue


def of_type(bundle: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    found = [entry["resource"] for entry in bundle.get("entry", ())]
    return [resource for resource in found if resource["resourceType"] == kind]


def question(*observations: dict[str, Any], patient: Any = None, keep: Any = None, **row: Any) -> Any:
    given = [{"name": "observation", "resource": one} for one in observations]
    if patient:
        given.append({"name": "patient", "resource": {"resourceType": "Patient", **patient}})
    if row:
        given.append({"name": "row", "part": [{"name": name, **value} for name, value in row.items()]})
    if keep is not None:
        given.append({"name": "keep", "valueBoolean": keep})
    return {"resourceType": "Parameters", "parameter": given}


def clinical(code: str, value: float, unit: str, **stated: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": unit},
        **stated,
    }


@pytest.fixture(scope="module")
def kept(server, observation):
    """The answer to a posted ECG, assessed."""
    answer = server.post("Observation", observation)
    server.wait()
    return answer


# In


def test_a_posted_ecg_is_kept_byte_for_byte_and_assessed(server, kept, observation, recording):
    created = valid(kept, 201)
    location = kept.headers["location"]
    assert location == f"{server.fhir}/Observation/{created['id']}"
    case = server.clinic.store.case(created["id"].partition(".")[0])
    assert case.status == "assessed"
    assert case.source == "fhir"
    (content,) = server.clinic.store.files_of(case).values()
    assert content == json.dumps(observation).encode()
    again = read_bytes(json.dumps(valid(server.http.get(location))).encode(), "ecg.json")
    np.testing.assert_allclose(again.signal, recording.signal, atol=0.000501)


def test_an_ecg_of_a_known_patient_is_added_to_that_patient(server, kept, observation):
    patient = valid(kept, 201)["subject"]["reference"].partition("/")[2]
    before = len(list(server.clinic.store.search(Search(patient=patient))[0]))
    again = {k: v for k, v in observation.items() if k not in ("contained", "id")}
    created = valid(
        server.post("Observation", {**again, "subject": {"reference": f"Patient/{patient}"}}), 201
    )
    server.wait()
    assert created["subject"]["reference"] == f"Patient/{patient}"
    assert len(list(server.clinic.store.search(Search(patient=patient))[0])) == before + 1
    case = created["id"].partition(".")[0]
    risk = valid(server.get(f"RiskAssessment/{case}.risk.0"))
    assert not any("WRONG PATIENT" in note["text"] for note in risk["note"])


def test_an_ecg_is_read_whatever_the_order_of_its_keys(server, observation, recording):
    """JSON has none; readers of files look at the first bytes."""
    parts = [{key: part[key] for key in reversed(part)} for part in reversed(observation["component"])]
    turned = {key: observation[key] for key in reversed(observation)} | {"component": parts}
    assert list(turned)[-1] == "resourceType"
    created = valid(server.post("Observation", turned), 201)
    server.wait()
    again = read_bytes(json.dumps(valid(server.get(f"Observation/{created['id']}"))).encode(), "ecg.json")
    np.testing.assert_allclose(again.signal, recording.signal, atol=0.000501)
    assert server.clinic.store.case(created["id"].partition(".")[0]).status == "assessed"


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        ({"component": []}, 422),
        ({"status": "entered-in-error"}, 422),
        ({"resourceType": "Patient"}, 422),
    ],
)
def test_what_is_no_ecg_is_refused_and_not_kept(server, observation, broken, status):
    before = server.clinic.store.search(Search())[1]
    refused(server.post("Observation", {**observation, **broken}), status)
    assert server.clinic.store.search(Search())[1] == before


def test_a_unit_that_is_no_voltage_is_refused_by_the_reader(server, observation):
    text = json.dumps(observation).replace('"uV"', '"mmHg"')
    issue = refused(server.post("Observation", text.encode()), 422)
    assert issue["details"]["coding"][0]["code"] == "recording.units"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", MEDIA, 400),
        (b"[]", MEDIA, 400),
        (b"{}", MEDIA, 400),
        (b'{"resourceType": NaN}', MEDIA, 400),
        (b'{"resourceType": "Observation", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", MEDIA, 400),
        (b"\xff\xfe", MEDIA, 400),
        (b"<Observation/>", "application/fhir+xml", 415),
    ],
)
def test_bodies_that_are_no_resource_are_refused(server, content, kind, status):
    refused(server.post("Observation", content, headers={"content-type": kind}), status)


# $assess


def test_assess_answers_and_keeps_nothing(server, observation):
    before = server.clinic.store.search(Search())[1]
    bundle = valid(server.post("$assess", question(observation)))
    assert bundle["type"] == "collection"
    assert len(of_type(bundle, "Patient")) == 1
    risks = of_type(bundle, "RiskAssessment")
    assert risks
    assert all(risk["prediction"] for risk in risks)
    assert server.clinic.store.search(Search())[1] == before


def test_assess_and_keep_puts_it_on_the_worklist(server, observation):
    before = server.clinic.store.search(Search())[1]
    bundle = valid(server.post("$assess", question(observation, keep=True)))
    assert server.clinic.store.search(Search())[1] == before + 1
    for entry in bundle["entry"]:
        assert valid(server.http.get(entry["fullUrl"])) == entry["resource"]


def test_a_row_of_coded_observations_says_the_same_as_the_row_itself(server):
    pressure = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]},
        "component": [clinical("8480-6", 150, "mm[Hg]"), clinical("8462-4", 80, "mm[Hg]")],
    }
    coded = question(
        pressure,
        clinical("29463-7", 176.37, "[lb_av]"),
        clinical("8302-2", 1.7, "m"),
        clinical("14647-2", 5.17, "mmol/L"),
        patient={"gender": "female"},
        age={"valueInteger": 61},
    )
    plain = question(
        age={"valueDecimal": 61},
        sex={"valueCode": "female"},
        systolic={"valueDecimal": 150},
        diastolic={"valueQuantity": {"value": 80, "code": "mm[Hg]"}},
        weight={"valueDecimal": 80},
        height={"valueString": "170 cm"},
        cholesterol={"valueDecimal": 200},
    )
    answers = [
        of_type(valid(server.post("$assess", asked)), "RiskAssessment")[-1]["prediction"][0]
        for asked in (coded, plain)
    ]
    assert answers[0]["probabilityDecimal"] == pytest.approx(answers[1]["probabilityDecimal"], abs=0.2)
    assert answers[0]["whenRange"]["high"]["value"] == 10


def test_a_birth_date_becomes_the_age_at_the_ecg(server, observation):
    asked = question(
        {**observation, "effectiveDateTime": "2020-06-01T10:00:00Z"}, patient={"birthDate": "1960-06-01"}
    )
    row = [
        one
        for one in of_type(valid(server.post("$assess", asked)), "Observation")
        if any(coding.get("code") == "30525-0" for coding in one["code"].get("coding", ()))
    ]
    assert row[0]["valueQuantity"]["value"] == pytest.approx(60, abs=0.05)


def test_an_ecg_of_somebody_else_is_warned_of_and_its_answers_are_held_back(server, observation):
    for keep in (True, False):
        asked = question(observation, keep=keep, patient={"identifier": [{"value": "SOMEBODY-ELSE"}]})
        risks = of_type(valid(server.post("$assess", asked)), "RiskAssessment")
        assert all("WRONG PATIENT" in risk["note"][0]["text"] for risk in risks)
        assert not any("probabilityDecimal" in one for risk in risks for one in risk["prediction"])
        assert all("held back" in one["rationale"] for risk in risks for one in risk["prediction"])


def test_the_same_patient_by_any_of_the_names_is_not_warned_of(server, observation):
    asked = question(observation, patient={"identifier": [{"value": "OTHER"}, {"value": "MRN-77"}]})
    for risk in of_type(valid(server.post("$assess", asked)), "RiskAssessment"):
        assert not any("WRONG PATIENT" in note["text"] for note in risk["note"])


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (question(), "input.nothing"),
        (question(clinical("8480-6", 150, "furlongs")), "clinical.unit"),
        (question(clinical("8480-6", 1500, "mm[Hg]")), "clinical.range"),
        (question(clinical("8480-6", 150, "")), "fhir.value"),
        (question(clinical("718-7", 14, "g/dL")), "fhir.code"),
        (question(clinical("8480-6", 150, "mm[Hg]"), clinical("8480-6", 120, "mm[Hg]")), "clinical.twice"),
        (question(clinical("8480-6", 150, "mm[Hg]", status="entered-in-error")), "fhir.status"),
        (question(shoe_size={"valueDecimal": 42}), "clinical.column"),
        (question(age={}), "fhir.value"),
        (question(patient={"birthDate": "1960"}, sex={"valueCode": "male"}), "clinical.number"),
        ({"resourceType": "Parameters", "parameter": [{"name": "other"}]}, "fhir.parameters"),
        ({"resourceType": "Bundle"}, "fhir.parameters"),
    ],
)
def test_a_question_that_is_not_understood_is_refused_by_its_name(server, asked, code):
    response = server.post("$assess", asked)
    assert 400 <= response.status_code < 500
    issue = refused(response, response.status_code)
    assert issue["details"]["coding"][0]["code"] == code


def test_more_than_one_ecg_is_refused(server, observation):
    refused(server.post("$assess", question(observation, observation)), 400)


# Out


def test_a_patient_is_found_by_number_and_read(server, kept):
    bundle = valid(server.get("Patient", params={"identifier": "MRN-77"}))
    (patient,) = of_type(bundle, "Patient")
    assert bundle["total"] == 1
    assert patient["identifier"] == [{"value": "MRN-77"}]
    assert valid(server.get(f"Patient/{patient['id']}"))["id"] == patient["id"]
    assert not of_type(valid(server.get("Patient", params={"identifier": "MRN-7"})), "Patient")
    assert not of_type(valid(server.get("Patient", params={"identifier": "urn:x|MRN-77"})), "Patient")


def test_the_number_of_a_patient_is_in_no_address(server, kept):
    bundle = valid(server.get("Patient", params={"identifier": "MRN-77"}))
    assert "MRN" not in "".join(entry["fullUrl"] for entry in bundle["entry"])
    assert "MRN" not in kept.headers["location"]


def test_risks_of_a_patient_are_found_and_each_is_read_by_its_address(server, kept):
    patient = valid(kept, 201)["subject"]["reference"].partition("/")[2]
    bundle = valid(server.get("RiskAssessment", params={"patient": f"Patient/{patient}"}))
    assert bundle["entry"]
    for entry in bundle["entry"]:
        assert entry["resource"]["subject"]["reference"] == f"Patient/{patient}"
        assert valid(server.http.get(entry["fullUrl"])) == entry["resource"]


def test_pages_lead_through_all_there_is_without_a_gap(server, kept):
    patient = valid(kept, 201)["subject"]["reference"].partition("/")[2]
    whole = valid(server.get("Observation", params={"subject": patient, "_count": 200}))
    ids = [entry["resource"]["id"] for entry in whole["entry"]]
    assert whole["total"] == len(ids) > 7
    url, found = f"{server.fhir}/Observation?subject={patient}&_count=7", []
    while url:
        page = valid(server.http.get(url))
        assert len(page["entry"]) <= 7
        found += [entry["resource"]["id"] for entry in page["entry"]]
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
    assert found == ids


def test_observations_are_found_by_code(server, kept):
    patient = valid(kept, 201)["subject"]["reference"].partition("/")[2]
    for code, n in (("http://loinc.org|8633-0", 1), ("8633-0,8634-8", 2), ("urn:x|8633-0", 0)):
        case = valid(kept, 201)["id"].partition(".")[0]
        bundle = valid(server.get("Observation", params={"patient": patient, "code": code}))
        found = [one for one in of_type(bundle, "Observation") if one["id"].startswith(case)]
        assert len(found) == n


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("Patient/nobody", 404),
        (f"Patient/{'0' * 32}", 404),
        (f"Observation/{'0' * 32}.ecg", 404),
        (f"Observation/{'0' * 32}", 404),
        ("OperationDefinition/other", 404),
        ("Medication", 404),
        ("Observation", 400),
        ("RiskAssessment", 400),
        ("Patient", 400),
        ("Observation?patient=x&colour=blue", 400),
        ("Observation?patient=x&_count=many", 400),
        ("Observation?patient=x&patient=y", 400),
        ("Observation?patient=x&_sort=code", 400),
        ("metadata?_format=xml", 406),
    ],
)
def test_what_is_not_there_is_an_operation_outcome(server, path, status):
    refused(server.get(path), status)


def test_leniency_is_for_those_who_ask_for_it(server):
    given = {"params": {"patient": "x", "colour": "blue"}, "headers": {"prefer": "handling=lenient"}}
    assert "entry" not in valid(server.get("Observation", **given))


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_what_is_not_offered_is_refused(server, kept, method):
    refused(server.http.request(method, kept.headers["location"]), 405)


def test_a_deleted_case_is_gone(server, observation):
    created = server.post("Observation", {**observation, "contained": []})
    server.wait()
    server.clinic.store.delete(valid(created, 201)["id"].partition(".")[0])
    refused(server.http.get(created.headers["location"]), 404)


def test_nobody_without_the_key_sees_anything(server, kept):
    for path in ("metadata", "Patient?identifier=MRN-77", "RiskAssessment?patient=x"):
        refused(server.http.get(f"{server.fhir}/{path}", headers={"authorization": "Bearer x"}), 401)


def test_a_reader_sees_and_only_a_clinician_sends(shared, observation):
    server, tokens = shared
    for role, status in (("reader", 403), ("clinician", 201), ("admin", 201)):
        as_role = {"authorization": f"Bearer {tokens[role]}"}
        valid(server.get("metadata", headers=as_role))
        answer = server.post("Observation", observation, headers=as_role)
        assert valid(answer, status)["resourceType"] == (
            "OperationOutcome" if status == 403 else "Observation"
        )
        asked = server.post("$assess", question(age={"valueInteger": 61}), headers=as_role)
        assert asked.status_code == (403 if role == "reader" else 200)


def test_a_conditional_create_is_refused_not_taken_for_a_plain_one(server, observation):
    refused(server.post("Observation", observation, headers={"if-none-exist": "identifier=1"}), 400)


def test_what_was_seen_is_in_the_audit_log_without_the_number(server, kept):
    from sqlalchemy import select

    from cardiofusion.serve.store.tables import Audit

    server.http.get(kept.headers["location"])
    case = valid(kept, 201)["id"].partition(".")[0]
    with server.clinic.store.begin() as connection:
        lines = list(connection.scalars(select(Audit)))
    assert ("case.view", case) in [(line.action, line.subject) for line in lines]
    assert ("case.accept", case) in [(line.action, line.subject) for line in lines]
    assert "MRN" not in str([(line.action, line.subject, line.detail) for line in lines])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["Patient", "Observation", "RiskAssessment"]),
    names=st.lists(
        st.sampled_from(["patient", "identifier", "_id", "code", "_count", "_sort", "x"]), max_size=3
    ),
    value=st.text(max_size=20) | st.integers().map(str) | st.just("0" * 32),
)
def test_no_search_is_a_fault(server, kind, names, value):
    response = server.get(kind, params=[(name, value) for name in names])
    assert response.status_code in (200, 400)


def test_no_more_than_was_asked_for(server, kept):
    patient = valid(kept, 201)["subject"]["reference"].partition("/")[2]
    assert "entry" not in valid(server.get("Observation", params={"patient": patient, "_count": 0}))
    assert "entry" not in valid(server.get("Observation", params={"patient": patient, "_offset": 100000}))


# What it says of itself


def offered() -> set[tuple[str, str]]:
    """(method, path) of the routes, without the one that refuses the rest."""
    return {
        (method, route.path)
        for route in router.routes
        for method in route.methods
        if "{rest" not in route.path
    }


def test_the_capability_statement_lists_exactly_what_is_there(server):
    statement = valid(server.get("metadata"))
    assert statement["fhirVersion"] == "4.0.1"
    (rest,) = statement["rest"]
    stated = {("GET", "/fhir/metadata")} | {("POST", f"/fhir/${one['name']}") for one in rest["operation"]}
    ways = {
        "read": ("GET", "/fhir/{}/{{identifier}}"),
        "search-type": ("GET", "/fhir/{}"),
        "create": ("POST", "/fhir/{}"),
    }
    for resource in rest["resource"]:
        for interaction in resource["interaction"]:
            method, path = ways[interaction["code"]]
            stated.add((method, path.format(resource["type"])))
    assert stated == offered()


def test_every_search_parameter_that_is_stated_is_taken(server):
    for resource in valid(server.get("metadata"))["rest"][0]["resource"]:
        for parameter in resource.get("searchParam", ()):
            needed = {"patient": "x"} if resource["type"] != "Patient" else {"identifier": "x"}
            valid(server.get(resource["type"], params={**needed, parameter["name"]: "x"}))


def test_the_operation_is_defined_where_the_statement_says(server):
    (operation,) = valid(server.get("metadata"))["rest"][0]["operation"]
    definition = valid(server.http.get(operation["definition"]))
    assert {one["name"] for one in definition["parameter"]} == {
        "observation", "patient", "row", "keep", "return",
    }  # fmt: skip


# Clients


def test_a_client_library_posts_searches_and_reads(server, observation):
    client = SyncFHIRClient(server.fhir, authorization=server.authorization)
    stated = {k: v for k, v in observation.items() if k not in ("id", "resourceType")}
    created = client.resource("Observation", **stated)
    created.save()
    server.wait()
    assert re.fullmatch(r"[0-9a-f]{32}\.ecg", created["id"])
    patient = client.resources("Patient").search(identifier="MRN-77").first()
    risks = client.resources("RiskAssessment").search(patient=patient["id"]).limit(1).fetch_all()
    assert len(risks) >= 2
    assert {risk.resource_type for risk in risks} == {"RiskAssessment"}
    assert client.reference("Patient", patient["id"]).to_resource()["gender"] == patient["gender"]
    bundle = client.execute("$assess", method="post", data=question(observation))
    assert bundle["resourceType"] == "Bundle"


def test_curl_posts_an_ecg_and_reads_the_answer(server, observation, tmp_path):
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not installed")
    file = tmp_path / "ecg.json"
    file.write_text(json.dumps(question(observation)))
    command = [
        curl, "-sS", "--fail-with-body", "-H", f"Authorization: {server.authorization}",
        "-H", f"Content-Type: {MEDIA}", "--data-binary", f"@{file}", f"{server.fhir}/$assess",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    get_fhir_model_class("Bundle").model_validate_json(done.stdout)


# Junk

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["resourceType", "parameter", "name", "resource", "part", "code", "coding", "system", "value",
                 "valueQuantity", "valueSampledData", "component", "subject", "identifier", "birthDate", "id"]
            ) | st.text(max_size=5),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=JSON, path=st.sampled_from(["Observation", "$assess"]))
def test_junk_is_refused_and_never_a_fault(server, junk, path):
    kind = "Observation" if path == "Observation" else "Parameters"
    for document in (
        junk,
        {"resourceType": kind, **(junk if isinstance(junk, dict) else {"parameter": junk})},
    ):
        assert 400 <= server.post(path, document).status_code < 500


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_question_is_no_fault(server, data):
    sound = question(
        clinical("8480-6", 150, "mm[Hg]"), patient={"gender": "male", "birthDate": "1960-01-01"},
        age={"valueInteger": 61},
    )  # fmt: skip
    damaged = mutated(sound, data)
    assert server.post("$assess", damaged).status_code < 500


def mutated(document: Any, data: Any) -> Any:
    """The document with one part of it, anywhere, replaced by junk."""
    if isinstance(document, dict | list) and document and data.draw(st.integers(0, 4)):
        keys = list(document) if isinstance(document, dict) else range(len(document))
        key = data.draw(st.sampled_from(list(keys)))
        changed = document.copy()
        changed[key] = mutated(document[key], data)
        return changed
    return data.draw(JSON)
