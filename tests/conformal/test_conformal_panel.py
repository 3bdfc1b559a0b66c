"""All targets at once say what each says by itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.conformal import CalibrationPanel, ConformalTarget, ProbabilityCalibrator, TargetCalibration
from cardiofusion.records import CalibrationError

shares = st.floats(0.0, 1.0)
targets = st.builds(
    lambda slope, intercept, quantile, covariance: TargetCalibration(
        ProbabilityCalibrator(slope, intercept, covariance),
        ConformalTarget("label", 0.9, quantile, (20, 20)),
    ),
    st.floats(0.01, 20.0),
    st.floats(-20.0, 20.0),
    st.tuples(shares, shares),
    st.sampled_from([None, ((0.04, -0.01), (-0.01, 0.09)), ((0.0, 0.0), (0.0, 0.0))]),
)


@given(st.lists(st.tuples(targets, st.floats(-50.0, 50.0)), min_size=1, max_size=6))
def test_a_panel_says_what_each_target_says_by_itself(pairs):
    panel = CalibrationPanel.of(target for target, _ in pairs)
    probability = panel.probability(np.array([logit for _, logit in pairs]))
    alone = [target.probability.apply(np.array([logit]))[0] for target, logit in pairs]
    np.testing.assert_array_equal(probability, alone)
    sets = [target.sets.sets(np.array([p]))[0] for (target, _), p in zip(pairs, alone, strict=True)]
    np.testing.assert_array_equal(panel.included(probability), sets)
    interval = panel.interval(np.array([logit for _, logit in pairs]))
    for (target, logit), found, p in zip(pairs, interval, probability, strict=True):
        expected = target.probability.interval(np.array([logit]))
        np.testing.assert_allclose(found, [np.nan, np.nan] if expected is None else expected[0], rtol=1e-12)
        assert expected is None or found[0] <= p <= found[1]


def test_a_probability_that_is_none_is_refused():
    panel = CalibrationPanel(np.ones(1), np.zeros(1), np.full((1, 2), 0.9), np.zeros((1, 2, 2)))
    with pytest.raises(CalibrationError):
        panel.included(np.array([1.5]))
