"""Where waves begin, peak and end in a typical beat, all leads together. Times in samples.

A wave is a bump: it stands out from the chord between two moments on either side of it. Its ends are where
the slope, all leads together, has fallen to a share of the steepest on that side (after Laguna, Jane and
Caminal, Comput Biomed Res 1994;27:45). The QRS ends where the slope stays low for a while.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

QRS_LIMITS = (0.10, 0.14)  # seconds that a QRS reaches beyond its first and last steep moments
QRS_REACH = 0.10  # seconds on either side of the R peak that hold its steep moments
QRS_STEEP = 0.4  # of the steepest slope
QRS_LOW = (0.06, 0.09)  # of the steepest slope: before onset and after offset it stays below
QRS_QUIET = 0.014  # seconds for so long
QUIET_BEFORE, QUIET_AFTER = (-0.25, -0.06), (0.08, 0.30)  # seconds from R: where the least slope is noise
NOISE_PERCENTILE, NOISE_TIMES = 15.0, 1.6
T_CHORD, T_REACH, T_SHARES = 0.12, 0.18, (0.4, 0.33)  # seconds, seconds, of the steepest slope on either side
P_CHORD, P_REACH, P_SHARES = 0.06, 0.09, (0.3, 0.5)
SHORTEST = 3  # samples from peak to the limit of its search


class Span(NamedTuple):
    """A wave's onset, peak and offset in samples, and how high it stands over its chord (times the QRS)."""

    onset: int
    peak: int
    offset: int
    height: float


class Shape(NamedTuple):
    """How a kind of wave looks: seconds of half its chord, seconds its ends may lie from the peak, shares of
    the steepest slope at which it begins and ends.
    """

    chord: float
    reach: float
    shares: tuple[float, float]


T_SHAPE = Shape(T_CHORD, T_REACH, T_SHARES)
P_SHAPE = Shape(P_CHORD, P_REACH, P_SHARES)


def smoothed(signal: NDArray[np.floating], seconds: float, rate: float) -> Float:
    """[lead, sample] under a Hann window so long; edges held."""
    window = np.hanning(max(1, round(seconds * rate)) + 2)[1:-1]
    window /= window.sum()
    before = len(window) // 2
    padded = np.pad(signal.astype(np.float64), ((0, 0), (before, len(window) - 1 - before)), mode="edge")
    return np.stack([np.convolve(row, window, "valid") for row in padded])


def slope(signal: Float) -> Float:
    """Root mean square over leads of the change a sample: [lead, sample] -> [sample]."""
    return np.asarray(np.sqrt((np.gradient(signal, axis=1) ** 2).mean(axis=0)))


def qrs_ends(steepness: Float, peak: int, rate: float) -> tuple[int, int]:
    """Onset and offset of the QRS around `peak`, from the slope of all leads [sample]."""
    first = max(0, peak - round(QRS_REACH * rate))
    around = steepness[first : peak + round(QRS_REACH * rate) + 1]
    steepest = float(around.max())
    strong = np.flatnonzero(around > QRS_STEEP * steepest) + first
    if not len(strong):
        return peak, peak
    limits = [
        max(share * steepest, NOISE_TIMES * _least(steepness, peak, window, rate))
        for share, window in zip(QRS_LOW, (QUIET_BEFORE, QUIET_AFTER), strict=True)
    ]
    quiet = max(1, round(QRS_QUIET * rate))
    onset = _first_quiet(steepness, int(strong[0]), -1, round(QRS_LIMITS[0] * rate), limits[0], quiet)
    offset = _first_quiet(steepness, int(strong[-1]), 1, round(QRS_LIMITS[1] * rate), limits[1], quiet)
    return onset, offset


def bump(beat: Float, start: int, end: int, shape: Shape, rate: float) -> Span | None:
    """The bump of samples [start, end) that stands out most, None where none has both sides.

    beat: [lead, sample], each lead over the size of its QRS.
    """
    over = _over_chord(beat, np.arange(start, end), start, end, round(shape.chord * rate))
    inner = over[1:-1]
    peaks = np.flatnonzero((inner >= over[:-2]) & (inner > over[2:])) + 1
    if not len(peaks):
        return None
    best = int(peaks[np.argmax(over[peaks])])
    peak, reach, steepness = start + best, round(shape.reach * rate), slope(beat)
    low, high = max(start, peak - reach), min(end, peak + reach)
    if min(peak - low, high - peak) < SHORTEST:
        return None
    onset = gone(steepness, peak, low, shape.shares[0])
    return Span(onset, peak, gone(steepness, peak, high, shape.shares[1]), float(over[best]))


def _over_chord(beat: Float, at: NDArray[np.intp], start: int, end: int, half: int) -> Float:
    """How far the leads lie off the chord from `half` before to `half` after each moment, both inside."""
    left = np.maximum(at - half, max(start - 1, 0))
    right = np.minimum(at + half, min(end, beat.shape[1] - 1))
    share = (at - left) / np.maximum(right - left, 1)
    off = beat[:, at] - (beat[:, left] * (1.0 - share) + beat[:, right] * share)
    return np.asarray(np.sqrt((off**2).mean(axis=0)))


def gone(steepness: Float, peak: int, limit: int, share: float) -> int:
    """From the steepest moment between peak and limit outwards: where the slope falls below its share."""
    way = np.arange(peak, limit, 1 if limit > peak else -1)
    steepest = int(np.argmax(steepness[way]))
    rest = steepness[way[steepest:]]
    low = np.flatnonzero(rest < share * rest[0])
    return int(way[steepest + (low[0] if len(low) else np.argmin(rest))])


def _least(steepness: Float, peak: int, window: tuple[float, float], rate: float) -> float:
    """What the slope hardly falls below in a window [seconds from R]: the noise."""
    low, high = (min(max(peak + round(edge * rate), 0), len(steepness)) for edge in window)
    return float(np.percentile(steepness[low:high], NOISE_PERCENTILE)) if high > low else 0.0


def _first_quiet(steepness: Float, start: int, step: int, limit: int, low: float, quiet: int) -> int:
    """The first of `quiet` samples below `low` on the way from `start`; else the quietest on the way."""
    way = np.arange(start, start + step * limit, step)
    way = way[(way >= 0) & (way < len(steepness))]
    below = np.convolve(steepness[way] < low, np.ones(quiet), "valid") == quiet
    return int(way[np.argmax(below)] if below.any() else way[np.argmin(steepness[way])])
