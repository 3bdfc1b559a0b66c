"""Survival measures: against double loops, numbers of scikit-survival, and what must hold of any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.metrics import (
    Observed,
    brier,
    brier_curve,
    censoring,
    concordance,
    concordances,
    integrated_brier,
    kaplan_meier,
    mean_interval,
    patient_draws,
    roc_auc,
)

Array = NDArray[np.float64]

TIME = [2, 16, 1, 2, 3, 4, 9, 4, 7, 3, 1, 2, 1, 3, 1, 2, 8, 3, 4, 3, 3, 2, 7, 10]
EVENT = [0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0]
RISKS = (
    "-2.1 -2.2 -.4 -.3 -.6 -2.3 -1.6 .2 -1.8 -.6 1.1 1.6"
    " -1.2 -1.1 -1 -1.6 -3.6 -3.2 -1.4 -.6 -2.6 -4.3 -2.8 -2.8"
)
RISK = np.array(RISKS.split(), float)
FEW = Observed.of(np.column_stack([TIME, EVENT]))


def drawn(seed: int, n: int = 60, whole: bool = False) -> tuple[Observed, Array]:
    rng = np.random.default_rng(seed)
    time, until = rng.exponential(5, n) + 0.1, rng.exponential(8, n) + 0.1
    risk = rng.normal(size=n) - np.log(time)
    if whole:
        time, until, risk = np.ceil(time), np.ceil(until), np.round(risk)
    return Observed(np.minimum(time, until), time <= until), risk


def by_loops(observed: Observed, risk: Array) -> float:
    right = pairs = 0.0
    for i in range(len(observed)):
        for j in range(len(observed)):
            tied = observed.time[i] == observed.time[j]
            if not observed.event[i] or observed.time[j] < observed.time[i]:
                continue
            if tied and observed.event[j]:
                continue
            pairs += 1
            right += float(risk[i] > risk[j]) + 0.5 * float(risk[i] == risk[j])
    return right / pairs


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_harrells_c_is_the_share_of_pairs(seed: int, whole: bool) -> None:
    observed, risk = drawn(seed, 30, whole)
    if observed.event.any():
        assert concordance(observed, risk) == pytest.approx(by_loops(observed, risk))
        assert concordance(observed, -risk) == pytest.approx(1.0 - by_loops(observed, risk))


def test_numbers_of_scikit_survival() -> None:
    """Version 0.28.0, with ties of times and of risks."""
    assert concordance(FEW, RISK) == pytest.approx(0.8063380281690141, abs=1e-12)
    assert concordance(FEW, RISK, 7.0, censoring(FEW)) == pytest.approx(0.8067761154650721, abs=1e-12)
    times = np.array([2.0, 3.0, 5.0, 6.0])
    survival = np.exp(-np.exp(RISK)[:, None] * times / 6.0)
    found = integrated_brier(FEW, survival, times, censoring(FEW)).mean()
    assert found == pytest.approx(0.21882734914794963, abs=1e-12)


def test_unos_c_does_not_move_with_the_censoring_and_harrells_does() -> None:
    """Risks that rank well early and not at all late; the late pairs are censored away or not."""
    rng = np.random.default_rng(5)
    time = rng.uniform(0.0, 10.0, 4000)
    risk = np.where(time < 3.0, 10.0 - time, rng.normal(size=4000))
    truth = concordance(Observed(time, np.ones(4000, bool)), risk, 9.0)
    until = rng.exponential(4.0, 4000)
    seen = Observed(np.minimum(time, until), time <= until)
    assert concordance(seen, risk, 9.0, censoring(seen)) == pytest.approx(truth, abs=0.02)
    assert abs(concordance(seen, risk, 9.0) - truth) > 0.03


def test_without_censoring_the_curve_is_the_share_left() -> None:
    observed = Observed(np.array([3.0, 1.0, 2.0, 2.0]), np.ones(4, bool))
    assert kaplan_meier(observed).at([0.5, 1.0, 1.9, 2.0, 3.0]).tolist() == [1.0, 0.75, 0.75, 0.25, 0.0]
    assert (censoring(observed).at([0.5, 3.0, 9.0]) == 1.0).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000), st.booleans())
def test_curves_fall_from_one_and_stay_in_bounds(seed: int, whole: bool) -> None:
    observed, _ = drawn(seed, 40, whole)
    for curve in (kaplan_meier(observed), censoring(observed)):
        values = curve.at(np.linspace(0.0, 20.0, 50))
        assert values[0] == 1.0
        assert (np.diff(values) <= 0).all()
        assert values.min() >= 0


def test_the_truth_has_a_better_brier_score_than_the_curve_of_all() -> None:
    rng = np.random.default_rng(2)
    hazard = np.exp(rng.normal(0.0, 1.0, 3000)) / 8.0
    time, until = rng.exponential(1.0 / hazard), rng.uniform(2.0, 12.0, 3000)
    observed = Observed(np.minimum(time, until), time <= until)
    times = np.linspace(0.5, 6.0, 12)
    curve = censoring(observed)
    truth = integrated_brier(observed, np.exp(-hazard[:, None] * times), times, curve)
    alike = integrated_brier(observed, np.tile(kaplan_meier(observed).at(times), (3000, 1)), times, curve)
    value, low, high = mean_interval(truth - alike, patient_draws(np.arange(3000), rng, 200))
    assert low <= value <= high < 0
    # The curve of all is right on the whole: its score is the spread of outcomes, S (1 - S).
    left = kaplan_meier(observed).at(times)
    score = brier_curve(observed, np.tile(left, (3000, 1)), times, curve).mean(axis=0)
    assert score == pytest.approx(left * (1.0 - left), abs=0.005)


def test_weights_count_a_patient_as_often_as_they_say() -> None:
    observed, risk = drawn(3, 25)
    times = np.random.default_rng(1).integers(0, 4, (6, 25))
    found = concordances(observed, np.column_stack([risk, -risk]), times)
    for repeat, weight in zip(found, times, strict=True):
        rows = np.repeat(np.arange(25), weight)
        again = Observed(observed.time[rows], observed.event[rows])
        assert repeat == pytest.approx([concordance(again, risk[rows]), concordance(again, -risk[rows])])


def test_draws_keep_a_patients_rows_together() -> None:
    draws = patient_draws(np.array(["a", "b", "a", "c"]), np.random.default_rng(0), 50)
    assert draws.shape == (50, 4)
    assert np.array_equal(draws[:, 0], draws[:, 2])
    assert (draws[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_without_an_event_there_is_no_number() -> None:
    assert np.isnan(concordance(Observed(np.arange(1.0, 5.0), np.zeros(4, bool)), np.arange(4.0)))


def test_an_unknown_outcome_is_not_taken_for_censored() -> None:
    with pytest.raises(ValueError, match="leave its row out"):
        Observed.of(np.array([[2.0, 1.0], [np.nan, np.nan]]))


# --- at a horizon: who counts, and how much ----------------------------------------------------------------


def test_whose_status_is_known_at_ties_with_the_horizon() -> None:
    """An event at the horizon came within it; who is censored there was seen to get through."""
    observed = Observed(np.array([5.0, 5.0, 4.0, 4.0, 6.0, 6.0]), np.array([True, False] * 3))
    np.testing.assert_array_equal(observed.status(5.0), [1, 0, 1, np.nan, 0, 0])


def test_weights_by_hand_with_ties() -> None:
    """At 2 an event and a censoring of 5: the event came first, so one of the 4 left is lost."""
    observed = Observed(np.array([2.0, 2.0, 3.0, 4.0, 5.0]), np.array([True, False, False, True, False]))
    # Lost: 1 of 4 at 2, 1 of 3 at 3. So the two who remain stand for 4/3 x 3/2 = 2 patients each.
    assert observed.weight(5.0) == pytest.approx([1.0, 0.0, 0.0, 2.0, 2.0])
    assert observed.weight(3.0) == pytest.approx([1.0, 0.0, 4 / 3, 4 / 3, 4 / 3])
    assert observed.weight(1.0) == pytest.approx(np.ones(5))


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.booleans(), st.integers(1, 12))
def test_weighted_shares_are_those_of_kaplan_and_meier(seed: int, whole: bool, horizon: int) -> None:
    observed, _ = drawn(seed, 40, whole)
    status, weight = observed.status(horizon), observed.weight(horizon)
    assert np.array_equal(weight == 0, np.isnan(status))
    assert (weight[weight > 0] >= 1).all()
    came = float(np.sum(weight * np.nan_to_num(status))) / 40
    assert came == pytest.approx(1 - kaplan_meier(observed).at([horizon])[0])
    if (observed.time >= horizon).any():
        assert weight.sum() == pytest.approx(40)


def test_without_censoring_everybody_counts_once() -> None:
    observed = Observed(np.array([3.0, 1.0, 2.0, 2.0]), np.ones(4, bool))
    assert observed.weight(2.5).tolist() == [1.0] * 4
    assert observed.status(2.5).tolist() == [0.0, 1.0, 1.0, 1.0]


def test_weighted_figures_are_the_numbers_of_scikit_survival() -> None:
    """Version 0.28.0: cumulative_dynamic_auc, brier_score and Kaplan-Meier at 5 years."""
    time = [1.3, 2.1, 2.9, 3.2, 4.7, 5.1, 5.8, 6.4, 7.7, 8.2, 0.6, 9.1, 3.9, 2.4, 6.9, 5.5]
    event = [1, 0, 1, 1, 0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 0, 0]
    risk = np.array([0.9, 0.3, 0.4, 0.7, 0.2, 0.8, 0.1, 0.5, 0.35, 0.15, 0.6, 0.25, 0.55, 0.95, 0.45, 0.65])
    observed = Observed.of(np.column_stack([time, event]))
    status, weight = observed.status(5.0), observed.weight(5.0)
    assert roc_auc(status, risk, weight) == pytest.approx(0.82246377, abs=1e-8)
    assert brier(status, risk, weight) == pytest.approx(0.187625, abs=1e-12)
    assert np.nansum(weight * status) / 16 == pytest.approx(0.3538461538461538, abs=1e-12)


def test_weights_undo_the_censoring() -> None:
    """Early events are the riskier ones: without weights, those seen look too risky and too easy to tell."""
    rng = np.random.default_rng(11)
    score = rng.normal(size=40_000)
    time, until = rng.exponential(8.0 / np.exp(1.2 * score)), rng.exponential(4.0, 40_000)
    truth, seen = (time <= 5.0).astype(float), Observed(np.minimum(time, until), time <= until)
    status, weight, risk = seen.status(5.0), seen.weight(5.0), 1 - np.exp(-5.0 / 8.0 * np.exp(1.2 * score))
    known = weight > 0
    for metric in (roc_auc, brier):
        weighed, plain = (metric(status, risk, w) - metric(truth, risk) for w in (weight, None))
        assert abs(weighed) < 0.002
        assert abs(plain) > 0.006
    assert np.average(status[known], weights=weight[known]) == pytest.approx(truth.mean(), abs=0.01)
    assert status[known].mean() > truth.mean() + 0.1
