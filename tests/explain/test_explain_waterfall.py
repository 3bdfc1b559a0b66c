"""SHAP values add up to the score, or there is no waterfall."""

import json

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.explain import waterfall
from cardiofusion.records import InputError

NAMES = ("age", "sex", "systolic pressure", "weight")
VALUES = (61.0, "female", None, 82.5)
UNITS = ("years", "", "mmHg", "kg")


def test_the_largest_come_first_and_the_rest_is_added_up() -> None:
    shown = waterfall(NAMES, VALUES, UNITS, np.array([0.1, -0.7, 0.4, -0.2]), -1.0, -1.4, top=2)
    assert [step.name for step in shown.contributions] == ["sex", "systolic pressure", "all others"]
    assert shown.contributions[-1].contribution == pytest.approx(-0.1)
    assert [step.words for step in shown.contributions] == [
        "sex female: -0.70",
        "systolic pressure: +0.40",
        "all others: -0.10",
    ]
    assert waterfall(NAMES, VALUES, UNITS, np.array([1.0, 0, 0, 0]), 0.0, 1.0).contributions[0].words == (
        "age 61 years: +1.00"
    )
    document = json.loads(json.dumps(shown.to_json(), allow_nan=False))
    assert document["contributions"][0] == {
        "name": "sex",
        "value": "female",
        "unit": "",
        "contribution": -0.7,
    }


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=20), st.floats(-5, 5), st.integers(1, 25))
@settings(deadline=None, max_examples=40)
def test_what_is_shown_adds_up_to_the_total(steps: list[float], base: float, top: int) -> None:
    count = len(steps)
    total = base + sum(steps)
    shown = waterfall(["x"] * count, [None] * count, [""] * count, np.array(steps), base, total, top)
    assert shown.base + sum(step.contribution for step in shown.contributions) == pytest.approx(
        total, abs=1e-6
    )
    sizes = [abs(step.contribution) for step in shown.contributions[:top]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(shown.contributions) == min(count, top) + (count > top)


@pytest.mark.parametrize("total", [-1.4 + 2e-6, 0.0, float("nan")])
def test_values_that_do_not_add_up_are_refused(total: float) -> None:
    with pytest.raises(InputError) as error:
        waterfall(NAMES, VALUES, UNITS, np.array([0.1, -0.7, 0.4, -0.2]), -1.0, total)
    assert error.value.code == "explain.sum"


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(InputError):
        waterfall(NAMES[:3], VALUES, UNITS, np.zeros(4), 0.0, 0.0)
    with pytest.raises(InputError):
        waterfall(NAMES, VALUES, UNITS[:1], np.zeros(4), 0.0, 0.0)


@pytest.fixture(scope="module")
def trained() -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 4))
    rows[::7, 2] = np.nan
    outcome = (rows[:, 0] + rows[:, 1] * rows[:, 3] > 0).astype(int)
    settings = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 0, "deterministic": True}
    return lightgbm.train(settings, lightgbm.Dataset(rows, outcome), 40), rows


def test_lightgbm_contributions_make_a_waterfall(trained: tuple[lightgbm.Booster, np.ndarray]) -> None:
    booster, rows = trained
    contributions = np.asarray(booster.predict(rows, pred_contrib=True))
    scores = np.asarray(booster.predict(rows, raw_score=True))
    for given_row, score in zip(contributions[:50], scores[:50], strict=True):
        shown = waterfall(NAMES, [None] * 4, UNITS, given_row[:-1], given_row[-1], score)
        assert len(shown.contributions) == 4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_contributions_are_those_of_the_shap_package(trained: tuple[lightgbm.Booster, np.ndarray]) -> None:
    shap = pytest.importorskip("shap")
    booster, rows = trained
    explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    expected = np.asarray(explainer(rows[:20]).values).reshape(20, 4, -1)[..., -1]
    contributions = np.asarray(booster.predict(rows[:20], pred_contrib=True))
    assert contributions[:, :-1] == pytest.approx(expected, abs=1e-6)
