"""The real application behind the guard: every route by every role; where no patient's number may be."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import replace

import httpx
import pytest

from cardiofusion.serve.app import create_app
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import guarded
from cardiofusion.serve.guard.actor import ROLES
from cardiofusion.serve.guard.routes import demands
from cardiofusion.serve.settings import Settings
from cardiofusion.writers import write_recording

PASSWORD = "correct horse battery"
NUMBER = "47110815"
NAME = "GEHEIM"
# What a reader may send: to sign out, to choose a language, to search (in a body, not in an address).
FOR_READERS = {("POST", "/logout"), ("POST", "/settings"), ("POST", "/"), ("POST", "/export.csv")}
ABSENT = "0" * 32


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    clinic = Clinic.open(
        Settings(data=tmp_path_factory.mktemp("data"), shared=True, examples=False, workers=1)
    )
    for role in ROLES:
        clinic.accounts.add(f"the.{role}", role, PASSWORD)
    yield clinic
    clinic.close()


@pytest.fixture(scope="module")
def app(clinic):
    return create_app(clinic)


@pytest.fixture(scope="module")
def tokens(clinic):
    return {
        role: clinic.accounts.credentials.new_token(clinic.accounts.person(f"the.{role}").id, "test", 1)
        for role in ROLES
    }


@pytest.fixture(scope="module")
def ask(clinic, app, tokens):
    """ask(role, method, path, ...) as a program with that role's token; None for nobody."""
    transport = httpx.ASGITransport(guarded(app, clinic))

    async def asked(role, method, path, **given):
        headers = given.pop("headers", {}) | (
            {"authorization": f"Bearer {tokens[role]}"} if role else {"origin": "http://127.0.0.1:8321"}
        )
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8321") as client:
            return await client.request(method, path, headers=headers, **given)

    return lambda *given, **named: asyncio.run(asked(*given, **named))


def filled(path):
    """An address of a route's template that leads to nothing."""
    return re.sub(r"\{position\}", "0", path) if "{" not in path else re.sub(r"\{[^}]*\}", ABSENT, path)


def test_every_route_by_every_role(app, ask):
    """Below its role 403, without any 401, at or above it neither: whatever else the answer is."""
    tried = 0
    for demand in demands(app):
        if demand.permission is None:
            continue
        for method in sorted(demand.methods):
            path, needed = filled(demand.path), demand.permission.rank
            assert ask(None, method, path).status_code == 401, (method, path)
            for role in ROLES:
                answer = ask(role, method, path)
                refused = answer.status_code in (401, 403)
                assert refused == (ROLES.index(role) < needed), (role, method, path, answer.text[:200])
                assert answer.status_code != 401
                assert answer.status_code < 500, (role, method, path, answer.text[:200])
                tried += 1
    assert tried > 100


def test_what_each_role_is_for(app):
    for demand in demands(app):
        for method in demand.methods - {"GET", "HEAD"}:
            role = None if demand.permission is None else demand.permission.role
            if demand.path == "/login":
                assert role is None
            elif (method, demand.path) in FOR_READERS or demand.path == "/fhir/{rest:path}":
                assert role == "reader"
            elif method == "DELETE" or demand.path.endswith("/delete"):
                assert role == "admin", demand.path
            else:
                assert role in ("clinician", "admin"), demand.path


def test_what_is_open_to_everybody(app, ask):
    open_paths = {demand.path for demand in demands(app) if demand.permission is None}
    assert open_paths == {"/static", "/health", "/login", "/open"}
    assert set(ask(None, "GET", "/health").json()) == {"status", "version"}


def test_the_pages_for_who_is_refused_can_be_read(ask):
    page = {"accept": "text/html", "accept-language": "fr"}
    forbidden = ask("reader", "POST", f"/cases/{ABSENT}/delete", headers=page)
    assert forbidden.status_code == 403
    assert '<html lang="fr"' in forbidden.text
    login = ask(None, "GET", "/login", headers=page)
    assert login.status_code == 200
    assert '<html lang="fr"' in login.text
    for answer in (forbidden, login):
        assert not re.search(r"<style|style=|<script>|\son\w+=", answer.text)


