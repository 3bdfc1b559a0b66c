"""Heights of P, Q, R, S, R', ST and T in each lead, over the level just before the QRS, in mV.

Deflections are named in the median of the beats of the commonest shape and then read off in every beat, so
that noise names none. One is at least 20 uV high and 6 ms long (IEC 60601-2-25). A QRS that lies all below
the level is one Q. ST is read 60 ms after the QRS of all leads has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Measurement, Recording
from cardiofusion.signal.baseline import baseline
from cardiofusion.signal.gaps import readable
from cardiofusion.signal.marks import Beat, Delineation, LeadBeat
from cardiofusion.signal.typical import without_spikes

Float = NDArray[np.float64]

SMALLEST_MV, SHORTEST = 0.02, 0.006  # mV and seconds of a deflection
LEVEL = 0.010  # seconds before the QRS that are its level
ST_AFTER = 0.060  # seconds after the QRS
AROUND = 0.004  # seconds on either side over which P, ST and T are averaged
STRAY = 0.006  # seconds by which a deflection may lie off that of the median beat
TOLERANCE_MV = (
    0.025  # standard error that halves the confidence: what IEC 60601-2-25 lets an amplitude be off
)
NAMES, POSITIVE = ("p", "q", "r", "s", "r_prime", "st", "t"), ("r", "r_prime")
SUMS: Mapping[str, tuple[str, tuple[str, ...]]] = {  # S of the one lead, the highest R of the others
    "sokolow_lyon": ("V1", ("V5", "V6")),
    "cornell": ("V3", ("aVL",)),
}


def measure_amplitudes(
    recording: Recording, found: Delineation, leads: Mapping[str, Sequence[LeadBeat]]
) -> dict[str, dict[str, Measurement]]:
    """Lead -> p, q, r, s, r_prime, st, t, each where it is; nothing where the file's gain is no mV.

    leads: each lead's own waves of these beats (`delineate_leads`). Beats of the commonest shape count.
    """
    clean = readable(recording)
    if clean is None or not recording.calibrated:
        return {}
    signal = without_spikes(clean)
    signal = (signal - baseline(signal, clean.sampling_rate)).astype(np.float64)
    margin = round((LEVEL + ST_AFTER + AROUND) * clean.sampling_rate) + 1
    whole = [
        i
        for i, beat in enumerate(found.beats)
        if beat.kind == 0 and beat.qrs.onset >= margin and beat.qrs.offset + margin < signal.shape[1]
    ]
    beats = [found.beats[i] for i in whole]
    if not beats:
        return {}
    return {
        lead: _of_lead(signal[row], beats, [leads[lead][i] for i in whole], clean.sampling_rate)
        for row, lead in enumerate(clean.leads)
        if lead in leads
    }


def measure_voltages(amplitudes: Mapping[str, Mapping[str, Measurement]]) -> dict[str, Measurement]:
    """Sums that speak of the left ventricle's mass, in mV, where their leads are: sokolow_lyon (Am Heart J
    1949;37:161) and cornell (Casale et al., J Am Coll Cardiol 1985;6:572).
    """
    sums = {}
    for name, (right, left) in SUMS.items():
        highest = [amplitudes[lead]["r"] for lead in left if "r" in amplitudes.get(lead, {})]
        deep = amplitudes.get(right, {})
        depth = deep.get("s", None if "r" in deep else deep.get("q"))
        if highest and depth:
            sums[name] = _sum(max(highest, key=lambda one: one.value), depth)
    return sums


def deflections(qrs: Float, rate: float) -> dict[str, int]:
    """q, r, s, r_prime -> the sample of its peak in a QRS [sample] in mV over its level."""
    signs = np.where(np.abs(qrs) < SMALLEST_MV, 0.0, np.sign(qrs))
    edges = np.flatnonzero(np.diff(signs, prepend=0.0, append=0.0))
    runs = [(a, b) for a, b in pairwise(edges) if signs[a] and b - a >= SHORTEST * rate]
    peaks: list[int] = []
    for first, last in runs:
        peak = int(first + np.argmax(np.abs(qrs[first:last])))
        edge = max(abs(qrs[end]) if end in (first, last - 1) else 0.0 for end in (0, len(qrs) - 1))
        if abs(qrs[peak]) < edge + SMALLEST_MV:  # what leads into P or ST, as where ST is raised
            continue
        if peaks and signs[peaks[-1]] == signs[peak]:
            peaks[-1] = max(peaks[-1], peak, key=lambda at: abs(qrs[at]))
        else:
            peaks.append(peak)
    return _names(peaks, signs)


def _names(peaks: Sequence[int], signs: Float) -> dict[str, int]:
    """What lies below the level is Q before the first R and S after it."""
    named: dict[str, int] = {}
    for peak in peaks:
        above, below = ("r_prime", "s") if "r" in named else ("r", "q")
        named.setdefault(above if signs[peak] > 0.0 else below, peak)
    return named


def _of_lead(
    row: Float, beats: Sequence[Beat], own: Sequence[LeadBeat], rate: float
) -> dict[str, Measurement]:
    onsets, peaks, offsets = np.array([(b.qrs.onset, b.qrs.peak, b.qrs.offset) for b in beats]).T
    level = _means(row, onsets - round(LEVEL / 2.0 * rate), LEVEL / 2.0, rate)
    found: dict[str, Measurement] = {}
    for name in ("p", "t"):
        at, places, sure = _there(own, name)
        if len(at):
            found[name] = _measurement(_means(row, places, AROUND, rate) - level[at], sure)
    at, _, sure = _there(own, "qrs")
    if len(at):
        after = offsets[at] + round(ST_AFTER * rate)
        found["st"] = _measurement(_means(row, after, AROUND, rate) - level[at], sure)
        for name, place in _named(row, beats, level, rate).items():
            values = _extremes(row, peaks[at] + place, name in POSITIVE, rate)
            found[name] = _measurement(values - level[at], sure)
    return {name: found[name] for name in NAMES if name in found}


def _there(own: Sequence[LeadBeat], name: str) -> tuple[NDArray[np.intp], NDArray[np.intp], Float]:
    """Which beats show a wave, where it peaks, how sure it is."""
    waves = [(i, wave) for i, lead in enumerate(own) if (wave := getattr(lead, name)) is not None]
    places = np.array([(i, wave.peak) for i, wave in waves], dtype=np.intp).reshape(-1, 2)
    return places[:, 0], places[:, 1], np.array([wave.confidence for _, wave in waves])


def _named(row: Float, beats: Sequence[Beat], level: Float, rate: float) -> dict[str, int]:
    """The deflections of the median QRS: name -> samples from the R peak of all leads."""
    first, last = (
        int(np.median([end - beat.qrs.peak for beat, end in zip(beats, ends, strict=True)]))
        for ends in ([b.qrs.onset for b in beats], [b.qrs.offset for b in beats])
    )
    places = np.array([beat.qrs.peak for beat in beats])[:, None] + np.arange(first, last + 1)
    median = np.median(row[np.clip(places, 0, len(row) - 1)] - level[:, None], axis=0)
    return {name: first + at for name, at in deflections(median, rate).items()}


def _means(row: Float, places: NDArray[np.intp], seconds: float, rate: float) -> Float:
    """Over so many seconds on either side of each place."""
    half = round(seconds * rate)
    around = places[:, None] + np.arange(-half, half + 1)
    return np.asarray(row[np.clip(around, 0, len(row) - 1)].mean(axis=1))


def _extremes(row: Float, places: NDArray[np.intp], positive: bool, rate: float) -> Float:
    """The highest or lowest value near each place: R peaks are found to a few ms only."""
    stray = round(STRAY * rate)
    around = row[np.clip(places[:, None] + np.arange(-stray, stray + 1), 0, len(row) - 1)]
    return np.asarray(around.max(axis=1) if positive else around.min(axis=1))


def _measurement(values: Float, sure: Float) -> Measurement:
    last = len(values) - 1  # np.percentile takes ten times as long for a dozen numbers
    low, middle, high = np.interp((0.25 * last, 0.5 * last, 0.75 * last), range(len(values)), np.sort(values))
    spread = float(high - low) / 2.0
    error = spread / (TOLERANCE_MV * len(values) ** 0.5)
    return Measurement(float(middle), "mV", spread, float(np.median(sure)) / (1.0 + error**2), len(values))


def _sum(high: Measurement, deep: Measurement) -> Measurement:
    return Measurement(
        high.value - deep.value,
        "mV",
        float(np.hypot(high.spread, deep.spread)),
        min(high.confidence, deep.confidence),
        min(high.n, deep.n),
    )
