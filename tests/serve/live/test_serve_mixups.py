"""Whose ECG it is, on the pages: corrections, previous ECGs, damaged originals, buttons by role, the log."""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from cardiofusion.records import Recording
from cardiofusion.serve.app import create_app
from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.guard import guarded
from cardiofusion.serve.guard.actor import ROLES
from cardiofusion.serve.store import Case
from cardiofusion.serve.store.packing import pack
from cardiofusion.writers import write_recording
from cardiofusion.writers.fhir import encode

PASSWORD = "correct horse battery"
UNREAD = "The answer to the previous ECG cannot be read: nothing is compared."
UNDRAWN = "The original of this ECG cannot be read: it is not drawn."
SETTLE = "Correct the patient's number or the clinical row"


@pytest.fixture
def ecg_of(recording: Recording, tmp_path: Path) -> Callable[..., dict[str, bytes]]:
    """A virtual woman of 44's ECG as a DICOM file, of a year and of a patient's number."""

    def make(patient: str | None, year: int = 2024) -> dict[str, bytes]:
        place = tmp_path / f"{patient}-{year}.dcm"
        taken = replace(recording, time=datetime(year, 5, 4), patient_id=patient, age=44.0 + year - 2024)
        write_recording(replace(taken, sex="female"), place)
        return {place.name: place.read_bytes()}

    return make


def kept(api: Any, files: dict[str, bytes], **row: Any) -> str:
    answer = api.post("/api/v1/cases", files, row)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def case_of(api: Any, case_id: str) -> Case:
    """The case, once nothing of it waits."""
    ends = time.monotonic() + 60
    while case_id in dict(api.clinic.store.waiting()) and time.monotonic() < ends:
        time.sleep(0.02)
    found: Case = api.clinic.store.case(case_id)
    return found


def correct(api: Any, case_id: str, **fields: str) -> httpx.Response:
    data = {name.replace("__", "."): value for name, value in fields.items()}
    answer: httpx.Response = api.ask("POST", f"/cases/{case_id}/correct", data=data)
    return answer


def fields_of(page: str) -> dict[str, str]:
    """What the correction's form holds, by name."""
    (form,) = re.findall(r'<form id="correct".*?</form>', page, re.DOTALL)
    typed = re.findall(r'<input [^>]*name="([^"]+)"[^>]*value="([^"]*)"', form)
    chosen = re.findall(r'<select [^>]*name="([^"]+)".*?</select>', form, re.DOTALL)
    selected = re.findall(r'<option value="([^"]*)" selected', form)
    return dict(typed) | dict(zip(chosen, selected or [""], strict=True))


def test_a_wrong_number_is_settled_on_the_sheet(api: Any, ecg_of: Any) -> None:
    case_id = kept(api, ecg_of("W-100"), patient_id="W-200", age=61, sex="male")
    sheet = api.get(f"/cases/{case_id}").text
    assert SETTLE in sheet.partition('id="answer"')[0]  # beside the warning, before any number
    assert fields_of(sheet) == {"patient_id": "W-200", "row.age": "61", "row.sex": "male"}
    answer = correct(api, case_id, patient_id="W-100", row__age="44", row__sex="female")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case_id}")
    case = case_of(api, case_id)
    assert case.patient is not None
    assert case.headline is not None
    assert (case.status, case.patient.identifier, case.headline["cautions"]) == ("assessed", "W-100", [])
    assert case.row == {"age": "44", "sex": "female", "patient_id": "W-100"}
    assert [one["row"]["age"] for one in case.corrections or []] == [61]
    before = api.get(f"/cases/{case_id}").text.partition('id="corrections"')[2].partition("</ul>")[0]
    told = " ".join(re.sub(r"<[^>]+>", "", before).split())
    assert "Patient number: W-200 · age: 61 · sex: male" in told
    (line,) = (line for line in api.clinic.audit.last(20) if line.action == "case.correct")
    assert (line.subject, line.detail) == (case_id, {})


def test_the_ecgs_own_number_stands_against_a_correction(api: Any, ecg_of: Any) -> None:
    case_id = kept(api, ecg_of("W-101"))
    correct(api, case_id, patient_id="W-201")
    case = case_of(api, case_id)
    assert case.patient is not None
    assert case.headline is not None
    assert (case.patient.identifier, case.row) == ("W-101", {"patient_id": "W-201"})
    assert case.headline["cautions"] == ["wrong_patient"]


