"""Markup and SQL in every text field of every format: refused, or kept and shown as text; never obeyed."""

from __future__ import annotations

import html
import time
import warnings
from typing import Any

import pytest
from sqlalchemy import func, inspect, select

from cardiofusion.readers import read_files
from cardiofusion.records import RecordingError
from cardiofusion.serve.store.tables import Case
from fields import changed
from specimens import WRITERS

MARKUP = '"><img/src=x>'
PAYLOAD = f"');DROP/**/TABLE/**/ecg_case;--{MARKUP}"
WORDLESS = ("CODE-15% HDF5",)  # of whose texts none is read
Found = dict[tuple[str, ...], dict[str, bytes]]


def reached(format_name: str) -> Found:
    """One file for each set of a recording's fields, or error, that the payload came into."""
    found: Found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of values that are none
        for _, files in changed(format_name, PAYLOAD):
            if where := _where(files):
                found.setdefault(where, files)
    return found


def _where(files: dict[str, bytes]) -> tuple[str, ...]:
    try:
        recording = read_files(files)
    except RecordingError as error:
        return ("refused", error.code) if MARKUP in str(error) else ()
    fields = {name: str(value) for name, value in vars(recording).items() if name != "signal"}
    return tuple(name for name, value in fields.items() if MARKUP in value)


def pages_of(api: Any, case_id: str) -> dict[str, str]:
    """Every page that may say something of this case."""
    batch = api.clinic.store.case(case_id).batch_id
    places = (f"/cases/{case_id}", "/", f"/batches/{batch}", "/monitor", f"/cases/{case_id}?lang=ar")
    return {place: api.get(place, headers=api.headers | {"Accept": "text/html"}).text for place in places}


def count(api: Any) -> int:
    """Cases; and the tables still stand."""
    store = api.clinic.store
    assert {"ecg_case", "patient", "outcome", "audit"} <= set(inspect(store.engine).get_table_names())
    with store.look() as connection:
        return int(connection.scalar(select(func.count()).select_from(Case)))


def sent(api: Any, batch: str, files: dict[str, bytes]) -> str:
    """The id of its case, once it is answered."""
    assert api.post(f"/api/v1/jobs/{batch}/files", files).status_code == 202
    ends = time.monotonic() + 60
    while api.get(f"/api/v1/jobs/{batch}").json()["received"] and time.monotonic() < ends:
        time.sleep(0.02)
    return str(api.get(f"/api/v1/jobs/{batch}/cases").json()["cases"][0]["id"])


@pytest.mark.parametrize("format_name", sorted(WRITERS))
def test_no_text_of_a_file_is_obeyed(api: Any, format_name: str) -> None:
    found = reached(format_name)
    assert found or format_name in WORDLESS
    found = found or {(): next(changed(format_name, PAYLOAD))[1]}
    batch = api.clinic.store.new_batch(PAYLOAD, "clinician")
    for where, files in found.items():
        before = count(api)
        case = sent(api, batch, files)
        told = pages_of(api, case)
        for place, page in told.items():
            assert "</html>" in page, (where, place)
            assert "<img" not in page, (where, place)
        if "patient_id" in where:
            assert MARKUP in html.unescape(told[f"/cases/{case}"])
        assert count(api) == before + 1


def test_no_name_of_a_file_is_obeyed(api: Any, dicom: dict[str, bytes]) -> None:
    (content,) = dicom.values()
    batch = api.clinic.store.new_batch("names", "clinician")
    before = count(api)
    for name in ("'); DROP TABLE ecg_case;--.dcm", '"><img src=x>.dcm', "<img src=x onerror=alert(1)>"):
        case = sent(api, batch, {name: content})
        for place, page in pages_of(api, case).items():
            assert "</html>" in page, (name, place)
            assert "<img" not in page, (name, place)
    assert count(api) == before + 3


@pytest.mark.parametrize(
    "hostile", [PAYLOAD, "%' OR '1'='1", "\\", "_", "' UNION SELECT name FROM account --"]
)
def test_no_words_of_a_search_are_obeyed(api: Any, hostile: str) -> None:
    before = count(api)
    asked = [
        api.ask("POST", "/", data={"text": hostile, "status": hostile, "patient": hostile, "batch": hostile}),
        api.ask("POST", "/export.csv", data={"text": hostile}),
        api.get("/api/v1/cases", params={"text": hostile}),
        api.get("/fhir/Patient", params={"identifier": hostile}),
    ]
    for answer in asked:
        assert answer.status_code in (200, 422), answer.text
        if answer.headers["content-type"].startswith("text/html"):
            assert "<img" not in answer.text
    assert count(api) == before
