"""Whether a phenotype is merely age, sex or the device."""

import json

import numpy as np
import pytest
from scipy.stats import f_oneway
from scipy.stats.contingency import association

from cardiofusion.phenotypes import describe
from cardiofusion.phenotypes.description import cramers_v, eta_squared
from cardiofusion.records import DatasetError

RNG_SEED = 0
LABELS = np.repeat([0, 1, -1], [60, 40, 20])


def test_a_phenotype_that_is_merely_age_is_called_out() -> None:
    rng = np.random.default_rng(RNG_SEED)
    age = np.where(LABELS == 0, 45.0, 75.0) + rng.normal(0, 5, len(LABELS))
    device = rng.choice(["CS-12", "AT-6"], len(LABELS))
    of_age, of_device = describe(LABELS, {"age": age, "device": device}, rng)
    assert of_age.measure == "eta squared"
    assert of_age.strength > 0.8
    assert of_age.p_value == pytest.approx(0.001)
    assert "merely age" in of_age.words
    assert of_age.groups["Phenotype 1"]["median"] == pytest.approx(45, abs=2)
    assert of_device.measure == "Cramer's V"
    assert of_device.p_value > 0.02
    assert "merely" not in of_device.words
    shares = of_device.groups["Phenotype 2"]
    assert shares["CS-12"] + shares["AT-6"] == pytest.approx(1.0)
    assert shares["n"] == 40


def test_missing_values_and_patients_without_a_phenotype_are_left_out() -> None:
    rng = np.random.default_rng(RNG_SEED)
    age = np.where(LABELS == -1, 1000.0, 60.0 + np.arange(len(LABELS)) % 7)
    age[:5] = np.nan
    sex = np.array([None, "male", "", "female"] * 30, dtype=object)
    of_age, of_sex = describe(LABELS, {"age": age, "sex": sex}, rng)
    assert of_age.n == 95
    assert of_age.groups["Phenotype 1"]["high"] < 70
    assert of_sex.n == 50
    assert set(of_sex.groups["Phenotype 1"]) == {"n", "male", "female"}


def test_measures_match_their_oracles() -> None:
    rng = np.random.default_rng(RNG_SEED)
    labels, values, categories = rng.integers(0, 3, 90), rng.normal(size=90), rng.integers(0, 4, 90)
    f = f_oneway(*(values[labels == label] for label in range(3))).statistic
    assert eta_squared(labels, values) == pytest.approx(2 * f / (2 * f + 87))
    table = np.histogram2d(labels, categories, bins=(3, 4))[0].astype(int)
    assert cramers_v(labels, categories) == pytest.approx(association(table, method="cramer"))
    assert cramers_v(labels, labels) == pytest.approx(1.0)


def test_p_values_of_unrelated_covariates_are_about_uniform() -> None:
    rng = np.random.default_rng(RNG_SEED)
    noise = {str(number): rng.normal(size=len(LABELS)) for number in range(60)}
    p_values = [found.p_value for found in describe(LABELS, noise, rng)]
    assert 0.35 < np.mean(p_values) < 0.65


def test_where_nothing_can_be_told_json_holds_null() -> None:
    rng = np.random.default_rng(RNG_SEED)
    one = np.zeros(30, np.int64)
    for found in describe(one, {"age": np.arange(30.0), "site": np.array(["a"] * 30)}, rng):
        assert "cannot be told" in found.words
        assert json.loads(json.dumps(found.to_json(), allow_nan=False))["strength"] is None
    (empty,) = describe(LABELS, {"age": np.full(len(LABELS), np.nan)}, rng)
    assert empty.n == 0
    assert empty.groups["Phenotype 1"] == {"n": 0}


def test_a_covariate_of_another_length_is_refused() -> None:
    with pytest.raises(DatasetError, match="age has 3 values"):
        describe(LABELS, {"age": np.zeros(3)}, np.random.default_rng(0))
