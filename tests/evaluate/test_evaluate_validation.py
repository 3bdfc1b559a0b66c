"""Folds, subgroups and controls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from cardiofusion.evaluate import (
    age_bands,
    cross_validated,
    fold_mean,
    label_shuffle_auc,
    leakage_check,
    overlaps,
    subgroups,
)
from cardiofusion.metrics import bootstrap, roc_auc
from cardiofusion.records import DatasetError


def _scored(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.4).astype(float)
    return y, rng.normal(size=n) + y, np.arange(n).astype(str)


def test_the_fold_mean_has_students_interval_and_says_how_many_folds():
    scores = [0.80, 0.82, 0.79, 0.81, 0.805]
    found = fold_mean(scores, 500, "table")
    expected = stats.t.interval(0.95, 4, np.mean(scores), stats.sem(scores))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-4)
    assert (found.value, found.n, found.data) == (pytest.approx(0.805), 500, "table, 5-fold mean")


@pytest.mark.parametrize("scores", [[], [0.8], [0.8, float("nan"), 0.7]])
def test_a_mean_of_too_little_is_undefined(scores):
    found = fold_mean(scores, 3, "table")
    assert np.isnan([found.value, found.low, found.high]).all()


def test_cross_validation_gives_the_mean_of_folds_and_the_pooled_auc():
    y, p, groups = _scored(300)
    fold = np.arange(300) % 5
    figures = cross_validated(y, p, fold, groups, np.random.default_rng(0), "table", 100)
    by_fold = [roc_auc(y[fold == k], p[fold == k]) for k in range(5)]
    assert figures["auc_fold_mean"].value == pytest.approx(np.mean(by_fold))
    pooled = figures["auc_pooled"]
    assert pooled.value == roc_auc(y, p)
    expected = bootstrap(roc_auc, y, p, groups, np.random.default_rng(0), 100)
    assert (pooled.low, pooled.high) == pytest.approx(expected)
    assert "pooled" in pooled.data


def test_subgroups_are_measured_apart_and_small_ones_are_listed_as_unknown():
    y, p, patients = _scored(200)
    sex = np.where(np.arange(200) % 2 == 0, "female", "male")
    site = np.where(np.arange(200) < 15, "small", "large")
    by = {"sex": sex, "site": site}
    figures = subgroups(y, p, by, patients, np.random.default_rng(0), "table", 50)
    assert list(figures) == ["sex=female", "sex=male", "site=large", "site=small"]
    women = figures["sex=female"]
    assert women.value == pytest.approx(roc_auc(y[sex == "female"], p[sex == "female"]))
    assert women.low < women.value < women.high
    assert women.n == 100
    assert np.isnan(figures["site=small"].value)
    assert figures["site=small"].n == 15


def test_age_bands():
    ages = np.array([18, 39.9, 40, 59, 60, 79, 80, 300, np.nan])
    bands = ["under 40"] * 2 + ["40 to 59"] * 2 + ["60 to 79"] * 2 + ["80 and over"] * 2 + ["not known"]
    assert age_bands(ages).tolist() == bands


def test_a_clean_split_passes_and_a_leaking_one_is_named():
    parts = {"train": np.array(["a", "b", "b"]), "stop": np.array(["c"]), "test": np.array(["d", "e"])}
    assert leakage_check(parts) == {"train & stop": 0, "train & test": 0, "stop & test": 0}
    leaking = parts | {"test": np.array(["b", "a", "d"])}
    assert overlaps(leaking)["train & test"] == 2
    with pytest.raises(DatasetError) as caught:
        leakage_check(leaking, "waveforms")
    assert caught.value.code == "evaluate.leakage"
    assert "waveforms" in caught.value.message
    assert "train & test (2)" in caught.value.message
    assert "stop" not in caught.value.message


def test_shuffled_labels_are_chance_and_a_real_score_is_outside():
    y, p, patients = _scored(200)
    y[:5] = np.nan
    null = label_shuffle_auc(y, p, patients, np.random.default_rng(0), "table", 300)
    assert null.value == pytest.approx(0.5, abs=0.02)
    assert null.n == 195
    assert null.high < roc_auc(y, p)
    # With singly counted patients the null spread is that of the Mann-Whitney statistic.
    positives = np.nansum(y)
    sd = np.sqrt(196 / (12 * positives * (195 - positives)))
    assert null.high - null.low == pytest.approx(2 * 1.96 * sd, rel=0.2)


def test_repeated_rows_keep_the_chance_interval_wide():
    y, p, patients = _scored(80)
    once = label_shuffle_auc(y, p, patients, np.random.default_rng(0), "table", 300)
    five = [np.repeat(column, 5) for column in (y, p, patients)]
    again = label_shuffle_auc(*five, np.random.default_rng(0), "table", 300)
    assert (again.low, again.high) == pytest.approx((once.low, once.high))


def test_one_class_has_no_chance_interval():
    found = label_shuffle_auc(
        np.zeros(9), np.arange(9.0), np.arange(9), np.random.default_rng(0), "table", 10
    )
    assert np.isnan(found.value)
