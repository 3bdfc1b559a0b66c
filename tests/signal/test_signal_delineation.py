"""Delineation: virtual hearts whose intervals are known, cardiologists' marks, and what must never happen."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording
from cardiofusion.signal import Delineation, Wave, delineate
from cardiofusion.simulate.causes import columns
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_causes

RATE = 500.0
HELD_OUT = (110, 120, 140, 160, 180, 190)  # of LUDB: no constant was chosen on them
WITHIN = 0.15  # seconds


def hearts(
    wanted: str | None, n: int, seed: int = 3
) -> tuple[list[Recording], dict[str, NDArray[np.float64]]]:
    """Virtual ECGs without noise: of plain sinus rhythm, or with one cause."""
    rng = np.random.default_rng(seed)
    causes = draw_causes(4000, rng)
    flags = columns(causes)
    rhythms = (
        "afib", "aflt", "junctional", "svt", "av_block_3", "paced", "pvc", "pac", "bigeminy", "wenckebach",
        "mobitz", "preexcitation", "dextrocardia", "arm_reversal", "low_voltage",
    )  # fmt: skip
    other = sum(flags[name] > 0 for name in rhythms if name != wanted)
    chosen = np.flatnonzero((other == 0) & ((flags[wanted] > 0) if wanted else True))[:n]
    signals = render(causes[chosen], rng, RATE, noise=False)
    return [Recording(s, RATE, LEADS) for s in signals], {name: v[chosen] for name, v in flags.items()}


@pytest.fixture(scope="module")
def sinus() -> tuple[list[Recording], dict[str, NDArray[np.float64]]]:
    return hearts(None, 40)


@pytest.fixture(scope="module")
def found(sinus: tuple[list[Recording], dict[str, NDArray[np.float64]]]) -> list[Delineation]:
    return [delineate(recording) for recording in sinus[0]]


def milliseconds(found: Delineation, name: str) -> float:
    spans = {
        "pr": [beat.qrs.onset - beat.p.onset for beat in found.beats if beat.p],
        "qrs": [beat.qrs.offset - beat.qrs.onset for beat in found.beats],
        "p": [beat.p.offset - beat.p.onset for beat in found.beats if beat.p],
    }
    return float(np.median(spans[name])) / RATE * 1000.0 if spans[name] else np.nan


@pytest.mark.parametrize(("span", "cause", "within"), [("pr", "pr", 20.0), ("qrs", "qrs_duration", 20.0)])
def test_intervals_are_those_of_the_heart(
    sinus: tuple[list[Recording], dict[str, NDArray[np.float64]]],
    found: list[Delineation],
    span: str,
    cause: str,
    within: float,
) -> None:
    ours = np.array([milliseconds(one, span) for one in found])
    truth = sinus[1][cause]
    known = np.isfinite(ours)
    assert known.mean() > 0.9
    assert np.median(np.abs(ours - truth)[known]) < within
    assert np.corrcoef(ours[known], truth[known])[0, 1] > 0.8


def test_every_beat_of_sinus_rhythm_has_its_waves(found: list[Delineation]) -> None:
    beats = [beat for one in found for beat in one.beats[1:-1]]
    assert np.mean([beat.p is not None for beat in beats]) > 0.95
    assert np.mean([beat.t is not None for beat in beats]) > 0.95


def test_fibrillation_has_no_p_waves() -> None:
    found = [delineate(recording) for recording in hearts("afib", 20)[0]]
    assert np.mean([one.p_waves < 0.5 for one in found]) >= 0.8
    for one in found:
        if one.p_waves < 0.5:
            assert all(beat.p is None for beat in one.beats)


def test_an_extra_beat_is_of_another_kind() -> None:
    found = [delineate(recording) for recording in hearts("pvc", 12)[0]]
    with_two = [one for one in found if {beat.kind for beat in one.beats} >= {0, 1}]
    assert len(with_two) >= 8
    for one in with_two:
        kinds = [beat.kind for beat in one.beats]
        assert kinds.count(0) >= kinds.count(1)


def test_a_beat_whose_s_is_larger_than_its_r_is_no_other_kind() -> None:
    """R and S 30 ms apart and about as large, in all leads: which of them is the peak differs by beat."""
    time, beats = np.arange(5000) / RATE, np.arange(0.6, 9.6, 0.8)
    larger = 1.0 + 0.04 * (np.arange(len(beats)) % 4 == 3)
    since = time[:, None] - beats
    curve = np.exp(-0.5 * (since / 0.009) ** 2).sum(axis=1)
    curve -= (0.99 * larger * np.exp(-0.5 * ((since - 0.03) / 0.009) ** 2)).sum(axis=1)
    curve += 0.2 * np.exp(-0.5 * ((since - 0.3) / 0.05) ** 2).sum(axis=1)
    signal = np.stack([curve, 0.9 * curve]).astype(np.float32)
    found = delineate(Recording(signal, RATE, ("V3", "V4")))
    assert {beat.kind for beat in found.beats} == {0}
    peaks = np.array([beat.qrs.peak for beat in found.beats])
    assert np.ptp(np.diff(peaks)) <= 2


def assert_in_order(found: Delineation, samples: int) -> None:
    for beat in found.beats:
        for wave in filter(None, (beat.p, beat.qrs, beat.t)):
            assert wave.onset <= wave.peak <= wave.offset
            assert 0.0 <= wave.confidence <= 1.0
        assert beat.p is None or beat.p.peak < beat.qrs.peak
        assert beat.t is None or beat.qrs.peak < beat.t.peak < samples
    assert all(one.qrs.peak < other.qrs.peak for one, other in pairwise(found.beats))
    assert 0.0 <= found.p_waves <= 1.0


@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([100.0, 128.0, 250.0, 977.0]),
    seconds=st.floats(0.5, 12.0),
    n_leads=st.integers(1, 12),
    gaps=st.booleans(),
    loudness=st.sampled_from([0.0, 0.05, 0.3]),
)
@settings(max_examples=40, deadline=None)
def test_waves_are_in_order_whatever_comes(
    seed: int, rate: float, seconds: float, n_leads: int, gaps: bool, loudness: float
) -> None:
    rng = np.random.default_rng(seed)
    signal = render(draw_causes(1, rng), rng, rate, max(seconds, 2.5 / rate), noise=True)[0][:n_leads].copy()
    signal += rng.normal(0.0, loudness, signal.shape).astype(np.float32)
    if gaps:
        signal[rng.integers(n_leads), : signal.shape[1] // 3] = np.nan
    assert_in_order(delineate(Recording(signal, rate, LEADS[:n_leads])), signal.shape[1])


def test_waves_are_in_order_in_clean_hearts(found: list[Delineation]) -> None:
    for one in found:
        assert_in_order(one, 5000)


def test_gain_and_sign_do_not_matter(sinus: tuple[list[Recording], dict[str, NDArray[np.float64]]]) -> None:
    recording = sinus[0][0]
    plain = delineate(recording)
    for factor in (0.5, -1.0):
        other = delineate(replace(recording, signal=(recording.signal * factor).astype(np.float32)))
        for one, same in zip(plain.beats, other.beats, strict=True):
            assert marks(one.qrs) == marks(same.qrs)
            assert (one.p is None) == (same.p is None)


def marks(wave: Wave) -> tuple[int, int, int]:
    return wave.onset, wave.peak, wave.offset


def test_nothing_is_found_where_nothing_is() -> None:
    flat = np.zeros((12, 5000), dtype=np.float32)
    assert delineate(Recording(flat, RATE, LEADS)).beats == ()
    assert delineate(Recording(flat[:, :400], 40.0, LEADS)).beats == ()
    noise = np.random.default_rng(1).normal(0.0, 0.1, flat.shape).astype(np.float32)
    assert delineate(Recording(noise, RATE, LEADS)).beats == ()


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, inside wfdb
def test_cardiologists_agree(data_dir: Path) -> None:
    """On records that were not used to choose anything: sensitivity and predictive value of each wave."""
    wfdb = pytest.importorskip("wfdb")
    counts = {wave: np.zeros(3) for wave in "pNt"}  # found, marked, ours
    for record in HELD_OUT:
        recording = read_recording(data_dir / "ludb" / "data" / f"{record}.hea")
        notes = wfdb.rdann(str(data_dir / "ludb" / "data" / str(record)), "ii")
        beats = delineate(recording).beats
        ours = {"p": [b.p for b in beats], "N": [b.qrs for b in beats], "t": [b.t for b in beats]}
        for wave, waves in ours.items():
            marked = notes.sample[[symbol == wave for symbol in notes.symbol]]
            peaks = np.array([w.peak for w in waves if w and notes.sample[0] <= w.peak <= notes.sample[-1]])
            apart = np.abs(marked[:, None] - peaks[None]).astype(float).min(axis=1, initial=np.inf)
            counts[wave] += ((apart <= WITHIN * RATE).sum(), len(marked), len(peaks))
    for found, marked, ours_n in counts.values():
        assert found / marked > 0.93
        assert found / ours_n > 0.93


def test_a_lead_without_an_electrode_changes_no_other(
    sinus: tuple[list[Recording], dict[str, NDArray[np.float64]]],
) -> None:
    """Its 2 uV of noise must not be taken for a QRS as large as the others'."""
    noise = np.random.default_rng(5).normal(0.0, 0.002, 5000).astype(np.float32)
    off = []
    for recording in sinus[0][:20]:
        eleven = delineate(replace(recording, signal=recording.signal[:-1], leads=LEADS[:-1]))
        dead = delineate(replace(recording, signal=np.vstack([recording.signal[:-1], noise])))
        off.append([milliseconds(dead, name) - milliseconds(eleven, name) for name in ("qrs", "pr")])
    assert np.nanmax(np.abs(off)) <= 10.0
