"""Shares: told only where there are patients enough, with Wilson's interval of patients."""

from __future__ import annotations

import math

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
    ("share", "state"),
    [
        (Share(0, ENOUGH - 1, ENOUGH - 1), "few"),
        (Share(0, 500, ENOUGH - 1), "few"),  # of hardly any patients
        (Share(18, 20, 20), "kept"),
        (Share(15, 20, 20), "kept"),  # 53 to 89 %: see the next line
        (Share(14, 20, 20), "below"),
        (Share(100, 100, 100), "kept"),
    ],
)
def test_a_share_is_below_a_promise_where_all_of_its_interval_is(share: Share, state: str) -> None:
    promised = 0.88
    assert share.against(promised) == state


def test_nothing_is_told_of_nobody() -> None:
    nobody = Share(0, 0, 0)
    assert not nobody.enough
    assert nobody.against(0.9) == "few"
    assert nobody.beside(Share(50, 100, 100)) == ""
    assert math.isnan(nobody.value)
