"""CDS Hooks 2.0: discovery, cards, feedback; nothing is fetched from the client's server."""

from __future__ import annotations

import json
import re
import socket
import threading
import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from cardiofusion.records import NOTICE
from cardiofusion.report.verdicts import verdicts
from cardiofusion.serve.cards import MAX_SUMMARY, assessment_card
from cardiofusion.serve.store import Search
from cardiofusion.writers.fhir import encode

SERVICE = "cardiofusion-patient-view"

# The tables "CDS Service Response", "Card Attributes", "Source" and "Link" of CDS Hooks 2.0.
RESPONSE = Draft202012Validator(
    {
        "type": "object",
        "required": ["cards"],
        "properties": {
            "cards": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["summary", "indicator", "source"],
                    "properties": {
                        "uuid": {"type": "string", "pattern": "^[0-9a-f-]{36}$"},
                        "summary": {"type": "string", "minLength": 1, "maxLength": 140},
                        "detail": {"type": "string", "minLength": 1},
                        "indicator": {"enum": ["info", "warning"]},  # "critical" would be an alarm
                        "source": {
                            "type": "object",
                            "required": ["label"],
                            "properties": {"label": {"type": "string", "minLength": 1}},
                        },
                        "links": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["label", "url", "type"],
                                "properties": {
                                    "url": {"type": "string", "pattern": "^https?://"},
                                    "type": {"enum": ["absolute", "smart"]},
                                },
                            },
                        },
                    },
                    "additionalProperties": False,
                },
            }
        },
        "additionalProperties": False,
    }
)


def asked(patient: str = "nobody", **changed: Any) -> dict[str, Any]:
    return {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": "Practitioner/1", "patientId": patient},
        **changed,
    }


def bundle(*resources: Any) -> dict[str, Any]:
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": one} for one in resources],
    }


def call(server: Any, document: Any, path: str = "") -> Any:
    return server.http.post(f"{server.url}/cds-services/{SERVICE}{path}", json=document)


