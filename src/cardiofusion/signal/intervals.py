"""Intervals and axes from a delineation, each with how far the beats agree and how sure its waves are.

QTc by Bazett (Heart 1920;7:353), Fridericia (Acta Med Scand 1920;53:469), Framingham (Sagie et al., Am J
Cardiol 1992;70:797) and Hodges (J Am Coll Cardiol 1983;1:694). Axes from the net areas of leads I and aVF.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Measurement, Recording, complete_limb_leads
from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.beats import rate_of, rr_intervals
from cardiofusion.signal.gaps import readable
from cardiofusion.signal.marks import Beat, Delineation, Wave
from cardiofusion.signal.typical import BAND_HZ

AVF_OVER_I = 2.0 / 3.0**0.5  # Goldberger's leads are shorter than Einthoven's
SMALLEST_AREA = 1e-4  # mV s: the direction of less is noise
WAVES = ("p", "qrs", "t")


QTC: Mapping[str, Callable[[float, float], float]] = {  # of QT in ms and RR in s
    "qtc_bazett": lambda qt, rr: qt / rr**0.5,
    "qtc_fridericia": lambda qt, rr: qt / rr ** (1.0 / 3.0),
    "qtc_framingham": lambda qt, rr: qt + 154.0 * (1.0 - rr),
    "qtc_hodges": lambda qt, rr: qt + 1.75 * (60.0 / rr - 60.0),
}


def measure_intervals(recording: Recording, found: Delineation) -> dict[str, Measurement]:
    """heart_rate, pr, p_duration, qrs, qt, QTc by four formulas, p_axis, qrs_axis, t_axis.

    What cannot be told is not there. Beats of the commonest shape count; the rate is that of all.
    """
    beats = [beat for beat in found.beats if beat.kind == 0]
    milliseconds = 1000.0 / found.sampling_rate
    spans: dict[str, list[tuple[float, float]]] = {
        "pr": [(b.qrs.onset - b.p.onset, b.p.confidence) for b in beats if b.p],
        "p_duration": [(b.p.offset - b.p.onset, b.p.confidence) for b in beats if b.p],
        "qrs": [(b.qrs.offset - b.qrs.onset, b.qrs.confidence) for b in beats],
        "qt": [(b.t.offset - b.qrs.onset, b.t.confidence) for b in beats if b.t],
    }
    intervals = {
        name: _interval([(v * milliseconds, c) for v, c in some]) for name, some in spans.items() if some
    }
    intervals |= _by_rate(found, intervals.get("qt"))
    return intervals | _axes(recording, beats)


def _interval(values: Sequence[tuple[float, float]]) -> Measurement:
    lengths, confidences = np.array(values).T
    low, middle, high = np.percentile(lengths, [25.0, 50.0, 75.0])
    return Measurement(
        float(middle), "ms", float(high - low) / 2.0, float(np.median(confidences)), len(lengths)
    )


def _by_rate(found: Delineation, qt: Measurement | None) -> dict[str, Measurement]:
    """The mean rate of all beats, and QT corrected for it."""
    peaks = np.array([beat.qrs.peak for beat in found.beats], dtype=np.intp)
    mean = rate_of(peaks, found.sampling_rate, found.gaps)
    if mean is None:
        return {}
    intervals = rr_intervals(peaks, found.gaps)
    known = intervals[np.isfinite(intervals)]
    low, high = np.percentile(60.0 * found.sampling_rate / known, [25.0, 75.0])
    sure = float(np.median([beat.qrs.confidence for beat in found.beats]))
    rate = Measurement(mean, "/min", float(high - low) / 2.0, sure, len(known))
    if qt is None:
        return {"heart_rate": rate}
    corrected = {name: replace(qt, value=formula(qt.value, 60.0 / mean)) for name, formula in QTC.items()}
    return {"heart_rate": rate, **corrected}


def _axes(recording: Recording, beats: Sequence[Beat]) -> dict[str, Measurement]:
    """Frontal axes; none without two limb leads that hold a signal: what a flat one lacks, others tell."""
    clean = readable(recording)
    if clean is None:
        return {}
    signal, leads = complete_limb_leads(clean.signal, clean.leads)
    if not {"I", "aVF"} <= set(leads):
        return {}
    pair = bandpass(signal[[leads.index("I"), leads.index("aVF")]], recording.sampling_rate, *BAND_HZ)
    axes = {}
    for name in WAVES:
        there = [(wave, beat) for beat in beats if (wave := getattr(beat, name)) is not None]
        areas = np.array([_net_area(pair, wave, beat, recording.sampling_rate) for wave, beat in there])
        if len(areas) and np.abs(np.median(areas, axis=0)).max() > SMALLEST_AREA:
            axes[f"{name}_axis"] = _axis(areas, [wave.confidence for wave, _ in there])
    return axes


def _axis(areas: NDArray[np.float64], confidences: Sequence[float]) -> Measurement:
    """Of the median area [beat, 2]; spread over beats, across the seam at 180 degrees too."""
    middle, *angles = np.degrees(
        np.arctan2(AVF_OVER_I * (both := np.vstack([np.median(areas, axis=0), areas]))[:, 1], both[:, 0])
    )
    low, high = np.percentile((np.array(angles) - middle + 180.0) % 360.0 - 180.0, [25.0, 75.0])
    return Measurement(float(middle), "°", float(high - low) / 2.0, float(np.median(confidences)), len(areas))


def _net_area(pair: NDArray[np.float32], wave: Wave, beat: Beat, rate: float) -> NDArray[np.float64]:
    """mV s over the level before the QRS, for T and QRS; over the chord for P."""
    first, last = max(wave.onset, 0), min(wave.offset, pair.shape[1] - 1) + 1
    if last - first < 2:
        return np.zeros(2)
    piece = pair[:, first:last].astype(np.float64)
    if wave is beat.p:
        level = np.linspace(piece[:, 0], piece[:, -1], piece.shape[1], axis=1)
    else:
        level = pair[:, [max(beat.qrs.onset, 0)]].astype(np.float64)
    return np.asarray((piece - level).sum(axis=1) / rate)
