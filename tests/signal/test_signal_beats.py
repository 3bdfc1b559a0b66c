"""Beats: planted ones found, noise left alone, and the cardiologists' annotations as the oracle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording, RecordingError
from cardiofusion.signal import (
    assess_quality,
    detect_beats,
    heart_rate,
    median_beat,
    rhythm_irregularity,
)
from cardiofusion.signal.beats import rr_intervals

MakeECG = Callable[..., Recording]
Notes = Callable[..., np.ndarray]
Match = Callable[..., tuple[int, int, int]]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([100.0, 128.0, 250.0, 360.0, 500.0, 1000.0]), st.floats(35.0, 180.0))
def test_planted_beats_are_found_where_they_are(
    make_ecg: MakeECG, match_beats: Match, rate: float, bpm: float
) -> None:
    recording = make_ecg(rate=rate, heart_rate=bpm)
    planted = np.arange(0.4, 9.9, 60.0 / bpm) * rate
    hits, missed, false = match_beats(planted, detect_beats(recording), 0.03 * rate)
    assert missed == 0
    assert false <= 1  # one that the end cuts in two
    assert heart_rate(recording) == pytest.approx(bpm, rel=0.03)
    assert hits == len(planted)


def test_gain_sign_and_offset_do_not_matter(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    beats = detect_beats(recording)
    for changed in (recording.signal * 0.1, -recording.signal, recording.signal + 20.0):
        np.testing.assert_allclose(detect_beats(replace(recording, signal=changed)), beats, atol=2)


def test_one_lead_that_shouts_does_not_drown_the_rest(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    signal = recording.signal.copy()
    signal[3] += np.random.default_rng(1).normal(0.0, 3.0, signal.shape[1]).astype(np.float32)
    np.testing.assert_allclose(
        detect_beats(replace(recording, signal=signal)), detect_beats(recording), atol=10
    )


@pytest.mark.parametrize("n_leads", [1, 12])
def test_no_beats_in_what_is_no_heart(n_leads: int) -> None:
    rng = np.random.default_rng(5)
    time = np.arange(5000) / 500.0
    for row in (rng.normal(0.0, 0.1, 5000), np.sin(2.0 * np.pi * 0.3 * time), 0.1 * time, time > 5.0):
        noise = np.tile(row, (n_leads, 1)).astype(np.float32)
        assert not len(detect_beats(Recording(noise, 500.0, LEADS[:n_leads])))


def test_wide_fast_beats_are_beats() -> None:
    """Ventricular tachycardia fills the trace: no quiet line to stand out from."""
    time = np.arange(5000) / 500.0
    beats = np.arange(0.2, 10.5, 60.0 / 170.0)
    qrs, t_wave = (
        height * np.exp(-0.5 * ((time[:, None] - beats - centre) / width) ** 2).sum(axis=1)
        for centre, width, height in ((0.0, 0.035, 1.5), (0.14, 0.06, -0.8))
    )
    wave = (qrs + t_wave).astype(np.float32)
    assert heart_rate(Recording(wave[None], 500.0, ("II",))) == pytest.approx(170.0, rel=0.02)


def test_too_little_to_tell() -> None:
    assert heart_rate(Recording(np.zeros((1, 5000), dtype=np.float32), 500.0, ("I",))) is None
    assert not len(detect_beats(Recording(np.ones((1, 3), dtype=np.float32), 500.0, ("I",))))


def test_irregularity_tells_a_steady_rhythm_from_a_wild_one(make_ecg: MakeECG) -> None:
    steady = make_ecg(seconds=20.0)
    rng = np.random.default_rng(2)
    beat = make_ecg(heart_rate=60.0).signal[:, 100:350]  # from before P to after T
    pauses = [np.repeat(beat[:, -1:], gap, axis=1) for gap in rng.integers(0, 300, 12)]
    wild = np.concatenate([part for pause in pauses for part in (beat, pause)], axis=1)
    calm = rhythm_irregularity(steady)
    stormy = rhythm_irregularity(replace(steady, signal=wild))
    assert calm is not None
    assert calm < 0.02
    assert stormy is not None
    assert stormy > 0.15


def test_median_beat_recovers_the_beat_under_noise() -> None:
    rng = np.random.default_rng(0)
    shape = np.hanning(40).astype(np.float32)
    peaks = np.arange(100, 2000, 100)
    signal = np.zeros((2, 2000), dtype=np.float32)
    for peak in peaks:
        signal[:, peak - 20 : peak + 20] += shape
    noisy = signal + rng.normal(0.0, 0.1, signal.shape).astype(np.float32)
    noisy[:, 480:520] = 50.0  # a median shrugs this off
    beat = median_beat(noisy, peaks, (20, 20))
    assert beat.shape == (2, 40)
    assert np.abs(beat - shape).max() < 0.15


def test_median_beat_without_a_whole_beat_is_refused() -> None:
    with pytest.raises(RecordingError) as caught:
        median_beat(np.zeros((1, 100), dtype=np.float32), np.array([5, 95]), (20, 20))
    assert caught.value.code == "signal.no_beats"


@pytest.mark.data
@pytest.mark.parametrize("record", ["100", "101"])
def test_mit_bih_annotations(data_dir: Path, beat_notes: Notes, match_beats: Match, record: str) -> None:
    stop = 5 * 60 * 360
    path = data_dir / "mitdb" / record
    whole = read_recording(path.with_suffix(".hea"))
    found = detect_beats(replace(whole, signal=whole.signal[:, :stop]))
    hits, missed, false = match_beats(beat_notes(path, "atr", stop), found, 0.075 * 360)
    assert hits / (hits + missed) >= 0.99
    assert hits / (hits + false) >= 0.99


@pytest.mark.data
def test_ludb_annotations(data_dir: Path, beat_notes: Notes, match_beats: Match) -> None:
    total = np.zeros(3)
    for subject in range(1, 201, 4):
        path = data_dir / "ludb" / "data" / str(subject)
        reference = beat_notes(path, "ii")
        found = detect_beats(read_recording(path.with_suffix(".hea")))
        # The experts left the first and last beats of a record unmarked.
        inside = (found > reference[0] - 75) & (found < reference[-1] + 75)
        total += match_beats(reference, found[inside], 50)
    hits, missed, false = total
    assert hits / (hits + missed) >= 0.99
    assert hits / (hits + false) >= 0.99


@pytest.mark.parametrize(("start", "seconds"), [(3.0, 0.6), (4.2, 1.0), (2.0, 2.5), (0.0, 1.0)])
def test_a_gap_in_all_leads_is_no_pause_of_the_heart(make_ecg: MakeECG, start: float, seconds: float) -> None:
    recording = make_ecg()
    signal = recording.signal.copy()
    signal[:, round(start * 500.0) : round((start + seconds) * 500.0)] = np.nan
    gapped = replace(recording, signal=signal)
    irregularity = rhythm_irregularity(gapped)
    assert heart_rate(gapped) == pytest.approx(72.0, rel=0.01)
    assert assess_quality(gapped).heart_rate == pytest.approx(72.0, rel=0.01)
    assert irregularity is not None
    assert irregularity < 0.02


def test_what_some_lead_still_shows_is_no_gap(make_ecg: MakeECG) -> None:
    """A pause that one lead has on record counts, and so does one over a few lost samples."""
    recording = make_ecg(heart_rate=60.0)
    signal = recording.signal.copy()
    signal[:, 2100:2800] = 0.001 * np.sin(np.arange(700) / 40.0)  # a beat is not conducted
    signal[:-1, 2200:2600] = np.nan
    signal[:, 3000:3010] = np.nan
    paused = replace(recording, signal=signal)
    beats = detect_beats(paused)
    assert heart_rate(paused) == pytest.approx(60.0 * 500.0 / np.diff(beats).mean())
    assert np.diff(beats).max() > 900


def test_beats_on_either_side_of_a_gap_do_not_follow_each_other() -> None:
    beats = np.array([100, 600, 1100, 2600, 3100])
    known = rr_intervals(beats, [(1200, 1500)])
    np.testing.assert_array_equal(known, [500.0, 500.0, np.nan, 500.0])
    np.testing.assert_array_equal(rr_intervals(beats), [500.0, 500.0, 1500.0, 500.0])
