"""Our metrics against scikit-learn and scipy, and against their own definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics as oracle

from cardiofusion.metrics import (
    average_precision,
    brier,
    coverage_by_class,
    expected_calibration_error,
    log_loss,
    mean_set_size,
    net_benefit,
    reliability_curve,
    roc_auc,
    t_interval,
    wilson_interval,
)

METRICS = (roc_auc, average_precision, brier, log_loss, expected_calibration_error)
# Sixteenths make ties, and sums of them are exact.
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 16), st.integers(0, 3)), min_size=1, max_size=40)


def _arrays(rows: list[tuple[int, int, int]]) -> tuple[NDArray[np.float64], ...]:
    y, p, weight = np.array(rows, dtype=np.float64).T
    return y, p / 16.0, weight


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_ranking_and_losses_equal_scikit_learn_with_ties_and_weights(rows):
    y, p, weight = _arrays(rows)
    if 0 < y @ weight < weight.sum():
        assert roc_auc(y, p, weight) == pytest.approx(oracle.roc_auc_score(y, p, sample_weight=weight))
    if y @ weight:
        assert average_precision(y, p, weight) == pytest.approx(
            oracle.average_precision_score(y, p, sample_weight=weight)
        )
    if weight.sum():
        assert brier(y, p, weight) == pytest.approx(oracle.brier_score_loss(y, p, sample_weight=weight))
        assert log_loss(y, p, weight) == pytest.approx(
            oracle.log_loss(y, p, sample_weight=weight, labels=[0, 1])
        )


@settings(deadline=None, max_examples=60)
@given(ROWS)
def test_a_weight_is_a_row_repeated(rows):
    y, p, weight = _arrays(rows)
    times = weight.astype(int)
    for metric in METRICS:
        repeated = metric(np.repeat(y, times), np.repeat(p, times))
        assert metric(y, p, weight=weight) == pytest.approx(repeated, nan_ok=True), metric.__name__


@settings(deadline=None, max_examples=30)
@given(ROWS, st.integers(0, 2**32 - 1))
def test_order_does_not_matter_and_unknown_outcomes_are_left_out(rows, seed):
    y, p, _ = _arrays(rows)
    order = np.random.default_rng(seed).permutation(len(y) + 2)
    longer = np.append(y, [np.nan, np.nan])[order], np.append(p, [0.0, 1.0])[order]
    for metric in METRICS:
        assert metric(*longer) == pytest.approx(metric(y, p), nan_ok=True), metric.__name__


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(3)
    y, score = rng.integers(0, 2, 50), rng.integers(0, 6, 50).astype(float)
    pairs = score[y == 1][:, None] - score[y == 0][None, :]
    assert roc_auc(y, score) == pytest.approx(np.mean((pairs > 0) + 0.5 * (pairs == 0)))
    assert roc_auc(1 - y, score) == pytest.approx(1 - roc_auc(y, score))


@pytest.mark.parametrize("metric", METRICS)
def test_nothing_known_and_a_nan_score_are_nan(metric):
    assert np.isnan(metric(np.array([np.nan]), np.array([0.3])))
    assert np.isnan(metric(np.zeros(0), np.zeros(0)))
    assert np.isnan(metric(np.array([0.0, 1, 1]), np.array([0.1, np.nan, 0.7])))


def test_one_class_has_no_auc_and_no_positive_has_no_average_precision():
    p = np.array([0.2, 0.6])
    assert np.isnan(roc_auc(np.zeros(2), p))
    assert np.isnan(roc_auc(np.ones(2), p))
    assert np.isnan(average_precision(np.zeros(2), p))
    assert average_precision(np.ones(2), p) == 1.0


def test_calibration_error_equals_bins_cut_by_hand():
    rng = np.random.default_rng(5)
    p = rng.random(1000)
    y = (rng.random(1000) < p**2).astype(float)
    order = np.argsort(p)
    by_hand = np.mean([abs(p[part].mean() - y[part].mean()) for part in np.array_split(order, 10)])
    assert expected_calibration_error(y, p) == pytest.approx(by_hand)
    curve = reliability_curve(y, p)
    assert curve.mass.tolist() == [100.0] * 10
    assert (np.diff(curve.predicted) > 0).all()


def test_a_constant_prediction_has_one_bin():
    curve = reliability_curve(np.array([0, 1, 1, 0, 0]), np.full(5, 0.4))
    assert curve.predicted == pytest.approx([0.4])
    assert curve.observed == pytest.approx([0.4])
    assert expected_calibration_error(np.array([0, 1, 1, 0, 0]), np.full(5, 0.4)) == pytest.approx(0)


def test_net_benefit_of_known_tables():
    y, p = np.array([1, 1, 0, 0, np.nan]), np.array([0.9, 0.3, 0.6, 0.1, 0.9])
    # At 0.5 one true and one false positive of four; at 0.25 two true and one false.
    assert net_benefit(y, p, np.array([0.5, 0.25])) == pytest.approx([0.0, (2 - 1 / 3) / 4])
    assert net_benefit(y, np.ones(5), np.array([0.2])) == pytest.approx([0.5 - 0.5 * 0.25])
    assert np.isnan(net_benefit(np.array([np.nan]), np.ones(1), np.array([0.2]))).all()


def test_coverage_counts_each_class_by_itself():
    y = np.array([0, 0, 1, 1, 1, np.nan])
    sets = np.array([[1, 0], [0, 1], [0, 1], [1, 1], [0, 0], [0, 0]], dtype=bool)
    assert coverage_by_class(y, sets) == pytest.approx((1 / 2, 2 / 3))
    assert mean_set_size(sets) == pytest.approx(5 / 6)
    assert np.isnan(coverage_by_class(np.zeros(2), sets[:2])[1])


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (9, 10), (45, 50), (50, 50)])
def test_wilson_equals_scipy(successes, n):
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson_interval(successes / n, n) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("n", [2, 5, 10, 11, 12, 31, 200])
def test_t_interval_equals_scipy(n):
    values = np.random.default_rng(n).normal(size=n)
    expected = stats.t.interval(0.95, n - 1, values.mean(), stats.sem(values))
    assert t_interval(values) == pytest.approx(expected, rel=1e-3)


def test_intervals_of_nothing_are_nan():
    assert np.isnan(t_interval(np.array([0.8]))).all()
    assert np.isnan(wilson_interval(0.5, 0)).all()