@pytest.fixture
def planted(virtual_patient, tmp_path):
    """An ECG whose file, header and names all hold a patient's number and name."""
    recording = replace(virtual_patient.recording, patient_id=NUMBER, record_id=f"{NAME}-{NUMBER}")
    header = write_recording(recording, tmp_path / f"{NAME}-{NUMBER}.hea")
    return [("files", (path.name, path.read_bytes())) for path in (header, header.with_suffix(".dat"))]


def test_no_log_and_no_audit_line_holds_a_patients_number_or_name(clinic, ask, planted, caplog):
    """Planted in files, rows, queries, paths, header fields and notes; where it goes well and where not."""
    row = json.dumps({"patient_id": NUMBER})
    fields = {"referer": f"http://x/{NUMBER}", "user-agent": NAME, "x-patient": NUMBER}
    with caplog.at_level(logging.INFO):
        kept = ask("clinician", "POST", "/api/v1/cases", files=planted, data={"row": row}, headers=fields)
        assert kept.status_code == 201, kept.text
        case = kept.json()["id"]
        assert clinic.store.case(case).patient.identifier == NUMBER
        answers = [
            ask("clinician", "POST", "/api/v1/assess", files=planted, data={"row": row}, headers=fields),
            ask("clinician", "POST", "/api/v1/assess", files=planted[:1]),
            ask("clinician", "POST", "/api/v1/assess", files=[("files", (f"{NUMBER}.xml", NAME.encode()))]),
            ask("clinician", "POST", "/api/v1/assess", data={"row": json.dumps({NAME: NUMBER})}),
            ask("clinician", "POST", "/api/v1/assess", data={"row": json.dumps({"age": NUMBER})}),
            ask("clinician", "POST", "/api/v1/assess", data={"row": NAME}),
            ask("clinician", "POST", "/api/v1/jobs", files=planted, data={"name": f"{NAME} {NUMBER}"}),
            ask("clinician", "POST", "/fhir/Observation", content=json.dumps({"subject": NUMBER})),
            ask("clinician", "POST", "/fhir/$assess", content=f"<{NAME}>"),
            ask("clinician", "POST", "/cds-services/ecg", json={"context": {"patientId": NUMBER}}),
            ask("reader", "GET", f"/?text={NUMBER}&q={NAME}"),
            ask("reader", "POST", "/", data={"text": NUMBER, "q": NAME}),
            ask("reader", "POST", "/export.csv", data={"text": NUMBER}),
            ask("clinician", "POST", "/new/check", data={f"row.{NAME}": NUMBER}),
            ask("reader", "GET", f"/api/v1/cases?text={NUMBER}"),
            ask("reader", "GET", f"/fhir/Patient?identifier={NUMBER}"),
            ask("reader", "GET", f"/fhir/Patient/{NUMBER}"),
            ask("reader", "GET", f"/cases/{NUMBER}"),
            ask("reader", "GET", f"/{NAME}/{NUMBER}"),
            ask("reader", "GET", f"/cases/{case}"),
            ask("reader", "GET", f"/cases/{case}/files/0"),
            ask("reader", "GET", f"/cases/{case}/fhir"),
            ask(
                "clinician", "POST", f"/cases/{case}/outcome",
                data={"target": NAME, "task": NUMBER, "verdict": "present", "note": f"{NAME} {NUMBER}"},
            ),
            ask(None, "POST", "/login", data={"name": NAME, "password": NUMBER}),
            ask("admin", "DELETE", f"/api/v1/cases/{case}"),
        ]  # fmt: skip
    assert max(answer.status_code for answer in answers) < 500, [a.status_code for a in answers]
    ours = [record for record in caplog.records if record.name not in ("httpx", "asyncio")]
    written = "\n".join(record.getMessage() + (record.exc_text or "") for record in ours)
    audited = "\n".join(repr(line) for line in clinic.audit.lines())
    assert "case.accept" in audited
    assert "case.delete" in audited
    assert written.count("GET /cases/{case_id} ") == 2
    for place in (written, audited):
        assert NUMBER not in place
        assert NAME not in place
    assert clinic.audit.verify().lines > 5
