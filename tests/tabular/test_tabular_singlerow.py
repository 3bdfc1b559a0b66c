"""One row alone gets LightGBM's own score, bit for bit, whatever stands in it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.records import ClinicalSchema, Column
from cardiofusion.tabular import BoosterModel, train_booster

SCHEMA = ClinicalSchema(
    (
        Column("age"),
        Column("pressure"),  # with gaps
        Column("site", kind="category", categories=tuple("abcdef")),
        Column("kind", kind="category", categories=tuple("xyz")),  # with gaps
        Column("count"),  # mostly 0
    )
)
CELLS = st.one_of(
    st.floats(-4.0, 4.0),
    st.integers(-3, 40).map(float),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, float("nan"), 1e-36, -1e-36, 1e300, 2.0**31, 2.0**40]),
)


def _rows(n: int = 1500) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    values = np.column_stack(
        [
            rng.normal(size=n),
            rng.normal(size=n),
            rng.choice(6, n),
            rng.choice(3, n),
            rng.poisson(0.5, n),
        ]
    ).astype(np.float64)
    score = values[:, 0] + np.isin(values[:, 2], [1, 4]) - (values[:, 3] == 1) + 0.5 * values[:, 4]
    y = (score + rng.logistic(size=n) > 0.5).astype(np.float32)
    values[rng.random(n) < np.where(y > 0, 0.3, 0.1), 1] = np.nan
    values[rng.random(n) < np.where(y > 0, 0.1, 0.3), 3] = np.nan
    return values, y


@pytest.fixture(scope="module")
def model() -> BoosterModel:
    return train_booster(*_rows(), SCHEMA, seed=0).model


@pytest.fixture(scope="module")
def plain(model: BoosterModel) -> lightgbm.Booster:
    return lightgbm.Booster(model_str=model.text)


@settings(deadline=None, max_examples=500)
@given(row=st.lists(CELLS, min_size=len(SCHEMA), max_size=len(SCHEMA)))
def test_a_row_alone_scores_as_lightgbm_does(
    model: BoosterModel, plain: lightgbm.Booster, row: list[float]
) -> None:
    one = np.array([row])
    alone = model.predict_logit(one)
    assert alone.shape == (1,)
    assert alone[0] == plain.predict(one, raw_score=True)[0]
    assert alone[0] == model.predict_logit(np.vstack([one, one]))[0]


def test_rows_that_lie_apart_in_memory_are_read_right(model: BoosterModel) -> None:
    values = np.asfortranarray(_rows()[0][:30])
    whole = model.predict_logit(values)
    assert [model.predict_logit(values[k : k + 1])[0] for k in range(30)] == whole.tolist()
    assert model.predict_logit(values[:1].astype(np.float32)).shape == (1,)


def test_threads_do_not_mix_rows_up(model: BoosterModel) -> None:
    values = _rows()[0][:400]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: model.predict_logit(values[k : k + 1])[0], range(400)))
    assert found == model.predict_logit(values).tolist()


def test_a_model_may_go_while_another_of_its_text_stays(model: BoosterModel) -> None:
    row = _rows()[0][:1]
    other = BoosterModel(model.text, SCHEMA.names)
    score = other.predict_logit(row)
    del other
    gc.collect()
    assert model.predict_logit(row) == score
