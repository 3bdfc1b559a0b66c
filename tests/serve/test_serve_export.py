"""The worklist as CSV: complete, documented, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from datetime import datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cardiofusion.serve import export
from cardiofusion.serve.export import COLUMNS, worklist_csv
from cardiofusion.serve.store import Answered, Search

FINDINGS = [["mi", "MI", "present", 0.25, None], ["mortality", "death", "cannot tell", -0.0, 10.0]]


def answer(findings: list[list[object]], patient: str) -> Answered:
    headline = {"findings": findings, "cautions": [], "warnings": 2}
    return Answered(
        {}, headline, patient, datetime(2024, 3, 1, 8, 30), 61.5, "female", "good", "b" * 64, None
    )


def table(store, search: Search | None = None) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(worklist_csv(store, search or Search())), newline="")))


def test_a_line_a_target(store):
    case = store.accept({"a.hea": b"1", "a.dat": b"2"}, source="api")
    store.save_answer(case, answer(FINDINGS, "P-1"))
    store.add_outcome(case, "mi", "MI", "unknown")
    store.add_outcome(case, "mi", "MI", "absent")
    first, second = table(store)
    assert first == {
        "case": case, "received": first["received"], "recorded": "2024-03-01T08:30:00", "patient": "P-1",
        "age": "61.5", "sex": "female", "source": "api", "status": "assessed", "refusal": "",
        "quality": "good", "warnings": "2", "cautions": "", "task": "mi", "target": "MI", "answer": "present",
        "probability": "0.25", "horizon": "",
        "outcome": "absent", "bundle": "b" * 64, "files": "a.hea; a.dat",
    }  # fmt: skip
    assert datetime.fromisoformat(first["received"]).utcoffset() is not None
    assert (second["target"], second["horizon"], second["outcome"]) == ("death", "10.0", "")
    assert float(second["probability"]) == 0


def test_what_is_closed_on_the_sheet_is_closed_here(store):
    case = store.accept({"a.hea": b"1"})
    told = answer(FINDINGS, "P-1")
    headline = {**told.headline, "closed": ["mi"], "cautions": ["wrong_patient", "child"]}
    store.save_answer(case, dataclasses.replace(told, headline=headline))
    first, second = table(store)
    assert (first["answer"], first["probability"], first["cautions"]) == ("closed", "", "wrong_patient child")
    assert second["answer"] != "closed"


def test_a_case_without_an_answer_has_a_line(store):
    waiting, refused = store.accept({"a": b"1"}), store.accept({"a": b"2"})
    store.save_refusal(refused, "recording.truncated", "it ends", "again")
    store.save_answer(store.accept({"a": b"3"}), answer([], "P"))
    assert [(line["status"], line["refusal"], line["task"]) for line in table(store)] == [
        ("assessed", "", ""),
        ("refused", "recording.truncated", ""),
        ("received", "", ""),
    ]
    assert [line["case"] for line in table(store, Search(status="received"))] == [waiting]
    store.save_answer(refused, answer(FINDINGS, "P"))
    store.again(refused)  # an answer of before is no answer
    assert {line["answer"] for line in table(store, Search(status="received"))} == {""}


def test_an_empty_worklist_has_its_heading(store):
    assert "".join(worklist_csv(store, Search())) == ",".join(COLUMNS) + "\r\n"


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.parametrize(
    "evil", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=cmd|" /C calc"!A0']
)
def test_no_cell_is_a_formula(store, evil):
    case = store.accept({evil: b"1"}, patient=evil)
    store.save_answer(case, answer([[evil, evil, evil, 0.5, None]], evil))
    (line,) = table(store)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) for cell in line.values())
    assert line["files"] == f"'{evil}"


@given(st.text() | st.floats(allow_nan=False) | st.integers() | st.none())
@example("-0.5")
@example(-0.5)
def test_cells_come_back(value):
    """Only formulas are changed, and only by an apostrophe."""
    cell = export._cell(value)
    if not isinstance(value, str):
        assert cell is value
    else:
        assert cell in (value, f"'{value}")
        assert (cell == value) == (value[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n") or not value)


def test_every_column_is_documented():
    documented = re.findall(r"^    ([a-z][a-z, ]*?)   ", export.__doc__, re.MULTILINE)
    assert tuple(", ".join(documented).split(", ")) == COLUMNS
