"""The HTTP API: what it answers, what it keeps, and how it says no."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from cardiofusion.records import assessment_from_json, assessment_schema
from cardiofusion.serve.problems import PROBLEM
from cardiofusion.serve.store import Search

ROW = {"age": 61, "sex": "male", "systolic": 150, "diastolic": 90}
CUT = 2000  # bytes left of a file that ends too early


def total(api: Any) -> int:
    return int(api.get("/api/v1/cases").json()["total"])


def problem_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem body, checked for what every one has (RFC 9457)."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith(PROBLEM)
    body: dict[str, Any] = answer.json()
    assert body["type"] == "about:blank"
    assert body["status"] == status
    assert all(body[name] for name in ("title", "detail", "code", "hint"))
    return body


@pytest.mark.parametrize(("with_ecg", "with_row"), [(True, False), (False, True), (True, True)])
def test_assess_answers_by_its_schema_and_keeps_nothing(
    api: Any, dicom: dict[str, bytes], with_ecg: bool, with_row: bool
) -> None:
    before = total(api), api.clinic.store.originals.names()
    answer = api.post("/api/v1/assess", dicom if with_ecg else None, ROW if with_row else None)
    assert answer.status_code == 200, answer.text
    Draft202012Validator(assessment_schema()).validate(answer.json())
    assessment = assessment_from_json(answer.json())
    assert (assessment.quality is not None) == with_ecg
    assert (total(api), api.clinic.store.originals.names()) == before


def test_assess_explains_unless_told_not_to(api: Any, dicom: dict[str, bytes]) -> None:
    explained = api.post("/api/v1/assess", dicom).json()
    plain = api.post("/api/v1/assess", dicom, explain="false").json()
    assert len(str(plain)) < len(str(explained)) / 2
    for task, answer in plain["tasks"].items():
        assert answer["probability"] == explained["tasks"][task]["probability"]


def test_a_wfdb_record_is_one_recording(api: Any, wfdb: dict[str, bytes]) -> None:
    assert len(wfdb) == 2
    assert api.post("/api/v1/assess", wfdb, explain="false").status_code == 200


def test_an_unfit_ecg_is_an_answer(api: Any, loose: dict[str, bytes]) -> None:
    answer = api.post("/api/v1/assess", loose)
    assert answer.status_code == 200
    assert answer.json()["quality"]["grade"] == "unfit"


def test_a_file_cut_short_is_a_problem(api: Any, dicom: dict[str, bytes]) -> None:
    cut = {name: content[:CUT] for name, content in dicom.items()}
    for path in ("assess", "embed", "inspect"):
        assert problem_of(api.post(f"/api/v1/{path}", cut), 422)["code"].startswith("recording.")


def test_what_is_no_ecg_is_a_problem(api: Any) -> None:
    body = problem_of(api.post("/api/v1/assess", {"holiday.jpg": b"\xff\xd8\xff\xe0" + bytes(500)}), 422)
    assert body["code"] == "recording.format"


def test_several_recordings_are_for_jobs(api: Any, dicom: dict[str, bytes], loose: dict[str, bytes]) -> None:
    body = problem_of(api.post("/api/v1/assess", dicom | loose), 422)
    assert body["code"] == "input.several"
    assert "jobs" in body["hint"]


def test_nothing_is_a_problem(api: Any) -> None:
    problem_of(api.post("/api/v1/assess"), 422)
    problem_of(api.post("/api/v1/cases"), 422)
    problem_of(api.post("/api/v1/embed"), 422)
    problem_of(api.post("/api/v1/jobs"), 422)


@pytest.mark.parametrize(
    "row",
    [
        "no json", "[1, 2]", "3", '"text"', "null", '{"age": {"a": 1}}', '{"age": [1]}', "[" * 60_000,
        '{"age": 1e999}', '{"age": "9' + "9" * 5000 + '"}', '{"age": 1' + "0" * 5000 + "}",
        '{"age": NaN}', '{"age": -Infinity}', '{"age": 400}', '{"systolic": "high"}', '{"no such column": 1}',
        '{"age": "\\ud800"}', '{"\\ud800": 1}', '{"sex": "\\ud800"}',
        '{"age": true}', '{"age": "61\\u0000"}',
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["assess", "cases"])
def test_a_row_that_cannot_be_is_a_problem_never_a_fault(api: Any, path: str, row: str) -> None:
    before = total(api)
    problem_of(api.post(f"/api/v1/{path}", row=row), 422)
    assert total(api) == before


@pytest.mark.parametrize("value", ["\ud800", "\x00", "𝔸" * 300, "../../etc/passwd", "<script>", 17, True])
def test_a_patients_number_may_be_anything(api: Any, value: object) -> None:
    """It is text: odd signs in it are no fault of ours, and no way in."""
    row = ROW | {"patient_id": value}
    kept = api.post("/api/v1/cases", row=row)
    assert kept.status_code == 201, kept.text
    assert api.get(f"/api/v1/cases/{kept.json()['id']}").status_code == 200
    assert api.post("/api/v1/assess", row=row).status_code == 200


@pytest.mark.parametrize(
    "name", ["\ud800.dcm", "a\x00b.dcm", "../../../x.dcm", "C:\\temp\\x.dcm", "é" * 400 + ".dcm", "-", "."]
)
def test_a_files_name_may_be_anything(api: Any, dicom: dict[str, bytes], name: str) -> None:
    (content,) = dicom.values()
    sent = name.encode("utf-8", "surrogatepass").decode("latin-1")
    kept = api.post("/api/v1/cases", {sent: content})
    assert kept.status_code == 201, kept.text
    assert kept.json()["status"] == "assessed", kept.text
    folder = api.clinic.settings.data
    assert not list(folder.rglob("*.dcm"))
    assert kept.json()["files"][0]["sha256"] == hashlib.sha256(content).hexdigest()


def test_a_kept_case_is_listed_found_and_deleted(api: Any, dicom: dict[str, bytes]) -> None:
    kept = api.post("/api/v1/cases", dicom, ROW | {"patient_id": "HN-4711"})
    assert kept.status_code == 201
    case = kept.json()
    assert (case["status"], case["source"], case["grade"]) == ("assessed", "api", "fair")
    assert [file["name"] for file in case["files"]] == list(dicom)
    listed = api.get("/api/v1/cases", params={"text": "HN-4711"}).json()
    assert [found["id"] for found in listed["cases"]] == [case["id"]]
    assert api.get(f"/api/v1/cases/{case['id']}").json() == case
    assert api.ask("DELETE", f"/api/v1/cases/{case['id']}").status_code == 204
    assert problem_of(api.get(f"/api/v1/cases/{case['id']}"), 404)["code"] == "serve.unknown"
    problem_of(api.ask("DELETE", f"/api/v1/cases/{case['id']}"), 404)
    assert api.get("/api/v1/cases", params={"text": "HN-4711"}).json()["total"] == 0


def test_a_case_that_nobody_waits_for_is_assessed_later(api: Any, dicom: dict[str, bytes]) -> None:
    case = api.post("/api/v1/cases", dicom, wait="false").json()
    assert until(lambda: api.get(f"/api/v1/cases/{case['id']}").json()["status"] == "assessed")


def test_a_kept_file_that_cannot_be_read_is_refused_with_the_reason(api: Any) -> None:
    case = api.post("/api/v1/cases", {"x.dcm": b"DICM" * 400}).json()
    assert case["status"] == "refused"
    assert case["refusal"]["code"].startswith("recording.")
    assert case["refusal"]["hint"]
    assert case["assessment"] is None


def test_what_is_audited_names_nobody(api: Any, dicom: dict[str, bytes]) -> None:
    case = api.post("/api/v1/cases", dicom, {"patient_id": "HN-0815"}).json()["id"]
    api.get(f"/api/v1/cases/{case}")
    lines = [line for line in api.clinic.audit.lines() if line.subject == case]
    assert [line.action for line in lines] == ["case.accept", "case.view"]
    assert "0815" not in str(lines)


def test_a_job_is_counted_to_its_end(
    api: Any, dicom: dict[str, bytes], wfdb: dict[str, bytes], loose: dict[str, bytes]
) -> None:
    job = api.post("/api/v1/jobs", dicom | wfdb | {"bad.dcm": b"nothing"})
    assert job.status_code == 202
    place = f"/api/v1/jobs/{job.json()['id']}"
    more = api.post(f"{place}/files", loose)
    assert more.status_code == 202
    assert sum(more.json()[status] for status in ("received", "assessed", "refused")) == 4
    assert until(lambda: api.get(place).json()["received"] == 0)
    done = api.get(place).json()
    assert (done["assessed"], done["refused"]) == (3, 1)
    cases = api.get(f"{place}/cases").json()
    assert cases["total"] == 4
    (refused,) = (case for case in cases["cases"] if case["status"] == "refused")
    assert refused["refusal"]["code"] == "recording.format"


@pytest.mark.parametrize("path", ["/api/v1/jobs/{}", "/api/v1/jobs/{}/cases", "/api/v1/cases/{}"])
def test_an_id_that_is_none(api: Any, path: str) -> None:
    assert problem_of(api.get(path.format("0" * 32)), 404)["code"] == "serve.unknown"
    problem_of(api.get(path.format("x")), 422)


def test_a_job_that_is_none_takes_no_files(api: Any, dicom: dict[str, bytes]) -> None:
    before = total(api)
    problem_of(api.post(f"/api/v1/jobs/{'0' * 32}/files", dicom), 404)
    assert total(api) == before


def test_embed_gives_the_encoders_numbers(api: Any, dicom: dict[str, bytes], wfdb: dict[str, bytes]) -> None:
    first, again, other = (api.post("/api/v1/embed", files).json() for files in (dicom, dicom, wfdb))
    assert first == again
    (case,) = api.clinic.store.search(Search(text=api.post("/api/v1/cases", dicom).json()["id"]))[0]
    kept = {found[0]: found[2] for found in api.clinic.store.embeddings()}[case.id]
    assert kept == pytest.approx(first["embedding"], rel=1e-6)
    # Another format of the same ECG: the same numbers, but for the steps in which files store millivolts.
    assert other["embedding"] == pytest.approx(first["embedding"], abs=0.1)
    assert first["quality"] == "fair"


def test_embed_refuses_an_unfit_ecg(api: Any, loose: dict[str, bytes]) -> None:
    assert problem_of(api.post("/api/v1/embed", loose), 422)["code"] == "recording.unfit"


def test_inspect_says_what_is_there(api: Any, dicom: dict[str, bytes]) -> None:
    told = api.post("/api/v1/inspect", dicom).json()
    assert told["sampling_rate"] == 500
    assert len(told["leads"]) == 12


def test_a_method_that_is_not_there(api: Any) -> None:
    answer = api.ask("PUT", "/api/v1/assess")
    problem_of(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_a_form_that_is_broken(api: Any) -> None:
    answer = api.ask(
        "POST",
        "/api/v1/assess",
        content=b"--x\r\nno form",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    problem_of(answer, 400)


def test_a_stranger_learns_nothing(api: Any) -> None:
    headers = {"Authorization": "Bearer wrong"}
    for path in ("/api/v1/cases", "/api/v1/openapi.json", f"/api/v1/cases/{'0' * 32}"):
        assert problem_of(api.get(path, headers=headers), 401)["code"] == "access.unknown"


def test_a_fault_of_ours_is_said_without_its_words(
    api: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Mrs Example, born 1950")

    monkeypatch.setattr(api.clinic.store, "search", broken)
    answer = api.get("/api/v1/cases")
    problem_of(answer, 500)
    assert "Example" not in answer.text
    assert "Example" not in caplog.text
    assert "RuntimeError" in caplog.text


def until(there: Any, seconds: float = 60.0) -> bool:
    """Whether something becomes so in time."""
    ends = time.monotonic() + seconds
    while not (found := there()) and time.monotonic() < ends:
        time.sleep(0.05)
    return bool(found)
