"""Everything that is measured in an ECG, in one call."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cardiofusion.records import Measurements, Quality, Recording
from cardiofusion.signal.amplitudes import measure_amplitudes, measure_voltages
from cardiofusion.signal.canonical import CANONICAL_SECONDS
from cardiofusion.signal.delineation import delineate
from cardiofusion.signal.gaps import readable
from cardiofusion.signal.intervals import measure_intervals
from cardiofusion.signal.per_lead import as_sure_as_leads, delineate_leads, qrs_agreement
from cardiofusion.signal.rhythm import measure_rhythm
from cardiofusion.signal.trust import doubts_about, trusted_amplitudes, trusted_intervals, trusted_voltages


def measure(recording: Recording, quality: Quality | None = None) -> Measurements:
    """Intervals, axes, amplitudes and rhythm at the native rate, the device's own values beside them.

    Of the first 10 s, which the models see too. What cannot be told is left out; no valid Recording raises.
    quality: what `assess_quality` says of it. Leads that it calls spoilt are left out, what it casts doubt on
    is less sure (trust.py); without it every lead is trusted.
    """
    kept = max(1, round(CANONICAL_SECONDS * recording.sampling_rate))
    recording = replace(recording, signal=recording.signal[:, :kept])
    clean = readable(recording)
    doubts = doubts_about(quality, recording.leads, () if clean is None else clean.leads)
    recording = _without(recording, doubts.spoilt)
    found = delineate(recording)
    leads = delineate_leads(recording, found)
    agreement = qrs_agreement(found, leads)
    found, amplitudes = as_sure_as_leads(found, leads), measure_amplitudes(recording, found, leads)
    amplitudes = trusted_amplitudes(amplitudes, doubts, agreement)
    return Measurements(
        intervals=trusted_intervals(measure_intervals(recording, found), doubts, agreement, len(leads)),
        amplitudes=amplitudes,
        voltages=trusted_voltages(measure_voltages(amplitudes), doubts),
        rhythm=measure_rhythm(found),
        device=dict(recording.measured),
        from_leads=tuple(leads),
    )


def _without(recording: Recording, spoilt: Collection[str]) -> Recording:
    rows = [row for row, lead in enumerate(recording.leads) if lead not in spoilt]
    leads = tuple(recording.leads[row] for row in rows)
    return replace(recording, signal=recording.signal[rows], leads=leads) if spoilt else recording
