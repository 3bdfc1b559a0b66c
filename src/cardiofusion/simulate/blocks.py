"""Which atrial beats reach the ventricles, and when the atria are seen: blocks and rhythms of the junction.

Sources: BLOCKS and SVT in causes.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

GROWTH = 0.55  # each step by which PR lengthens is this much of the one before (why RR shortens)
HIDDEN, BEFORE, AFTER = range(3)  # where the retrograde P is: in QRS, before it, after it


@dataclass(frozen=True)
class Atria:
    """What the AV node makes of each beat of n patients; a beat is a P wave and what follows it, if anything.

    lengthening: [n, beat] s of PR over the cause `pr`. conducted: [n, beat] 1, or 0 where QRS is dropped.
    dropped_before: [n, beat] 1 where the beat before was dropped. p_height: [n, beat] 0 where no P is seen.
    p_shift: [n, beat] s by which P comes later than `pr` before QRS. cycle: [n] s between P waves that
    march on by themselves; 0 where none do.
    """

    lengthening: Array
    conducted: Array
    dropped_before: Array
    p_height: Array
    p_shift: Array
    cycle: Array


def waves_a_beat(causes: Mapping[str, Array], rng: np.random.Generator) -> Array:
    """[n] atrial beats for each ventricular one: m / (m - 1) where one in m is dropped.

    m follows from the rate, so that the atria keep to a sinus node's 55 to 115 a minute.
    """
    n = len(causes["rate"])
    drop = np.where(causes["rate"] < 50, 2, 3) + (rng.random(n) < 0.4) * (causes["rate"] > 42)
    wenckebach = np.maximum(drop, 3) + (rng.random(n) < 0.4)
    m = np.where(causes["wenckebach"] > 0, wenckebach, drop)
    dropping = (causes["wenckebach"] + causes["mobitz"]) > 0
    return np.where(dropping, m / (m - 1.0), 1.0)


def atria(causes: Mapping[str, Array], per_beat: Array, n_beats: int, rng: np.random.Generator) -> Atria:
    """The atria of n patients of whom `waves_a_beat` is known."""
    n = len(per_beat)
    dropping = per_beat > 1.0
    m = np.rint(per_beat / np.where(dropping, per_beat - 1.0, np.inf) + ~dropping).astype(np.int64)
    place = (np.arange(n_beats) + rng.integers(0, m)[:, None]) % m[:, None]
    conducted = np.where(dropping[:, None] & (place == m[:, None] - 1), 0.0, 1.0)
    steps = (1.0 - GROWTH**place) / (1.0 - GROWTH) * rng.uniform(0.045, 0.09, (n, 1))
    grows = (causes["wenckebach"][:, None] > 0) & (conducted > 0)
    lengthening = np.where(grows, steps, 0.0)
    dropped_before = 1.0 - np.roll(conducted, 1, axis=1)
    height, shift = _retrograde(causes, rng)
    marching = (causes["av_block_3"] > 0) & (causes["afib"] == 0) & (causes["aflt"] == 0)
    cycle = np.where(marching, 60.0 / rng.uniform(62, 105, n), 0.0)
    seen = (height * ~marching)[:, None] * np.ones(n_beats)
    return Atria(lengthening, conducted, dropped_before, seen, shift[:, None] - lengthening, cycle)


def _retrograde(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array]:
    """Height and shift [n] of P where the atria are woken from below: hidden in QRS, before or after it."""
    n = len(causes["rate"])
    backwards = (causes["junctional"] + causes["svt"]) > 0
    place = rng.choice((HIDDEN, BEFORE, AFTER), n, p=(0.45, 0.3, 0.25))
    place = np.where((causes["svt"] > 0) & (place == BEFORE), AFTER, place)
    late = (causes["pr"] + causes["qrs_duration"]) / 1000.0 + rng.uniform(-0.03, 0.06, n)
    height = np.where(backwards & (place == HIDDEN), 0.0, 1.0)
    return height, np.where(backwards & (place == AFTER), late - 0.4 * causes["p_duration"] / 1000.0, 0.0)
