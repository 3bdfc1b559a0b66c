"""At the native rate: quality, plausibility, beats, waves, pacing; then the models' input. NumPy only."""

from cardiofusion.signal.beats import detect_beats, heart_rate, median_beat, rhythm_irregularity
from cardiofusion.signal.canonical import (
    CANONICAL_RATE,
    CANONICAL_SAMPLES,
    CANONICAL_SECONDS,
    CanonicalECG,
    canonical,
    canonical_batch,
)
from cardiofusion.signal.delineation import delineate
from cardiofusion.signal.intervals import Interval, measure_intervals
from cardiofusion.signal.marks import Beat, Delineation, Wave
from cardiofusion.signal.pacing import pacing_spikes
from cardiofusion.signal.quality import assess_quality
from cardiofusion.signal.resample import resample

__all__ = [
    "CANONICAL_RATE",
    "CANONICAL_SAMPLES",
    "CANONICAL_SECONDS",
    "Beat",
    "CanonicalECG",
    "Delineation",
    "Interval",
    "Wave",
    "assess_quality",
    "canonical",
    "canonical_batch",
    "delineate",
    "detect_beats",
    "heart_rate",
    "measure_intervals",
    "median_beat",
    "pacing_spikes",
    "resample",
    "rhythm_irregularity",
]
