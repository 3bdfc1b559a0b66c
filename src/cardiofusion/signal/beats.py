"""R peaks, heart rate and the median beat.

The detector adds up what all leads say: QRS-band energy, each lead weighted by how far its QRS stands
out, then a threshold that follows the height of the beats around it (after Pan and Tompkins, IEEE TBME
1985, and Elgendi, PLoS ONE 2013).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording, RecordingError
from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.gaps import common_gaps, fill_gaps, usable

Gaps = Sequence[tuple[int, int]]  # [start, stop) in samples

QRS_BAND_HZ = (8.0, 20.0)  # most of the QRS, little of P and T (Elgendi 2013)
QRS_SECONDS = 0.1
REFRACTORY_SECONDS = 0.24  # 250 beats a minute
SEARCH_SECONDS = 0.06  # the R peak lies this near the maximum of the energy
LEVEL_SECONDS = 2.0  # some beat falls into every window this long, but for a pause
THRESHOLD = 0.3  # of the height of the beats around
CONTRAST = 2.0  # a QRS stands out from the median energy by more; noise does not
SEPARATION = 2.2  # beats over the other peaks: real ECGs exceed 2.5, white noise stays below 2.2
ALIKE = 5.0  # the quartiles of beat heights differ by less, even with extra beats
STEADY_BEATS, STEADY_SPREAD = 8, 0.1  # noise peaks vary by 0.3 of their distance
LEAST_MV = 0.002  # a QRS a hundred times larger is small; what is left of a slow drift is not
SHORTEST_SECONDS = 1.0
FEWEST_CHANGES = 2  # from one RR to the next: fewer tell no rhythm


def detect_beats(recording: Recording) -> NDArray[np.intp]:
    """Sample positions of the R peaks (largest QRS deflection) at the native rate; empty where none."""
    rate = recording.sampling_rate
    signal = fill_gaps(recording.signal[usable(recording.signal)])
    if not len(signal) or recording.duration < SHORTEST_SECONDS or rate < 2.0 * QRS_BAND_HZ[1]:
        return np.empty(0, dtype=np.intp)
    band = bandpass(signal, rate, *QRS_BAND_HZ)
    band = band[np.percentile(np.abs(band), 95.0, axis=1) > LEAST_MV]
    if not len(band):
        return np.empty(0, dtype=np.intp)
    energy = qrs_energy(band, rate)
    peaks = _isolated_peaks(energy, round(REFRACTORY_SECONDS * rate))
    level = _level(energy, rate)[peaks]
    tall = (energy[peaks] > THRESHOLD * level) & (energy[peaks] > CONTRAST * np.median(energy))
    beats = peaks[tall]
    if not _separated(energy, peaks, tall):
        # Wide beats in quick succession (ventricular tachycardia) stand out from nothing, but keep time.
        high = peaks[energy[peaks] > THRESHOLD * energy.max()]
        beats = high if _keeps_time(high) else high[:0]
    return _refine(band, beats, round(SEARCH_SECONDS * rate))


def heart_rate(recording: Recording) -> float | None:
    """Beats a minute over the whole recording, from the mean RR interval; None under two beats."""
    return rate_of(detect_beats(recording), recording.sampling_rate, common_gaps(recording))


def rr_intervals(beats: NDArray[np.intp], gaps: Gaps = ()) -> NDArray[np.float64]:
    """Samples from each R peak to the next; NaN over a gap of all leads, which may hide a beat."""
    intervals = np.diff(beats).astype(np.float64)
    for start, stop in gaps:
        intervals[(beats[:-1] < stop) & (beats[1:] >= start)] = np.nan
    return intervals


def rate_of(beats: NDArray[np.intp], rate: float, gaps: Gaps = ()) -> float | None:
    """Beats a minute from R-peak positions at `rate` Hz; None without an interval between two."""
    intervals = rr_intervals(beats, gaps)
    known = intervals[np.isfinite(intervals)]
    return float(60.0 * rate / known.mean()) if len(known) else None


def rhythm_irregularity(recording: Recording) -> float | None:
    """Mean absolute difference of successive RR intervals over the mean RR interval; None under four beats.

    About 0.02-0.1 in sinus rhythm, above 0.15 in atrial fibrillation or with frequent extra beats.
    """
    return irregularity_of(detect_beats(recording), common_gaps(recording))


def irregularity_of(beats: NDArray[np.intp], gaps: Gaps = ()) -> float | None:
    """The same of R-peak positions. Intervals on either side of a gap do not follow each other."""
    intervals = rr_intervals(beats, gaps)
    changes = np.abs(np.diff(intervals))
    if np.isfinite(changes).sum() < FEWEST_CHANGES:
        return None
    return float(np.nanmean(changes) / np.nanmean(intervals))


def median_beat(
    signal: NDArray[np.float32], peaks: NDArray[np.intp], window: tuple[int, int]
) -> NDArray[np.float32]:
    """The sample-wise median over beats: [lead, sample] -> [lead, before + after].

    window: samples before and from each peak on. Beats that the edges cut are left out; RecordingError
    ("signal.no_beats") where none is whole.
    """
    before, after = window
    whole = peaks[(peaks >= before) & (peaks + after <= signal.shape[1])]
    if not len(whole):
        raise RecordingError(
            "signal.no_beats", "no whole beat lies inside the recording", "record for longer, up to 10 s"
        )
    beats = signal[:, whole[:, None] + np.arange(-before, after)]
    median: NDArray[np.float32] = np.median(beats, axis=1)
    return median


def qrs_energy(band: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """One curve [sample] that is high where the leads agree on a QRS: weighted root energy over 0.1 s."""
    envelope = np.sqrt(_moving_mean(band**2, round(QRS_SECONDS * rate)))
    typical, high = np.percentile(envelope, [50.0, 95.0], axis=1)
    contrast = high / np.maximum(typical, LEAST_MV)
    weights = contrast / high
    combined: NDArray[np.float32] = (weights @ envelope / contrast.sum()).astype(np.float32)
    return combined


def _moving_mean(signal: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """Centred mean over `width` samples, [lead, sample]; mirrored edges."""
    before = width // 2
    padded = np.pad(signal, ((0, 0), (before + 1, width - before - 1)), mode="reflect")
    total = np.cumsum(padded, axis=1, dtype=np.float64)
    return np.asarray(np.maximum(total[:, width:] - total[:, :-width], 0.0) / width)


def _isolated_peaks(energy: NDArray[np.float32], refractory: int) -> NDArray[np.intp]:
    """Local maxima, the highest first, none within `refractory` samples of a higher one."""
    inner = energy[1:-1]
    maxima = np.flatnonzero((inner > energy[:-2]) & (inner >= energy[2:])) + 1
    free = np.ones(len(energy), dtype=np.bool_)
    kept = []
    for peak in maxima[np.argsort(-energy[maxima], kind="stable")]:
        if free[peak]:
            kept.append(peak)
            free[max(0, peak - refractory) : peak + refractory + 1] = False
    return np.sort(np.array(kept, dtype=np.intp))


def _level(energy: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """The height of the beats around each sample: the median, over 10 s, of maxima over 2 s."""
    width = min(len(energy), round(LEVEL_SECONDS * rate))
    starts = np.arange(0, len(energy) - width + 1, max(1, width // 2))
    heights = np.array([energy[start : start + width].max() for start in starts])
    # Windows overlap by half: nine of them span 10 s.
    around = np.lib.stride_tricks.sliding_window_view(np.pad(heights, 4, mode="reflect"), 9)
    smooth = np.median(around, axis=1)
    return np.asarray(np.interp(np.arange(len(energy)), starts + width / 2.0, smooth))


def _separated(energy: NDArray[np.float32], peaks: NDArray[np.intp], tall: NDArray[np.bool_]) -> bool:
    """Whether the tall peaks are another kind than the rest; in noise one shades into the other.

    What rings after a single step or at the edges is tall for its surroundings too, but dies away.
    """
    if not tall.any():
        return False
    rest = peaks[~tall]
    background = np.median(energy[rest]) if len(rest) > 2 else np.median(energy)
    low, middle, high = np.percentile(energy[peaks[tall]], [25.0, 50.0, 75.0])
    return bool(middle > SEPARATION * background and high < ALIKE * low)


def _keeps_time(peaks: NDArray[np.intp]) -> bool:
    intervals = np.diff(peaks)
    return len(peaks) >= STEADY_BEATS and bool(intervals.std() < STEADY_SPREAD * intervals.mean())


def _refine(band: NDArray[np.float32], beats: NDArray[np.intp], search: int) -> NDArray[np.intp]:
    """Move each beat to the largest deflection of all leads together nearby."""
    magnitude = np.abs(band).sum(axis=0)
    lows = np.maximum(beats - search, 0)
    return np.array(
        [low + magnitude[low : beat + search + 1].argmax() for low, beat in zip(lows, beats, strict=True)],
        dtype=np.intp,
    )
