"""What fusion has to beat, and what it must not find, on planted data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cardiofusion.cmaf import NOBODY, FusionData, fusion_logits
from cardiofusion.metrics import Observed, concordance, roc_auc
from cardiofusion.records import ClinicalSchema, Column, Figure, Task
from cardiofusion.study.comparing import (
    aucs_of_dealt_labels,
    dealt_labels_figure,
    late_fusion,
    skill_without_labels,
    tree_logits,
)
from cardiofusion.study.fusing import Fit, train_fits
from cardiofusion.study.groups import Groups
from cardiofusion.study.sections import Cmaf

N, TIMES, LEADS, WIDTH = 700, 2, 12, 4
SCHEMA = ClinicalSchema((Column("age"), Column("weight")))
PATIENTS = np.array([f"p{k:03d}" for k in range(N)])
EVENT = Task("event", ("no event", "event"), "binary")
PLAN = Cmaf(epochs=4, width=16, batch=32)


def silent(done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture(scope="module")
def groups() -> Groups:
    parts = np.split(np.random.default_rng(0).permutation(N), [250, 300, 350, 400])
    return Groups(*(np.sort(part) for part in parts))


@pytest.fixture(scope="module")
def data() -> FusionData:
    """An event that both the ECG and the row know of, plainly."""
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, N).astype(np.float32)
    tokens = rng.normal(size=(N, TIMES + LEADS + 1, WIDTH)) + 1.5 * y[:, None, None]
    rows = np.column_stack([50 + 10 * (y + rng.normal(size=N)), rng.normal(70, 10, N)])
    everyone = np.ones(N, bool)
    return FusionData(tokens.astype(np.float32), np.arange(N), rows.astype(np.float32), everyone, y[:, None])


# --- taught with outcomes of other patients ----------------------------------------------------------------


@pytest.fixture(scope="module")
def dealt(data: FusionData, groups: Groups) -> np.ndarray:
    args = SCHEMA, EVENT, groups, data.outcome, None, PLAN, range(6), 7, 2, silent
    return aucs_of_dealt_labels(data, *args)


def test_dealt_labels_teach_nothing_and_true_ones_much(
    data: FusionData, groups: Groups, dealt: np.ndarray
) -> None:
    assert dealt.shape == (6,)
    assert len(set(dealt)) == 6  # dealt anew each time
    assert abs(dealt.mean() - 0.5) < 4 * dealt.std(ddof=1) / np.sqrt(6)
    (model,) = train_fits([Fit(groups.train, groups.stop, groups.test, 7)], data, SCHEMA, PLAN, 1, silent)
    true = roc_auc(data.outcome[groups.test, 0], fusion_logits(model, data, groups.test, "ecg+row")[:, 0])
    assert true > 0.95 > dealt.max()


def test_the_control_follows_from_the_seed(data: FusionData, groups: Groups, dealt: np.ndarray) -> None:
    args = SCHEMA, EVENT, groups, data.outcome, None, PLAN, range(2, 3), 7, 1, silent
    assert aucs_of_dealt_labels(data, *args) == pytest.approx(dealt[2:3])


def test_patients_with_both_are_tested(data: FusionData, groups: Groups) -> None:
    """Who has no ECG, and who was lost before the horizon (weight 0), moves no figure."""
    ecg, weight = data.ecg.copy(), np.ones(N)
    ecg[groups.test[:50]], weight[groups.test[50:80]] = NOBODY, 0.0
    partly = FusionData(data.tokens, ecg, data.rows, data.has_row, data.outcome)
    turned = data.outcome.copy()
    turned[groups.test[:80]] = 1 - turned[groups.test[:80]]
    found = [
        aucs_of_dealt_labels(partly, SCHEMA, EVENT, groups, y, weight, PLAN, range(1), 7, 1, silent)
        for y in (data.outcome, turned)
    ]
    assert found[0] == pytest.approx(found[1])


CHANCE = [0.48, 0.52, 0.51, 0.49] * 5


@pytest.mark.parametrize(
    ("series", "leaks"),
    [
        ([CHANCE], False),
        ([[0.58, 0.62, 0.61, 0.59] * 5], True),
        ([[0.42, 0.38, 0.41, 0.4] * 5], True),
        ([[0.58, 0.62, 0.61, 0.59] * 5, CHANCE], False),
        ([[0.58, 0.62, 0.61, 0.59] * 5, [0.57, 0.6, 0.63, 0.59] * 5], True),
        ([[0.42, 0.38, 0.41]], False),
        ([[0.7]], False),
    ],
)
def test_skill_without_labels_is_told(tmp_path: Path, series: list[list[float]], leaks: bool) -> None:
    """Three standard errors, in every series; of fewer than 20 trainings nothing can be said."""
    np.save(tmp_path / "dealt.npy", np.array(series))
    figure = dealt_labels_figure(tmp_path, "t")
    assert figure.value == pytest.approx(np.mean(series))
    assert figure.n == sum(map(len, series))
    assert isinstance(figure, Figure)
    assert skill_without_labels(tmp_path) == leaks


# --- late fusion -------------------------------------------------------------------------------------------


def views(y: np.ndarray, ecg: float, row: float, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "ecg": (ecg * y + rng.normal(size=len(y)))[:, None],
        "row": (row * y + rng.normal(size=len(y)))[:, None],
    }


@pytest.fixture
def y() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 2, 2000).astype(np.float32)


def first_half(logits: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The logits of who may choose, NaN elsewhere."""
    there = np.arange(2000)[:, None] < 1000
    return {view: np.where(there, values, np.nan) for view, values in logits.items()}


