"""Layouts of ECG paper: every lead where and when it belongs, whatever layout, speed and gain."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.records import LEADS, InputError, Recording
from cardiofusion.report import ecg_paper
from cardiofusion.report.layouts import GAINS, LAYOUTS, SPEEDS
from cardiofusion.report.shading import heat_frames

SVG = "{http://www.w3.org/2000/svg}"


def ramp(leads: tuple[str, ...] = LEADS, seconds: float = 10.0, rate: float = 100.0) -> Recording:
    """mV that say the time: a tenth of a mV a second, so that a point on paper tells when it was."""
    time = np.arange(round(seconds * rate)) / rate
    values = np.tile(0.1 * (time - time.mean()), (len(leads), 1))
    return Recording(values.astype(np.float32), rate, leads)


def strips(svg: str) -> list[tuple[str, int, np.ndarray]]:
    """(lead, row, points [n, 2] in mm) of every strip."""
    found = []
    for path in ElementTree.fromstring(svg).iter(f"{SVG}path"):
        if path.get("class") == "trace":
            start, steps = re.fullmatch(r"M([^l]*)l(.*)", path.get("d", "")).groups()  # type: ignore[union-attr]
            moves = [[int(n) for n in re.findall(r"[+-]?\d+", step)] for step in [start, *steps.split()]]
            points = np.cumsum(np.array(moves, dtype=float), axis=0) / 100
            found.append((path.get("data-lead", ""), int(path.get("data-row", "0")), points))
    return found


def pulses(svg: str) -> list[str]:
    paths = ElementTree.fromstring(svg).iter(f"{SVG}path")
    return [path.get("d", "") for path in paths if path.get("class") == "calibration"]


def said(svg: str) -> str:
    return " ".join("".join(text.itertext()) for text in ElementTree.fromstring(svg).iter(f"{SVG}text"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("gain", GAINS)
def test_every_lead_shows_its_own_stretch_at_its_place(layout: str, speed: float, gain: float) -> None:
    svg = ecg_paper(ramp(), layout=layout, speed=speed, gain=gain)
    rows = [float(pulse.split("h")[0].split()[1]) for pulse in pulses(svg)]
    columns = LAYOUTS[layout].columns
    drawn = strips(svg)
    assert {lead for lead, _, _ in drawn} == set(LEADS)
    assert len(drawn) == 12 + LAYOUTS[layout].rhythm
    for _, row, points in drawn:
        time = (points[:, 0] - LAYOUTS[layout].left) / speed  # columns follow each other in time
        wanted = rows[row] - gain * 0.1 * (time - 4.995)
        np.testing.assert_allclose(points[:, 1], wanted, atol=0.03)
        whole = row == len(LAYOUTS[layout].rows)
        assert np.ptp(points[:, 0]) == pytest.approx((10.0 if whole else 10.0 / columns) * speed, abs=0.6)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("speed", SPEEDS)
def test_every_row_has_its_pulse_before_its_traces(layout: str, speed: float) -> None:
    svg = ecg_paper(ramp(), layout=layout, speed=speed)
    assert len(pulses(svg)) == len(LAYOUTS[layout].rows) + LAYOUTS[layout].rhythm
    for pulse in pulses(svg):
        left, _, *_ = pulse[1:].replace("h", " ").split()
        before, _, across, _, after = (float(x) for x in re.findall(r"[hv]([-\d.]+)", pulse))
        assert float(left) >= LAYOUTS[layout].named
        assert float(left) + before + across + after <= LAYOUTS[layout].left + 1e-9
        assert across == pytest.approx(0.2 * speed)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_baselines_lie_on_lines_of_the_grid(layout: str) -> None:
    for height in (None, 7.0, 8.0, 21.0):
        svg = ecg_paper(ramp(), layout=layout, row_height=height)
        rows = [float(pulse.split("h")[0].split()[1]) for pulse in pulses(svg)]
        assert all(row.is_integer() for row in rows)
        assert len(set(np.diff(rows))) == 1  # evenly apart


@pytest.mark.parametrize("layout", ["6x2", "12x1"])
def test_a_lead_outside_the_twelve_is_drawn_where_nothing_else_would_be(layout: str) -> None:
    assert [lead for lead, _, _ in strips(ecg_paper(ramp(("MLII", "V7")), layout=layout))] == ["MLII"]
    with_others = ecg_paper(ramp(("I", "V7")), layout=layout)
    assert [lead for lead, _, _ in strips(with_others)] == ["I"]
    assert "Also recorded, not drawn: V7." in said(with_others)


def test_half_the_time_fits_at_twice_the_speed_and_that_is_said() -> None:
    svg = ecg_paper(ramp(), speed=50.0, seconds=5.0)
    assert "50 mm/s" in said(svg)
    assert "0 to 5 s of 10.0 s" in said(svg)
    assert ElementTree.fromstring(svg).get("width") == "270mm"


def test_the_words_about_the_shading_go_with_it() -> None:
    svg = ecg_paper(ramp(), overlay={"I": np.ones(10)})
    (words,) = [
        text for text in ElementTree.fromstring(svg).iter(f"{SVG}text") if text.get("class") == "heat"
    ]
    assert "where the model looked" in "".join(words.itertext())


def test_the_drawing_says_its_scale_for_whoever_measures_on_it() -> None:
    root = ElementTree.fromstring(ecg_paper(ramp(), speed=50.0, gain=5.0))
    assert (root.get("data-speed"), root.get("data-gain"), root.get("data-calibrated")) == ("50", "5", "yes")


@pytest.mark.parametrize("layout", ["", "4x3", "<svg>"])
def test_an_unknown_layout_is_refused(layout: str) -> None:
    with pytest.raises(InputError) as refused:
        ecg_paper(ramp(), layout=layout)
    assert refused.value.code == "report.layout"
    assert "12x1" in refused.value.hint


@settings(deadline=None, max_examples=30)
@given(start=st.floats(0.0, 25.0), seconds=st.floats(0.5, 10.0), frames=st.integers(1, 300))
def test_frames_of_heat_are_those_of_the_stretch(start: float, seconds: float, frames: int) -> None:
    rate = 25.0
    heat = heat_frames({"leads": ["I"], "map": [list(range(1, frames + 1))], "rate": rate}, seconds, start)[
        "I"
    ]
    assert len(heat) == np.ceil(seconds * rate)
    first = round(start * rate)
    for position, value in enumerate(heat.tolist()):
        assert value == (first + position + 1 if first + position < frames else 0)
