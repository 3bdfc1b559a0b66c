"""What is not the heart: breathing, skin, muscle, mains, movement, electrodes that came off.

Noise is drawn per electrode (both arms, the left leg, six on the chest) and then seen through the leads, so
Einthoven's law holds in noise as it does in a clinic. Levels follow resting ECGs of PTB-XL
(Wagner et al., Scientific Data 2020;7:154): mostly clean, some poor.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Electrodes RA, LA, LL, V1..V6 -> leads I, II, V1..V6 against Wilson's central terminal.
ELECTRODES: Array = np.zeros((8, 9))
ELECTRODES[0, :2] = (-1, 1)
ELECTRODES[1, [0, 2]] = (-1, 1)
ELECTRODES[2:, :3] = -1 / 3
ELECTRODES[2:, 3:] = np.eye(6)

WANDER_MV = 0.028  # medians over records of the level at an arm
WANDER_HZ = (0.25, 0.45, 0.9)  # the fastest that each part may be
MUSCLE_MV = 0.0034
# Electrodes against an arm, solved from leads I, II, III and the chest of PTB-XL: arms tremble, skin moves.
WANDERS: Array = np.array([0.9, 1.1, 1.9, 1.7, 1.7, 1.7, 1.7, 1.7, 1.7])
TREMBLES: Array = np.array([1.15, 1.3, 0.25, 0.12, 0.2, 0.25, 0.2, 0.12, 0.05])
MAINS_MV = 0.004
MAINS_HZ = (50.0, 60.0)
MOTION_SHARE, LOOSE_SHARE, LOST_SHARE = 0.06, 0.025, 0.015  # of records


def draw_noise(
    n: int, time: Array, breath_rate: Array, breath_phase: Array, rng: np.random.Generator
) -> NDArray[np.float32]:
    """[n, 8, sample] mV."""
    rate = 1.0 / (time[1] - time[0])
    electrode = _wander(n, time, breath_rate, breath_phase, rng)
    electrode += _muscle(n, len(time), rng)
    electrode += _mains(n, time, rate, rng)
    electrode += _motion(n, time, rng) + _loose(n, time, rng)
    seen = np.matmul(ELECTRODES.astype(np.float32), electrode)
    return np.asarray(seen, dtype=np.float32)


def lose_leads(leads: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A chest electrode that came off leaves its lead of `leads` [n, 8, sample] flat for all or the rest."""
    n, _, samples = leads.shape
    chosen = np.flatnonzero(rng.random(n) < LOST_SHARE)
    which = rng.integers(2, 8, len(chosen))
    start = np.where(rng.random(len(chosen)) < 0.6, 0, rng.integers(0, samples, len(chosen)))
    for patient, lead, first in zip(chosen, which, start, strict=True):
        leads[patient, lead, first:] = 0.0
    return leads


def _wander(
    n: int, time: Array, breath_rate: Array, breath_phase: Array, rng: np.random.Generator
) -> NDArray[np.float32]:
    level = WANDER_MV * np.exp(rng.normal(0.0, 0.55, (n, 1)))
    hertz = np.concatenate([breath_rate[:, None], rng.uniform(0.04, WANDER_HZ, (n, 3))], axis=1)
    phase = np.concatenate([breath_phase[:, None], rng.uniform(0.0, 2 * np.pi, (n, 3))], axis=1)
    wave = np.sin(2 * np.pi * hertz[..., None] * time + phase[..., None]).astype(np.float32)
    weight = (
        level[:, :, None] * rng.normal(size=(n, 9, 4)) * WANDERS[:, None] * np.array([0.7, 1.0, 0.8, 0.6])
    )
    return np.asarray(np.matmul(weight.astype(np.float32), wave))


def _muscle(n: int, samples: int, rng: np.random.Generator) -> NDArray[np.float32]:
    level = (
        MUSCLE_MV
        * np.exp(rng.normal(0.0, 0.6, (n, 1, 1)) + rng.normal(0.0, 0.3, (n, 9, 1)))
        * TREMBLES[:, None]
    )
    white = rng.standard_normal((n, 9, samples), dtype=np.float32)
    white[..., 1:] += 0.1 * white[..., :-1]
    return white * level.astype(np.float32)


def _mains(n: int, time: Array, rate: float, rng: np.random.Generator) -> NDArray[np.float32] | float:
    """Only where the sampling rate can carry it: at 100 Hz the filter before sampling has removed it."""
    hertz = rng.choice(MAINS_HZ, n)
    level = MAINS_MV * np.exp(rng.normal(0.0, 0.9, (n, 9))) * rng.choice([-1.0, 1.0], (n, 9))
    phase = rng.uniform(0.0, 2 * np.pi, n)
    if rate < 2.2 * max(MAINS_HZ):
        return 0.0
    wave = np.sin(2 * np.pi * hertz[:, None] * time + phase[:, None])
    return np.asarray(level[..., None] * wave[:, None, :], dtype=np.float32)


def _motion(n: int, time: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    """An electrode that is pushed: a jump that dies away, and a burst of muscle."""
    moved = np.zeros((n, 9, len(time)), dtype=np.float32)
    for patient in np.flatnonzero(rng.random(n) < MOTION_SHARE):
        start, decay = rng.uniform(0.0, time[-1]), rng.uniform(0.1, 0.8)
        since = np.maximum(time - start, 0.0)
        shape = np.exp(-since / decay) * (1 - np.exp(-since / 0.05)) * (time >= start)
        jump = rng.normal(0.0, 0.25) * shape
        burst = rng.normal(0.0, 0.03, len(time)) * shape * (rng.random() < 0.5)
        moved[patient, rng.integers(0, 9)] = jump + burst
    return moved


def _loose(n: int, time: Array, rng: np.random.Generator) -> NDArray[np.float32]:
    """A chest electrode with a poor contact hums in bursts: mains, or what sampling has folded it to."""
    hum = np.zeros((n, 9, len(time)), dtype=np.float32)
    for patient in np.flatnonzero(rng.random(n) < LOOSE_SHARE):
        hertz, height = rng.uniform(8.0, 45.0), np.exp(rng.normal(np.log(0.04), 0.8))
        swell = np.sin(2 * np.pi * rng.uniform(0.05, 0.4) * time + rng.uniform(0.0, 2 * np.pi))
        wave = np.sin(2 * np.pi * hertz * time) * np.clip(swell, 0.0, None)
        hum[patient, rng.integers(3, 9)] = height * wave
    return hum
