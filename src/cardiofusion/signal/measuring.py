"""Everything that is measured in an ECG, in one call."""

from __future__ import annotations

from dataclasses import replace

from cardiofusion.records import Measurements, Recording
from cardiofusion.signal.amplitudes import measure_amplitudes, measure_voltages
from cardiofusion.signal.canonical import CANONICAL_SECONDS
from cardiofusion.signal.delineation import delineate
from cardiofusion.signal.intervals import measure_intervals
from cardiofusion.signal.per_lead import as_sure_as_leads, delineate_leads
from cardiofusion.signal.rhythm import measure_rhythm


def measure(recording: Recording) -> Measurements:
    """Intervals, axes, amplitudes and rhythm at the native rate, the device's own values beside them.

    Of the first 10 s, which the models see too. What cannot be told is left out; no valid Recording raises.
    """
    kept = max(1, round(CANONICAL_SECONDS * recording.sampling_rate))
    recording = replace(recording, signal=recording.signal[:, :kept])
    found = delineate(recording)
    leads = delineate_leads(recording, found)
    found, amplitudes = as_sure_as_leads(found, leads), measure_amplitudes(recording, found, leads)
    return Measurements(
        intervals=measure_intervals(recording, found),
        amplitudes=amplitudes,
        voltages=measure_voltages(amplitudes),
        rhythm=measure_rhythm(found),
        device=dict(recording.measured),
    )
