"""Platt scaling: right where there is much data, harmless where there is little."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from cardiofusion.conformal import ProbabilityCalibrator, fit_probability
from cardiofusion.conformal.probability import INTERCEPT_SD, SLOPE_MIN, SLOPE_SD
from cardiofusion.metrics import expected_calibration_error, log_loss, roc_auc
from cardiofusion.records import CalibrationError


def _overconfident(n: int, rng: np.random.Generator):
    truth = rng.normal(-1, 1.2, n)
    y = (rng.random(n) < 1 / (1 + np.exp(-truth))).astype(float)
    return 3 * truth + 2, y


def test_much_data_recovers_the_slope_and_equals_plain_logistic_regression():
    logit, y = _overconfident(20000, np.random.default_rng(0))
    fitted = fit_probability(logit, y)
    plain = LogisticRegression(C=np.inf).fit(logit[:, None], y)
    assert fitted.slope == pytest.approx(plain.coef_[0, 0], rel=0.01)
    assert fitted.intercept == pytest.approx(plain.intercept_[0], abs=0.01)
    raw = 1 / (1 + np.exp(-logit))
    assert expected_calibration_error(y, raw) > 0.1
    assert expected_calibration_error(y, fitted.apply(logit)) < 0.02
    assert roc_auc(y, fitted.apply(logit)) == roc_auc(y, logit)


@pytest.mark.parametrize("n", [1, 7, 60])
def test_the_optimum_is_that_of_a_general_optimiser(n):
    rng = np.random.default_rng(n)
    logit, y = _overconfident(n, rng)

    def loss(theta):
        z = theta[0] * logit + theta[1]
        prior = ((theta[0] - 1) / SLOPE_SD) ** 2 + (theta[1] / INTERCEPT_SD) ** 2
        return np.sum(np.logaddexp(0, z) - y * z) + prior / 2

    fitted = fit_probability(logit, y)
    best = minimize(loss, [1.0, 0.0], method="BFGS", options={"gtol": 1e-9})
    assert loss([fitted.slope, fitted.intercept]) <= best.fun + 1e-9


@pytest.mark.parametrize("y", [np.zeros(30), np.ones(30), np.arange(30) >= 15, np.full(30, np.nan)])
def test_one_class_or_perfect_separation_or_nothing_stays_finite_and_near_one(y):
    fitted = fit_probability(np.linspace(-4, 4, 30), y)
    assert 0.3 < fitted.slope < 2.5
    assert abs(fitted.intercept) < 10


def test_two_positives_cannot_turn_the_scores_over():
    logit = np.linspace(-3, 3, 100)
    y = np.zeros(100)
    y[[2, 5]] = 1  # both where the model is surest of the contrary
    assert fit_probability(logit, y).slope >= SLOPE_MIN


def test_a_model_that_is_wrong_way_round_is_flattened_not_inverted():
    logit, y = _overconfident(2000, np.random.default_rng(1))
    fitted = fit_probability(-logit, y)
    assert fitted.slope == SLOPE_MIN
    assert fitted.apply(-logit).mean() == pytest.approx(y.mean(), abs=0.005)
    assert log_loss(y, fitted.apply(-logit)) < log_loss(y, 1 / (1 + np.exp(logit)))


def test_unknown_outcomes_are_left_out():
    logit, y = _overconfident(100, np.random.default_rng(2))
    gaps = fit_probability(np.append(logit, [9.0, np.nan]), np.append(y, [np.nan, np.nan]))
    assert gaps == fit_probability(logit, y)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.booleans()), min_size=1, max_size=30),
    st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=10),
)
def test_any_finite_logits_give_probabilities_in_the_same_order(rows, new):
    logit, y = np.array(rows, dtype=np.float64).T
    fitted = fit_probability(logit, y)
    p = fitted.apply(np.sort(new))
    assert ((p >= 0) & (p <= 1)).all()
    assert (np.diff(p) >= 0).all()
    assert ProbabilityCalibrator.from_json(fitted.to_json()) == fitted


def test_a_logit_that_is_no_number_is_refused():
    with pytest.raises(CalibrationError) as caught:
        fit_probability(np.array([0.0, np.inf]), np.array([0, 1]))
    assert caught.value.code == "conformal.logit"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans(), st.integers(0, 4)), min_size=3, max_size=30))
def test_whole_weights_are_repeated_rows(rows):
    logit, y, weight = np.array(rows, dtype=np.float64).T
    times = weight.astype(int)
    repeated = fit_probability(np.repeat(logit, times), np.repeat(y, times))
    found = fit_probability(logit, y, weight)
    assert (found.slope, found.intercept) == pytest.approx((repeated.slope, repeated.intercept), abs=1e-6)


def test_weights_make_up_for_who_was_lost():
    rng = np.random.default_rng(3)
    logit = rng.normal(-1, 1.5, 20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-logit))).astype(float)
    seen = rng.random(20_000) < np.where(y == 1, 0.9, 0.3)
    y[~seen] = np.nan
    weight = np.where(seen, np.where(y == 1, 1 / 0.9, 1 / 0.3), 0.0)
    fitted = fit_probability(logit, y, weight)
    assert (fitted.slope, fitted.intercept) == pytest.approx((1.0, 0.0), abs=0.08)
    assert fit_probability(logit, y).intercept > 0.8
