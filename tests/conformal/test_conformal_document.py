"""conformal.json: what is written is read back, anything else is refused."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.conformal import (
    ExchangeabilityAlarm,
    TargetCalibration,
    calibrate,
    calibrations_from_json,
    calibrations_to_json,
    fit_probability,
)
from cardiofusion.records import BundleError


def _leaf(name: str, seed: int, alarm: bool = True) -> TargetCalibration:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, 100)
    logit = rng.normal(size=100) + y
    calibrator = fit_probability(logit, y)
    p = calibrator.apply(logit)
    return TargetCalibration(
        calibrator, calibrate(name, p, y), ExchangeabilityAlarm.fit(p, rng) if alarm else None
    )


CALIBRATIONS = {
    "diagnosis": {
        "ecg": {"MI": _leaf("MI", 0), "HYP": _leaf("HYP", 1, alarm=False)},
        "ecg+row": {"MI": _leaf("MI", 2), "HYP": _leaf("HYP", 3)},
    },
    "disease": {"row": {"disease": _leaf("disease", 4)}},
}
DOCUMENT = calibrations_to_json(CALIBRATIONS)


def test_a_document_from_before_the_covariance_is_read_and_tells_no_interval():
    old = copy.deepcopy(DOCUMENT)
    del old["diagnosis"]["ecg"]["MI"]["probability"]["covariance"]
    found = calibrations_from_json(old)["diagnosis"]["ecg"]["MI"].probability
    known = CALIBRATIONS["diagnosis"]["ecg"]["MI"].probability
    assert (found.slope, found.intercept, found.covariance) == (known.slope, known.intercept, None)
    assert found.interval(np.zeros(3)) is None


def test_the_document_comes_back_whole_through_json():
    text = json.dumps(DOCUMENT, allow_nan=False)
    assert calibrations_from_json(json.loads(text)) == CALIBRATIONS
    assert set(DOCUMENT["diagnosis"]["ecg"]["MI"]) == {"probability", "sets", "alarm"}


NONSENSE = [
    ((), []),
    ((), None),
    (("diagnosis",), 3),
    (("diagnosis", "ecg"), []),
    (("diagnosis", "ecg", "MI"), {}),
    (("diagnosis", "ecg", "MI", "extra"), 1),
    (("diagnosis", "ecg", "MI", "probability", "slope"), "1"),
    (("diagnosis", "ecg", "MI", "probability", "slope"), True),
    (("diagnosis", "ecg", "MI", "probability", "slope"), -1.0),
    (("diagnosis", "ecg", "MI", "probability", "slope"), 10**400),
    (("diagnosis", "ecg", "MI", "probability", "intercept"), float("nan")),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), None),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), [[1.0, 0.0]]),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), [[1.0], [1.0]]),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), [[1.0, 0.1], [0.2, 1.0]]),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), [[1.0, 1.5], [1.5, 1.0]]),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), [[-1.0, 0.0], [0.0, 1.0]]),
    (("diagnosis", "ecg", "MI", "probability", "covariance"), [[float("inf"), 0.0], [0.0, 1.0]]),
    (("diagnosis", "ecg", "MI", "probability", "extra"), 1),
    (("diagnosis", "ecg", "MI", "sets", "name"), "HYP"),
    (("diagnosis", "ecg", "MI", "sets", "name"), None),
    (("diagnosis", "ecg", "MI", "sets", "coverage"), 1.0),
    (("diagnosis", "ecg", "MI", "sets", "quantile", "present"), float("inf")),
    (("diagnosis", "ecg", "MI", "sets", "quantile", "present"), 1.01),
    (("diagnosis", "ecg", "MI", "sets", "quantile"), [0.1, 0.2]),
    (("diagnosis", "ecg", "MI", "sets", "n", "absent"), 8),
    (("diagnosis", "ecg", "MI", "sets", "n", "absent"), 50.0),
    (("diagnosis", "ecg", "MI", "sets", "n", "absent"), True),
    (("diagnosis", "ecg", "MI", "alarm", "reference"), []),
    (("diagnosis", "ecg", "MI", "alarm", "reference"), [0.2, 0.1]),
    (("diagnosis", "ecg", "MI", "alarm", "reference"), [0.1] * 1001),
    (("diagnosis", "ecg", "MI", "alarm", "reference"), [None]),
    (("diagnosis", "ecg", "MI", "alarm", "level"), 0),
    (("diagnosis", "ecg", "MI", "alarm"), False),
]


def _with(path, value):
    document = copy.deepcopy(DOCUMENT)
    if not path:
        return value
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


@pytest.mark.parametrize(("path", "value"), NONSENSE)
def test_nonsense_is_refused_by_name(path, value):
    with pytest.raises(BundleError) as caught:
        calibrations_from_json(_with(path, value))
    assert caught.value.code == "bundle.conformal"
    for key in path[:3]:
        assert key in caught.value.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
PATHS = st.sampled_from([path for path, _ in NONSENSE])


@settings(deadline=None, max_examples=150)
@given(PATHS, JSON)
def test_whatever_stands_there_it_is_read_or_refused(path, value):
    try:
        read = calibrations_from_json(_with(path, value))
    except BundleError:
        return
    assert calibrations_from_json(calibrations_to_json(read)) == read
