"""Beats found without learning: against planted beats, a loop, and what must never matter."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from cardiofusion.readers import read_recording
from cardiofusion.signal import canonical
from cardiofusion.simulate import draw_causes, render, with_cause
from cardiofusion.tmae.beats import (
    BEFORE,
    FEW,
    FIRST_LAG,
    LAG_STEP,
    LAGS,
    average_beats,
    find_beats,
    spread,
)

SAMPLES, WINDOW, LEADS = 1000, 100, 12
WHOLE = torch.ones(1, LEADS, 1)


def planted(onsets: list[int], height: float = 1.0, seed: int = 0) -> Tensor:
    """A sharp QRS at each onset, seen by every lead in its own way, on a little noise."""
    dice = torch.Generator().manual_seed(seed)
    time = torch.arange(SAMPLES)
    wave = sum(torch.exp(-0.5 * ((time - t) / 2.0) ** 2) for t in onsets)
    lead = torch.linspace(-1.0, 1.0, LEADS)[:, None]
    return (height * lead * wave + 0.01 * torch.randn(LEADS, SAMPLES, generator=dice))[None]


@settings(deadline=None, max_examples=25)
@given(st.floats(0.5, 4.0), st.lists(st.integers(60, 140), min_size=5, max_size=9), st.integers(0, 99))
def test_planted_beats_are_found_at_any_height_and_nothing_else(
    height: float, gaps: list[int], seed: int
) -> None:
    onsets = [t for t in np.cumsum(gaps).tolist() if t < SAMPLES - 20]
    weight = find_beats(planted(onsets, height, seed), WHOLE)[0]
    for onset in onsets:
        assert float(weight[onset - 4 : onset + 5].max()) > 0.5
    away = torch.ones(SAMPLES, dtype=torch.bool)
    for onset in onsets:
        away[max(0, onset - 6) : onset + 7] = False
    assert float(weight[away].max()) < 0.2


def test_the_mean_beat_is_what_a_loop_over_beats_says() -> None:
    signal = planted([95, 180, 290, 370, 480, 555, 990])
    beats = average_beats(signal, WHOLE, WINDOW)
    before = round(BEFORE * WINDOW)
    total, count = torch.zeros(LEADS, WINDOW), torch.zeros(WINDOW)
    for at in range(SAMPLES):
        for lag in range(-before, WINDOW - before):
            if 0 <= at + lag < SAMPLES and float(beats.weight[0, at]) > 0:
                total[:, lag + before] += beats.weight[0, at] * signal[0, :, at + lag]
                count[lag + before] += beats.weight[0, at]
    assert torch.allclose(beats.mean[0], total / (count + FEW), atol=1e-5)


def test_a_regular_rhythm_has_sharp_peaks_at_its_own_lag_and_an_irregular_one_has_not() -> None:
    regular = average_beats(planted(list(range(50, 1000, 80))), WHOLE, WINDOW).rhythm[0]
    dice = np.random.default_rng(4)
    irregular = planted(np.cumsum(dice.integers(50, 115, 11)).tolist())
    assert int(regular.argmax()) * LAG_STEP + FIRST_LAG * LAG_STEP == pytest.approx(80, abs=LAG_STEP)
    assert float(regular.max()) > 0.8
    assert float(average_beats(irregular, WHOLE, WINDOW).rhythm.max()) < 0.6
    assert regular.shape == (LAGS,)


def test_the_rate_of_virtual_patients_is_read_off_the_rhythm() -> None:
    """Without ectopy and blocks the first peak of the rhythm is the RR, up to the step between lags."""
    dice = np.random.default_rng(8)
    causes = with_cause(draw_causes(40, dice, findings=()), "rr_variation", 0.0)
    signal = torch.from_numpy(render(causes, dice))
    rhythm = average_beats(signal, torch.ones(40, LEADS, 1), WINDOW).rhythm
    found = (rhythm.argmax(dim=1) + FIRST_LAG) * LAG_STEP / 100.0
    true = 60.0 / causes[:, 0]
    multiple = np.maximum(np.rint(found.numpy() / true), 1.0)
    assert float(np.mean(np.abs(found.numpy() / multiple - true) < 0.025)) > 0.9


def test_shown_sample_by_sample_equals_whole_leads() -> None:
    signal = planted([95, 180, 290, 370, 480, 555])
    present = torch.ones(1, LEADS, 1)
    present[:, 4:9] = 0.0
    whole = average_beats(signal, present, WINDOW)
    every = average_beats(signal, present.expand_as(signal), WINDOW)
    for name in ("weight", "mean", "rhythm"):
        assert torch.allclose(getattr(whole, name), getattr(every, name), atol=1e-6), name
    assert not whole.mean[:, 4:9].any()


def test_hidden_samples_never_matter() -> None:
    signal = planted([95, 180, 290, 370, 480, 555])
    shown = (torch.rand(1, LEADS, 10, generator=torch.Generator().manual_seed(1)) < 0.4).float()
    shown = shown.repeat_interleave(100, dim=2)
    loud = torch.where(shown > 0, signal, 50.0 * torch.randn_like(signal))
    ours, theirs = average_beats(signal, shown, WINDOW), average_beats(loud, shown, WINDOW)
    for name in ("weight", "mean", "rhythm"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name


def test_a_flat_line_has_no_beats_and_a_slope_there_is_finite() -> None:
    signal = torch.zeros(1, LEADS, SAMPLES, requires_grad=True)
    beats = average_beats(signal, WHOLE, WINDOW)
    (beats.mean.sum() + beats.rhythm.sum()).backward()
    assert float(beats.weight.detach().max()) < 0.01
    assert signal.grad is not None
    assert bool(signal.grad.isfinite().all())


def test_rounding_cannot_move_a_beat() -> None:
    """A tie between two samples, broken either way by the last digit."""
    signal = planted(list(range(50, 1000, 80)))
    ours = average_beats(signal, WHOLE, WINDOW)
    theirs = average_beats(signal + 1e-7 * torch.randn_like(signal), WHOLE, WINDOW)
    assert torch.allclose(ours.mean, theirs.mean, atol=1e-4)
    assert torch.allclose(ours.rhythm, theirs.rhythm, atol=1e-4)


def test_the_spread_says_where_the_mean_beat_is_from() -> None:
    weight = torch.zeros(1, 200)
    weight[0, [60, 120]] = 1.0
    shares = spread(weight, 100, 10)
    before = round(BEFORE * 10)
    expected = torch.zeros(100, 10)
    for beat in (30, 60):
        for frame in range(10):
            expected[beat - before + frame, frame] = 1.0 / (2.0 + FEW)
    assert torch.allclose(shares, expected)


@pytest.mark.data
def test_the_experts_beats_are_found(data_dir: Path) -> None:
    """LUDB's QRS in lead II; the first and last of a record are not marked."""
    found = marked = right = 0
    for subject in range(1, 201, 8):
        path = data_dir / "ludb" / "data" / str(subject)
        signal = torch.from_numpy(canonical(read_recording(path.with_suffix(".hea"))).signal)[None]
        reference = expert_beats(path) / 5.0
        at = tops(find_beats(signal, WHOLE)[0].numpy())
        at = at[(at > reference[0] - 15) & (at < reference[-1] + 15)]
        near = np.abs(at[:, None] - reference[None]) <= 10
        found, marked, right = found + len(at), marked + len(reference), right + int(near.any(axis=0).sum())
    assert right / marked >= 0.99
    assert right / found >= 0.97


def expert_beats(record: Path) -> NDArray[np.intp]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wfdb uses what its pandas deprecates
        import wfdb

        notes = wfdb.rdann(str(record), "ii")
    return np.array([s for s, symbol in zip(notes.sample, notes.symbol, strict=True) if symbol == "N"])


def tops(weight: NDArray[np.float32]) -> NDArray[np.intp]:
    """The greatest of each cluster of weights above 0.3."""
    high = np.flatnonzero(weight > 0.3)
    clusters = np.split(high, np.flatnonzero(np.diff(high) > 10) + 1)
    return np.array([cluster[np.argmax(weight[cluster])] for cluster in clusters])