def test_a_number_that_is_left_as_it_is_contradicts_nothing(api: Any, ecg_of: Any) -> None:
    """A FHIR server knows a patient by a number and an id, and the ECG may name either."""
    case_id = api.clinic.store.accept(ecg_of("id-9"), {"age": 44}, source="fhir", patient="MRN-9")
    api.clinic.desk.submit(case_id).result(60)
    sheet = api.get(f"/cases/{case_id}").text
    fields = fields_of(sheet)
    assert fields["patient_id"] == "MRN-9"
    correct(api, case_id, patient_id="MRN-9", row__age="45")
    case = case_of(api, case_id)
    assert case.patient is not None
    assert case.headline is not None
    assert (case.patient.identifier, case.row, case.headline["cautions"]) == ("MRN-9", {"age": "45"}, [])


@pytest.mark.parametrize("fields", [{"row__age": "640"}, {"row__no_such": "1"}, {"row__sex": "both"}])
def test_a_value_that_cannot_be_corrects_nothing(api: Any, ecg_of: Any, fields: dict[str, str]) -> None:
    case_id = kept(api, ecg_of("W-102"), age=44)
    assert correct(api, case_id, **fields).status_code == 422
    case = case_of(api, case_id)
    assert (case.status, case.row, case.corrections) == ("assessed", {"age": 44}, None)


def test_a_row_alone_cannot_be_corrected_to_nothing(api: Any) -> None:
    case_id = kept(api, {}, age=44)
    assert correct(api, case_id, patient_id="W-103").status_code == 422
    assert correct(api, "0" * 32, row__age="44").status_code == 404
    assert case_of(api, case_id).row == {"age": 44}


def test_the_previous_ecg_is_the_same_persons_alone(api: Any, ecg_of: Any) -> None:
    older = kept(api, ecg_of("W-104", 2020))
    kept(api, ecg_of("W-105", 2022), patient_id="W-104")
    anonymous = [kept(api, ecg_of("ANONYMOUS", year)) for year in (2020, 2024)]
    sheet = api.get(f"/cases/{kept(api, ecg_of('W-104', 2024))}").text
    assert "Previous ECG" in sheet
    assert f'href="/cases/{older}"' in sheet
    for case_id in anonymous:
        assert "Previous ECG" not in api.get(f"/cases/{case_id}").text


# --- a damaged original ------------------------------------------------------------------------------------


def damage(clinic: Clinic, case_id: str) -> None:
    (file,) = clinic.store.case(case_id).files
    clinic.store.originals.place(file.sha256).write_bytes(b"damaged")


def test_the_answer_stands_where_the_original_cannot_be_read(api: Any, ecg_of: Any) -> None:
    case_id = kept(api, ecg_of("W-106"))
    whole = api.get(f"/cases/{case_id}").text
    assert UNDRAWN not in whole
    damage(api.clinic, case_id)
    answer = api.get(f"/cases/{case_id}")
    assert answer.status_code == 200
    assert UNDRAWN in answer.text.partition('id="quality"')[0]  # among the warnings
    assert 'class="paper-box"' not in answer.text
    assert "No ECG was given" not in answer.text.partition('id="printed"')[0]
    assert re.findall('class="verdict.*', answer.text) == re.findall('class="verdict.*', whole)
    paper = answer.text.partition('id="printed"')[2]
    assert UNDRAWN in paper
    said = api.get(f"/cases/{case_id}", headers={"accept-language": "fr"}).text
    assert UNDRAWN not in said


def test_a_previous_ecg_whose_original_cannot_be_read_hides_no_sheet(api: Any, ecg_of: Any) -> None:
    older, newer = kept(api, ecg_of("W-107", 2020)), kept(api, ecg_of("W-107"))
    damage(api.clinic, older)
    answer = api.get(f"/cases/{newer}")
    assert answer.status_code == 200
    earlier = answer.text.partition('id="earlier"')[2]
    assert UNDRAWN in earlier.partition("</section>")[0]
    assert UNDRAWN not in answer.text.partition('id="earlier"')[0]
    assert 'class="paper-box"' in answer.text


@pytest.mark.parametrize("stored", [b"damaged", pack({"tasks": 3}), pack({})])
def test_a_previous_ecg_whose_answer_cannot_be_read_hides_no_sheet(
    api: Any, ecg_of: Any, stored: bytes
) -> None:
    number = f"W-{zlib.crc32(stored)}"
    older, newer = kept(api, ecg_of(number, 2020)), kept(api, ecg_of(number))
    whole = api.get(f"/cases/{newer}").text
    assert UNREAD not in whole
    with api.clinic.store.begin() as connection:
        connection.execute(update(Case).where(Case.id == older).values(assessment=stored))
    answer = api.get(f"/cases/{newer}")
    assert answer.status_code == 200
    assert answer.text.count(UNREAD) == 1
    assert UNREAD in answer.text.partition('id="earlier"')[2].partition("</section>")[0]
    assert "Since the previous ECG" in whole
    assert "Since the previous ECG" not in answer.text
    assert answer.text.partition('id="ecg"')[0] == whole.partition('id="ecg"')[0]
    assert UNREAD not in api.get(f"/cases/{newer}", headers={"accept-language": "fr"}).text
    own = api.get(f"/cases/{older}").text
    assert "A kept answer is damaged" in own
    assert f'action="/cases/{older}/again"' in own
    assert api.ask("POST", f"/cases/{older}/again").status_code == 303
    assert case_of(api, older).status == "assessed"
    assert 'id="answer"' in api.get(f"/cases/{older}").text


