"""Similar patients: other people only, one case each, and none while the clinic knows too few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardiofusion.serve.similar import ENOUGH, similar_cases
from cardiofusion.serve.store import Answered, Case, Store


@pytest.fixture
def clinic(tmp_path: Path) -> Store:
    return Store(tmp_path, f"sqlite:///{tmp_path / 'cardiofusion.db'}")


def ecg(store: Store, patient: str | None, embedding: list[float] | None) -> Case:
    """An assessed case whose ECG lies there."""
    case = store.accept({"ecg.dcm": b"x"}, source="page", patient=patient)
    place = None if embedding is None else np.array(embedding, np.float32)
    store.save_answer(
        case,
        Answered(
            assessment={}, headline={"findings": []}, patient=patient, recorded=None, age=None, sex=None,
            grade="good", bundle_hash="0" * 64, embedding=place,
        ),
    )  # fmt: skip
    return store.case(case)


def test_the_nearest_of_other_patients_come_first_one_case_each(clinic):
    mine = ecg(clinic, "me", [1.0, 0.0])
    ecg(clinic, "me", [1.0, 0.001])  # my own earlier ECG
    twice = [ecg(clinic, "near", [1.0, 0.01]), ecg(clinic, "near", [1.0, 0.02])]
    unnamed = ecg(clinic, None, [1.0, 0.1])
    for k in range(ENOUGH):
        ecg(clinic, f"far {k}", [-1.0, 0.01 * k])
    found = similar_cases(clinic, mine)
    assert [case.id for case, _ in found][:2] == [twice[0].id, unnamed.id]
    assert len({case.patient_id or case.id for case, _ in found}) == len(found) == 3
    likeness = [share for _, share in found]
    assert likeness == sorted(likeness, reverse=True)
    assert all(0 <= share < 1 for share in likeness)


def test_nothing_is_similar_where_too_few_are_known_or_there_is_no_ecg(clinic):
    mine = ecg(clinic, "me", [1.0, 0.0])
    assert similar_cases(clinic, mine) == []
    for k in range(ENOUGH):
        ecg(clinic, f"other {k}", [1.0, 0.01 * k])
    assert similar_cases(clinic, mine) != []
    assert similar_cases(clinic, ecg(clinic, "row only", None)) == []
    assert similar_cases(clinic, ecg(clinic, "another bundle", [1.0, 0.0, 0.0])) == []
