"""Typical beats: the beats of a recording by shape, and the waves of each shape's median."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.beats import Gaps, rr_intervals
from cardiofusion.signal.pacing import pacing_spikes
from cardiofusion.signal.waves import P_SHAPE, T_SHAPE, Span, bump, qrs_ends, slope, smoothed

Float = NDArray[np.float64]

BAND_HZ = (0.4, 40.0)
QRS_SMOOTH, SLOPE_SMOOTH, P_SMOOTH, T_SMOOTH = 0.010, 0.012, 0.035, 0.05  # seconds
SPIKE_SECONDS = 0.012  # on either side of a pacing spike, drawn as a straight line
USUAL_RR = 0.9  # seconds, of a single beat
BEFORE, AFTER = (0.40, 0.7), (0.70, 0.95)  # of a median beat: seconds, and at most this share of RR
ALIKE, ALIKE_SECONDS = 0.8, 0.08  # correlation of QRS shapes of one kind, on either side of R
STRAY, THE_SAME = 0.04, 0.9  # seconds that an R peak may be off, correlation of a beat put right
FEW = 3  # beats of a kind: below it none can be compared with the others
T_LATEST, T_SHARE, T_BEFORE_NEXT, T_AFTER_QRS = 0.62, 0.72, 0.03, 0.04  # s after R, of QRS to QRS, s, s
P_EARLIEST, P_BEFORE_QRS = 0.30, 0.012  # seconds before the QRS
USUAL_T = 0.1  # seconds after the QRS, where no T is found
LEAST_SIZE = 0.1  # of the median lead's QRS: a lead that shows less counts less, for it may be dead


@dataclass(frozen=True, eq=False)
class Curves:
    """A recording [lead, sample] in mV as three filters show it, and its R peaks; rr: samples. gaps: of all
    leads, [start, stop) in samples.
    """

    signal: Float
    p_curve: Float
    t_curve: Float
    peaks: NDArray[np.intp]
    rate: float
    rr: float
    gaps: Gaps = ()

    @classmethod
    def of(cls, recording: Recording, peaks: NDArray[np.intp], gaps: Gaps = ()) -> Curves:
        rate = recording.sampling_rate
        signal = bandpass(without_spikes(recording), rate, *BAND_HZ).astype(np.float64)
        intervals = rr_intervals(peaks, gaps)
        rr = float(np.nanmedian(intervals)) if np.isfinite(intervals).any() else USUAL_RR * rate
        p_curve, t_curve = (smoothed(signal, seconds, rate) for seconds in (P_SMOOTH, T_SMOOTH))
        return cls(signal, p_curve, t_curve, peaks, rate, rr, gaps)

    @property
    def length(self) -> int:
        return int(self.signal.shape[1])

    def around(self, curve: Float, beats: NDArray[np.intp], before: int, after: int) -> Float:
        """[lead, beat, sample] around R peaks; edges held."""
        places = self.peaks[beats][:, None] + np.arange(-before, after)
        return curve[:, np.clip(places, 0, self.length - 1)]

    def rr_after(self, beats: NDArray[np.intp]) -> float:
        """The median interval to the next beat."""
        intervals = rr_intervals(self.peaks, self.gaps)[beats[beats + 1 < len(self.peaks)]]
        return float(np.nanmedian(intervals)) if np.isfinite(intervals).any() else self.rr


@dataclass(frozen=True, eq=False)
class Kind:
    """Beats of one shape: who, their medians [lead, sample] with R at `before`, the waves of these.

    qrs: onset and offset. others: for each member the mean P curve of the others.
    """

    members: NDArray[np.intp]
    before: int
    median: Float
    p_curve: Float
    t_curve: Float
    qrs: tuple[int, int]
    p: Span | None
    t: Span | None
    others: dict[int, Float]


def realigned(curves: Curves) -> Curves:
    """R peaks moved to where a beat is like the others: now R, now S may be the larger deflection."""
    half, reach = (round(seconds * curves.rate) for seconds in (ALIKE_SECONDS, STRAY))
    margin, peaks = half + reach, curves.peaks.copy()
    whole = np.flatnonzero((peaks >= margin) & (peaks + margin < curves.length))
    if len(whole) < FEW:
        return curves
    typical = np.median(curves.around(curves.signal, whole, half, half), axis=1)
    shifts = np.arange(-reach, reach + 1)
    for i in whole:
        start = peaks[[i]] - half
        if correlations(curves.signal, typical, start)[0] > ALIKE:
            continue
        alike = correlations(curves.signal, typical, start + shifts)
        if alike.max() > THE_SAME:
            peaks[i] += shifts[np.argmax(alike)]
    return replace(curves, peaks=peaks)


def kinds_of_beats(curves: Curves) -> list[Kind]:
    """The commonest shape first; beats that the edges cut are of the commonest."""
    half = round(ALIKE_SECONDS * curves.rate)
    whole = np.flatnonzero((curves.peaks >= half) & (curves.peaks + half < curves.length))
    found, shapes = [], curves.around(curves.signal, whole, half, half)
    cut = np.setdiff1d(np.arange(len(curves.peaks)), whole)
    while len(whole):
        typical = np.median(shapes, axis=1) if len(whole) >= FEW else shapes[:, 0]
        alike = np.array([correlation(shapes[:, j], typical) > ALIKE for j in range(len(whole))])
        alike[0] |= not alike.any()
        found.append(whole[alike])
        whole, shapes = whole[~alike], shapes[:, ~alike]
    found.sort(key=len, reverse=True)
    first = np.sort(np.append(found[0], cut)) if found else cut
    return [_kind(curves, members) for members in (first, *found[1:])]


def _kind(curves: Curves, members: NDArray[np.intp]) -> Kind:
    before, after = (
        min(round(seconds * curves.rate), int(share * curves.rr)) for seconds, share in (BEFORE, AFTER)
    )
    peaks = curves.peaks[members]
    whole = members[(peaks >= before) & (peaks + after < curves.length)]
    used = whole if len(whole) else members
    p_beats = curves.around(curves.p_curve, used, before, after)
    median, t_curve = (
        np.median(curves.around(curve, used, before, after), axis=1)
        for curve in (curves.signal, curves.t_curve)
    )
    p_curve = np.median(p_beats, axis=1)
    others = dict(zip(used.tolist(), _others(p_beats).swapaxes(0, 1), strict=False))
    size, rr = _qrs_size(median, before, curves.rate), curves.rr_after(members)
    qrs = _qrs(median / size, before, curves.rate)
    t = _typical_t(t_curve / size, before, qrs, rr, curves.rate)
    p = _typical_p(p_curve / size, qrs, t, rr, curves.rate)
    return Kind(members, before, median, p_curve, t_curve, qrs, p, t, others)


def _qrs(beat: Float, before: int, rate: float) -> tuple[int, int]:
    steepness = slope(smoothed(beat, QRS_SMOOTH, rate))
    return qrs_ends(smoothed(steepness[None], SLOPE_SMOOTH, rate)[0], before, rate)


def _typical_t(beat: Float, before: int, qrs: tuple[int, int], rr: float, rate: float) -> Span | None:
    """Between this QRS and the next P."""
    onset, offset = qrs
    latest = (
        beat.shape[1] - 1,
        onset + rr - T_BEFORE_NEXT * rate,
        before + T_LATEST * rate,
        offset + T_SHARE * (rr - (offset - onset)),
    )
    return bump(beat, offset + round(T_AFTER_QRS * rate), int(min(latest)), T_SHAPE, rate)


def _typical_p(beat: Float, qrs: tuple[int, int], t: Span | None, rr: float, rate: float) -> Span | None:
    """Between the T of the beat before and this QRS."""
    t_before = (t.offset if t else qrs[1] + USUAL_T * rate) - rr
    start = int(max(0.0, t_before, qrs[0] - P_EARLIEST * rate))
    return bump(beat, start, qrs[0] - round(P_BEFORE_QRS * rate), P_SHAPE, rate)


def _qrs_size(median: Float, before: int, rate: float) -> Float:
    """Peak to peak of each lead's QRS [lead, 1]."""
    around = round(ALIKE_SECONDS * rate)
    return sizes(median[:, max(0, before - around) : before + around])


