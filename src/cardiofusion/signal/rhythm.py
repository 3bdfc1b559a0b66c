"""How regularly the beats follow each other: counted, and said in words; no diagnosis.

Constants were chosen on the first 100 of LUDB's 200 records; PTB-XL is the test (benchmarks/measurements.py).
"""

from __future__ import annotations

import numpy as np

from cardiofusion.records import Measurement, Regularity, Rhythm
from cardiofusion.signal.beats import irregularity_of, rr_intervals
from cardiofusion.signal.marks import Delineation

IRREGULAR, RESTLESS = 0.06, 0.10  # mean and median change from one RR to the next, over mean and median RR
STEEPNESS = 4.0  # of the way from surely below to surely above these, on their logarithm


def measure_rhythm(found: Delineation) -> Rhythm | None:
    """None under four beats that follow each other without a gap of all leads.

    "irregular": RR changes from beat to beat by more than IRREGULAR on average, be it by a few extra beats.
    "irregularly irregular": half of the changes exceed RESTLESS, and no P waves come before the QRS.
    """
    beats = found.beats
    peaks = np.array([beat.qrs.peak for beat in beats], dtype=np.intp)
    mean_change = irregularity_of(peaks, found.gaps)
    if mean_change is None:
        return None
    intervals = rr_intervals(peaks, found.gaps) * 1000.0 / found.sampling_rate
    low, middle, high = (float(q) for q in np.nanpercentile(intervals, [25.0, 50.0, 75.0]))
    typical_change = float(np.nanmedian(np.abs(np.diff(intervals)))) / middle
    sure = float(np.median([beat.qrs.confidence for beat in beats]))
    regularity, confidence = _words(mean_change, typical_change, found.p_waves)
    return Rhythm(
        regularity=regularity,
        rr=Measurement(middle, "ms", (high - low) / 2.0, sure, int(np.isfinite(intervals).sum())),
        mean_change=mean_change,
        typical_change=typical_change,
        other_shapes=float(np.mean([beat.kind != 0 for beat in beats])),
        p_waves=found.p_waves,
        confidence=confidence * sure,
    )


def _words(mean_change: float, typical_change: float, p_waves: float) -> tuple[Regularity, float]:
    """A chain of evidence is as strong as its weakest link."""
    irregular = _exceeds(mean_change, IRREGULAR)
    without_rule = min(irregular, _exceeds(typical_change, RESTLESS), 1.0 - p_waves)
    if irregular <= 0.5:
        return "regular", 1.0 - irregular
    if without_rule <= 0.5:
        return "irregular", min(irregular, 1.0 - without_rule)
    return "irregularly irregular", without_rule


def _exceeds(value: float, limit: float) -> float:
    """0 to 1, one half at the limit."""
    return float(value**STEEPNESS / (value**STEEPNESS + limit**STEEPNESS))
