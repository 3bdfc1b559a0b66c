"""What a reader of ECGs would measure: rate, and amplitudes and areas of the mean beat in each lead."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import LEADS, Recording
from cardiofusion.signal import CANONICAL_RATE, detect_beats
from cardiofusion.study.ecgs import EcgSet

# Seconds about the R peak: P, the QRS complex, ST 60-80 ms after it, T.
P, QRS, ST, T = (-0.24, -0.06), (-0.06, 0.08), (0.10, 0.14), (0.14, 0.44)
BEFORE, AFTER = 0.30, 0.50


def features(ecgs: EcgSet) -> NDArray[np.float32]:
    """[n, feature], NaN where there is no beat to measure."""
    return np.stack(
        [_one(signal, present) for signal, present in zip(ecgs.signal, ecgs.present, strict=True)]
    )


def _one(signal: NDArray[np.float32], present: NDArray[np.bool_]) -> NDArray[np.float32]:
    if not present.any():
        return np.full(3 + 12 * 10, np.nan, np.float32)
    peaks = detect_beats(Recording(signal[present], CANONICAL_RATE, tuple(np.array(LEADS)[present])))
    rr = np.diff(peaks) / CANONICAL_RATE
    rhythm = [rr.mean(), rr.std(), np.abs(np.diff(rr)).mean()] if len(rr) > 1 else [np.nan] * 3
    before, after = round(BEFORE * CANONICAL_RATE), round(AFTER * CANONICAL_RATE)
    windows = [signal[:, p - before : p + after] for p in peaks if before <= p < signal.shape[1] - after]
    if not windows:
        return np.concatenate([rhythm, np.full(12 * 10, np.nan)]).astype(np.float32)
    beat = np.median(windows, axis=0)
    beat = beat - np.median(beat[:, :5], axis=1, keepdims=True)
    qrs, st, t, p = (_part(beat, span) for span in (QRS, ST, T, P))
    by_lead = [
        *(qrs.max(1), qrs.min(1), qrs.sum(1), np.abs(qrs).sum(1), np.abs(np.diff(qrs, axis=1)).max(1)),
        *(st.mean(1), t.max(1), t.min(1), t.sum(1), p.max(1) - p.min(1)),
    ]
    lead = np.where(present, np.stack(by_lead), np.nan)
    return np.concatenate([rhythm, lead.ravel()]).astype(np.float32)


def _part(beat: NDArray[np.float64], span: tuple[float, float]) -> NDArray[np.float64]:
    start, end = (round((BEFORE + edge) * CANONICAL_RATE) for edge in span)
    return beat[:, start:end]
