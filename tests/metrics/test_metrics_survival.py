"""Survival measures: against double loops, numbers of scikit-survival, and what must hold of any data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.metrics import (
    Observed,
    brier_curve,
    censoring,
    concordance,
    concordances,
    integrated_brier,
    kaplan_meier,
    mean_interval,
    patient_draws,
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
