"""What the cross-validations of a task keep, and whom they never see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.cmaf import NOBODY, FusionData
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column
from cardiofusion.study.fusing import train_task_fusion
from cardiofusion.study.groups import Groups
from cardiofusion.study.sections import Booster, Cmaf
from cardiofusion.study.tables import train_table

N, LEADS, TIMES, WIDTH = 120, 12, 2, 4
SCHEMA = ClinicalSchema((Column("age"), Column("weight")))
PATIENTS = np.array([f"p{k:03d}" for k in range(N)])
NO_ECG, NO_ROW = np.arange(0, N, 7), np.arange(3, N, 11)


@pytest.fixture
def groups() -> Groups:
    parts = np.split(np.random.default_rng(0).permutation(N), [50, 60, 75, 95])
    return Groups(*(np.sort(part) for part in parts))


@pytest.fixture
def data() -> FusionData:
    rng = np.random.default_rng(1)
    ecg, has_row = np.arange(N), np.ones(N, dtype=bool)
    ecg[NO_ECG], has_row[NO_ROW] = NOBODY, False
    tokens = rng.normal(size=(N, TIMES + LEADS, WIDTH)).astype(np.float32)
    rows = rng.normal(50, 10, (N, 2)).astype(np.float32)
    return FusionData(tokens, ecg, rows, has_row, rng.integers(0, 2, (N, 1)).astype(np.float32))


def fuse(data: FusionData, groups: Groups, folder: Path) -> dict[str, dict[str, np.ndarray]]:
    folder.mkdir()
    plan = Cmaf(epochs=2, width=8, batch=16)
    train_task_fusion(data, SCHEMA, groups, PATIENTS, plan, 2, 7, 2, folder, lambda *_: None)
    return {name: dict(np.load(folder / f"{name}.npz")) for name in ("out_of_fold", "choosing")}


def other_outcomes(outcome: np.ndarray, groups: Groups) -> np.ndarray:
    """Turned round for every patient of the conformal and the test group."""
    turned = outcome.copy()
    kept_apart = np.concatenate([groups.conformal, groups.test])
    turned[kept_apart] = 1.0 - turned[kept_apart]
    return turned


def test_a_view_is_scored_where_it_is_there(data, groups, tmp_path):
    kept = fuse(data, groups, tmp_path / "fuse")
    no_ecg, no_row = np.isin(np.arange(N), NO_ECG), np.isin(np.arange(N), NO_ROW)
    everyone = kept["out_of_fold"]
    assert (np.isnan(everyone["ecg"][:, 0]) == no_ecg).all()
    assert (np.isnan(everyone["both"][:, 0]) == (no_ecg | no_row)).all()
    apart = ~np.isin(np.arange(N), groups.choosing)
    assert (np.isnan(kept["choosing"]["ecg"][:, 0]) == (no_ecg | apart)).all()
    assert (kept["choosing"]["fold"][apart] == -1).all()


def test_the_outcomes_of_conformal_and_test_patients_do_not_choose_a_view(data, groups, tmp_path):
    turned = replace(data, outcome=other_outcomes(data.outcome, groups))
    one, other = fuse(data, groups, tmp_path / "one"), fuse(turned, groups, tmp_path / "other")
    for view in ("ecg", "both"):
        assert np.array_equal(one["choosing"][view], other["choosing"][view], equal_nan=True)
        assert not np.array_equal(one["out_of_fold"][view], other["out_of_fold"][view], equal_nan=True)


def test_nor_through_the_clinical_row(data, groups, tmp_path):
    table = ClinicalTable(SCHEMA, data.rows.astype(np.float64))
    found = []
    for outcome in (data.outcome, other_outcomes(data.outcome, groups)):
        plan = Booster(cross_validation=2)
        train_table(table, outcome, None, PATIENTS, groups, plan, 7, 1, tmp_path, lambda *_: None)
        found.append(np.load(tmp_path / "choosing.npy"))
    assert np.array_equal(*found, equal_nan=True)
    assert np.isfinite(found[0][groups.choosing]).all()
    assert np.isnan(found[0][np.concatenate([groups.conformal, groups.test])]).all()
