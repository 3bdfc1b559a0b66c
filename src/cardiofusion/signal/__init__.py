"""At the native rate: quality, plausibility, beats, pacing; then the canonical model input. NumPy only."""

from cardiofusion.signal.beats import detect_beats, heart_rate, median_beat, rhythm_irregularity
from cardiofusion.signal.canonical import (
    CANONICAL_RATE,
    CANONICAL_SAMPLES,
    CANONICAL_SECONDS,
    CanonicalECG,
    canonical,
    canonical_batch,
)
from cardiofusion.signal.pacing import pacing_spikes
from cardiofusion.signal.quality import assess_quality
from cardiofusion.signal.resample import resample

__all__ = [
    "CANONICAL_RATE",
    "CANONICAL_SAMPLES",
    "CANONICAL_SECONDS",
    "CanonicalECG",
    "assess_quality",
    "canonical",
    "canonical_batch",
    "detect_beats",
    "heart_rate",
    "median_beat",
    "pacing_spikes",
    "resample",
    "rhythm_irregularity",
]
