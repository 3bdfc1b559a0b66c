"""Everything measured at once: whatever comes in, what is said is finite, in range and of the first 10 s."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.records import LEADS, Measurements, Recording, assessment_schema
from cardiofusion.signal import measure
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_causes


def follows_the_schema(found: Measurements) -> None:
    schema = assessment_schema()
    part = {"$ref": "#/$defs/measurements", "$defs": schema["$defs"]}
    jsonschema.validate(json.loads(json.dumps(asdict(found), allow_nan=False)), part)


def test_an_ecg_has_intervals_amplitudes_voltages_and_a_rhythm(make_ecg: Callable[..., Recording]) -> None:
    found = measure(replace(make_ecg(), measured={"pr": 160.0}))
    follows_the_schema(found)
    assert {"heart_rate", "pr", "qrs", "qt", "qtc_bazett", "qrs_axis"} <= set(found.intervals)
    assert set(found.amplitudes) == set(LEADS)
    assert set(found.voltages) == {"sokolow_lyon", "cornell"}
    assert found.rhythm is not None
    assert found.rhythm.regularity == "regular"
    assert found.device == {"pr": 160.0}


def test_only_the_first_10_seconds_count(make_ecg: Callable[..., Recording]) -> None:
    long = make_ecg(seconds=25.0)
    changed = long.signal.copy()
    changed[:, 5000:] = 0.0
    assert measure(long) == measure(replace(long, signal=changed))


def test_without_millivolts_only_times_and_axes_are_told(make_ecg: Callable[..., Recording]) -> None:
    found = measure(replace(make_ecg(), calibrated=False))
    assert found.amplitudes == {}
    assert found.voltages == {}
    assert "pr" in found.intervals


def test_nothing_is_measured_where_nothing_is() -> None:
    assert measure(Recording(np.zeros((12, 5000), np.float32), 500.0, LEADS)) == Measurements()


@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([40.0, 100.0, 257.0, 500.0]),
    seconds=st.floats(0.1, 12.0),
    n_leads=st.integers(1, 12),
    loudness=st.sampled_from([0.0, 0.1, 30.0]),
    gaps=st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_any_recording_is_measured_in_finite_numbers(
    seed: int, rate: float, seconds: float, n_leads: int, loudness: float, gaps: bool
) -> None:
    rng = np.random.default_rng(seed)
    signal = render(draw_causes(1, rng), rng, rate, seconds, noise=True)[0][:n_leads].copy()
    signal += rng.normal(0.0, loudness, signal.shape).astype(np.float32)
    if gaps:
        signal[rng.random(signal.shape) < 0.1] = np.nan
    follows_the_schema(measure(Recording(signal, rate, LEADS[:n_leads])))


@pytest.mark.parametrize("seconds", [0.6, 1.0, 2.0])
def test_a_gap_in_all_leads_changes_neither_rate_nor_rhythm(
    make_ecg: Callable[..., Recording], seconds: float
) -> None:
    whole = make_ecg()
    signal = whole.signal.copy()
    signal[:, 2000 : 2000 + round(seconds * 500.0)] = np.nan
    found, before = measure(replace(whole, signal=signal)), measure(whole)
    assert found.rhythm is not None
    assert found.rhythm.regularity == "regular"
    for name in ("heart_rate", "qtc_bazett", "qtc_hodges"):
        assert found.intervals[name].value == pytest.approx(before.intervals[name].value, rel=0.02)
    assert found.intervals["heart_rate"].n < before.intervals["heart_rate"].n
