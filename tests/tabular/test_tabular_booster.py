"""Boosters: the same seed the same model, SHAP that adds up, and texts that LightGBM must never see."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from cardiofusion.datasets import load_cardio70k, load_ptbxl
from cardiofusion.records import (
    BundleError,
    ClinicalError,
    ClinicalSchema,
    ClinicalTable,
    Column,
    DatasetError,
)
from cardiofusion.tabular import (
    Booster,
    BoosterModel,
    booster_parameters,
    cross_validate,
    repair,
    train_booster,
)

SCHEMA = ClinicalSchema(
    (
        Column("age", unit="years"),
        Column("sex", kind="category", categories=("female", "male")),
        Column("site [clinic]", kind="category", categories=("a", "b", "c", "d")),
        Column("site {clinic}"),
    )
)


def _rows(n: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    values = np.column_stack([rng.normal(60, 12, n), rng.choice(2, n), rng.choice(4, n), rng.normal(size=n)])
    score = (
        0.08 * (values[:, 0] - 60) + values[:, 1] + np.array([1.5, -1.5, 0.5, -0.5])[values[:, 2].astype(int)]
    )
    return values, (score + rng.logistic(size=n) > 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def booster() -> Booster:
    return train_booster(*_rows(800), SCHEMA, seed=0)


def test_same_seed_same_model_another_seed_another(booster: Booster) -> None:
    assert train_booster(*_rows(800), SCHEMA, seed=0).model == booster.model
    assert train_booster(*_rows(800), SCHEMA, seed=1).model != booster.model


def test_a_large_table_is_deterministic_and_sets_patients_aside() -> None:
    values, y = _rows(6000)
    groups = np.repeat(np.arange(2000), 3).astype(np.str_)
    one, two = (train_booster(values, y, SCHEMA, seed=3, groups=groups) for _ in range(2))
    assert one.model == two.model
    assert one.n_trained + one.n_validation == 6000
    assert one.n_validation % 3 == 0
    assert one.n_validation == pytest.approx(600, abs=30)


def test_rows_of_unknown_outcome_teach_nothing(booster: Booster) -> None:
    values, y = _rows(800)
    more, unknown = np.vstack([values, values * 2]), np.concatenate([y, np.full(800, np.nan, np.float32)])
    assert train_booster(more, unknown, SCHEMA, seed=0).n_trained == booster.n_trained == 800
    # The policy too is fitted on known rows only, so it is the same model.
    assert train_booster(more, unknown, SCHEMA, seed=0).model == booster.model


def test_given_validation_rows_tell_when_to_stop() -> None:
    values, y = _rows(800)
    other = _rows(400, seed=5)
    booster = train_booster(values, y, SCHEMA, seed=0, valid=other)
    assert (booster.n_trained, booster.n_validation) == (800, 400)
    noise = other[0], np.random.default_rng(0).permutation(other[1])
    assert train_booster(values, y, SCHEMA, seed=0, valid=noise).model.n_trees < booster.model.n_trees


def test_learns_what_is_there(booster: Booster) -> None:
    values, y = _rows(4000, seed=9)
    assert roc_auc_score(y, booster.predict_logit(values)) > 0.80
    by_site = [booster.predict_logit(values[values[:, 2] == site]).mean() for site in range(4)]
    assert np.argsort(by_site).tolist() == [1, 3, 2, 0]


def test_shap_adds_up_and_is_lightgbms(booster: Booster) -> None:
    values, _ = _rows(50, seed=2)
    shap = booster.model.contributions(values)
    assert shap.shape == (50, 5)
    np.testing.assert_allclose(shap.sum(axis=1), booster.model.predict_logit(values), atol=1e-9)
    np.testing.assert_allclose(shap[:, -1], shap[0, -1])


def test_text_is_the_whole_model(booster: Booster, tmp_path: Path) -> None:
    values, _ = _rows(100, seed=2)
    (tmp_path / "death.lgb.txt").write_text(booster.model.text)
    again = BoosterModel((tmp_path / "death.lgb.txt").read_text(), SCHEMA.names)
    np.testing.assert_array_equal(again.predict_logit(values), booster.model.predict_logit(values))
    plain = lightgbm.Booster(model_file=tmp_path / "death.lgb.txt")
    np.testing.assert_array_equal(plain.predict(values, raw_score=True), again.predict_logit(values))
    assert again.n_trees == plain.num_trees()
    assert again.n_leaves == sum(t["num_leaves"] for t in plain.dump_model()["tree_info"])


def test_wrong_number_of_columns_is_our_error(booster: Booster) -> None:
    for values in (np.zeros((1, 3)), np.zeros(4)):
        with pytest.raises(ClinicalError):
            booster.model.predict_logit(values)


def test_features_of_another_order_are_refused(booster: Booster) -> None:
    with pytest.raises(BundleError, match="features are not"):
        BoosterModel(booster.model.text, SCHEMA.names[::-1])


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"^tree\n", "forest\n"),
        (r"num_leaves=\d+", "num_leaves=3000"),
        (r"num_leaves=\d+", "num_leaves=-1"),
        (r"split_feature=\d+", "split_feature=9"),
        (r"left_child=-?\d+", "left_child=0"),
        (r"right_child=-?\d+", "right_child=-99"),
        (r"threshold=\S+", "threshold=wide"),
        (r"leaf_value=\S+ ", "leaf_value="),
        (r"cat_boundaries=0 \d+", "cat_boundaries=0 99"),
        (r"num_cat=1", "num_cat=0"),
        (r"is_linear=0", "is_linear=1"),
        (r"num_class=1", "num_class=2"),
        (r"max_feature_idx=3", "max_feature_idx=2"),
        (r"end of trees", "end of some"),
        (r"tree_sizes=\d+", "tree_sizes=1"),
        (r"Tree=1\n", "Tree=7\n"),
    ],
)
def test_altered_text_is_refused(booster: Booster, pattern: str, replacement: str) -> None:
    altered, count = re.subn(pattern, replacement, booster.model.text, count=1)
    assert count == 1
    with pytest.raises(BundleError) as caught:
        BoosterModel(altered, SCHEMA.names)
    assert caught.value.code == "bundle.booster"


@settings(deadline=None, max_examples=40)
@given(share=st.floats(0, 0.999))
def test_cut_text_is_refused(booster: Booster, share: float) -> None:
    text = booster.model.text[: int(share * booster.model.text.index("end of trees"))]
    with pytest.raises(BundleError):
        BoosterModel(text, SCHEMA.names)


@settings(deadline=None, max_examples=200)
@given(
    place=st.floats(0, 0.999), text=st.text("0123456789-+. =\naeEinft", max_size=3), length=st.integers(0, 3)
)
def test_scribbled_text_is_refused_or_safe(booster: Booster, place: float, text: str, length: int) -> None:
    """LightGBM alone ends the process on some of these."""
    at = int(place * booster.model.text.index("end of trees"))
    scribbled = booster.model.text[:at] + text + booster.model.text[at + length :]
    with suppress(BundleError):
        scores = BoosterModel(scribbled, SCHEMA.names).predict_logit(_rows(20)[0])
        assert scores.shape == (20,)


def test_columns_that_say_nothing_give_the_base_rate() -> None:
    y = np.arange(400) % 4 == 0
    booster = train_booster(np.ones((400, 4)), y.astype(np.float32), SCHEMA, seed=0)
    np.testing.assert_allclose(booster.predict_logit(np.zeros((2, 4))), np.log(1 / 3), atol=1e-6)
    np.testing.assert_allclose(booster.model.contributions(np.zeros((1, 4)))[0, :-1], 0.0)


@pytest.mark.parametrize("present", [0, 1, 99, 100])
def test_one_outcome_only_is_our_error(present: int) -> None:
    y = np.zeros(100, np.float32)
    y[:present] = 1
    with pytest.raises(DatasetError, match=f"{present} have the outcome"):
        train_booster(_rows(100)[0], y, SCHEMA, seed=0)


def test_parameters_follow_from_the_number_of_rows() -> None:
    sizes = {n: booster_parameters(n, seed=0) for n in (20, 300, 5000, 70_000, 10_000_000)}
    assert {n: p["num_leaves"] for n, p in sizes.items()} == {
        20: 3,
        300: 4,
        5000: 8,
        70_000: 15,
        10_000_000: 15,
    }
    assert [p["min_data_in_leaf"] for p in sizes.values()] == [10, 10, 35, 132, 200]


def test_cross_validation_never_scores_a_patient_it_saw() -> None:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(300), 2).astype(np.str_)
    values = np.repeat(rng.normal(size=(300, 4)), 2, axis=0)
    y = np.repeat(rng.choice(2, 300), 2).astype(np.float32)
    calls: list[tuple[int, int]] = []
    result = cross_validate(
        _table(values), y, patients, seed=0, on_fold=lambda done, k: calls.append((done, k))
    )
    # Twins in two rows with a random outcome: seen patients would score far above chance.
    assert 0.35 < roc_auc_score(y, result.logits) < 0.65
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    np.testing.assert_array_equal(result.fold[::2], result.fold[1::2])
    assert len(result.n_trees) == 5


def test_cross_validation_follows_given_folds_and_scores_unknown_outcomes() -> None:
    values, y = _rows(600)
    y[:50] = np.nan
    fold = np.arange(600) % 3 + 4
    result = cross_validate(_table(values), y, np.arange(600).astype(np.str_), seed=0, fold=fold)
    np.testing.assert_array_equal(result.fold, fold)
    assert len(result.n_trees) == 3
    assert np.isfinite(result.logits).all()
    again = cross_validate(_table(values), y, np.arange(600).astype(np.str_), seed=0, fold=fold)
    np.testing.assert_array_equal(again.logits, result.logits)


def _table(values: NDArray[np.float64]) -> ClinicalTable:
    return ClinicalTable(SCHEMA, np.column_stack([values[:, 0], values[:, 1:3] > 0, values[:, 3]]))


@pytest.mark.data
def test_small_real_table_does_not_collapse(data_dir: Path) -> None:
    cohort = load_ptbxl(data_dir / "ptb-xl")
    assert cohort.table is not None
    normal = cohort.outcomes["superclass"][:, 0]
    result = cross_validate(cohort.table, normal, cohort.patient_ids, seed=0)
    assert roc_auc_score(normal, result.logits) > 0.72


@pytest.mark.data
def test_cardio70k_held_out(data_dir: Path) -> None:
    """One fold of five; the whole five reach .8035 (benchmarks), any fold of them at least .797."""
    cohort = load_cardio70k(data_dir / "cardio70k")
    assert cohort.table is not None
    table, _ = repair(cohort.table)
    y = cohort.outcomes["cardio"][:, 0]
    held = np.random.default_rng(0).random(len(y)) < 0.2
    booster = train_booster(
        table.values[~held], y[~held], table.schema, seed=0, groups=cohort.patient_ids[~held]
    )
    assert roc_auc_score(y[held], booster.predict_logit(table.values[held])) > 0.797
