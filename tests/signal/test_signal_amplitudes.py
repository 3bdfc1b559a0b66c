"""Amplitudes: planted waves whose height is known, virtual hearts, names of deflections, arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from cardiofusion.readers import read_recording
from cardiofusion.readers.xml import parse_xml, text_of
from cardiofusion.records import Measurement, Recording
from cardiofusion.signal import delineate, delineate_leads, measure_amplitudes, measure_voltages
from cardiofusion.signal.amplitudes import deflections

RATE = 500.0
BEATS = np.arange(0.6, 9.6, 0.8)  # seconds of the R peaks
CENTRES = {"p": -0.17, "q": -0.028, "r": 0.0, "s": 0.028, "t": 0.30}
WIDTHS = {"p": 0.02, "q": 0.006, "r": 0.007, "s": 0.006, "t": 0.045}
PLANTED = {
    "V1": {"p": 0.06, "r": 0.25, "s": -1.10, "t": -0.15},
    "V3": {"p": 0.09, "r": 0.70, "s": -0.60, "t": 0.50},
    "V5": {"p": 0.10, "q": -0.12, "r": 1.60, "s": -0.25, "t": 0.40},
    "V6": {"p": 0.10, "q": -0.20, "r": 1.20, "t": 0.30},
    "aVL": {"p": 0.05, "q": -0.80, "t": -0.20},  # a QS complex
}
Hearts = Callable[..., tuple[list[Recording], dict[str, NDArray[np.float64]]]]


def planted(noise: float = 0.0, wander: float = 0.0, st: float = 0.0) -> Recording:
    """PLANTED at BEATS; st: mV from 45 to 200 ms after R, smooth at both ends."""
    time = np.arange(5000) / RATE
    signal = np.random.default_rng(4).normal(0.0, noise, (len(PLANTED), len(time)))
    signal += wander * np.sin(2.0 * np.pi * 0.15 * time)
    since = time[:, None] - BEATS
    for row, waves in enumerate(PLANTED.values()):
        for name, height in waves.items():
            signal[row] += height * np.exp(-0.5 * ((since - CENTRES[name]) / WIDTHS[name]) ** 2).sum(axis=1)
        signal[row] += (
            st * (np.tanh((since - 0.055) / 0.006) - np.tanh((since - 0.2) / 0.02)).sum(axis=1) / 2.0
        )
    return Recording(signal.astype(np.float32), RATE, tuple(PLANTED))


def measured(recording: Recording) -> dict[str, dict[str, Measurement]]:
    found = delineate(recording)
    return measure_amplitudes(recording, found, delineate_leads(recording, found))


@pytest.mark.parametrize(
    ("noise", "wander", "within"), [(0.0, 0.0, 0.015), (0.02, 0.0, 0.03), (0.0, 0.3, 0.03)]
)
def test_planted_heights_are_read_off(noise: float, wander: float, within: float) -> None:
    found = measured(planted(noise, wander))
    for lead, waves in PLANTED.items():
        for name, height in waves.items():
            assert found[lead][name].value == pytest.approx(height, abs=within + 0.03 * abs(height)), (
                lead,
                name,
            )
            assert found[lead][name].unit == "mV"
            assert found[lead][name].n >= 9


def test_only_what_was_planted_is_named() -> None:
    for lead, named in measured(planted()).items():
        assert set(named) == {*PLANTED[lead], "st"}, lead


def test_st_is_read_60_ms_after_the_qrs_and_is_no_deflection() -> None:
    for lead, named in measured(planted(st=0.2)).items():
        assert named["st"].value == pytest.approx(0.2, abs=0.05), lead
        assert "r_prime" not in named
    assert all(abs(named["st"].value) < 0.03 for named in measured(planted()).values())


def test_heights_grow_with_the_gain() -> None:
    once = planted()
    one = measured(once)
    two = measured(replace(once, signal=(2.0 * once.signal).astype(np.float32)))
    for lead, named in one.items():
        for name, value in named.items():
            assert two[lead][name].value == pytest.approx(2.0 * value.value, abs=0.01)


def test_noise_lowers_the_confidence_and_widens_the_spread() -> None:
    quiet, noisy = measured(planted())["V3"]["p"], measured(planted(noise=0.06))["V3"]["p"]
    assert noisy.spread > quiet.spread
    assert noisy.confidence < quiet.confidence
    assert quiet.sure


def test_nothing_is_given_in_mv_where_the_gain_is_unknown() -> None:
    assert measured(replace(planted(), calibrated=False)) == {}


@pytest.mark.parametrize("file", ["1_03_129DYPRG.XML", "1_04_3191723_ZZDEMOPTONLY.xml"])
def test_a_device_measured_much_the_same(data_dir: Path, file: str) -> None:
    """What the cardiograph's own program wrote into the file, in uV."""
    path = data_dir / "formats" / "philips" / file
    ours = measured(read_recording(path))
    tags = {"p": "pamp", "q": "qamp", "r": "ramp", "s": "samp"}
    off, heights = [], []
    for lead in parse_xml(path.read_bytes(), file).iter("leadmeasurement"):
        for name, tag in tags.items():
            height, found = float(text_of(lead, tag)) / 1000.0, ours[lead.attrib["leadname"]].get(name)
            if height and found:
                heights.append(height)
                off.append(abs(found.value - height) - 0.05 * abs(height))
    assert len(heights) > 30
    assert max(off) < 0.04


