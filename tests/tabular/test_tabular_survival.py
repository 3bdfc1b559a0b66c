"""Boosted survival: person-periods counted by hand, and a known hazard found again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.metrics import Observed, censoring, concordance, integrated_brier, kaplan_meier
from cardiofusion.records import BundleError, ClinicalSchema, ClinicalTable, Column, DatasetError
from cardiofusion.tabular import (
    Booster,
    SurvivalBooster,
    cross_validate,
    hazard_targets,
    load_booster,
    risk_logit,
    time_edges,
    train_booster,
    train_row_model,
    train_survival,
)
from cardiofusion.tabular.gaps import MIN_GAPS
from cardiofusion.tabular.survival import person_periods

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


def test_a_gap_means_what_it_means_to_the_plain_booster() -> None:
    """It follows from patients: one of many intervals has no more say than one of a single interval."""
    values, observed, _ = planted(600, 4)
    values[: MIN_GAPS // 3, 1] = np.nan  # few patients, but many of their intervals
    values[:, 0] += 5 * (observed.time < 1.0)  # so that those of few intervals differ
    longer = train_survival(values, observed, SCHEMA, 10.0, seed=3)
    plain = train_booster(values, observed.event.astype(np.float32), SCHEMA, seed=3)
    gaps = np.array([np.nan, np.nan])
    assert longer.missing(gaps) == plain.missing(gaps)
    assert "stands in" in longer.missing(gaps)["b"]


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


# --- from hazards to the risk ------------------------------------------------------------------------------

LOGITS = st.lists(st.lists(st.floats(-30, 30), min_size=3, max_size=3), min_size=1, max_size=5)


@settings(deadline=None, max_examples=60)
@given(LOGITS)
def test_the_risk_is_one_minus_the_product_of_getting_through(hazards: list[list[float]]) -> None:
    logits = np.array(hazards)
    odds = np.prod(1.0 + np.exp(logits), axis=1) - 1.0
    through = np.prod(1.0 / (1.0 + np.exp(logits)), axis=1)
    risk = 1.0 / (1.0 + np.exp(-risk_logit(logits)))
    np.testing.assert_allclose(risk, 1.0 - through, atol=1e-12)
    sure = odds > 1e-3  # below, the product itself has lost its digits
    np.testing.assert_allclose(risk_logit(logits)[sure], np.log(odds[sure]), atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_any_logits_give_a_finite_risk_of_at_least_the_greatest_hazard(hazards: list[float]) -> None:
    (found,) = risk_logit(np.array([hazards]))
    assert np.isfinite(found)
    assert found >= max(hazards)
    assert found == pytest.approx(risk_logit(np.array([hazards[::-1]]))[0])


def test_rare_hazards_add_up_and_one_interval_is_itself() -> None:
    assert risk_logit(np.array([[-800.0] * 4]))[0] == pytest.approx(-800 + np.log(4))
    assert risk_logit(np.array([[-3.7], [2.0]])) == pytest.approx([-3.7, 2.0])


def test_the_models_logit_is_its_risk(model: SurvivalBooster) -> None:
    values, _, _ = planted(200, 8)
    risk = 1.0 / (1.0 + np.exp(-model.predict_logit(values)))
    assert model.edges[-1] == 10.0
    assert risk == pytest.approx(model.risk(values, 10.0), abs=1e-12)


def test_contributions_add_up_to_the_mean_hazard(model: SurvivalBooster) -> None:
    values, _, _ = planted(50, 9)
    shap, k = model.contributions(values), len(model.edges) - 1
    assert shap.shape == (50, 3)
    rows = np.column_stack([np.repeat(values, k, axis=0), np.tile(np.arange(k), 50)])
    trees, lines = model.booster.predict_logit(rows).reshape(50, k), model.lines.logits(values)
    hazards = model.share * trees + (1.0 - model.share) * lines
    assert shap.sum(axis=1) == pytest.approx(hazards.mean(axis=1))
    assert np.abs(shap[:, 0]).mean() > 5 * np.abs(shap[:, 1]).mean()  # `a` drives the hazard
    assert np.corrcoef(shap[:, 0], values[:, 0])[0, 1] > 0.8


def test_hazard_targets_are_the_person_periods_laid_out() -> None:
    _, observed, _ = planted(300, 3)
    edges = time_edges(observed, 8.0, 5)
    laid = hazard_targets(observed, edges)
    patient, interval, y = person_periods(observed, edges)
    assert laid.shape == (300, 5)
    np.testing.assert_array_equal(np.argwhere(np.isfinite(laid)), np.column_stack([patient, interval]))
    np.testing.assert_array_equal(laid[np.isfinite(laid)], y)


# --- on disk -----------------------------------------------------------------------------------------------


def entry(model: SurvivalBooster | Booster) -> Any:
    return json.loads(json.dumps(model.to_json(), allow_nan=False))


def test_json_and_text_give_the_model_back(model: SurvivalBooster) -> None:
    values, _, _ = planted(30, 4)
    values[::3, 1] = np.nan
    again = load_booster(entry(model), model.model.text, SCHEMA.names)
    assert isinstance(again, SurvivalBooster)
    np.testing.assert_array_equal(again.predict_logit(values), model.predict_logit(values))
    np.testing.assert_array_equal(again.contributions(values), model.contributions(values))
    assert again.missing(values[0]) == model.missing(values[0])
    assert set(again.missing(values[0])) == {"b"}
    assert again.to_json() == model.to_json()


def test_the_entry_says_of_which_kind_it_is() -> None:
    values, observed, _ = planted(300, 4)
    plain = train_booster(values, observed.event.astype(np.float32), SCHEMA, seed=1)
    assert isinstance(load_booster(entry(plain), plain.model.text, SCHEMA.names), Booster)


@pytest.mark.parametrize(
    "edges",
    [
        *([], [0.0], [1.0, 2.0], [0.0, 2.0, 1.0], [0.0, 1.0, 1.0], [[0.0, 1.0]]),
        *(["x", "y"], None, 5, [0, None], [0.0, float("nan")], [0.0, 1.0, float("inf")]),
    ],
)
def test_damaged_intervals_are_refused(model: SurvivalBooster, edges: Any) -> None:
    with pytest.raises(BundleError) as caught:
        load_booster(entry(model) | {"edges": edges}, model.model.text, SCHEMA.names)
    assert caught.value.hint


@pytest.mark.parametrize(
    "change", [{"policy": None}, {"policy": {}}, {"policy": []}, {"trained": "x"}, {"stopped": None}]
)
def test_damaged_entries_are_refused(model: SurvivalBooster, change: Any) -> None:
    with pytest.raises(BundleError):
        load_booster(entry(model) | change, model.model.text, SCHEMA.names)


@pytest.mark.parametrize("document", [None, 5, [], "edges", {"edges": [0.0, 1.0]}])
def test_what_is_no_entry_is_refused(model: SurvivalBooster, document: Any) -> None:
    with pytest.raises(BundleError):
        load_booster(document, model.model.text, SCHEMA.names)


def test_trees_of_other_columns_are_refused(model: SurvivalBooster) -> None:
    with pytest.raises(BundleError):
        load_booster(entry(model), model.model.text, ("a", "c"))


# --- trained as any other row model ------------------------------------------------------------------------


def outcome_of(observed: Observed) -> np.ndarray:
    return np.column_stack([observed.time, observed.event]).astype(np.float32)


def test_unknown_times_teach_nothing() -> None:
    values, observed, _ = planted(300, 6)
    outcome, people = outcome_of(observed), np.arange(300).astype(str)
    more = np.vstack([outcome, np.full((50, 2), np.nan, np.float32)])
    padded = np.vstack([values, np.full((50, 2), 5.0)])
    one = train_row_model(values, outcome, SCHEMA, 3, 8.0, (values, outcome), people)
    two = train_row_model(
        padded, more, SCHEMA, 3, 8.0, (padded, more), np.append(people, np.arange(300, 350).astype(str))
    )
    assert one.model.text == two.model.text
    assert isinstance(one, SurvivalBooster)


def test_without_a_horizon_it_is_the_plain_booster() -> None:
    values, observed, _ = planted(300, 6)
    y = observed.event.astype(np.float32)
    assert train_row_model(values, y, SCHEMA, 3).model == train_booster(values, y, SCHEMA, 3).model


def test_cross_validation_ranks_who_has_the_event_first() -> None:
    values, observed, hazard = planted(600, 10)
    table, people = ClinicalTable(SCHEMA, values), np.repeat(np.arange(300), 2).astype(str)
    found = cross_validate(table, outcome_of(observed), people, seed=1, folds=3, horizon=8.0)
    assert np.isfinite(found.logits).all()
    assert all(len(set(found.fold[people == one])) == 1 for one in people[::50])
    best = concordance(observed, hazard, 8.0)
    assert best - 0.08 < concordance(observed, found.logits, 8.0) <= best + 0.01
