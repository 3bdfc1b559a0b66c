"""How surprising a coverage is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom

from cardiofusion.conformal import calibrate, chance_of_so_few
from cardiofusion.records import CalibrationError


@given(st.integers(9, 400), st.integers(1, 60), st.floats(0.5, 0.9), st.data())
def test_is_the_beta_binomial_tail_of_scipy(n, m, coverage, data):
    covered = data.draw(st.integers(0, m))
    rank = int(np.ceil((n + 1) * coverage - 1e-9))
    expected = betabinom(m, rank, n + 1 - rank).cdf(covered)
    assert chance_of_so_few(covered, m, n, coverage) == pytest.approx(expected, abs=1e-9)


def test_says_how_often_exchangeable_patients_show_so_little():
    """Against calibrating and counting on patients that are exchangeable by construction."""
    rng = np.random.default_rng(3)
    n, m, deals = 25, 8, 2000
    so_few = 0
    for _ in range(deals):
        p = rng.uniform(size=n + m)
        sets = calibrate("x", np.append(p[:n], p[:n]), np.repeat([1.0, 0.0], n), 0.9)
        so_few += int(sets.sets(p[n:])[:, 1].sum() <= 6)
    assert so_few / deals == pytest.approx(chance_of_so_few(6, m, n, 0.9), abs=0.03)


def test_everything_covered_is_no_surprise():
    assert chance_of_so_few(8, 8, 30, 0.9) == pytest.approx(1.0)


def test_a_coverage_that_is_none_is_refused():
    with pytest.raises(CalibrationError):
        chance_of_so_few(1, 2, 30, 1.0)