@pytest.mark.parametrize(("ecg", "row"), [(2.0, 0.0), (0.0, 2.0), (1.5, 1.5)])
def test_late_fusion_finds_who_knows(y: np.ndarray, ecg: float, row: float) -> None:
    said = views(y, ecg, row)
    found = late_fusion(first_half(said), said, y[:, None], None)[:, 0]
    auc, alone = roc_auc(y[1000:], found[1000:]), [roc_auc(y[1000:], v[1000:, 0]) for v in said.values()]
    assert auc > max(alone) + (0.03 if ecg == row else -0.01)
    slopes = np.linalg.lstsq(np.column_stack([*(v[:, 0] for v in said.values()), np.ones(2000)]), found)[0]
    assert slopes[:2] == pytest.approx([ecg, row], abs=0.35)  # of two normals, the right log-odds


def test_late_fusion_learns_from_none_but_the_choosing(y: np.ndarray) -> None:
    said, turned = views(y, 1.0, 1.0), np.where(np.arange(2000) < 1000, y, 1 - y)
    one, other = (late_fusion(first_half(said), said, labels[:, None], None) for labels in (y, turned))
    np.testing.assert_array_equal(one, other)
    weight = (np.arange(2000) < 500).astype(float)  # the others were lost before the horizon
    lost = np.where(np.arange(2000) < 500, y, 1 - y)
    one, other = (late_fusion(first_half(said), said, labels[:, None], weight) for labels in (y, lost))
    np.testing.assert_array_equal(one, other)


def test_late_fusion_is_silent_where_a_view_is_or_a_class_is_lacking(y: np.ndarray) -> None:
    said = views(y, 1.0, 1.0)
    said["ecg"][5], said["row"][1500] = np.nan, np.nan
    found = late_fusion(first_half(said), said, y[:, None], None)
    assert np.flatnonzero(np.isnan(found[:, 0])).tolist() == [5, 1500]
    assert np.isnan(late_fusion(first_half(said), said, np.ones((2000, 1), np.float32), None)).all()


# --- trees on row and embedding ----------------------------------------------------------------------------


def test_trees_use_the_embedding_and_score_no_one_who_taught_them(groups: Groups) -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(size=(N, 5))  # two columns of the row, three of the embedding
    y = (values[:, 3] + 0.5 * rng.normal(size=N) > 0).astype(np.float32)
    values[::9, 2:] = np.nan  # no ECG
    found = tree_logits(values, SCHEMA, y[:, None], None, PATIENTS, groups, 7, 1, silent)
    assert np.isnan(found[groups.train]).all()
    assert np.isfinite(found[groups.measured]).all()
    with_ecg = groups.test[np.isfinite(values[groups.test, 3])]
    assert roc_auc(y[with_ecg], found[with_ecg, 0]) > 0.9


def test_trees_of_a_survival_task_answer_by_the_horizon(groups: Groups) -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(N, 5))
    time, until = rng.exponential(6.0 / np.exp(1.5 * values[:, 3])), rng.uniform(2.0, 12.0, N)
    outcome = np.column_stack([np.minimum(time, until), time <= until]).astype(np.float32)
    outcome[::20] = np.nan
    found = tree_logits(values, SCHEMA, outcome, 5.0, PATIENTS, groups, 7, 1, silent)
    assert found.shape == (N, 1)
    known = groups.test[np.isfinite(outcome[groups.test, 0])]
    assert concordance(Observed.of(outcome[known]), found[known, 0], 5.0) > 0.75
