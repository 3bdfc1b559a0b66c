"""Monotone boosters: the score never falls as a column rises, whatever else stands in the row."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.datasets import load_cardio70k, load_music
from cardiofusion.records import BundleError, ClinicalError, ClinicalSchema, Column
from cardiofusion.tabular import Booster, BoosterModel, Recipe, sure_directions, train_booster

SCHEMA = ClinicalSchema(
    (
        Column("age", unit="years"),
        Column("active", kind="category", categories=("no", "yes")),
        Column("site", kind="category", categories=("a", "b", "c", "d")),
        Column("weight", unit="kg"),
    )
)
NUMBERS = st.floats(-1e6, 1e6) | st.floats(-3.0, 3.0)
ROWS = st.tuples(NUMBERS, st.sampled_from([0.0, 1.0]), st.integers(-1, 9), NUMBERS | st.just(float("nan")))


def _rows(n: int = 1200) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Risk falls with age in the middle, against the constraint; `active` raises it."""
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [rng.normal(size=n), rng.choice(2, n), rng.choice(4, n), rng.normal(size=n)]
    ).astype(np.float64)
    age, active, site, weight = values.T
    score = age**3 - 2.0 * age + 0.8 * active + (site == 2) + np.sin(2.0 * weight)
    return values, (score + rng.logistic(size=n) > 0.5).astype(np.float32)


@pytest.fixture(scope="module")
def constrained() -> Booster:
    return train_booster(*_rows(), SCHEMA, seed=0, recipe=Recipe(monotone={"age": 1, "active": -1}))


@settings(deadline=None, max_examples=200)
@given(row=ROWS, higher=NUMBERS)
def test_the_score_never_falls_as_a_rising_column_rises(
    constrained: Booster, row: tuple[float, ...], higher: float
) -> None:
    pair = np.array([row, row])
    pair[:, 0] = min(row[0], higher), max(row[0], higher)
    low, high = constrained.predict_logit(pair)
    assert high >= low - 1e-12


@settings(deadline=None, max_examples=50)
@given(row=ROWS)
def test_nor_rises_as_a_falling_one_rises(constrained: Booster, row: tuple[float, ...]) -> None:
    pair = np.array([row, row])
    pair[:, 1] = 0.0, 1.0
    inactive, active = constrained.predict_logit(pair)
    assert active <= inactive + 1e-12


def test_without_constraints_it_does_fall() -> None:
    free = train_booster(*_rows(), SCHEMA, seed=0)
    along = np.column_stack([np.linspace(-2, 2, 200), np.zeros((200, 3))])
    assert np.diff(free.predict_logit(along)).min() < 0


def test_an_empty_mapping_is_the_rule() -> None:
    plain, empty = (
        train_booster(*_rows(), SCHEMA, seed=0, recipe=r) for r in (Recipe(), Recipe(monotone={}))
    )
    assert plain.model == empty.model


@pytest.mark.parametrize("monotone", [{"site": 1}, {"age": 2}, {"height": 1}])
def test_a_direction_that_makes_no_sense_is_refused(monotone: dict[str, int]) -> None:
    with pytest.raises(ClinicalError):
        train_booster(*_rows(200), SCHEMA, seed=0, recipe=Recipe(monotone=monotone))


@pytest.mark.parametrize("words", ["1 -1 0", "1 -1 0 2", "1 -1 0 x"])
def test_constraints_that_do_not_fit_the_features_are_refused(constrained: Booster, words: str) -> None:
    altered, count = re.subn(
        "monotone_constraints=.*", f"monotone_constraints={words}", constrained.model.text
    )
    assert count >= 1
    with pytest.raises(BundleError):
        BoosterModel(altered, SCHEMA.names)


def test_what_is_sure_depends_on_who_the_patients_are() -> None:
    healthy = ClinicalSchema((Column("age"), Column("systolic"), Column("weight"), Column("glucose")))
    failing = ClinicalSchema((*healthy, Column("lvef")))
    assert sure_directions(healthy) == {"age": 1, "systolic": 1}
    assert sure_directions(failing) == {"age": 1}
    classes = Column("glucose", kind="category", categories=("normal", "high", "very high"), ordered=True)
    assert sure_directions(ClinicalSchema((classes,))) == {"glucose": 1}


@pytest.mark.data
def test_directions_of_published_tables(data_dir: Path) -> None:
    tables = [load_cardio70k(data_dir / "cardio70k").table, load_music(data_dir / "music").table]
    cardio, music = (sure_directions(table.schema) for table in tables if table is not None)
    assert cardio == {"age": 1, "systolic": 1, "cholesterol": 1, "glucose": 1, "smoking": 1, "active": -1}
    assert not {"systolic", "cholesterol", "ldl", "lvef"} & set(music)
    assert (music["nt_probnp"], music["albumin"]) == (1, -1)