def cards(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text[:300]
    RESPONSE.validate(response.json())
    found: list[dict[str, Any]] = response.json()["cards"]
    return found


def test_the_service_is_discovered_with_what_every_service_needs(server):
    (service,) = server.http.get(f"{server.url}/cds-services").json()["services"]
    assert service["hook"] == "patient-view"
    assert service["id"] == SERVICE
    assert service["description"]
    tokens = set(re.findall(r"\{\{(.+?)\}\}", "".join(service["prefetch"].values())))
    assert tokens == {"context.patientId"}


def test_a_prefetched_ecg_gives_a_card_in_words_of_the_set_and_nothing_is_kept(server, observation, system):
    before = server.clinic.store.search(Search())[1]
    prefetch = {"patient": {"resourceType": "Patient", "id": "1"}, "ecg": bundle(observation)}
    (card,) = cards(call(server, asked("1", prefetch=prefetch)))
    assert card["summary"].startswith("Research use: ")
    assert NOTICE.split(".")[0] in card["detail"]
    assert "links" not in card
    assert server.clinic.store.search(Search())[1] == before


def test_of_several_ecgs_the_newest_that_stands_is_taken(server, observation, recording):
    flat = replace(recording, signal=np.zeros_like(recording.signal))
    unfit = json.loads(encode(flat)) | {"effectiveDateTime": "2001-01-01T00:00:00Z"}
    newer = {**observation, "effectiveDateTime": "2020-01-01T00:00:00Z"}
    void = {**unfit, "effectiveDateTime": "2021-01-01T00:00:00Z", "status": "entered-in-error"}
    (card,) = cards(call(server, asked(prefetch={"ecg": bundle(unfit, newer, void)})))
    assert "unfit" not in card["summary"]
    (card,) = cards(call(server, asked(prefetch={"ecg": bundle(unfit)})))
    assert "unfit" in card["summary"]
    assert card["indicator"] == "warning"


def test_an_ecg_that_cannot_be_read_is_said_not_hidden(server, observation):
    text = json.dumps(observation).replace('"uV"', '"mmHg"')
    (card,) = cards(call(server, asked(prefetch={"ecg": bundle(json.loads(text))})))
    assert "not assessed" in card["summary"]


def test_without_prefetch_the_kept_case_of_the_patient_answers_with_a_link(server, observation):
    created = server.post("Observation", observation).json()
    server.wait()
    case = created["id"].partition(".")[0]
    patient = {"resourceType": "Patient", "id": "7", "identifier": [{"value": "MRN-77"}]}
    for document in (asked("7", prefetch={"patient": patient, "ecg": None}), asked("MRN-77")):
        (card,) = cards(call(server, document))
        (link,) = card["links"]
        assert link["url"] == f"{server.url}/cases/{case}"
    assert server.http.get(f"{server.url}/cases/{case}").status_code == 200


def test_an_ecg_of_another_patient_than_the_open_record_is_warned_of(server, observation):
    patient = {"resourceType": "Patient", "id": "9", "identifier": [{"value": "SOMEBODY-ELSE"}]}
    (card,) = cards(call(server, asked("9", prefetch={"patient": patient, "ecg": bundle(observation)})))
    assert card["indicator"] == "warning"
    assert "WRONG PATIENT" in card["detail"]


def test_of_a_patient_who_is_not_known_there_is_no_card(server):
    assert cards(call(server, asked("nobody"))) == []


def test_the_clients_server_is_never_called(server, observation):
    called = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(1.0)

        def listen() -> None:
            try:
                listening.accept()[0].close()
                called.set()
            except TimeoutError:
                pass

        thread = threading.Thread(target=listen)
        thread.start()
        where = {
            "fhirServer": f"http://127.0.0.1:{listening.getsockname()[1]}",
            "fhirAuthorization": {"access_token": "x", "token_type": "Bearer"},
        }
        cards(call(server, asked("1", **where)))
        cards(call(server, asked("1", prefetch={"ecg": bundle(observation)}, **where)))
        thread.join()
    assert not called.is_set()


@pytest.mark.parametrize(
    "broken",
    [
        {"hook": "order-sign"},
        {"hook": None},
        {"hookInstance": "1"},
        {"context": None},
        {"context": {"patientId": "1"}},
        {"context": {"userId": "Practitioner/1"}},
        {"context": {"userId": "Practitioner/1", "patientId": 5}},
    ],
)
def test_a_call_that_is_not_as_specified_is_refused(server, broken):
    response = call(server, asked(**broken))
    assert response.status_code == 422
    assert response.json()["code"] == "cds.request"


def test_an_unknown_service_is_not_found(server):
    for path in ("other", "other/feedback"):
        assert server.http.post(f"{server.url}/cds-services/{path}", json=asked()).status_code == 404


def test_feedback_is_taken_and_audited_by_the_cards_id(server):
    card = uuid.uuid4()
    told = {"card": str(card), "outcome": "overridden", "outcomeTimestamp": "2026-11-28T10:00:00Z",
            "overrideReason": {"userComment": "MRN-77 is well"}}  # fmt: skip
    assert call(server, {"feedback": [told]}, "/feedback").status_code == 200
    line = server.clinic.audit.last(1)[0]
    assert (line.action, line.subject, line.detail) == ("cds.feedback", card.hex, {"outcome": "overridden"})


@pytest.mark.parametrize(
    "told",
    [{}, {"feedback": []}, {"feedback": [{"card": "x", "outcome": "accepted"}]},
     {"feedback": [{"card": str(uuid.uuid4()), "outcome": "liked"}]}, {"feedback": "x"}],
)  # fmt: skip
def test_feedback_that_is_none_is_refused(server, told):
    assert call(server, told, "/feedback").status_code == 422


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    junk=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
        max_leaves=12,
    ),
    key=st.sampled_from(["hook", "hookInstance", "context", "prefetch", "fhirServer"]),
    inner=st.sampled_from(["patient", "ecg"]),
)
def test_junk_is_no_fault(server, junk, key, inner):
    for document in (junk, asked(**{key: junk}), asked(prefetch={inner: junk})):
        assert call(server, document).status_code in (200, 400, 415, 422)
        assert call(server, document, "/feedback").status_code in (400, 415, 422)


def test_a_card_is_short_whatever_the_answers_are(system, recording):
    assessment = system.assess(recording)
    (answer,) = list(assessment.tasks.values())[:1]
    long = replace(answer, prediction_set=dict.fromkeys(answer.prediction_set, ("absent", "present")))
    card = assessment_card(replace(assessment, tasks={"long": long}))
    assert len(card["summary"]) == MAX_SUMMARY
    assert card["summary"].endswith("…")


def test_what_a_file_says_is_no_markdown_and_no_html(system, recording):
    assessment = replace(system.assess(recording), warnings=("[x](http://evil) <b>now</b> & `run`",))
    detail = assessment_card(assessment)["detail"]
    assert "<" not in detail.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\]\(", detail)
    assert not re.search(r"(?<!\\)`", detail)


def test_a_patient_the_bundle_does_not_know_gets_a_warning_and_no_answer(system, recording):
    child = replace(recording, age=7.0)
    assessment = replace(system.assess(child), cautions=("child",))
    card = assessment_card(assessment)
    assert "held back" in card["summary"]
    told = [one.sentence for answer in assessment.tasks.values() for one in verdicts(answer)]
    assert told
    assert not any(sentence in card["detail"].replace("\\", "") for sentence in told)
    assert card["indicator"] == "warning"
