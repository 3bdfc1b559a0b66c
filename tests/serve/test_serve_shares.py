"""Shares: told only where there are patients enough, with Wilson's interval of patients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.metrics import wilson_interval
from cardiofusion.serve.shares import ENOUGH, Share


@st.composite
def shares(draw: st.DrawFn) -> Share:
    n = draw(st.integers(1, 2000))
    return Share(draw(st.integers(0, n)), n, draw(st.integers(1, n)))


@given(shares())
def test_several_cases_of_a_patient_make_no_figure_surer(share: Share) -> None:
    low, high = share.interval
    assert low - 1e-9 <= share.value <= high + 1e-9
    assert (low, high) == wilson_interval(share.value, share.patients)
    sure = Share(share.part, share.n, share.n).interval
    assert high - low >= sure[1] - sure[0] - 1e-9


@given(shares(), shares())
def test_two_shares_are_never_both_more_than_the_other(one: Share, other: Share) -> None:
    opposite = {"more": "fewer", "fewer": "more", "": ""}
    assert other.beside(one) == opposite[one.beside(other)]


@pytest.mark.parametrize(
    ("share", "calibrated", "short"),
    [
        (Share(0, ENOUGH - 1, ENOUGH - 1), 1000, False),
        (Share(0, 500, ENOUGH - 1), 1000, False),  # of hardly any patients
        (Share(18, 20, 20), 1000, False),
        (Share(14, 20, 20), 1000, True),
        (Share(14, 20, 20), 10, False),  # so few may have calibrated a set that holds 70 %
        (Share(2, 20, 20), 10, True),
        (Share(2, 20, 20), 0, False),  # of another bundle: nobody knows
        (Share(100, 100, 100), 1000, False),
    ],
)
def test_a_share_is_short_of_a_promise_only_beyond_chance(share: Share, calibrated: int, short: bool) -> None:
    assert share.short_of(0.9, calibrated, 1) is short


def test_who_looks_at_many_shares_is_not_alarmed_more_often() -> None:
    alarms = 0
    chance = np.random.default_rng(5)
    for _ in range(400):
        # Ten classes of 60 calibration patients and 100 new ones each, all exchangeable: Vovk 2012.
        true = chance.beta(55, 6, 10)
        seen = [Share(int(held), 100, 100) for held in chance.binomial(100, true)]
        alarms += any(share.short_of(0.9, 60, 10) for share in seen)
    assert 2 <= alarms <= 30  # 20 of 400 are expected at most


def test_nothing_is_told_of_nobody() -> None:
    nobody = Share(0, 0, 0)
    assert not nobody.enough
    assert not nobody.short_of(0.9, 100, 1)
    assert nobody.beside(Share(50, 100, 100)) == ""
    assert math.isnan(nobody.value)
