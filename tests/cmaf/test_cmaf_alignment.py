"""Partners that are not the patient: calipers, evidence of balance, and latent draws."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.cmaf import NOBODY, LatentDistribution, balance, match_covariates
from cardiofusion.cmaf.alignment import AGE_CALIPER_YEARS, CANDIDATES

Numbers = NDArray[np.float64]
people = st.lists(
    st.tuples(st.one_of(st.just(float("nan")), st.floats(18, 95)), st.sampled_from([0.0, 1.0, float("nan")])),
    max_size=25,
)


def columns(given_people: list[tuple[float, float]]) -> tuple[Numbers, Numbers]:
    table = np.array(given_people, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@settings(deadline=None, max_examples=100)
@given(people, people, st.integers(0, 2**32))
def test_a_partner_is_of_the_same_sex_and_within_the_caliper_or_nobody(
    rows: list[tuple[float, float]], ecgs: list[tuple[float, float]], seed: int
) -> None:
    (age, sex), (ecg_age, ecg_sex) = columns(rows), columns(ecgs)
    partner = match_covariates(age, sex, ecg_age, ecg_sex, np.random.default_rng(seed))
    assert partner.shape == age.shape
    for k, who in enumerate(partner):
        suits = (ecg_sex == sex[k]) & (np.abs(ecg_age - age[k]) <= AGE_CALIPER_YEARS)
        assert suits[who] if who != NOBODY else not suits.any()
    again = match_covariates(age, sex, ecg_age, ecg_sex, np.random.default_rng(seed))
    assert np.array_equal(partner, again)


def test_chance_decides_among_the_nearest() -> None:
    ecg_age = np.linspace(49, 51, 9)
    age, sex = np.full(1000, 50.0), np.ones(1000)
    partner = match_covariates(age, sex, ecg_age, np.ones(9), np.random.default_rng(0))
    nearest = np.argsort(np.abs(ecg_age - 50))[:CANDIDATES]
    used, often = np.unique(partner, return_counts=True)
    assert set(used) == set(nearest)
    assert often.min() > 150
    other = match_covariates(age, sex, ecg_age, np.ones(9), np.random.default_rng(1))
    assert not np.array_equal(partner, other)


def test_balance_is_the_standardised_mean_difference() -> None:
    rng = np.random.default_rng(0)
    rows = {"age": rng.normal(55, 8, 300), "sex": rng.integers(0, 2, 300).astype(float)}
    ecgs = {"age": rng.normal(65, 12, 80), "sex": rng.integers(0, 2, 80).astype(float)}
    partner = match_covariates(rows["age"], rows["sex"], ecgs["age"], ecgs["sex"], rng)
    partner[:5] = NOBODY
    evidence = balance(rows, ecgs, partner)

    def smd(a: Numbers, b: Numbers) -> float:
        return float((a.mean() - b.mean()) / np.sqrt((a.std() ** 2 + b.std() ** 2) / 2))

    matched = np.flatnonzero(partner >= 0)
    for name in rows:
        assert evidence.before[name] == pytest.approx(smd(rows[name], ecgs[name]), rel=1e-12)
        after = smd(rows[name][matched], ecgs[name][partner[matched]])
        assert evidence.after[name] == pytest.approx(after, rel=1e-12)
    assert evidence.unmatched == 300 - len(matched) >= 5
    assert evidence.partners == len(set(partner[matched].tolist()))
    assert abs(evidence.after["age"]) < 0.1 < abs(evidence.before["age"])


def test_balance_leaves_gaps_out_and_knows_when_nobody_matched() -> None:
    age, gaps = np.array([40.0, 50, 60]), np.array([40.0, np.nan, 60])
    evidence = balance({"age": gaps}, {"age": age}, np.array([0, NOBODY, 2]))
    assert evidence.before["age"] == pytest.approx(0.0)
    nobody = balance({"age": age}, {"age": age}, np.full(3, NOBODY))
    assert (nobody.unmatched, nobody.partners) == (3, 0)
    assert np.isnan(nobody.after["age"])


def test_groups_that_share_no_value_are_not_called_balanced() -> None:
    women, men = np.ones(10), np.zeros(10)
    evidence = balance({"sex": women}, {"sex": men}, np.full(10, NOBODY))
    assert abs(evidence.before["sex"]) > 1


def test_a_covariate_that_nobody_has_is_no_number_and_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evidence = balance({"age": np.full(4, 50.0)}, {"age": np.full(4, np.nan)}, np.full(4, NOBODY))
    assert np.isnan(evidence.before["age"])


@pytest.fixture(scope="module")
def tokens() -> NDArray[np.float32]:
    rng = np.random.default_rng(2)
    mixing = rng.normal(size=(6, 6)) / 2
    return (rng.normal(size=(400, 6)) @ mixing + np.arange(6)).reshape(400, 2, 3).astype(np.float32)


def test_draws_have_the_mean_and_covariance_of_the_tokens(tokens: NDArray[np.float32]) -> None:
    drawn = LatentDistribution.fit(tokens).draw(40_000, np.random.default_rng(3))
    assert drawn.shape == (40_000, 2, 3)
    assert drawn.dtype == np.float32
    np.testing.assert_allclose(drawn.mean(0), tokens.mean(0), atol=0.04)
    wanted = np.cov(tokens.reshape(400, -1).T)
    np.testing.assert_allclose(np.cov(drawn.reshape(-1, 6).T), wanted, atol=0.04 * wanted.max())


def test_few_components_keep_the_leading_directions(tokens: NDArray[np.float32]) -> None:
    drawn = LatentDistribution.fit(tokens, components=2).draw(40_000, np.random.default_rng(4))
    value, axis = np.linalg.eigh(np.cov(tokens.reshape(400, -1).T))
    leading = (axis[:, -2:] * value[-2:]) @ axis[:, -2:].T
    np.testing.assert_allclose(np.cov(drawn.reshape(-1, 6).T), leading, atol=0.04 * leading.max())


def test_draws_know_nothing_of_the_rows_beside_them(tokens: NDArray[np.float32]) -> None:
    latent = LatentDistribution.fit(tokens)
    drawn = latent.draw(5000, np.random.default_rng(5)).reshape(5000, -1)
    row = np.random.default_rng(6).normal(size=5000)
    correlation = [abs(np.corrcoef(row, one)[0, 1]) for one in drawn.T]
    neighbours = [abs(np.corrcoef(one[1:], one[:-1])[0, 1]) for one in drawn.T]
    assert max(correlation + neighbours) < 4.5 / np.sqrt(5000)
    assert np.array_equal(drawn, latent.draw(5000, np.random.default_rng(5)).reshape(5000, -1))
    assert len(np.unique(drawn, axis=0)) == 5000
