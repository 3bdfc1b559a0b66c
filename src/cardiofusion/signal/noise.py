"""How much of each lead is not the heart: wander, mains hum, muscle, amplifier limits.

Thresholds were set on the first 500 ECGs of PTB-XL: the few highest of those to which the annotators
put no remark about noise still pass.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.baseline import baseline

MAINS_HZ = (50.0, 60.0)
MUSCLE_BAND_HZ = (30.0, 100.0)
MUSCLE_WINDOW_SECONDS = 0.05  # most such windows hold no QRS, so their median is the noise between beats
BASELINE_RATE = 10.0
SATURATED_MV = 32.7  # full scale of 16 bits at 1 uV
SATURATED_SECONDS = 0.04  # a T wave's top lasts 20 ms on one converter step
SATURATED_OFFSET_MV = 1.0  # an amplifier's limit is far from the baseline


def wander(signal: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """The fastest drift of each lead's baseline, mV a second: [lead, sample] -> [lead]."""
    block = max(1, round(rate / BASELINE_RATE))
    n_blocks = signal.shape[1] // block
    if n_blocks < 2:
        return np.zeros(len(signal))
    means = signal[:, : n_blocks * block].reshape(len(signal), n_blocks, block).mean(axis=2)
    drift = np.diff(baseline(means, rate / block), axis=1) * rate / block
    return np.asarray(np.abs(drift).max(axis=1), dtype=np.float64)


def mains(signal: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """Amplitude in mV of each lead's 50 or 60 Hz line above the spectrum around it: [lead]."""
    n_samples = signal.shape[1]
    window = np.hanning(n_samples).astype(np.float32)
    centred = (signal - signal.mean(axis=1, keepdims=True)) * window
    amplitude = np.abs(np.fft.rfft(centred, axis=1)) * (2.0 / window.sum())
    frequency = np.fft.rfftfreq(n_samples, 1.0 / rate)
    lines = [_line(amplitude, frequency, mains_hz) for mains_hz in MAINS_HZ if rate > 2.0 * (mains_hz + 5.0)]
    return np.max(lines, axis=0) if lines else np.zeros(len(signal))


def _line(
    amplitude: NDArray[np.floating], frequency: NDArray[np.floating], line_hz: float
) -> NDArray[np.float64]:
    distance = np.abs(frequency - line_hz)
    peak = amplitude[:, distance < 0.75].max(axis=1)
    around = np.median(amplitude[:, (distance > 1.5) & (distance < 5.0)], axis=1)
    return np.asarray(np.sqrt(np.maximum(peak**2 - (2.0 * around) ** 2, 0.0)), dtype=np.float64)


def muscle(signal: NDArray[np.float32], rate: float, hum: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square in mV of 30-100 Hz between the beats, `mains` hum taken off: [lead].

    0 where the rate is too low to tell.
    """
    low, high = MUSCLE_BAND_HZ[0], min(MUSCLE_BAND_HZ[1], 0.45 * rate)
    width = round(MUSCLE_WINDOW_SECONDS * rate)
    if high < 1.3 * low:
        return np.zeros(len(signal))
    band = bandpass(signal, rate, low, high)
    n_windows = signal.shape[1] // width
    spread = band[:, : n_windows * width].reshape(len(signal), n_windows, width).std(axis=2)
    return np.asarray(
        np.sqrt(np.maximum(np.median(spread, axis=1) ** 2 - hum**2 / 2.0, 0.0)), dtype=np.float64
    )


def saturated(signal: NDArray[np.float32], rate: float) -> NDArray[np.bool_]:
    """Which leads stay at one far extreme for 40 ms or reach a 16-bit converter's end: [lead]."""
    longest = max(5, round(SATURATED_SECONDS * rate))
    return np.array([_plateau(lead, longest) for lead in signal], dtype=np.bool_)


def _plateau(lead: NDArray[np.float32], longest: int) -> bool:
    if np.abs(lead).max() >= SATURATED_MV:
        return True
    middle = np.median(lead)
    far = [end for end in (lead.max(), lead.min()) if abs(end - middle) > SATURATED_OFFSET_MV]
    for end in far:
        edges = np.diff((lead == end).astype(np.int8), prepend=0, append=0)
        if np.max(np.flatnonzero(edges < 0) - np.flatnonzero(edges > 0)) >= longest:
            return True
    return False
