"""Marks per lead: planted waves that come later in some leads, cardiologists' marks, what must never be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording
from cardiofusion.signal import Delineation, LeadBeat, delineate, delineate_leads
from cardiofusion.signal.per_lead import as_sure_as_leads
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_causes

RATE = 500.0
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
BEATS = np.arange(0.6, 9.6, 0.8)  # seconds of the R peaks
HELD_OUT = range(101, 201, 5)  # of LUDB: no constant was chosen on them
SYMBOLS = {"p": "p", "N": "qrs", "t": "t"}
WITHIN = 0.15  # seconds
Own = dict[str, tuple[LeadBeat, ...]]


def planted(t_later: dict[str, float], without_p: tuple[str, ...] = (), noise: float = 0.002) -> Recording:
    """Six leads whose T comes so many seconds later than 0.28 s after R; some leads without P."""
    time = np.arange(5000) / RATE
    signal = np.random.default_rng(3).normal(0.0, noise, (len(CHEST), len(time)))
    for row, lead in enumerate(CHEST):
        waves = [(0.0, 0.011, 1.0), (0.28 + t_later.get(lead, 0.0), 0.045, 0.3)]
        waves += [] if lead in without_p else [(-0.16, 0.02, 0.12)]
        for centre, width, height in waves:
            signal[row] += height * np.exp(-0.5 * ((time[:, None] - BEATS - centre) / width) ** 2).sum(axis=1)
    return Recording(signal.astype(np.float32), RATE, CHEST)


def waves_of(own: Own, lead: str, name: str, mark: str) -> NDArray[np.float64]:
    """Seconds of a mark in each beat that shows the wave."""
    return np.array([getattr(w, mark) for beat in own[lead] if (w := getattr(beat, name))]) / RATE


def test_each_lead_has_the_peak_that_it_shows() -> None:
    later = {"V1": -0.02, "V2": -0.012, "V3": 0.0, "V4": 0.0, "V5": 0.008, "V6": 0.02}
    recording = planted(later)
    own = delineate_leads(recording, delineate(recording))
    for lead, by in later.items():
        peaks = waves_of(own, lead, "t", "peak")
        assert len(peaks) >= 10
        assert np.abs(np.median(peaks[:10] - BEATS[:10]) - 0.28 - by) <= 0.006


def test_ends_follow_the_lead_but_not_all_the_way() -> None:
    """They are believed in part: between the ends of all leads and those that the lead itself shows."""
    later = {"V1": -0.02, "V6": 0.02}
    recording = planted(later)
    own = delineate_leads(recording, delineate(recording))
    for mark in ("onset", "offset"):
        apart = np.median(waves_of(own, "V6", "t", mark)) - np.median(waves_of(own, "V1", "t", mark))
        assert 0.012 <= apart <= 0.044


def test_a_lead_without_a_wave_has_none_of_it() -> None:
    quiet = replace(planted({}, without_p=("V2",), noise=0.0))
    own = delineate_leads(quiet, delineate(quiet))
    assert all(beat.p is None for beat in own["V2"])
    assert all(beat.p is not None for beat in own["V5"][1:-1])


def test_a_wave_in_noise_is_less_sure() -> None:
    def sure(noise: float) -> float:
        recording = planted({}, noise=noise)
        own = delineate_leads(recording, delineate(recording))
        return float(np.median([beat.p.confidence for beat in own["V3"] if beat.p]))

    assert sure(0.005) > sure(0.04) > sure(0.12)


def test_a_lead_without_signal_is_left_out_and_changes_no_other() -> None:
    recording = planted({"V1": 0.02})
    dead = recording.signal.copy()
    dead[5] = np.nan
    found = delineate(replace(recording, signal=dead))
    own = delineate_leads(replace(recording, signal=dead), found)
    assert set(own) == set(CHEST) - {"V6"}
    alone = delineate_leads(Recording(recording.signal[:5], RATE, CHEST[:5]), found)
    assert own == alone


def test_gain_and_sign_of_a_lead_do_not_matter() -> None:
    recording = planted({"V1": 0.02})
    found = delineate(recording)
    own = delineate_leads(recording, found)
    turned = recording.signal * np.array([-2.0, 1.0, 1.0, 1.0, 1.0, 1.0], np.float32)[:, None]
    other = delineate_leads(replace(recording, signal=turned), found)
    for one, same in zip(own["V1"], other["V1"], strict=True):
        for name in ("qrs", "p", "t"):
            first, second = getattr(one, name), getattr(same, name)
            assert (first is None) == (second is None)
            assert first is None or (first.onset, first.peak, first.offset) == (
                second.onset, second.peak, second.offset
            )  # fmt: skip


def test_every_lead_of_a_clean_heart_shows_its_qrs(
    sinus_hearts: Callable[..., tuple[list[Recording], object]],
) -> None:
    for recording in sinus_hearts(10)[0]:
        found = delineate(recording)
        own = delineate_leads(recording, found)
        assert set(own) == set(LEADS)
        assert np.mean([beat.qrs is not None for beats in own.values() for beat in beats]) > 0.99


def test_all_leads_are_as_sure_as_their_median_and_stay_where_they_are() -> None:
    recording = planted({}, noise=0.03)
    found = delineate(recording)
    own = delineate_leads(recording, found)
    judged = as_sure_as_leads(found, own)
    for i, (before, after) in enumerate(zip(found.beats, judged.beats, strict=True)):
        assert before.t is not None
        assert after.t is not None
        shown = [t.confidence for beats in own.values() if (t := beats[i].t)]
        assert after.t == replace(before.t, confidence=float(np.median(shown)))


def in_order(own: Own, found: Delineation, samples: int) -> None:
    for beats in own.values():
        assert len(beats) == len(found.beats)
        for beat, of_all in zip(beats, found.beats, strict=True):
            assert beat.p is None or of_all.p is not None
            assert beat.t is None or of_all.t is not None
            for wave in filter(None, (beat.qrs, beat.p, beat.t)):
                assert 0 <= wave.onset <= wave.peak <= wave.offset < samples
                assert 0.0 <= wave.confidence <= 1.0


@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([100.0, 128.0, 250.0, 977.0]),
    seconds=st.floats(0.5, 12.0),
    n_leads=st.integers(1, 12),
    gaps=st.booleans(),
    loudness=st.sampled_from([0.0, 0.05, 0.3]),
)
@settings(max_examples=30, deadline=None)
def test_marks_are_in_order_whatever_comes(
    seed: int, rate: float, seconds: float, n_leads: int, gaps: bool, loudness: float
) -> None:
    rng = np.random.default_rng(seed)
    signal = render(draw_causes(1, rng), rng, rate, max(seconds, 2.5 / rate), noise=True)[0][:n_leads].copy()
    signal += rng.normal(0.0, loudness, signal.shape).astype(np.float32)
    if gaps:
        signal[rng.integers(n_leads), : signal.shape[1] // 3] = np.nan
    recording = Recording(signal, rate, LEADS[:n_leads])
    found = delineate(recording)
    in_order(delineate_leads(recording, found), found, signal.shape[1])


def test_nothing_is_found_where_nothing_is() -> None:
    flat = Recording(np.zeros((12, 5000), np.float32), RATE, LEADS)
    assert delineate_leads(flat, delineate(flat)) == {}


def errors(path: Path) -> list[tuple[str, str, float, float]]:
    """Of each wave that cardiologists marked: name, mark, how far off all leads and the lead itself are."""
    wfdb = pytest.importorskip("wfdb")
    recording = read_recording(path.with_suffix(".hea"))
    found = delineate(recording)
    rows = []
    for lead, beats in delineate_leads(recording, found).items():
        notes = wfdb.rdann(str(path), lead.lower())
        for k, symbol in enumerate(notes.symbol):
            name = SYMBOLS.get(symbol, "")
            pairs = [
                (getattr(b, name), getattr(o, name)) for b, o in zip(found.beats, beats, strict=True) if name
            ]
            near = [(b, o) for b, o in pairs if b and o and abs(b.peak - notes.sample[k]) <= WITHIN * RATE]
            for of_all, own in near[:1]:
                for mark, at in (("onset", notes.sample[k - 1]), ("offset", notes.sample[k + 1])):
                    rows.append((name, mark, getattr(of_all, mark) - at, getattr(own, mark) - at))
    return rows


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, inside wfdb
def test_cardiologists_ends_are_nearer_than_those_of_all_leads(data_dir: Path) -> None:
    """On records that chose nothing, the spread of the errors shrinks."""
    rows = [row for record in HELD_OUT for row in errors(data_dir / "ludb" / "data" / str(record))]
    shrunk = []
    for name in SYMBOLS.values():
        for mark in ("onset", "offset"):
            both = np.array([row[2:] for row in rows if row[:2] == (name, mark)], dtype=float)
            assert len(both) > 500
            shrunk.append(both[:, 1].std() / both[:, 0].std())
    assert np.mean(shrunk) < 0.95
