"""Where the beats are, the mean beat of each lead, and how regularly beats come: nothing here is learnt.

A patch holds a beat at whatever phase it comes, and a network of few weights spends most of them on finding
out. So the encoder is shown the beat beside the patches: the signal averaged around the moments of steepest
change (Pan and Tompkins, IEEE Trans Biomed Eng 1985;32:230; signal averaging: Simson, Circulation 1981;
64:235), and the correlation of these moments with themselves, in which a regular rhythm has sharp peaks.

All steps are continuous in the signal, so that rounding cannot move a beat; and of what is hidden nothing is
looked at. Times are for the canonical 100 Hz.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

STEEP_OVER = 7  # samples over which the slope's energy is averaged: about a QRS
STEEP = 2.0  # times the mean slope: half certain that this is a QRS; the fourth power decides
REFRACTORY = 20  # samples: the steepest moment of so many on either side is a beat
TOP = 0.05  # below the steepest moment by this share, a moment is no longer it
BEFORE = 0.35  # of the window: what is shown before a beat
STILL = 1e-3  # mV a sample: beside this a flat line has no beats
FEW = 0.05  # beats: added to their number, so that none gives zeros
LAGS, LAG_STEP, FIRST_LAG = 100, 2, 10  # of the rhythm: from 0.2 to 2.2 s, every 20 ms


def _hann(n: int) -> Tensor:
    window = torch.hann_window(n + 2, periodic=False)[1:-1]
    return (window / window.sum())[None, None]


OVER_QRS, OVER_LAGS = _hann(STEEP_OVER), _hann(3)


@dataclass(frozen=True, eq=False)
class Beats:
    """weight: [b, sample], how surely a beat stands there. mean: [b, 12, window] mV. rhythm: [b, LAGS]."""

    weight: Tensor
    mean: Tensor
    rhythm: Tensor


def average_beats(signal: Tensor, shown: Tensor, window: int) -> Beats:
    """Of a signal [b, 12, sample] mV and what of it is shown: [b, 12, sample], or [b, 12, 1] for whole leads.

    shown is 1 or 0; window: samples of the mean beat.
    """
    signal = signal * shown
    weight = find_beats(signal, shown)
    return Beats(weight, _mean_beat(signal, shown, weight, window), rhythm(weight))


def over_leads(x: Tensor) -> Tensor:
    """[b, lead, sample] -> sums [b, sample]."""
    return x.sum(dim=1)


def find_beats(signal: Tensor, shown: Tensor, total: Callable[[Tensor], Tensor] = over_leads) -> Tensor:
    """[b, sample] in 0 to 1: near 1 at the steepest moment of each QRS, near 0 elsewhere.

    total: how leads are added up (the export has its own way).
    """
    both = shown if shown.shape[2] == 1 else shown[:, :, 1:] * shown[:, :, :-1]
    slope = (signal[:, :, 1:] - signal[:, :, :-1]) * both
    energy = functional.pad(total(slope * slope) / (total(both) + 1e-3), (1, 0))
    energy = functional.conv1d(energy[:, None], OVER_QRS.to(energy), padding=STEEP_OVER // 2)
    steep = (energy + STILL**2).sqrt()
    seen = shown.amax(dim=1, keepdim=True)
    usual = (steep * seen).mean(dim=2, keepdim=True) / (seen.mean(dim=2, keepdim=True) + 1e-3)
    over = steep / (STEEP * usual + 5.0 * STILL)
    over = (over * over) * (over * over)
    steepest = functional.max_pool1d(steep, 2 * REFRACTORY + 1, 1, REFRACTORY)
    nearness = (steep / (TOP * steepest) - (1.0 / TOP - 1.0)).clamp(min=0.0)
    return (over / (1.0 + over) * nearness)[:, 0]


def spread(weight: Tensor, frames: int, window: int) -> Tensor:
    """How much of each of the mean beat's `window` frames is from each frame of an ECG: [frame, window].

    weight: [1, sample]. A column adds up to 1 but for what lies beyond the ends.
    """
    coarse = weight.reshape(1, frames, -1).sum(dim=2)
    return windows(coarse, window)[0].T / (coarse.sum() + FEW)


def _mean_beat(signal: Tensor, shown: Tensor, weight: Tensor, window: int) -> Tensor:
    if shown.shape[2] == 1:  # leads are shown all the time: one count for all
        shown = torch.ones_like(signal[:, :1])
    both = torch.cat([signal, shown], dim=1) @ windows(weight, window).transpose(1, 2)
    return over_count(both, signal.shape[1])


def windows(weight: Tensor, window: int) -> Tensor:
    """Every moment's weight as part of each place in a window around a beat: [b, window, sample]."""
    before = round(BEFORE * window)
    return _shifted(functional.pad(weight, (0, before)), window, before)


def over_count(both: Tensor, leads: int) -> Tensor:
    """Sums of signals and below them of how often they were shown, [b, leads + 1 or 2 leads, window]."""
    return both[:, :leads] / (both[:, leads:] + FEW)


def rhythm(weight: Tensor) -> Tensor:
    """The beats' autocorrelation at each lag over that at none."""
    coarse = functional.avg_pool1d(weight[:, None], LAG_STEP, LAG_STEP)
    beats = functional.conv1d(coarse, OVER_LAGS.to(coarse), padding=1)
    late = functional.pad(beats[:, 0], (FIRST_LAG, 0))[:, : beats.shape[2]]
    together = _shifted(late, LAGS) @ beats.transpose(1, 2)
    return together[:, :, 0] / ((beats * beats).sum(dim=2) + 1e-3)


def _shifted(x: Tensor, n: int, start: int = 0) -> Tensor:
    """[b, sample] -> [b, n, sample - start]: row k is x, k samples later, zeros before it; from `start` on.

    A row that is one shorter than what is laid out again and again starts one earlier each time.
    """
    samples = x.shape[1]
    wide = functional.pad(x, (0, n))[:, None].expand(-1, n, -1).reshape(-1, n * (samples + n))
    rows = wide[:, : n * (samples + n - 1)].reshape(-1, n, samples + n - 1)
    return rows[:, :, start:samples]
