"""Hazards on straight lines: logistic regression as the oracle, and features without surprises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cardiofusion.metrics import Observed
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column
from cardiofusion.tabular.design import Design
from cardiofusion.tabular.hazards import linear_path
from cardiofusion.tabular.survival import person_periods, time_edges

SCHEMA = ClinicalSchema(
    (
        Column("bnp"),
        Column("gaps"),
        Column("sex", kind="category", categories=("female", "male")),
        Column("cause", kind="category", categories=("a", "b", "c")),
        Column("same"),
    )
)


def _rows(n: int = 400) -> tuple[NDArray[np.float64], Observed]:
    rng = np.random.default_rng(0)
    bnp, gaps = rng.lognormal(6.0, 1.5, n), rng.normal(size=n)
    values = np.column_stack([bnp, gaps, rng.choice(2, n), rng.choice(3, n), np.ones(n)])
    hazard = 0.05 * np.exp(0.6 * np.log(bnp / 400) + 0.5 * values[:, 2])
    time = rng.exponential(1.0 / hazard)
    values[rng.random(n) < 0.2, 1] = np.nan
    return values, Observed(np.minimum(time, 6.0), time <= 6.0)


@pytest.fixture(scope="module")
def design() -> Design:
    return Design.fit(ClinicalTable(SCHEMA, _rows()[0]))


def test_features_have_mean_0_and_spread_1_or_say_nothing(design: Design) -> None:
    features = design(_rows()[0])
    assert features.shape == (400, 1 + 1 + 1 + 3 + 1 + 1)  # three causes, and whether there was a gap
    np.testing.assert_allclose(features.mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(features.std(axis=0), np.where(np.arange(8) == 6, 0.0, 1.0), atol=1e-9)


@settings(deadline=None, max_examples=200)
@given(row=st.lists(st.floats(allow_nan=True, allow_infinity=False), min_size=5, max_size=5))
def test_whatever_stands_in_a_number_its_feature_stays_in_bounds(design: Design, row: list[float]) -> None:
    row[2], row[3], row[4] = 1.0, 2.0, 1.0
    assert np.abs(design(np.array([row]))).max() < 10.0


@settings(deadline=None, max_examples=100)
@given(a=st.floats(0, 1e6), b=st.floats(0, 1e6))
def test_a_number_keeps_its_order(design: Design, a: float, b: float) -> None:
    rows = np.tile(_rows()[0][:1], (2, 1))
    rows[:, 0] = min(a, b), max(a, b)
    low, high = design(rows)[:, 0]
    assert low <= high


def test_slopes_are_those_of_logistic_regression(design: Design) -> None:
    values, observed = _rows()
    edges = time_edges(observed, 5.0)
    periods, k = person_periods(observed, edges), len(edges) - 1
    features = design(values)[periods.patient]
    levels = np.eye(k)[periods.interval]
    for strength in (1.0, 30.0):
        (model,) = linear_path(values, periods, design, k, (strength,))
        # Levels are not held back: as columns a thousand times as large they hardly are.
        x = np.hstack([features, 1000.0 * levels])
        oracle = LogisticRegression(C=1.0 / strength, fit_intercept=False, tol=1e-10, max_iter=10_000)
        oracle.fit(x, periods.y)
        np.testing.assert_allclose(model.slopes, oracle.coef_[0, :-k], atol=2e-3)
        own = model.logits(values)[periods.patient, periods.interval]
        np.testing.assert_allclose(own, oracle.decision_function(x), atol=5e-3)


def test_a_path_is_what_each_strength_gives_alone(design: Design) -> None:
    values, observed = _rows()
    edges = time_edges(observed, 5.0)
    periods, k = person_periods(observed, edges), len(edges) - 1
    path = linear_path(values, periods, design, k, (3.0, 100.0))
    for strength, model in zip((3.0, 100.0), path, strict=True):
        (alone,) = linear_path(values, periods, design, k, (strength,))
        np.testing.assert_allclose(model.slopes, alone.slopes, atol=1e-4)
    assert np.abs(path[1].slopes).sum() < np.abs(path[0].slopes).sum()