# --- who sees which button ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared(open_clinic: Callable[..., Clinic]) -> Shared:
    """A shared clinic with a person of each role."""
    return Shared(open_clinic(shared=True))


class Shared:
    """Asks as a program with a role's token."""

    def __init__(self, clinic: Clinic) -> None:
        self.clinic, self._app = clinic, guarded(create_app(clinic), clinic)
        self._tokens = {role: self._token(role) for role in ROLES}

    def _token(self, role: str) -> str:
        self.clinic.accounts.add(f"the.{role}", role, PASSWORD)
        person = self.clinic.accounts.person(f"the.{role}")
        token: str = self.clinic.accounts.credentials.new_token(person.id, "test", 1)
        return token

    def get(self, role: str, path: str) -> str:
        return asyncio.run(self._get(role, path))

    async def _get(self, role: str, path: str) -> str:
        headers = {"authorization": f"Bearer {self._tokens[role]}"}
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(base_url="http://127.0.0.1:8321", transport=transport) as http:
            answer = await http.get(path, headers=headers)
        assert answer.status_code == 200
        return answer.text


BUTTONS: Mapping[str, set[str]] = {"reader": set(), "clinician": {"again"}, "admin": {"again", "delete"}}


@pytest.mark.parametrize("role", ROLES)
def test_a_refused_case_shows_a_role_what_it_may_do(shared: Shared, role: str) -> None:
    case_id = shared.clinic.store.accept({"x.dcm": b"DICM" * 400})
    shared.clinic.desk.submit(case_id).result(60)
    page = shared.get(role, f"/cases/{case_id}")
    assert "This could not be assessed" in page
    assert set(re.findall(f'action="/cases/{case_id}/(\\w+)"', page)) == BUTTONS[role]


@pytest.mark.parametrize("role", ROLES)
def test_only_a_clinician_is_asked_to_settle_whose_ecg_it_is(shared: Shared, role: str, ecg_of: Any) -> None:
    case_id = shared.clinic.store.accept(ecg_of("W-108"), {"patient_id": "W-208"}, patient="W-208")
    shared.clinic.desk.submit(case_id).result(60)
    page = shared.get(role, f"/cases/{case_id}")
    assert "Settle this before you read on" in page
    assert page.count('id="correct"') == (role != "reader")


# --- the audit log -----------------------------------------------------------------------------------------


def written(api: Any, act: Callable[[], httpx.Response]) -> list[tuple[str, str]]:
    """(action, subject) of what is written by what is done; in no line anything that was sent."""
    before = sum(1 for _ in api.clinic.audit.lines())
    assert act().status_code == 200
    lines = list(api.clinic.audit.lines())[before:]
    assert "W-109" not in str(lines)
    return [(line.action, line.subject) for line in lines]


@pytest.mark.parametrize("what", ["assess", "embed", "inspect"])
def test_what_is_asked_of_an_ecg_that_is_not_kept_is_audited(api: Any, ecg_of: Any, what: str) -> None:
    assert written(api, lambda: api.post(f"/api/v1/{what}", ecg_of("W-109"))) == [(f"api.{what}", "")]


def test_a_prefetched_ecg_is_audited(api: Any, ecg_of: Any, recording: Recording) -> None:
    observation = json.loads(encode(replace(recording, patient_id="W-109")))
    asked = {
        "hook": "patient-view",
        "hookInstance": str(uuid.uuid4()),
        "context": {"userId": "Practitioner/1", "patientId": "W-109"},
        "prefetch": {"ecg": observation},
    }
    place = "/cds-services/cardiofusion-patient-view"
    assert written(api, lambda: api.ask("POST", place, json=asked)) == [("cds.assess", "")]


def test_a_search_is_audited_and_looking_at_the_worklist_is_not(api: Any) -> None:
    assert written(api, lambda: api.post("/", text="W-109")) == [("worklist.search", "")]
    assert written(api, lambda: api.post("/", text=" ", status="refused")) == []
    assert written(api, lambda: api.get("/?status=refused")) == []
    assert written(api, lambda: api.get("/api/v1/cases?text=W-109")) == [("api.cases", "")]
