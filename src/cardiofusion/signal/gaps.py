"""Samples that are not there: marked missing, or a lead that never moves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording

# A lead with less than half of its samples is more guess than signal.
MOST_MISSING = 0.5
# Below the step of the finest converter in use (1 uV): a line that moves less carries nothing.
FLAT_MV = 0.001
# A gap this long may hide a beat: what remains of a QRS may not do.
HIDING_SECONDS = 0.04


def missing_share(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """Share of samples of each lead that are not finite: [..., sample] -> [...]."""
    shares: NDArray[np.float64] = 1.0 - np.isfinite(signal).mean(axis=-1)
    return shares


def fill_gaps(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """[lead, sample] with missing samples drawn as straight lines; a lead with nothing in it becomes 0."""
    finite = np.isfinite(signal)
    gapped = np.flatnonzero(~finite.all(axis=1))
    if not len(gapped):
        return signal
    filled = signal.copy()
    positions = np.arange(signal.shape[1])
    for lead in gapped:
        known = np.flatnonzero(finite[lead])
        filled[lead] = np.interp(positions, known, signal[lead, known]) if len(known) else 0.0
    return filled


def common_gaps(recording: Recording) -> tuple[tuple[int, int], ...]:
    """Where no lead that holds a signal has a sample, for long enough to hide a beat: [start, stop) each."""
    alive = usable(recording.signal)
    missing = ~np.isfinite(recording.signal[alive]).any(axis=0) if alive.any() else np.zeros(0, np.bool_)
    edges = np.flatnonzero(np.diff(missing.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    long = np.diff(edges, axis=1)[:, 0] >= HIDING_SECONDS * recording.sampling_rate
    return tuple((int(start), int(stop)) for start, stop in edges[long])


def usable(signal: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which leads hold a signal: at most half missing, and not flat: [..., sample] -> [...]."""
    finite = np.isfinite(signal)
    if finite.all():
        return np.asarray(signal.max(axis=-1) - signal.min(axis=-1) >= FLAT_MV)
    highest = np.where(finite, signal, -np.inf).max(axis=-1)
    lowest = np.where(finite, signal, np.inf).min(axis=-1)
    return np.asarray((highest - lowest >= FLAT_MV) & (missing_share(signal) <= MOST_MISSING))


def readable(recording: Recording) -> Recording | None:
    """Its usable leads, without gaps; None where there is none."""
    alive = usable(recording.signal)
    if not alive.any():
        return None
    leads = tuple(lead for lead, good in zip(recording.leads, alive, strict=True) if good)
    return replace(recording, signal=fill_gaps(recording.signal[alive]), leads=leads)
