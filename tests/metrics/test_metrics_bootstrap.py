"""Bootstrap intervals: by patient, paired, and of the right width."""

from __future__ import annotations

import os

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from cardiofusion.metrics import (
    Measure,
    average_precision,
    bootstrap,
    brier,
    paired_bootstrap,
    percentile_interval,
    replicates,
    roc_auc,
)

SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"


def _simulated(n: int, rng: np.random.Generator, shift: float = 1.0):
    y = (rng.random(n) < 0.3).astype(float)
    return y, rng.normal(size=n) + shift * y


def test_a_replicate_is_the_metric_of_the_drawn_patients():
    rng = np.random.default_rng(1)
    y, score = _simulated(60, rng)
    groups = rng.permutation(np.arange(60) % 20)
    drawn = replicates([Measure(roc_auc, y, score)], groups, np.random.default_rng(7), repeats=5)
    again = np.random.default_rng(7)
    for value in drawn[:, 0]:
        patients = again.integers(0, 20, 20)
        rows = np.concatenate([np.flatnonzero(groups == patient) for patient in patients])
        assert value == pytest.approx(roc_auc_score(y[rows], score[rows]))


def test_more_rows_of_the_same_patients_do_not_narrow_the_interval():
    y, score = _simulated(80, np.random.default_rng(2))
    patients = np.array([f"p{i}" for i in range(80)])
    once = bootstrap(roc_auc, y, score, patients, np.random.default_rng(0), 300)
    five = [np.repeat(column, 5) for column in (y, score, patients)]
    assert bootstrap(roc_auc, *five, np.random.default_rng(0), 300) == pytest.approx(once)
    by_row = bootstrap(roc_auc, *five[:2], np.arange(400), np.random.default_rng(0), 300)
    assert (by_row[1] - by_row[0]) < 0.6 * (once[1] - once[0])


def test_rows_of_unknown_outcome_carry_no_weight():
    y, score = _simulated(50, np.random.default_rng(3))
    unknown = np.where(np.arange(50) < 10, np.nan, y)
    drawn = replicates([Measure(brier, unknown, score)], np.arange(50), np.random.default_rng(0), 4)
    again = np.random.default_rng(0)
    for value in drawn[:, 0]:
        rows = again.integers(0, 50, 50)
        rows = rows[rows >= 10]
        assert value == pytest.approx(np.mean((score[rows] - y[rows]) ** 2))


def test_pairing_beats_two_separate_intervals():
    rng = np.random.default_rng(4)
    y, score = _simulated(300, rng)
    better = score + 0.3 * (y - 0.3)
    difference, low, high = paired_bootstrap(
        roc_auc, y, better, score, np.arange(300), np.random.default_rng(0), 400
    )
    assert difference == pytest.approx(roc_auc(y, better) - roc_auc(y, score))
    assert 0 < low < difference < high
    alone = bootstrap(roc_auc, y, score, np.arange(300), np.random.default_rng(0), 400)
    assert high - low < 0.5 * (alone[1] - alone[0])


def test_a_score_gains_nothing_over_itself():
    y, score = _simulated(40, np.random.default_rng(5))
    assert paired_bootstrap(
        average_precision, y, score, score, np.arange(40), np.random.default_rng(0), 20
    ) == (0.0, 0.0, 0.0)


def test_undefined_replicates_are_left_out_and_none_defined_is_nan():
    y, score = np.array([0.0, 0, 1]), np.array([0.1, 0.4, 0.3])
    low, high = bootstrap(roc_auc, y, score, np.arange(3), np.random.default_rng(0), 200)
    assert (low, high) == (0.0, 1.0)
    assert np.isnan(bootstrap(roc_auc, np.zeros(3), score, np.arange(3), np.random.default_rng(0), 20)).all()
    assert np.isnan(percentile_interval(np.array([np.nan]))).all()


@pytest.mark.slow
def test_the_interval_holds_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(6)
    truth = 0.76025  # Phi(1 / sqrt 2)
    trials, repeats = (1000, 500) if SLOW else (150, 150)
    hits = 0
    for _ in range(trials):
        y, score = _simulated(200, rng)
        low, high = bootstrap(roc_auc, y, score, np.arange(200), rng, repeats)
        hits += low <= truth <= high
    # Percentile intervals are a little short; five standard errors of a 94 % rate besides.
    assert abs(hits / trials - 0.94) < 5 * np.sqrt(0.94 * 0.06 / trials)


def test_a_weighted_measure_counts_rows_as_often_as_they_say() -> None:
    """Values, and every draw of patients, are those of rows written down as often as they weigh."""
    rng = np.random.default_rng(8)
    y, score, weight = rng.integers(0, 2, 80).astype(float), rng.normal(size=80), rng.integers(1, 4, 80)
    y[:5] = np.nan
    patients, often = np.arange(80) // 2, np.repeat(np.arange(80), weight)
    for metric in (roc_auc, average_precision, brier):
        measure, repeated = Measure(metric, y, score, weight), Measure(metric, y[often], score[often])
        assert measure.value() == pytest.approx(repeated.value())
        drawn = replicates([measure], patients, np.random.default_rng(1), 30)
        again = replicates([repeated], patients[often], np.random.default_rng(1), 30)
        assert drawn == pytest.approx(again)
