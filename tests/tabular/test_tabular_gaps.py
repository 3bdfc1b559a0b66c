"""The NaN trap: a feature without gaps in training makes LightGBM score a later NaN as 0."""

from __future__ import annotations

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.records import BundleError, ClinicalSchema, ClinicalTable, Column
from cardiofusion.tabular import Booster, MissingPolicy, train_booster

NAMES = ("age", "pressure", "weight", "class", "kind")
SCHEMA = ClinicalSchema(
    (
        Column("age", unit="years"),
        Column("pressure", unit="mmHg"),
        Column("weight", unit="kg"),
        Column("class", kind="category", categories=("low", "middle", "high"), ordered=True),
        Column("kind", kind="category", categories=("a", "b", "c", "d")),
    )
)
ZEROS = np.zeros(len(NAMES))


def _rows(n: int = 1500) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [
            rng.normal(60, 12, n),
            rng.normal(130, 15, n),
            rng.normal(75, 12, n),
            rng.choice(3, n, p=[0.2, 0.5, 0.3]),
            rng.choice(4, n, p=[0.1, 0.2, 0.3, 0.4]),
        ]
    ).astype(np.float64)
    effects = [0.08, 0.05, 0.06, 1.0, 0.0]
    score = (values - values.mean(axis=0)) @ effects + np.array([1.0, -1.0, 0.5, -0.5])[
        values[:, 4].astype(int)
    ]
    return values, (score + rng.logistic(size=n) > 0).astype(np.float32)


@pytest.fixture(scope="module")
def booster() -> Booster:
    values, y = _rows()
    return train_booster(values, y, SCHEMA, seed=0)


@pytest.fixture(scope="module")
def gappy() -> Booster:
    """Trained where every fourth value is missing, a third of them where the outcome is present."""
    values, y = _rows()
    values[np.random.default_rng(1).random(values.shape) < np.where(y[:, None] > 0.5, 0.4, 0.1)] = np.nan
    return train_booster(values, y, SCHEMA, seed=0)


@pytest.mark.parametrize("position", range(len(NAMES)), ids=NAMES)
def test_without_gaps_in_training_a_gap_is_imputed_in_the_open(booster: Booster, position: int) -> None:
    values, _ = _rows()
    row = values[0].copy()
    row[position] = np.nan
    filled, words = booster.policy.apply(row)
    column = SCHEMA.columns[position]
    typical = (
        np.median(values[:, position])
        if column.kind == "number"
        else np.bincount(values[:, position].astype(int)).argmax()
    )
    assert filled[position] == typical
    assert "stands in" in words[column.name]
    assert booster.policy.shown[position] in words[column.name]
    assert booster.predict_logit(row[None]) == booster.model.predict_logit(filled[None])


@pytest.mark.parametrize("name", ["age", "pressure", "weight", "class"])
def test_the_trap_is_real(booster: Booster, name: str) -> None:
    values, _ = _rows()
    position = NAMES.index(name)
    nan, zero = values[:200].copy(), values[:200].copy()
    nan[:, position], zero[:, position] = np.nan, 0.0
    np.testing.assert_array_equal(booster.model.predict_logit(nan), booster.model.predict_logit(zero))
    assert not np.array_equal(booster.predict_logit(nan), booster.model.predict_logit(nan))


@pytest.mark.parametrize("position", range(len(NAMES)), ids=NAMES)
def test_with_gaps_in_training_a_gap_stays_and_says_something(gappy: Booster, position: int) -> None:
    values, _ = _rows()
    gap = values[:200].copy()
    gap[:, position] = np.nan
    np.testing.assert_array_equal(gappy.policy.fill_rows(gap), gap)
    assert "learnt" in gappy.policy.apply(gap[0])[1][NAMES[position]]
    # Gaps stood three times as often where the outcome was present.
    assert gappy.predict_logit(gap).mean() > gappy.predict_logit(values[:200]).mean()


def test_a_few_gaps_are_imputed_in_training_too() -> None:
    values, y = _rows()
    values[:5, 0] = np.nan
    booster = train_booster(values, y, SCHEMA, seed=0)
    assert not booster.policy.learnt[0]
    assert np.isfinite(booster.policy.fill_rows(values)).all()


def test_nothing_missing_nothing_said(booster: Booster) -> None:
    values, _ = _rows()
    row, words = booster.policy.apply(values[0])
    np.testing.assert_array_equal(row, values[0])
    assert words == {}


def test_merged_leaves_open_only_what_all_learnt(booster: Booster, gappy: Booster) -> None:
    assert MissingPolicy.merged([booster.policy, gappy.policy]).learnt == (False,) * len(NAMES)
    assert MissingPolicy.merged([gappy.policy, gappy.policy]) == gappy.policy


def test_an_empty_column_stays_empty() -> None:
    values, y = _rows(400)
    values[:, 2] = np.nan
    booster = train_booster(values, y, SCHEMA, seed=0)
    assert np.isnan(booster.policy.fill_rows(values)[:, 2]).all()
    document = json.loads(json.dumps(booster.policy.to_json(), allow_nan=False))
    np.testing.assert_array_equal(MissingPolicy.from_json(document).fill, booster.policy.fill)


def test_json_round_trip(booster: Booster, gappy: Booster) -> None:
    for policy in (booster.policy, gappy.policy):
        assert MissingPolicy.from_json(json.loads(json.dumps(policy.to_json(), allow_nan=False))) == policy


@pytest.mark.parametrize(
    "change",
    [
        {"learnt": [True]},
        {"learnt": ["no"] * 5},
        {"fill": ["x"] * 5},
        {"fill": [None] * 5},
        {"columns": None},
    ],
)
def test_a_damaged_policy_is_refused(booster: Booster, change: dict[str, object]) -> None:
    with pytest.raises(BundleError) as caught:
        MissingPolicy.from_json({**booster.policy.to_json(), **change})
    assert caught.value.code == "bundle.gaps"


def test_policy_of_a_table_alone() -> None:
    values, _ = _rows(100)
    policy = MissingPolicy.fit(ClinicalTable(SCHEMA, values))
    assert policy.columns == NAMES
    np.testing.assert_array_equal(policy.fill_rows(np.full((1, 5), np.nan))[0], policy.fill)
    assert not np.array_equal(policy.fill, ZEROS)
