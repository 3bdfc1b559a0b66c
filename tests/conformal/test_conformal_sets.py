"""Prediction sets against MAPIE and crepes, and against the theory of their coverage."""

from __future__ import annotations

import os

import numpy as np
import pytest
from crepes import ConformalClassifier
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin

from cardiofusion.conformal import (
    ConformalTarget,
    calibrate,
    one_row_a_patient,
    p_values,
    patients_needed,
)
from cardiofusion.metrics import Observed, coverage_by_class
from cardiofusion.records import CalibrationError

SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"


def _patients(n: int, prevalence: float, rng: np.random.Generator):
    """Calibrated probabilities: one marker, N(0, 1) in the well and N(1.5, 1) in the ill."""
    y = (rng.random(n) < prevalence).astype(float)
    marker = rng.normal(size=n) + 1.5 * y
    return 1 / (1 + np.exp(-1.5 * marker + 1.125) * (1 - prevalence) / prevalence), y


class _Given(ClassifierMixin, BaseEstimator):
    """A fitted classifier whose one feature already is the probability."""

    classes_ = np.array([0, 1])
    is_fitted_ = True

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        return np.column_stack([1 - x[:, 0], x[:, 0]])

    def predict(self, x):
        return (x[:, 0] > 0.5).astype(int)


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset has less labels")
@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("seed", [0, 1])
def test_sets_equal_mapie_calibrated_on_each_class_alone(coverage, seed):
    rng = np.random.default_rng(seed)
    p, y = _patients(400, 0.3, rng)
    new = rng.random(200)
    ours = calibrate("infarction", p, y, coverage).sets(new)
    for label in (0, 1):
        peer = SplitConformalClassifier(_Given(), confidence_level=coverage, conformity_score="lac")
        peer.conformalize(p[y == label, None], y[y == label].astype(int))
        _, theirs = peer.predict_set(new[:, None])
        assert (ours[:, label] == theirs[:, label, 0]).all()


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_p_values_and_sets_equal_mondrian_crepes(seed):
    rng = np.random.default_rng(seed)
    p, y = _patients(237, 0.4, rng)
    p = np.round(p, 2)  # ties
    new = np.round(rng.random(100), 2)
    peer = ConformalClassifier().fit(np.where(y == 1, 1 - p, p), bins=y)
    strange = np.column_stack([new, 1 - new])
    theirs = np.column_stack(
        [peer.predict_p(strange, np.full(100, float(c)), smoothing=False)[:, c] for c in (0, 1)]
    )
    ours = p_values(new, p, y)
    assert ours == pytest.approx(theirs)
    assert (calibrate("x", p, y, 0.9).sets(new) == (theirs > 0.1 + 1e-12)).all()


