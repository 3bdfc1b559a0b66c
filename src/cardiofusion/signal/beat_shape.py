"""A recording's median beat as a few numbers: how each lead goes through it, and how long its parts last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import INDEPENDENT_LEADS, LEADS, RecordingError, complete_limb_leads
from cardiofusion.signal.bandpass import bandpass
from cardiofusion.signal.beats import median_beat

Float = NDArray[np.float64]

BAND_HZ = (0.4, 45.0)
GRID_HZ = 250.0  # beats of any rate are laid on this grid
BEFORE, AFTER = 0.32, 0.56  # seconds around R
FEWEST_BEATS = 3
# Seconds from R. The level of a lead is that between P and QRS; each window gives a lead's mean over it.
LEVEL = (-0.075, -0.05)
P_WINDOWS = ((-0.26, -0.20), (-0.20, -0.15), (-0.15, -0.10))
QRS_WINDOWS = tuple((start / 1e3, (start + 16) / 1e3) for start in range(-48, 80, 16))
T_WINDOWS = tuple((start / 1e3, (start + 60) / 1e3) for start in range(100, 400, 60))
WINDOWS = (*P_WINDOWS, *QRS_WINDOWS, *T_WINDOWS)
QRS = (-0.05, 0.08)
QRS_REACH = 0.12  # on either side, where a wide QRS is still steep
STEEP = 0.2  # of the steepest slope: where the QRS lasts
T_START, T_RR, T_SHORTEST = 0.10, 0.75, 0.12  # from R, share of RR at its latest end, least length
SMALLEST_MV = 1e-4
SMALLEST_SECONDS = 0.005
TIMES = ("rr", "qrs_over_slope", "qrs_over_steepest", "qrs_steep", "t_centre", "t_spread", "t_over_slope")


@dataclass(frozen=True, eq=False)
class BeatShape:
    """waves: [lead, window], the mean of each of WINDOWS over the size of the QRS. leads: which of
    INDEPENDENT_LEADS are at hand. times: natural logs of seconds [TIMES].
    """

    waves: Float
    leads: tuple[str, ...]
    times: Float


def beat_shape(
    signal: NDArray[np.float32], leads: Sequence[str], beats: NDArray[np.intp], rate: float
) -> BeatShape | None:
    """Of a signal [lead, sample] in mV with R peaks `beats`; None where too few beats are whole.

    The QRS's size is its root mean square over the six limb leads and the chest leads at hand: exchanged
    electrodes leave it as it is.
    """
    if len(beats) < FEWEST_BEATS:
        return None
    signal, names = complete_limb_leads(signal, leads)
    rows = [names.index(lead) for lead in LEADS if lead in names]
    names = tuple(names[row] for row in rows)
    try:
        beat = _on_grid(signal[rows], beats, rate)
    except (RecordingError, IndexError):
        return None
    independent = [names.index(lead) for lead in INDEPENDENT_LEADS if lead in names]
    if not independent:
        return None
    size = max(float(np.sqrt((beat[:, _span(*QRS)] ** 2).mean())), SMALLEST_MV)
    waves = np.stack([beat[independent, _span(*window)].mean(axis=1) for window in WINDOWS], axis=1)
    rr = float(np.median(np.diff(beats))) / rate
    return BeatShape(waves / size, tuple(names[k] for k in independent), _times(beat[independent], rr))


def _on_grid(signal: NDArray[np.float32], beats: NDArray[np.intp], rate: float) -> Float:
    """The median beat [lead, sample] at GRID_HZ, each lead over its level before the QRS."""
    low, high = BAND_HZ
    band = bandpass(signal, rate, low, min(high, 0.45 * rate))
    before = round(BEFORE * rate)
    beat = median_beat(band, beats, (before, round(AFTER * rate)))
    at = np.arange(round((BEFORE + AFTER) * GRID_HZ)) / GRID_HZ
    own = (np.arange(beat.shape[1]) - before) / rate + BEFORE
    grid = np.stack([np.interp(at, own, lead) for lead in beat])
    return np.asarray(grid - grid[:, _span(*LEVEL)].mean(axis=1, keepdims=True))


def _span(start: float, end: float) -> slice:
    return slice(round((start + BEFORE) * GRID_HZ), round((end + BEFORE) * GRID_HZ))


def _times(beat: Float, rr: float) -> Float:
    """What in a beat [lead, sample] tells how fast time ran: TIMES, as logs."""
    slope = np.sqrt((np.gradient(beat, 1.0 / GRID_HZ, axis=1) ** 2).mean(axis=0))
    around = _span(-QRS_REACH, QRS_REACH)
    qrs, steepest = beat[:, _span(-0.06, QRS[1])], max(float(slope[around].max()), SMALLEST_MV)
    height = _spread(qrs)
    seconds = (
        rr,
        height / _root_mean(slope[_span(-0.06, QRS[1])]),
        height / steepest,
        float((slope[around] > STEEP * steepest).sum()) / GRID_HZ,
        *_t_times(beat, slope, rr),
    )
    return np.log(np.maximum(seconds, SMALLEST_SECONDS))


def _t_times(beat: Float, slope: Float, rr: float) -> tuple[float, float, float]:
    """Where the energy of T lies after R, how far it spreads, and T's height over its slope: seconds."""
    length = min(max(T_RR * rr - T_START, T_SHORTEST), AFTER - T_START)
    span = _span(T_START, T_START + length)
    wave = beat[:, span]
    energy = ((wave - np.median(wave, axis=1, keepdims=True)) ** 2).mean(axis=0)
    energy /= max(float(energy.sum()), SMALLEST_MV**2)
    time = T_START + np.arange(len(energy)) / GRID_HZ
    centre = float(energy @ time)
    spread = float(np.sqrt(energy @ (time - centre) ** 2))
    return centre, spread + SMALLEST_SECONDS, _spread(wave) / _root_mean(slope[span])


def _spread(piece: Float) -> float:
    """Root mean square of leads [lead, sample], each about its own mean."""
    return float(np.sqrt((piece - piece.mean(axis=1, keepdims=True)).var()))


def _root_mean(values: Float) -> float:
    return max(float(np.sqrt((values**2).mean())), SMALLEST_MV)
