"""Intervals and axes: virtual hearts, what devices measured on the same ECG, and arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Measurement, Recording
from cardiofusion.signal import Beat, Delineation, Wave, delineate, measure_intervals
from cardiofusion.signal.intervals import QTC
from cardiofusion.simulate.causes import columns
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_causes

RATE = 500.0


def measured(recording: Recording) -> dict[str, Measurement]:
    return measure_intervals(recording, delineate(recording))


@pytest.fixture(scope="module")
def virtual() -> tuple[list[dict[str, Measurement]], dict[str, np.ndarray]]:
    rng = np.random.default_rng(8)
    causes = draw_causes(600, rng)
    flags = columns(causes)
    odd = ("afib", "aflt", "junctional", "svt", "av_block_3", "paced", "pvc", "pac", "preexcitation",
           "dextrocardia", "arm_reversal", "mobitz", "wenckebach", "low_voltage")  # fmt: skip
    chosen = np.flatnonzero(sum(flags[name] > 0 for name in odd) == 0)[:40]
    signals = render(causes[chosen], rng, RATE, noise=False)
    return [measured(Recording(s, RATE, LEADS)) for s in signals], {k: v[chosen] for k, v in flags.items()}


@pytest.mark.parametrize(
    ("name", "cause", "within"),
    [("heart_rate", "rate", 3.0), ("pr", "pr", 20.0), ("qrs", "qrs_duration", 20.0)],
)
def test_a_virtual_heart_is_measured_as_it_is(
    virtual: tuple[list[dict[str, Measurement]], dict[str, np.ndarray]], name: str, cause: str, within: float
) -> None:
    there = [k for k, one in enumerate(virtual[0]) if name in one]
    assert len(there) > 30
    off = [virtual[0][k][name].value - virtual[1][cause][k] for k in there]
    assert np.median(np.abs(off)) < within


def test_axes_turn_with_the_heart(
    virtual: tuple[list[dict[str, Measurement]], dict[str, np.ndarray]],
) -> None:
    off = [
        (one["qrs_axis"].value - axis + 180.0) % 360.0 - 180.0
        for one, axis in zip(virtual[0], virtual[1]["qrs_axis"], strict=True)
        if "qrs_axis" in one
    ]
    assert np.median(np.abs(off)) < 20.0


@pytest.mark.parametrize("file", ["dicom/anonymous_ecg.dcm", "scp/Example.scp"])
def test_devices_measured_much_the_same(data_dir: Path, file: str) -> None:
    recording = read_recording(data_dir / "formats" / file)
    ours, theirs = measured(recording), recording.measured
    for name, within in {"pr": 25.0, "qrs": 20.0, "qt": 20.0, "qrs_axis": 15.0, "t_axis": 15.0}.items():
        assert ours[name].value == pytest.approx(theirs[name], abs=within), name


def test_qt_is_corrected_by_the_published_formulas() -> None:
    at_60 = {name: formula(400.0, 1.0) for name, formula in QTC.items()}
    assert set(at_60.values()) == {400.0}
    at_100 = {name: round(formula(320.0, 0.6), 1) for name, formula in QTC.items()}
    assert at_100 == {
        "qtc_bazett": 413.1, "qtc_fridericia": 379.4, "qtc_framingham": 381.6, "qtc_hodges": 390.0,
    }  # fmt: skip


def beats(*peaks: int) -> tuple[Beat, ...]:
    return tuple(
        Beat(
            0,
            Wave(p - 20, p, p + 25, 0.9),
            Wave(p - 90, p - 70, p - 50, 0.8),
            Wave(p + 60, p + 120, p + 160, 0.7),
        )
        for p in peaks
    )


def test_arithmetic_on_planted_marks() -> None:
    silent = Recording(np.zeros((12, 5000), np.float32), RATE, LEADS)
    found = measure_intervals(silent, Delineation(beats(500, 1000, 1500), RATE, 1.0))
    assert {name: (one.value, one.spread, one.n) for name, one in found.items() if name[:3] != "qtc"} == {
        "pr": (140.0, 0.0, 3), "p_duration": (80.0, 0.0, 3), "qrs": (90.0, 0.0, 3), "qt": (360.0, 0.0, 3),
        "heart_rate": (60.0, 0.0, 2),
    }  # fmt: skip
    assert found["pr"].confidence == 0.8
    assert found["qtc_bazett"].value == pytest.approx(360.0)


def test_planted_axes() -> None:
    signal = np.zeros((12, 5000), np.float32)
    for angle in (-60.0, 10.0, 100.0, 179.0, -179.0):
        pulse = np.hanning(44).astype(np.float32)
        for p in (500, 1000, 1500):
            signal[0, p - 20 : p + 24] = pulse * np.cos(np.radians(angle))
            signal[5, p - 20 : p + 24] = pulse * np.sin(np.radians(angle)) * np.sqrt(3.0) / 2.0
        pair = Recording(signal[[0, 5]], RATE, ("I", "aVF"))
        axis = measure_intervals(pair, Delineation(beats(500, 1000, 1500), RATE, 1.0))["qrs_axis"].value
        assert abs((axis - angle + 180.0) % 360.0 - 180.0) < 2.0


def test_what_cannot_be_told_is_absent() -> None:
    chest = Recording(np.zeros((1, 5000), np.float32), RATE, ("V2",))
    assert measure_intervals(chest, Delineation((), RATE, 0.0)) == {}
    only_qrs = tuple(replace(beat, p=None, t=None) for beat in beats(500, 1000))
    assert set(measure_intervals(chest, Delineation(only_qrs, RATE, 0.0))) == {"qrs", "heart_rate"}
    other = tuple(replace(beat, kind=1) for beat in beats(500, 1000))
    assert set(measure_intervals(chest, Delineation(other, RATE, 1.0))) == {"heart_rate"}


@pytest.mark.parametrize("broken", [0.0, np.nan])
@pytest.mark.parametrize("lead", ["I", "aVF", "II"])
def test_a_limb_lead_without_a_signal_turns_no_axis(
    make_ecg: Callable[..., Recording], lead: str, broken: float
) -> None:
    """The other limb leads say what it would have shown."""
    whole = make_ecg()
    signal = whole.signal.copy()
    signal[LEADS.index(lead), 500:] = broken
    signal[LEADS.index(lead), :500] = np.nan if np.isnan(broken) else 0.0
    before, found = measured(whole), measured(replace(whole, signal=signal))
    for axis in ("p_axis", "qrs_axis", "t_axis"):
        assert found[axis].value == pytest.approx(before[axis].value, abs=3.0)
