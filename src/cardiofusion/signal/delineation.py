"""P, QRS and T of every beat: where they begin, peak and end, and how sure that is.

Beats of one shape are laid on each other and their waves found in the median beat, where noise is small
(typical.py, waves.py); then each wave is looked for in each beat, near the place where the median has it. P
waves count only where the rhythm has any (p_waves.py). The QRS is where the R peak is.

The rule for P was fitted to virtual ECGs and to the first 100 of LUDB's 200 records, the other constants to
the latter; the other 100 are the test (benchmarks/delineation.py).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.signal.beats import detect_beats
from cardiofusion.signal.gaps import common_gaps, readable
from cardiofusion.signal.marks import Beat, Delineation, Wave
from cardiofusion.signal.p_waves import p_wave_probability
from cardiofusion.signal.typical import Curves, Kind, correlation, correlations, kinds_of_beats, realigned
from cardiofusion.signal.waves import Span

Float = NDArray[np.float64]

LOWEST_RATE = 100.0  # Hz: below it a QRS has too few samples
# Seconds a wave may lie off the median's, and the correlation that a second of this costs.
T_SEARCH, P_SEARCH = (0.10, 1.0), (0.07, 0.5)
STEP = 0.004  # seconds
AROUND = 0.02  # seconds compared on either side of a wave
T_FOUND, P_FOUND = 0.3, 0.4  # correlation with the median's wave
P_HIGH = 0.02  # of the QRS, least
P_OVERLAP = (0.06, 0.03)  # seconds that a P may reach into the T before and the QRS after it


def delineate(recording: Recording) -> Delineation:
    """Every beat's waves; no beats where none can be made out or the rate is below LOWEST_RATE."""
    rate, clean = recording.sampling_rate, readable(recording)
    if rate < LOWEST_RATE or clean is None:
        return Delineation((), rate, 0.0)
    peaks = detect_beats(clean)
    if not len(peaks):
        return Delineation((), rate, 0.0)
    return _delineate(realigned(Curves.of(clean, peaks, common_gaps(recording))))


def _delineate(curves: Curves) -> Delineation:
    kinds = kinds_of_beats(curves)
    of_beat = {int(i): (k, kind) for k, kind in enumerate(kinds) for i in kind.members}
    beats: list[Beat] = []
    for i in range(len(curves.peaks)):
        beats.append(_beat(curves, i, *of_beat[i], beats[-1] if beats else None))
    sure = p_wave_probability(curves, beats)
    return Delineation(tuple(_judged(beat, sure) for beat in beats), curves.rate, sure, tuple(curves.gaps))


def _judged(beat: Beat, sure: float) -> Beat:
    """Without its P where that is unlike the others or the rhythm has none."""
    if beat.p is None or beat.p.confidence <= P_FOUND or sure < 0.5:
        return replace(beat, p=None)
    return replace(beat, p=replace(beat.p, confidence=beat.p.confidence * sure))


def _beat(curves: Curves, i: int, k: int, kind: Kind, last: Beat | None) -> Beat:
    """Beat i of kind k, its P not yet judged. A QRS that the edge cuts begins or ends there."""
    start = int(curves.peaks[i]) - kind.before
    onset, offset = max(0, start + kind.qrs[0]), min(curves.length - 1, start + kind.qrs[1])
    qrs = Wave(onset, int(curves.peaks[i]), offset, _likeness(curves, i, kind))
    after = int(curves.peaks[i + 1]) if i + 1 < len(curves.peaks) else curves.length
    t = _found(kind.t, curves.t_curve, kind.t_curve, start, (qrs.offset, after), T_SEARCH, curves.rate)
    since = 0 if last is None else (last.t or last.qrs).offset
    early, late = (round(seconds * curves.rate) for seconds in P_OVERLAP)
    p = _found(
        kind.p if kind.p and kind.p.height > P_HIGH else None,
        curves.p_curve,
        kind.others.get(i, kind.p_curve),
        start,
        (since - early, qrs.onset + late),
        P_SEARCH,
        curves.rate,
    )
    return Beat(k, qrs, p, t if t and t.confidence > T_FOUND else None)


def _likeness(curves: Curves, i: int, kind: Kind) -> float:
    """Of the QRS to the median of its kind."""
    low, high = kind.qrs[0], kind.qrs[1] + 1
    first, last = int(curves.peaks[i]) - kind.before + low, int(curves.peaks[i]) - kind.before + high
    if first < 0 or last > curves.length or high - low < 2:
        return 0.0
    return float(np.clip(correlation(curves.signal[:, first:last], kind.median[:, low:high]), 0.0, 1.0))


def _found(
    span: Span | None,
    curve: Float,
    typical: Float,
    start: int,
    limits: tuple[int, int],
    search: tuple[float, float],
    rate: float,
) -> Wave | None:
    """The wave of the median beat, where this beat, which begins at `start`, is most like it."""
    if span is None:
        return None
    most, stray = search
    margin, reach, step = (round(seconds * rate) for seconds in (AROUND, most, STEP))
    low, high = max(0, span.onset - margin), min(typical.shape[1], span.offset + margin)
    shifts = np.arange(-reach, reach + 1, max(1, step))
    first, last = start + low + shifts, start + high + shifts
    shifts = shifts[(first >= max(0, limits[0])) & (last <= min(limits[1], curve.shape[1]))]
    if not len(shifts):
        return None
    alike = correlations(curve, typical[:, low:high], start + low + shifts) - stray * np.abs(shifts) / rate
    best, at = float(alike.max()), start + int(shifts[np.argmax(alike)])
    return Wave(at + span.onset, at + span.peak, at + span.offset, min(1.0, best)) if best > 0.0 else None
