"""Boosted survival: person-periods counted by hand, and a known hazard found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.metrics import Observed, censoring, concordance, integrated_brier, kaplan_meier
from cardiofusion.records import ClinicalSchema, Column, DatasetError
from cardiofusion.tabular import SurvivalBooster, train_survival
from cardiofusion.tabular.survival import person_periods, time_edges

SCHEMA = ClinicalSchema((Column("a", low=-9, high=9), Column("b", low=-9, high=9, may_be_missing=True)))


def planted(n: int, seed: int) -> tuple[np.ndarray, Observed, np.ndarray]:
    """Rows, what was observed, and each one's hazard a year: constant, thrice as high a unit of `a`."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2))
    hazard = 0.06 * 3.0 ** values[:, 0]
    time, until = rng.exponential(1.0 / hazard), rng.uniform(2.0, 14.0, n)
    return values, Observed(np.minimum(time, until), time <= until), hazard


@pytest.fixture(scope="module")
def model() -> SurvivalBooster:
    values, observed, _ = planted(3000, 1)
    return train_survival(values, observed, SCHEMA, 10.0, seed=3)


def test_who_stands_in_which_interval() -> None:
    time = np.array([0.5, 1.0, 1.4, 1.5, 2.5, 9.0])
    event = np.array([True, True, False, False, True, False])
    patient, interval, y = person_periods(Observed(time, event), np.array([0.0, 1.0, 2.0, 3.0]))
    found = [(p, k, e) for p, k, e in zip(patient, interval, y, strict=True)]
    expected = [(0, 0, 1), (1, 0, 1), (2, 0, 0), (3, 0, 0), (3, 1, 0)]
    expected += [(4, 0, 0), (4, 1, 0), (4, 2, 1), (5, 0, 0), (5, 1, 0), (5, 2, 0)]
    assert found == expected


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 9999), st.integers(2, 15))
def test_every_event_before_the_horizon_stands_there_once(seed: int, intervals: int) -> None:
    _, observed, _ = planted(300, seed)
    edges = time_edges(observed, 8.0, intervals)
    patient, interval, y = person_periods(observed, edges)
    assert (np.diff(edges) > 0).all()
    assert edges[0] == 0
    assert edges[-1] == 8
    with_event = np.sort(patient[y == 1])
    assert np.array_equal(with_event, np.flatnonzero(observed.event & (observed.time <= 8.0)))
    for one in range(0, 300, 25):
        mine = interval[patient == one]
        assert np.array_equal(mine, np.arange(len(mine)))  # nobody leaves and comes back


def test_a_known_hazard_is_found_again(model: SurvivalBooster) -> None:
    values, observed, hazard = planted(2000, 2)
    times = np.linspace(0.5, 9.5, 10)
    found, truth = model.survival(values, times), np.exp(-hazard[:, None] * times)
    assert float(np.mean(np.abs(found - truth))) < 0.04
    best = concordance(observed, hazard)
    assert concordance(observed, model.risk(values, 10.0)) > best - 0.01
    curve = censoring(observed)
    alike = np.tile(kaplan_meier(observed).at(times), (len(values), 1))
    score, flat = (integrated_brier(observed, s, times, curve).mean() for s in (found, alike))
    ideal = integrated_brier(observed, truth, times, curve).mean()
    assert score - ideal < 0.1 * (flat - ideal)


def test_curves_start_at_one_and_never_rise(model: SurvivalBooster) -> None:
    values, _, _ = planted(50, 5)
    curves = model.survival(values, np.linspace(0.0, 10.0, 101))
    assert (curves[:, 0] == 1.0).all()
    assert (np.diff(curves, axis=1) <= 0).all()
    assert curves.min() > 0
    at_edges = model.survival(values, model.edges)
    assert np.allclose(1.0 - model.risk(values, 10.0), at_edges[:, -1])


def test_a_small_table_is_read_by_lines_and_a_bent_one_by_trees() -> None:
    rng = np.random.default_rng(4)
    columns = tuple(Column(f"x{k}") for k in range(12))
    values = rng.normal(size=(1500, 12))
    shares, scores = [], []
    for n, score in ((200, values[:, 0] + values[:, 1]), (1500, 2.5 * np.abs(values[:, 0] * values[:, 1]))):
        time = rng.exponential(8.0 / np.exp(score))
        observed = Observed(np.minimum(time, 5.0)[:n], (time <= 5.0)[:n])
        model = train_survival(values[:n], observed, ClinicalSchema(columns), 5.0, seed=1)
        other = Observed(np.minimum(time, 5.0)[700:], (time <= 5.0)[700:])
        shares.append(model.share)
        scores.append(concordance(other, replace(model, share=1.0).risk(values[700:], 5.0)))
        assert concordance(other, model.risk(values[700:], 5.0)) >= scores[-1] - 0.01
    assert shares[0] <= 0.5
    assert shares[1] >= 0.75


def test_intervals_follow_from_the_number_of_events() -> None:
    for n, events, expected in ((200, 30, 4), (2000, 160, 8), (2000, 1000, 12)):
        time = np.linspace(0.01, 4.99, n)
        event = np.arange(n) % (n // events) == 0
        assert abs(len(time_edges(Observed(time, event), 5.0)) - 1 - expected) <= 1


def test_a_patient_is_held_out_whole() -> None:
    """Twins with a random outcome: inner folds that split them would find that trees know everything."""
    values, observed, _ = planted(150, 3)
    shuffled = np.random.default_rng(1).permutation(150)
    twins = np.repeat(np.arange(150), 2)
    doubled = Observed(observed.time[shuffled][twins], observed.event[shuffled][twins])
    model = train_survival(values[twins], doubled, SCHEMA, 6.0, seed=3, groups=twins.astype(np.str_))
    assert model.booster.model.n_trees < 60


def test_a_gap_is_answered(model: SurvivalBooster) -> None:
    row = np.array([[0.0, np.nan], [np.nan, 0.0]])
    assert np.isfinite(model.risk(row, 5.0)).all()


def test_same_seed_same_model() -> None:
    values, observed, _ = planted(400, 7)
    one, two = (train_survival(values, observed, SCHEMA, 6.0, seed=3) for _ in range(2))
    assert one.booster.model.text == two.booster.model.text


def test_too_few_events_are_refused_with_a_hint() -> None:
    values, observed, _ = planted(40, 1)
    rare = Observed(observed.time, observed.event & (np.arange(40) < 5))
    with pytest.raises(DatasetError, match="events within") as caught:
        train_survival(values, rare, SCHEMA, 5.0, seed=1)
    assert "20" in caught.value.hint