@pytest.mark.parametrize(("coverage", "needed"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_the_fewest_patients_suffice_and_one_fewer_is_refused(coverage, needed):
    assert patients_needed(coverage) == needed
    p = np.linspace(0.1, 0.9, 2 * needed)
    y = np.arange(2 * needed) % 2
    assert calibrate("infarction", p, y, coverage).n == (needed, needed)
    with pytest.raises(CalibrationError) as caught:
        calibrate("infarction", p[:-1], y[:-1], coverage)
    assert caught.value.code == "conformal.too_few"
    for told in ("infarction", "present", f"{needed - 1} calibration", f"{needed} needed"):
        assert told in caught.value.message


def test_the_hint_names_a_coverage_that_works():
    p, y = np.linspace(0, 1, 104), np.arange(104) < 4
    with pytest.raises(CalibrationError) as caught:
        calibrate("afib", p, y, 0.9)
    assert "80 %" in caught.value.hint
    assert calibrate("afib", p, y, 0.8).n == (100, 4)
    with pytest.raises(CalibrationError) as caught:
        calibrate("afib", p, np.zeros(104), 0.9)
    assert "0 calibration patients in whom it is present" in caught.value.message


def test_with_the_fewest_patients_the_strangest_of_them_is_the_quantile():
    p = np.append(np.linspace(0.05, 0.45, 9), np.linspace(0.5, 0.9, 9))
    target = calibrate("x", p, np.arange(18) >= 9, 0.9)
    assert target.quantile == pytest.approx((0.45, 0.5))


def test_unknown_outcomes_do_not_calibrate():
    rng = np.random.default_rng(0)
    p, y = _patients(200, 0.4, rng)
    gaps = np.append(y, np.full(50, np.nan)), np.append(p, rng.random(50))
    assert calibrate("x", gaps[1], gaps[0]) == calibrate("x", p, y)


@pytest.mark.parametrize("bad", [np.nan, -0.1, 1.5])
def test_what_is_no_probability_is_refused(bad):
    p, y = np.append(np.linspace(0, 1, 40), bad), np.arange(41) % 2
    with pytest.raises(CalibrationError, match="probability"):
        calibrate("x", p, y)
    target = calibrate("x", p[:-1], y[:-1])
    with pytest.raises(CalibrationError, match="probability"):
        target.sets(np.array([bad]))


@pytest.mark.parametrize("coverage", [0.0, 1.0, 1.2, float("nan")])
def test_coverage_is_a_share(coverage):
    with pytest.raises(CalibrationError) as caught:
        calibrate("x", np.linspace(0, 1, 40), np.arange(40) % 2, coverage)
    assert caught.value.code == "conformal.coverage"


# Probabilities in 64ths: 1 - p is exact, and ties are common.
CALIBRATION = st.lists(st.tuples(st.integers(0, 64), st.booleans()), min_size=30, max_size=80).filter(
    lambda rows: 9 <= sum(present for _, present in rows) <= len(rows) - 9
)


def _arrays(rows):
    p, y = np.array(rows, dtype=np.float64).T
    return p / 64, y


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, st.floats(0.05, 0.9), st.floats(0.05, 0.9))
def test_more_coverage_never_takes_an_answer_away(rows, one, other):
    p, y = _arrays(rows)
    grid = np.arange(65) / 64
    small, large = (calibrate("x", p, y, level).sets(grid) for level in sorted((one, other)))
    assert not (small & ~large).any()


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, st.floats(0.05, 0.9))
def test_swapping_the_labels_swaps_the_sets(rows, coverage):
    p, y = _arrays(rows)
    grid = np.arange(65) / 64
    swapped = calibrate("x", 1 - p, 1 - y, coverage).sets(1 - grid)
    assert (calibrate("x", p, y, coverage).sets(grid) == swapped[:, ::-1]).all()


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, st.floats(0.05, 0.9), st.integers(0, 2**32 - 1))
def test_sets_are_those_of_the_p_values_and_order_does_not_matter(rows, coverage, seed):
    p, y = _arrays(rows)
    grid = np.arange(65) / 64
    order = np.random.default_rng(seed).permutation(len(p))
    target = calibrate("x", p[order], y[order], coverage)
    assert target == calibrate("x", p, y, coverage)
    assert (target.sets(grid) == (p_values(grid, p, y) > 1 - coverage + 1e-9)).all()
    # The calibration patients themselves are covered at least as often as promised.
    assert min(coverage_by_class(y, target.sets(p))) >= coverage


@pytest.mark.slow
@pytest.mark.parametrize(("coverage", "prevalence"), [(0.9, 0.05), (0.9, 0.5), (0.8, 0.2)])
def test_coverage_follows_the_beta_binomial(coverage, prevalence):
    """Given n calibration patients of a class, m new ones: BetaBinomial(m, k, n + 1 - k), k the rank."""
    rng = np.random.default_rng(11)
    n_calibration, m, trials = 800, 40, 4000 if SLOW else 600
    n_present = round(n_calibration * prevalence)
    y = np.arange(n_calibration) < n_present
    covered = np.empty((trials, 2), dtype=int)
    for trial in range(trials):
        p = 1 / (1 + np.exp(-(rng.normal(size=n_calibration) + 1.5 * y - 1)))
        target = calibrate("x", p, y, coverage)
        for label in (0, 1):
            new = 1 / (1 + np.exp(-(rng.normal(size=m) + 1.5 * label - 1)))
            covered[trial, label] = target.sets(new)[:, label].sum()
    for label, n in enumerate((n_calibration - n_present, n_present)):
        k = int(np.ceil(round((n + 1) * coverage, 9)))
        theory = stats.betabinom(m, k, n + 1 - k)
        edges = np.unique(theory.ppf([0.1, 0.3, 0.5, 0.7, 0.9])).astype(int)
        expected = np.diff(np.concatenate([[0], theory.cdf(edges), [1]])) * trials
        bins = np.bincount(np.searchsorted(edges, covered[:, label]), minlength=len(edges) + 1)
        assert stats.chisquare(bins, expected).pvalue > 1e-4
        assert covered[:, label].mean() / m == pytest.approx(k / (n + 1), abs=0.01)


def test_marginal_sets_would_leave_rare_positives_uncovered_and_ours_do_not():
    rng = np.random.default_rng(0)
    p, y = _patients(4000, 0.05, rng)
    new_p, new_y = _patients(20000, 0.05, rng)
    absent, present = coverage_by_class(new_y, calibrate("x", p, y, 0.9).sets(new_p))
    marginal = np.quantile(np.where(y == 1, 1 - p, p), 0.9)
    assert np.mean(1 - new_p[new_y == 1] <= marginal) < 0.6
    assert absent == pytest.approx(0.9, abs=0.03)
    assert present == pytest.approx(0.9, abs=0.06)


