"""ECG paper: true scale, nothing lost, nothing invented, whatever the leads and length."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.records import LEADS, InputError, Recording
from cardiofusion.report import ecg_paper

SVG = "{http://www.w3.org/2000/svg}"
LEFT = 15.0  # mm, where the traces begin


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words(svg: str) -> str:
    return " ".join("".join(text.itertext()) for text in parse(svg).iter(f"{SVG}text"))


def traces(svg: str, lead: str) -> list[list[NDArray[np.float64]]]:
    """For each strip of a lead its subpaths, each [point, (x, y)] in mm."""
    found = []
    for path in parse(svg).iter(f"{SVG}path"):
        if path.get("data-lead") == lead:
            assert path.get("transform") == "scale(0.01)"
            runs = re.findall(r"M([^l]*)l([^M]*)", path.get("d", ""))
            found.append([_absolute(start, steps) for start, steps in runs])
    return found


def _absolute(start: str, steps: str) -> NDArray[np.float64]:
    moves = [[int(n) for n in re.findall(r"[+-]?\d+", step)] for step in [start, *steps.split()]]
    return np.cumsum(np.array(moves, dtype=np.float64), axis=0) / 100.0


def baselines(svg: str) -> list[float]:
    """Of the four rows, from where the calibration pulses start."""
    pulses = [
        path.get("d", "") for path in parse(svg).iter(f"{SVG}path") if path.get("class") == "calibration"
    ]
    return [float(d.split("h")[0].split()[1]) for d in pulses]


def sine(rate: float = 500.0, seconds: float = 10.0, leads: tuple[str, ...] = LEADS) -> Recording:
    time = np.arange(round(rate * seconds)) / rate
    signal = np.tile(np.sin(2 * np.pi * time), (len(leads), 1)).astype(np.float32)
    return Recording(signal, rate, leads)


@pytest.mark.parametrize(("speed", "gain"), [(25.0, 10.0), (50.0, 10.0), (25.0, 5.0), (25.0, 20.0)])
def test_pulse_is_one_millivolt_high_and_a_fifth_of_a_second_wide(
    recording: Recording, speed: float, gain: float
) -> None:
    paths = list(parse(ecg_paper(recording, speed=speed, gain=gain)).iter(f"{SVG}path"))
    pulses = [p.get("d", "") for p in paths if p.get("class") == "calibration"]
    assert len(pulses) == 4
    for pulse in pulses:
        before, up, across, down, after = re.findall(r"[hv]([-\d.]+)", pulse)
        assert float(up) == -gain
        assert float(down) == gain
        assert float(across) == pytest.approx(0.2 * speed)
        assert float(before) == float(after) > 0


def test_the_standard_pulse_is_ten_by_five_millimetres(recording: Recording) -> None:
    assert "v-10h5v10" in ecg_paper(recording)


def test_width_and_view_box_are_in_millimetres_and_fit_a4_landscape(recording: Recording) -> None:
    root = parse(ecg_paper(recording))
    width, height = root.get("width", ""), root.get("height", "")
    assert width.endswith("mm")
    assert root.get("viewBox") == f"0 0 {width[:-2]} {height[:-2]}"
    assert 250 < float(width[:-2]) <= 277
    assert float(height[:-2]) <= 170


@pytest.mark.parametrize("rate", [100.0, 360.0, 500.0, 1000.0])
def test_a_sine_of_one_millivolt_is_where_it_should_be(rate: float) -> None:
    svg = ecg_paper(sine(rate))
    rows = baselines(svg)
    for lead, row, column in (("I", 0, 0), ("aVL", 1, 1), ("V6", 2, 3)):
        (strip,) = traces(svg, lead)
        _assert_sine(strip[0], rows[row], LEFT + column * 62.5, column * 2.5)
    column_of_ii, rhythm = traces(svg, "II")
    _assert_sine(column_of_ii[0], rows[1], LEFT, 0.0)
    _assert_sine(rhythm[0], rows[3], LEFT, 0.0)
    assert rhythm[0][-1, 0] == pytest.approx(LEFT + 250, abs=25 / rate + 0.01)


def _assert_sine(points: NDArray[np.float64], baseline: float, left: float, begin: float) -> None:
    time = begin + (points[:, 0] - left) / 25.0
    wanted = baseline - 10.0 * np.sin(2 * np.pi * time)
    np.testing.assert_allclose(points[:, 1], wanted, atol=0.03)  # rounding of x times the steepest slope


def test_a_spike_of_one_sample_survives_thinning() -> None:
    signal = np.zeros((1, 20_000), dtype=np.float32)
    signal[0, 4321] = 1.5
    svg = ecg_paper(Recording(signal, 2000.0, ("II",)))
    rhythm = traces(svg, "II")[1][0]
    top = rhythm[rhythm[:, 1].argmin()]
    assert top == pytest.approx([LEFT + 4321 / 2000 * 25, baselines(svg)[3] - 15.0], abs=0.01)
    assert len(rhythm) <= 5_001


def test_a_gap_breaks_the_line(recording: Recording) -> None:
    signal = recording.signal.copy()
    signal[1, 500:1000] = np.nan
    signal[1, 1100] = np.inf
    svg = ecg_paper(Recording(signal, 500.0, recording.leads))
    runs = traces(svg, "II")[1]
    assert len(runs) == 3
    assert runs[0][-1, 0] == pytest.approx(LEFT + 499 / 20)
    assert runs[1][0, 0] == pytest.approx(LEFT + 1000 / 20)


def test_missing_leads_are_named_and_empty() -> None:
    svg = ecg_paper(sine(leads=("I", "V2")))
    assert words(svg).count("not recorded") == 10
    assert not traces(svg, "aVF")
    assert len(traces(svg, "I")) == 2  # its column and the rhythm strip, for want of II


def test_a_lead_outside_the_twelve_is_the_rhythm_strip_and_others_are_told() -> None:
    svg = ecg_paper(sine(leads=("MLII", "V7")))
    assert len(traces(svg, "MLII")) == 1
    assert "Also recorded, not drawn: V7." in words(svg)


def test_the_scale_is_said(recording: Recording) -> None:
    said = words(ecg_paper(recording))
    assert "25 mm/s 10 mm/mV" in said
    assert "no display filter" in said
    assert "500 Hz" in said
    assert "not calibrated" not in said


def test_uncalibrated_amplitudes_are_said(recording: Recording) -> None:
    doubtful = Recording(recording.signal, 500.0, recording.leads, calibrated=False)
    assert "amplitudes are not calibrated" in words(ecg_paper(doubtful))


def test_an_offset_is_taken_off_and_said() -> None:
    shifted = Recording(sine().signal + np.float32(4.0), 500.0, LEADS)
    svg = ecg_paper(shifted)
    _assert_sine(traces(svg, "I")[0][0], baselines(svg)[0], LEFT, 0.0)
    assert "I moved by −4 mV" in words(svg)


def test_a_trace_that_leaves_its_row_is_cut_and_said() -> None:
    tall = Recording(sine().signal * np.float32(1e6), 500.0, LEADS)
    svg = ecg_paper(tall)
    assert words(svg).count("cut at ±2.5 mV") == 13
    windows = [element for element in parse(svg).iter(f"{SVG}svg") if element.get("viewBox")][1:]
    assert len(windows) == 13
    assert all(float(window.get("height", "inf")) <= 50 for window in windows)


def test_heat_stands_where_and_as_strong_as_it_is() -> None:
    heat = np.zeros(250)
    heat[10:15] = 1.0  # 0.4 to 0.6 s
    heat[100] = np.nan
    svg = ecg_paper(sine(), overlay={"I": heat, "unknown": heat}, peaks=["I, 0.4-0.6 s"])
    (group,) = [element for element in parse(svg).iter(f"{SVG}g") if element.get("class") == "heat"]
    (path,) = group
    left, width = re.fullmatch(r"M([\d.]+) [\d.]+h([\d.]+)v30h-[\d.]+z", path.get("d", "")).groups()  # type: ignore[union-attr]
    assert float(left) == pytest.approx(LEFT + 10.0)
    assert float(width) == pytest.approx(5.0)
    assert float(path.get("fill-opacity", "0")) == pytest.approx(0.5)
    assert "I, 0.4-0.6 s" in words(svg)


def test_a_longer_recording_is_drawn_from_where_it_is_asked() -> None:
    svg = ecg_paper(sine(100.0, 60.0), start=20.25)
    assert "20.25 to 30.25 s of 60.0 s" in words(svg)
    points = traces(svg, "II")[1][0]
    assert points[0, 1] == pytest.approx(baselines(svg)[3] - 10.0, abs=0.01)  # a quarter period in


def test_hostile_text_is_escaped() -> None:
    hostile = '<script>alert("x")</script>\x00\x1b[31m'
    record = Recording(
        sine().signal[:1], 500.0, ('"><script>',), record_id=hostile, patient_id="<svg onload=x>"
    )
    svg = ecg_paper(record, overlay={"I": np.ones(3)}, peaks=[hostile])
    assert not list(parse(svg).iter(f"{SVG}script"))
    assert "<script" not in svg
    assert "\x1b" not in svg


@pytest.mark.parametrize("scale", [{"speed": 0.0}, {"gain": -1.0}, {"seconds": 1e9}, {"start": 10.0}])
def test_an_impossible_scale_is_refused(recording: Recording, scale: dict[str, float]) -> None:
    with pytest.raises(InputError) as refused:
        ecg_paper(recording, **scale)
    assert refused.value.code == "report.scale"


@settings(deadline=None, max_examples=25)
@given(
    leads=st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True),
    seconds=st.floats(1.0, 40.0),
    rate=st.sampled_from([50.0, 100.0, 257.0, 500.0, 1000.0]),
    gaps=st.integers(0, 3),
    seed=st.integers(0, 2**16),
)
def test_any_leads_and_length_give_a_small_well_formed_sheet(
    leads: list[str], seconds: float, rate: float, gaps: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    signal = rng.normal(0, 3.0, (len(leads), max(1, round(seconds * rate)))).astype(np.float32)
    signal[rng.random(signal.shape) < 0.1 * gaps] = np.nan
    svg = ecg_paper(Recording(signal, rate, tuple(leads)), overlay={lead: rng.random(250) for lead in leads})
    assert len(svg) < 400_000
    root = parse(svg)
    for path in root.iter(f"{SVG}path"):
        if path.get("data-lead"):
            assert path.get("data-lead") in leads
    assert words(svg).count("not recorded") == 12 - len(leads)
    for lead in leads:
        for strip in traces(svg, lead):
            for run in strip:
                assert (np.diff(run[:, 0]) >= 0).all()
                assert run[0, 0] >= LEFT - 0.01
                assert run[-1, 0] <= LEFT + 250.01
