"""At the native rate: quality, plausibility, beats, waves, pacing; then the models' input. NumPy only."""

from cardiofusion.signal.amplitudes import measure_amplitudes, measure_voltages
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
from cardiofusion.signal.examining import Examined, ExaminingFault, LimitedExaminer, examine
from cardiofusion.signal.intervals import measure_intervals
from cardiofusion.signal.marks import Beat, Delineation, LeadBeat, Wave
from cardiofusion.signal.measuring import measure
from cardiofusion.signal.pacing import pacing_spikes
from cardiofusion.signal.per_lead import delineate_leads
from cardiofusion.signal.quality import assess_quality
from cardiofusion.signal.resample import resample
from cardiofusion.signal.rhythm import measure_rhythm

__all__ = [
    "CANONICAL_RATE",
    "CANONICAL_SAMPLES",
    "CANONICAL_SECONDS",
    "Beat",
    "CanonicalECG",
    "Delineation",
    "Examined",
    "ExaminingFault",
    "LeadBeat",
    "LimitedExaminer",
    "Wave",
    "assess_quality",
    "canonical",
    "canonical_batch",
    "delineate",
    "delineate_leads",
    "detect_beats",
    "examine",
    "heart_rate",
    "measure",
    "measure_amplitudes",
    "measure_intervals",
    "measure_rhythm",
    "measure_voltages",
    "median_beat",
    "pacing_spikes",
    "resample",
    "rhythm_irregularity",
]