def test_one_row_a_patient_takes_each_patient_once_and_any_row():
    patients = np.array(["a", "b", "a", "c", "a", "b"])
    chosen = [one_row_a_patient(patients, np.random.default_rng(seed)) for seed in range(50)]
    assert all(sorted(patients[rows]) == ["a", "b", "c"] for rows in chosen)
    assert {int(row) for rows in chosen for row in rows} == set(range(6))


def test_a_set_can_be_empty_full_or_decided():
    target = ConformalTarget("x", 0.9, (0.3, 0.3), (50, 50))
    assert target.sets(np.array([0.1, 0.5, 0.9])).tolist() == [[True, False], [False, False], [False, True]]
    assert ConformalTarget("x", 0.9, (0.6, 0.6), (50, 50)).sets(np.array([0.5])).tolist() == [[True, True]]


# --- weights: outcomes that were seen with a known chance --------------------------------------------------

WHOLE = st.lists(st.integers(1, 5), min_size=80, max_size=80)


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, st.floats(0.05, 0.9), st.sampled_from([0.25, 1.0, 3.0, 1e6]))
def test_equal_weights_change_nothing(rows, coverage, each):
    p, y = _arrays(rows)
    assert calibrate("x", p, y, coverage, np.full(len(y), each)) == calibrate("x", p, y, coverage)


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, WHOLE, st.floats(0.05, 0.9))
def test_whole_weights_are_repeated_rows_and_a_new_patient_as_heavy_as_any(rows, whole, coverage):
    p, y = _arrays(rows)
    weight = np.array(whole[: len(y)])
    found = calibrate("x", p, y, coverage, weight)
    for label in (0, 1):
        of = np.repeat(y, weight) == label
        strange = np.sort(np.repeat(np.abs(label - p), weight)[of])
        rank = int(np.ceil(coverage * (len(strange) + weight.max()) - 1e-9))
        assert found.quantile[label] == (strange[rank - 1] if rank <= len(strange) else 1.0)


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, WHOLE, st.floats(0.05, 0.9))
def test_who_was_lost_sets_no_quantile(rows, whole, coverage):
    """A weight of 0 stands beside an outcome that is not known: neither moves anything."""
    p, y = _arrays(rows)
    weight = np.array(whole[: len(y)], dtype=np.float64)
    lost = np.append(y, np.full(20, np.nan)), np.append(p, np.linspace(0, 1, 20))
    with_lost = calibrate("x", lost[1], lost[0], coverage, np.append(weight, np.zeros(20)))
    assert with_lost == calibrate("x", p, y, coverage, weight)


def test_one_patient_who_stands_for_very_many_leaves_nothing_ruled_out():
    """Nothing is known of somebody as heavy as all others together: no answer is refused."""
    p, y = np.linspace(0.1, 0.9, 60), np.arange(60) % 2
    weight = np.where(np.arange(60) == 7, 500.0, 1.0)
    assert calibrate("x", p, y, 0.9, weight).quantile[0] == 1.0
    assert max(calibrate("x", p, y, 0.9).quantile) < 1.0


def _followed(n, rng):
    """A risk by 5 years, whether the event comes by then, and what of it is seen under heavy censoring."""
    score = rng.normal(size=n)
    rate = np.exp(1.3 * score) / 8.0
    time, until = rng.exponential(1 / rate), rng.exponential(4.0, n)
    return (
        1 - np.exp(-5.0 * rate),
        (time <= 5.0).astype(float),
        Observed(np.minimum(time, until), time <= until),
    )


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_the_promise_holds_where_patients_were_lost_at_random(coverage):
    """Against new patients' true outcomes. One trial covers a beta-binomial share: trials are averaged."""
    rng, trials = np.random.default_rng(4), 150
    shares = np.empty((trials, 2, 2))  # [trial, weighted or not, class]
    for trial in range(trials):
        p, _, seen = _followed(400, rng)
        new, truth, _ = _followed(400, rng)
        for k, weight in enumerate((seen.weight(5.0), None)):
            sets = calibrate("x", p, seen.status(5.0), coverage, weight).sets(new)
            shares[trial, k] = coverage_by_class(truth, sets)
    mean, error = shares.mean(axis=0), shares.std(axis=0, ddof=1) / np.sqrt(trials)
    assert (mean[0] > coverage - 3 * error[0]).all()
    assert mean[0].max() < coverage + 0.06  # nor are the sets idle
    assert (
        mean[1, 1] < coverage - 3 * error[1, 1]
    )  # late events were lost more often, and are the harder ones


@settings(deadline=None, max_examples=40)
@given(CALIBRATION, WHOLE)
def test_coverage_counts_a_row_as_often_as_its_weight(rows, whole):
    p, y = _arrays(rows)
    weight, sets = np.array(whole[: len(y)]), np.column_stack([p < 0.6, p > 0.3])
    repeated = coverage_by_class(np.repeat(y, weight), np.repeat(sets, weight, axis=0))
    assert coverage_by_class(y, sets, weight) == pytest.approx(repeated)
