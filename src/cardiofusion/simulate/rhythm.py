"""When the ventricles beat: sinus rhythm with breathing, fibrillation, flutter, extra beats.

Blocks and rhythms without a sinus node stand in blocks.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.blocks import Atria, atria, waves_a_beat

Array = NDArray[np.float64]

SINUS, ATRIAL, VENTRICULAR = 0, 1, 2  # where a beat comes from
FLUTTER_PER_MINUTE = 290.0
SHORTEST_RR = 0.33  # of the mean; the AV node is refractory
DRIFT = 0.85  # from beat to beat
SPARE_BEATS = 8
LEAD_IN = 3  # beats before the record starts


@dataclass(frozen=True)
class Rhythm:
    """Beats of n patients.

    onset: [n, beat] seconds from the start of the record to QRS onset, ascending, wider than the record.
    origin: [n, beat] SINUS, ATRIAL or VENTRICULAR. before: [n, beat] the RR that ends in this beat, s.
    atria: see blocks.py. flutter_cycle: [n] s. breath_rate: [n] Hz. breath_phase: [n] rad.
    """

    onset: Array
    origin: NDArray[np.int64]
    before: Array
    atria: Atria
    flutter_cycle: Array
    breath_rate: Array
    breath_phase: Array


def draw_rhythm(causes: Mapping[str, Array], seconds: float, rng: np.random.Generator) -> Rhythm:
    """Beats whose mean rate inside the record is the cause `rate` and whose spread is `rr_variation`."""
    per_beat = waves_a_beat(causes, rng)
    mean_rr = 60.0 / (causes["rate"] * per_beat)  # of the atria, where the node lets not all beats through
    n = len(mean_rr)
    inside = np.maximum(np.rint(seconds / mean_rr), 2.0)
    n_beats = int(inside.max()) + SPARE_BEATS
    breath_rate, breath_phase = rng.uniform(0.18, 0.35, n), rng.uniform(0.0, 2 * np.pi, n)
    interval = _sinus(causes, n_beats, breath_rate, breath_phase, rng)
    interval = np.where(causes["afib"][:, None] > 0, _fibrillation(causes, n_beats, rng), interval)
    ratio = _conduction(causes, n_beats, rng)
    interval = np.where(causes["aflt"][:, None] > 0, ratio, interval)
    origin = _origins(causes, inside, n_beats, rng)
    interval = _extra_beats(interval, origin, rng)
    counted = np.arange(n_beats)[None, :] < inside[:, None] + LEAD_IN + 1
    scale = mean_rr / np.mean(interval, axis=1, where=counted)
    before = interval * scale[:, None]
    start = -(LEAD_IN + rng.random(n)) * mean_rr
    onset = start[:, None] + np.cumsum(before, axis=1)
    heard = atria(causes, per_beat, n_beats, rng)
    onset = onset + heard.lengthening
    before = np.diff(onset, axis=1, prepend=onset[:, :1] - before[:, :1]) + heard.dropped_before * before
    return Rhythm(onset, origin, before, heard, scale, breath_rate, breath_phase)


def _sinus(
    causes: Mapping[str, Array],
    n_beats: int,
    breath_rate: Array,
    breath_phase: Array,
    rng: np.random.Generator,
) -> Array:
    """RR over its mean: breathing plus a slow AR(1) drift (HRV Task Force 1996: HF and LF parts)."""
    beat = np.arange(n_beats)[None, :] * (60.0 / causes["rate"])[:, None]
    breath = np.sqrt(2.0) * np.sin(2 * np.pi * breath_rate[:, None] * beat + breath_phase[:, None])
    drift = rng.normal(size=beat.shape)
    for k in range(1, n_beats):
        drift[:, k] = DRIFT * drift[:, k - 1] + np.sqrt(1 - DRIFT**2) * drift[:, k]
    share = rng.uniform(0.2, 0.8, (len(beat), 1))
    wave = np.sqrt(share) * breath + np.sqrt(1 - share) * drift
    return np.asarray(np.maximum(1.0 + causes["rr_variation"][:, None] * wave, SHORTEST_RR))


def _fibrillation(causes: Mapping[str, Array], n_beats: int, rng: np.random.Generator) -> Array:
    """Irregularly irregular: independent log-normal intervals."""
    spread = np.sqrt(np.log1p(causes["rr_variation"] ** 2))[:, None]
    return np.maximum(np.exp(spread * rng.normal(size=(len(spread), n_beats))), SHORTEST_RR)


def _conduction(causes: Mapping[str, Array], n_beats: int, rng: np.random.Generator) -> Array:
    """Flutter waves a beat: n:1, now and then one wave more or less where the RR varies."""
    ratio = np.clip(np.rint(FLUTTER_PER_MINUTE / causes["rate"]), 2.0, 8.0)[:, None]
    varies = np.clip(causes["rr_variation"][:, None] * ratio, 0.0, 1.0) ** 2
    step = rng.choice([-1.0, 1.0], size=(len(ratio), n_beats))
    return np.asarray(np.maximum(ratio + step * (rng.random(step.shape) < varies), 1.0))


def _origins(
    causes: Mapping[str, Array], inside: Array, n_beats: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Where each beat comes from; never two extra beats in a row, at least one where a flag is set."""
    ventricular, atrial = causes["pvc"] > 0, causes["pac"] > 0
    any_extra = (ventricular | atrial)[:, None]
    extra = rng.random((len(inside), n_beats)) < causes["ectopic_share"][:, None] * 1.3
    forced = LEAD_IN + 2 + np.floor(rng.random(len(inside)) * np.maximum(inside - 3, 1)).astype(np.int64)
    extra[np.arange(len(inside)), forced] = True
    extra |= causes["bigeminy"][:, None] > 0
    extra[:, :2] = False
    for k in range(1, n_beats):
        extra[:, k] &= ~extra[:, k - 1]
    chance = np.where(ventricular & atrial, 0.5, ventricular.astype(float))[:, None]
    origin = np.where(rng.random(extra.shape) < chance, VENTRICULAR, ATRIAL)
    return np.where(extra & any_extra, origin, SINUS).astype(np.int64)


def _extra_beats(interval: Array, origin: NDArray[np.int64], rng: np.random.Generator) -> Array:
    """Early, then a pause: full after a ventricular beat, short after an atrial one that resets the node."""
    early = rng.uniform(0.55, 0.8, (len(interval), 1)) + rng.normal(0.0, 0.02, interval.shape)
    after = np.roll(origin, 1, axis=1)
    pause = np.where(after == VENTRICULAR, 2.0 - np.roll(early, 1, axis=1), 1.08)
    changed = np.where(origin != SINUS, interval * early, interval)
    return np.where(after != SINUS, changed * pause, changed)