@pytest.mark.parametrize(
    ("peaks", "names"),
    [
        ({20: -0.9}, {"q"}),
        ({20: 0.9}, {"r"}),
        ({12: -0.2, 25: 1.0}, {"q", "r"}),
        ({12: 0.3, 22: -0.5, 32: 0.8}, {"r", "s", "r_prime"}),
        ({8: -0.1, 17: 0.6, 26: -0.4, 35: 0.3}, {"q", "r", "s", "r_prime"}),
        ({20: 0.01}, set()),
        ({20: 0.8, 49: 0.4}, {"r"}),  # what rises to the end is a raised ST
    ],
)
def test_deflections_are_named_as_in_any_textbook(peaks: dict[int, float], names: set[str]) -> None:
    at = np.arange(50)
    beat = np.sum([h * np.exp(-0.5 * ((at - c) / 2.0) ** 2) for c, h in peaks.items()], axis=0)
    found = deflections(beat, RATE)
    assert set(found) == names
    assert set(found.values()) <= set(peaks)


def test_voltages_are_sums_of_what_was_measured() -> None:
    found = measured(planted())
    sums = measure_voltages(found)
    assert sums["sokolow_lyon"].value == pytest.approx(found["V5"]["r"].value - found["V1"]["s"].value)
    assert sums["sokolow_lyon"].confidence == min(found["V5"]["r"].confidence, found["V1"]["s"].confidence)
    assert "cornell" not in sums  # aVL has no R
    assert measure_voltages({"V1": found["V1"]}) == {}


def test_the_whole_depth_of_a_qs_counts() -> None:
    found = measured(planted())
    as_qs = {"V5": found["V5"], "V1": found["aVL"]}
    assert measure_voltages(as_qs)["sokolow_lyon"].value == pytest.approx(2.4, abs=0.1)


def test_a_virtual_heart_is_measured_as_it_is(sinus_hearts: Hearts) -> None:
    """The simulator's own P, ST and T, in leads that look along them."""
    recordings, causes = sinus_hearts(60)
    found = [measured(recording) for recording in recordings]

    def of(lead: str, name: str) -> NDArray[np.float64]:
        return np.array([one[lead][name].value if name in one[lead] else np.nan for one in found])

    assert spearmanr(of("I", "st"), causes["st_left"]).statistic > 0.7
    assert spearmanr(of("aVF", "st"), causes["st_down"]).statistic > 0.7
    p_in_ii = spearmanr(of("II", "p"), causes["p_amplitude"], nan_policy="omit").statistic
    assert p_in_ii > 0.6


def test_noise_moves_a_virtual_heart_little(sinus_hearts: Hearts) -> None:
    off = []
    for clean, noisy in zip(sinus_hearts(20)[0], sinus_hearts(20, noise=True)[0], strict=True):
        one, other = measured(clean), measured(noisy)
        off += [
            other[lead]["r"].value - one[lead]["r"].value
            for lead in one.keys() & other.keys()
            if "r" in one[lead] and "r" in other[lead]
        ]
    assert len(off) > 150
    assert np.median(np.abs(off)) < 0.03
    assert abs(np.median(off)) < 0.02
