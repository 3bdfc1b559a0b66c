"""The virtual patients of the first worklist: each shows the kind of answer that it is there for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from cardiofusion.serve.clinic import Clinic
from cardiofusion.serve.examples import EXAMPLES, add_examples
from cardiofusion.serve.store import Case, Search, unpack

SECONDS = 120.0


@pytest.fixture(scope="module")
def clinic(open_clinic: Callable[..., Clinic]) -> Clinic:
    """One whose examples are all assessed."""
    clinic = open_clinic()
    for case in add_examples(clinic.store):
        clinic.desk.submit(case)
    ends = time.monotonic() + SECONDS
    while clinic.store.waiting():
        assert time.monotonic() < ends
        time.sleep(0.1)
    return clinic


def cases_of(clinic: Clinic, patient: str) -> list[Case]:
    found = clinic.store.search(Search(text=patient))[0]
    return [clinic.store.case(case.id) for case in found]


def answer_of(clinic: Clinic, patient: str) -> dict[str, Any]:
    (case,) = cases_of(clinic, patient)
    assert case.assessment is not None
    return unpack(case.assessment)


def test_each_is_assessed_and_marked_as_an_example(clinic: Clinic) -> None:
    cases, total = clinic.store.search(Search())
    assert total == len(EXAMPLES) + 1
    assert {(case.status, case.source) for case in cases} == {("assessed", "example")}


def test_they_come_once_and_stay_away_when_deleted(clinic: Clinic) -> None:
    before = clinic.store.search(Search())[1]
    assert add_examples(clinic.store) == []
    assert clinic.store.search(Search())[1] == before


def test_a_child_is_outside_of_what_the_bundle_knows(clinic: Clinic) -> None:
    (case,) = cases_of(clinic, "EXAMPLE-7")
    assert case.age == 9
    assert case.headline is not None
    assert case.headline["cautions"] == ["child"]


def test_loose_electrodes_are_unfit(clinic: Clinic) -> None:
    (case,) = cases_of(clinic, "EXAMPLE-6")
    assert case.grade == "unfit"
    assert case.id not in {found[0] for found in clinic.store.embeddings()}


def test_an_ecg_of_another_age_and_sex_is_warned_of(clinic: Clinic) -> None:
    warnings = " ".join(answer_of(clinic, "EXAMPLE-5")["warnings"])
    assert "44" in warnings
    assert "61" in warnings


def test_a_patient_seen_before_has_an_earlier_ecg(clinic: Clinic) -> None:
    newer, older = sorted(cases_of(clinic, "EXAMPLE-3"), key=lambda case: str(case.recorded), reverse=True)
    earlier = clinic.store.earlier(newer)
    assert earlier is not None
    assert earlier.id == older.id
    assert clinic.store.earlier(older) is None


def test_a_row_alone_is_answered_with_published_scores(clinic: Clinic) -> None:
    answer = answer_of(clinic, "EXAMPLE-2")
    assert answer["quality"] is None
    assert answer["patient"]["patient_id"] == "EXAMPLE-2"
    assert answer["scores"]["inputs"]["age"]["value"] == 69
    assert answer["scores"]["risks"]
