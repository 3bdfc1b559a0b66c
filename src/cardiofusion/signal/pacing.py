"""Pacemaker spikes: deflections too narrow for a heart, out of a quiet line, again and again.

A morphological top-hat keeps what is narrower than 8 ms (Serra, 1982); myocardium needs longer.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.signal.gaps import fill_gaps, usable

LOWEST_RATE = 200.0  # a 2 ms spike, widened by the anti-alias filter, must still be 2 samples
SPIKE_SECONDS = 0.008
# Mean over the better half of the leads. What a sharp QRS leaves in 8 ms stays below 0.4 mV; it grows with
# the width kept, which at 250 Hz cannot be less than 12 ms. Small bipolar spikes are missed at this level.
SPIKE_MV = 0.42
NARROWEST_SAMPLES = 3
QUIET_SECONDS = (0.06, 0.012)  # before the spike: a QRS climbs into its narrow peak, a spike does not
QUIET_RATIO = 5.0
QUIET_FLOOR_MV = 0.02  # converter noise, so that a silent line does not make a giant of a crumb
APART_SECONDS = 0.04
ALIKE = 0.4  # spikes of one pacemaker differ by how the sampling hits them, not tenfold
FEWEST = 3  # one or two spikes are an artefact
LARGEST_GAP_SECONDS = 10.0 / FEWEST  # a long recording needs them as often as a 10 s one


def pacing_spikes(recording: Recording) -> NDArray[np.intp]:
    """Sample positions of pacing spikes at the native rate; empty below 200 Hz or under 3 spikes."""
    none = np.empty(0, dtype=np.intp)
    rate = recording.sampling_rate
    signal = fill_gaps(recording.signal[usable(recording.signal)])
    if rate < LOWEST_RATE or recording.duration < 2.0 * QUIET_SECONDS[0] or not len(signal):
        return none
    width = max(NARROWEST_SAMPLES, round(SPIKE_SECONDS * rate))
    height = _narrow_height(signal, width)
    spikes = _candidates(height, rate, SPIKE_MV * width / (SPIKE_SECONDS * rate))
    if len(spikes):
        spikes = spikes[height[spikes] >= ALIKE * height[spikes].max()]
    needed = max(FEWEST, int(recording.duration / LARGEST_GAP_SECONDS))
    return spikes if len(spikes) >= needed else none


def _narrow_height(signal: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """What is narrower than `width` samples, in mV: the mean over the half of the leads that show it most."""
    top_hat = np.maximum(signal - _opening(signal, width), -signal - _opening(-signal, width))
    half = ceil(len(top_hat) / 2)
    best: NDArray[np.float32] = np.partition(top_hat, len(top_hat) - half, axis=0)[-half:].mean(axis=0)
    return best


def _candidates(height: NDArray[np.float32], rate: float, least: float) -> NDArray[np.intp]:
    """Narrow peaks of at least `least` mV that rise from a quiet line."""
    early, late = (round(seconds * rate) for seconds in QUIET_SECONDS)
    quiet = _running(height[None], early - late + 1, np.maximum)[0]  # over [t - early, t - late] at t - early
    positions = np.arange(early, len(height) - late)
    before = quiet[: len(positions)]
    sharp = height[positions] > np.maximum(least, QUIET_RATIO * np.maximum(before, QUIET_FLOOR_MV))
    found = positions[sharp]
    if not len(found):
        return np.empty(0, dtype=np.intp)
    runs = np.split(found, np.flatnonzero(np.diff(found) > APART_SECONDS * rate) + 1)
    return np.array([run[height[run].argmax()] for run in runs], dtype=np.intp)


def _opening(signal: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """The signal with every peak narrower than `width` samples shaved off."""
    padded = np.pad(signal, ((0, 0), (width - 1, width - 1)), mode="edge")
    return _running(_running(padded, width, np.minimum), width, np.maximum)


def _running(
    signal: NDArray[np.float32], width: int, extreme: Callable[..., NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Running extreme over `width` samples: [lead, sample] -> [lead, sample - width + 1]."""
    length = signal.shape[1] - width + 1
    result = signal[:, :length].copy()
    for shift in range(1, width):
        extreme(result, signal[:, shift : shift + length], out=result)
    return result
