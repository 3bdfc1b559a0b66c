"""Resampling and baseline: exact where theory is exact, scipy as the oracle elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.baseline import baseline
from cardiofusion.signal.resample import mirrored, resample


def sine(hz: float, rate: float, seconds: float = 10.0) -> np.ndarray:
    return np.sin(2.0 * np.pi * hz * np.arange(round(rate * seconds)) / rate).astype(np.float32)[None]


@pytest.mark.parametrize("rate", [125.0, 128.0, 250.0, 256.41, 257.0, 360.0, 400.0, 500.0, 1000.0, 1024.0])
@pytest.mark.parametrize("hz", [1.0, 17.3, 35.0])
def test_passband_keeps_amplitude_and_time(rate: float, hz: float) -> None:
    resampled = resample(sine(hz, rate), rate, 100.0)
    inner = slice(50, -50)
    assert resampled.shape == (1, 1000)
    assert np.abs(resampled - sine(hz, 100.0))[:, inner].max() < 0.005


@pytest.mark.parametrize("hz", [50.0, 60.0, 83.0, 180.0])
def test_mains_and_above_are_gone(hz: float) -> None:
    assert np.abs(resample(sine(hz, 500.0), 500.0, 100.0)[:, 50:-50]).max() < 0.002


@pytest.mark.parametrize("rate", [50.0, 64.0, 75.0])
def test_upsampling_reconstructs(rate: float) -> None:
    resampled = resample(sine(5.0, rate), rate, 100.0)
    assert resampled.shape == (1, 1000)
    assert np.abs(resampled - sine(5.0, 100.0))[:, 60:-60].max() < 0.005


def test_agrees_with_scipy() -> None:
    rng = np.random.default_rng(3)
    smooth = scipy.signal.filtfilt(*scipy.signal.butter(4, 30.0, fs=500.0), rng.normal(size=(3, 5000)))
    ours = resample(smooth.astype(np.float32), 500.0, 100.0)
    theirs = scipy.signal.resample_poly(smooth, 1, 5, axis=1, window=("kaiser", 8.0))
    error = (ours - theirs)[:, 50:-50]
    assert np.sqrt((error**2).mean()) < 0.02 * smooth.std()


@settings(deadline=None, max_examples=40)
@given(st.floats(50.0, 2000.0), st.floats(-100.0, 100.0), st.floats(2.0, 10.0))
def test_constants_stay_constant(rate: float, level: float, seconds: float) -> None:
    signal = np.full((2, round(rate * seconds)), level, dtype=np.float32)
    resampled = resample(signal, rate, 100.0)
    assert abs(resampled.shape[1] - signal.shape[1] * 100.0 / rate) <= 1.0
    np.testing.assert_allclose(resampled, level, atol=1e-3)


def test_resampling_is_linear() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 2, 1500)).astype(np.float32)
    both = resample(2.0 * first - second, 360.0, 100.0)
    apart = 2.0 * resample(first, 360.0, 100.0) - resample(second, 360.0, 100.0)
    np.testing.assert_allclose(both, apart, atol=1e-4)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(-100, 100))
def test_mirror_agrees_with_numpy(length: int, position: int) -> None:
    padded = np.pad(np.arange(length), 100, mode="reflect" if length > 1 else "edge")
    assert mirrored(np.array([position]), length)[0] == padded[position + 100]


@pytest.mark.parametrize(("hz", "least", "most"), [(0.05, 0.97, 1.0), (0.43, 0.2, 0.4), (1.0, -0.01, 0.03)])
def test_baseline_follows_wander_and_leaves_beats(hz: float, least: float, most: float) -> None:
    wave = sine(hz, 100.0, 60.0)
    inner = slice(500, -500)
    gain = float((baseline(wave, 100.0) * wave)[:, inner].sum() / (wave**2)[:, inner].sum())
    assert least <= gain <= most


def test_baseline_has_no_delay() -> None:
    impulse = np.zeros((1, 1000), dtype=np.float32)
    impulse[0, 505] = impulse[0, 504] = 1.0  # centre of a block of the estimate
    smooth = baseline(impulse, 100.0)[0]
    np.testing.assert_allclose(smooth[505:605], smooth[504:404:-1], atol=1e-6)


def test_baseline_of_a_constant_is_that_constant() -> None:
    np.testing.assert_allclose(baseline(np.full((1, 237), 3.5, dtype=np.float32), 100.0), 3.5, rtol=1e-5)


def test_bandpass_keeps_its_band_and_nothing_else() -> None:
    rate = 360.0
    inner = slice(360, -360)
    kept = bandpass(sine(13.0, rate), rate, 8.0, 20.0)
    assert np.abs(kept - sine(13.0, rate))[:, inner].max() < 0.01
    for outside in (1.0, 4.0, 30.0):
        assert np.abs(bandpass(sine(outside, rate), rate, 8.0, 20.0))[:, inner].max() < 0.01