def sizes(curve: Float) -> Float:
    """What leads [lead, sample] are divided by to count alike [lead, 1]: peak to peak, more for a dead lead.

    Over its own peak to peak the noise of a lead without an electrode would be as large as a QRS.
    """
    size = np.ptp(curve, axis=1)[:, None]
    size = np.maximum(size, LEAST_SIZE * np.median(size))
    return np.asarray(np.where(size > 0.0, size, 1.0))


def _others(beats: Float) -> Float:
    """[lead, beat, sample] -> for each beat the mean of all others; nothing where they are too few."""
    n = beats.shape[1]
    return np.asarray((beats.sum(axis=1, keepdims=True) - beats) / (n - 1)) if n >= FEW else beats[:, :0]


def correlation(one: Float, other: Float) -> float:
    """Of two pieces [lead, sample], each lead about its own mean."""
    return float(correlations(one, other, np.zeros(1, dtype=np.intp))[0])


def correlations(curve: Float, wanted: Float, starts: NDArray[np.intp]) -> Float:
    """The same of pieces of a curve [lead, sample] that begin at `starts` [piece] with one as long."""
    pieces = np.lib.stride_tricks.sliding_window_view(curve, wanted.shape[1], axis=1)[:, starts]
    pieces = pieces - pieces.mean(axis=2, keepdims=True)
    wanted = wanted - wanted.mean(axis=1, keepdims=True)
    energy = (pieces**2).sum(axis=(0, 2)) * (wanted**2).sum()
    common = np.einsum("lps,ls->p", pieces, wanted)
    return np.asarray(common / np.sqrt(np.where(energy > 0.0, energy, 1.0)))


def without_spikes(recording: Recording) -> NDArray[np.float32]:
    """The signal with straight lines where a pacemaker fired."""
    spikes, signal = pacing_spikes(recording), recording.signal
    if not len(spikes):
        return signal
    half, kept = round(SPIKE_SECONDS * recording.sampling_rate), np.ones(signal.shape[1], dtype=bool)
    kept[np.clip(spikes[:, None] + np.arange(1 - half, half), 0, len(kept) - 1)] = False
    at = np.arange(len(kept))
    return np.stack([np.interp(at, at[kept], row[kept]) for row in signal]).astype(np.float32)
