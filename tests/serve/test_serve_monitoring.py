"""The monitor's counts, and answers beside what turned out to be true."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cardiofusion.serve.monitoring import DAYS, Confirmed, monitored
from cardiofusion.serve.store import Answered, Store

FINDINGS = [
    ["ecg-findings", "MI", "present", 0.6, None],
    ["ecg-findings", "CD", "cannot tell", 0.2, None],
    ["ecg-findings", "HYP", "absent", 0.01, None],
]


@pytest.fixture
def clinic(tmp_path: Path) -> Store:
    return Store(tmp_path, f"sqlite:///{tmp_path / 'cardiofusion.db'}")


def answered_case(store: Store) -> str:
    case = store.accept({"ecg.dcm": b"x"})
    headline = {"findings": FINDINGS, "cautions": [], "warnings": 0}
    store.save_answer(case, Answered({}, headline, None, None, None, None, "fair", "0" * 64, None))
    return case


def test_counts_are_of_all_cases_and_the_last_days(clinic):
    assert monitored(clinic).busiest == 1  # of an empty clinic too: a chart divides by it
    for _ in range(3):
        answered_case(clinic)
    refused = clinic.accept({"letter.txt": b"Dear colleague"}, source="dicom")
    clinic.save_refusal(refused, "recording.format", "is no ECG", "send an ECG")
    found = monitored(clinic)
    assert found.status == {"assessed": 3, "refused": 1}
    assert found.source == {"page": 3, "dicom": 1}
    assert found.grade == {"fair": 3}
    assert found.refusals == (("recording.format", 1),)
    assert len(found.days) == DAYS
    assert found.days[-1] == (datetime.now(UTC).date(), 4)
    assert found.busiest == 4


def test_the_newest_outcome_counts_and_a_full_set_holds_either_truth(clinic):
    case = answered_case(clinic)
    clinic.add_outcome(case, "ecg-findings", "MI", "present")
    clinic.add_outcome(case, "ecg-findings", "MI", "absent")  # corrected
    clinic.add_outcome(case, "ecg-findings", "CD", "absent")
    clinic.add_outcome(case, "ecg-findings", "HYP", "absent")
    clinic.add_outcome(case, "ecg-findings", "HYP", "unknown")  # taken back
    clinic.add_outcome(case, "other", "other", "present")  # no set was given for that
    assert monitored(clinic).confirmed == (
        Confirmed("ecg-findings", "CD", present=0, absent=1, held=1),
        Confirmed("ecg-findings", "MI", present=0, absent=1, held=0),
    )
