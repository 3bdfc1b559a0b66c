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
# Even at 170 beats a minute a third of such windows hold no QRS, nor what the filter makes ring around one.
MUSCLE_WINDOW_SECONDS, MUSCLE_PERCENTILE = 0.05, 30.0
BASELINE_RATE, WANDER_PERCENTILE = 10.0, 80.0
SATURATED_MV = 32.7  # full scale of 16 bits at 1 uV
# A wave's own top rests on one converter step too, for up to 126 ms in PTB-XL, but it is reached gently.
# At 1000 Hz and 6 uV a step an R peak rests for 11 ms.
CLIPPED_SAMPLES, CLIPPED_SECONDS = 3, 0.02
CLIPPED_SLOPE = 10.0  # of the lead's peak to peak, a second
PLATEAU_SECONDS, PLATEAU_OFFSET_MV = 0.15, 1.0
# At 500 Hz a QRS stays within 0.9 mV of the median of five samples in 98 % of PTB-XL's ECGs. Where more than
# so many samples are off by an eighth of the farthest, it is the rhythm that is sharp.
LOWEST_JUMP_RATE, JUMP_SAMPLES, JUMP_MV, JUMP_RATIO = 240.0, 7, 1.0, 8.0


def wander(signal: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """How fast each lead's baseline drifts, mV a second, but for the fastest fifth of the time: [lead].

    One step of the baseline is no wander.
    """
    block = max(1, round(rate / BASELINE_RATE))
    n_blocks = signal.shape[1] // block
    if n_blocks < 2:
        return np.zeros(len(signal))
    means = signal[:, : n_blocks * block].reshape(len(signal), n_blocks, block).mean(axis=2)
    drift = np.diff(baseline(means, rate / block), axis=1) * rate / block
    return np.asarray(np.percentile(np.abs(drift), WANDER_PERCENTILE, axis=1), dtype=np.float64)


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
        np.sqrt(np.maximum(np.percentile(spread, MUSCLE_PERCENTILE, axis=1) ** 2 - hum**2 / 2.0, 0.0)),
        dtype=np.float64,
    )


def jumps(signal: NDArray[np.float32], rate: float) -> NDArray[np.bool_]:
    """Which leads leave their line for one or two samples, here and there (wrong bits, a contact): [lead].

    A sharp QRS comes again and again, and so do most pacemakers' spikes. None below LOWEST_JUMP_RATE, where a
    QRS is as narrow.
    """
    if rate < LOWEST_JUMP_RATE or signal.shape[1] <= JUMP_SAMPLES:
        return np.zeros(len(signal), dtype=np.bool_)
    padded = np.pad(signal, ((0, 0), (2, 2)), mode="edge")
    line = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5, axis=1), axis=2)
    highest = np.sort(np.abs(signal - line), axis=1)[:, -JUMP_SAMPLES - 1 :]
    usual = np.maximum(highest[:, 0], JUMP_MV / JUMP_RATIO)
    return np.asarray((highest[:, -1] > JUMP_MV) & (highest[:, -1] > JUMP_RATIO * usual))


def saturated(signal: NDArray[np.float32], rate: float) -> NDArray[np.bool_]:
    """Which leads were cut off by an amplifier, or reach a 16-bit converter's end: [lead]."""
    at_end = np.abs(signal).max(axis=1) >= SATURATED_MV
    return np.asarray(at_end | (clipped_seconds(signal, rate) > CLIPPED_SECONDS))


def clipped_seconds(signal: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """How long each lead rests exactly on its highest or lowest value, having come or gone steeply: [lead].

    Far from the middle a long rest counts however it was reached: drift reaches an amplifier's limit slowly.
    """
    return np.array([_clipped(lead, rate) for lead in signal])


def _clipped(lead: NDArray[np.float32], rate: float) -> float:
    steep, middle = CLIPPED_SLOPE * float(np.ptp(lead)) / rate, float(np.median(lead))
    padded, seconds = np.pad(lead, 1, mode="edge"), 0.0
    for end in (lead.max(), lead.min()):
        edges = np.diff((lead == end).astype(np.int8), prepend=0, append=0)
        starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        step = np.maximum(np.abs(padded[starts] - end), np.abs(padded[ends + 1] - end))
        long = (ends - starts > PLATEAU_SECONDS * rate) & (abs(end - middle) > PLATEAU_OFFSET_MV)
        counted = (ends - starts >= CLIPPED_SAMPLES) & ((step > steep) | long)
        seconds += float((ends - starts)[counted].sum()) / rate
    return seconds
