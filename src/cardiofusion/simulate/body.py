"""From the heart to the skin: Dower's matrix in a frame of leads, and bodies that differ.

Dower GE, A lead synthesizer for the Frank system to simulate the standard 12-lead electrocardiogram,
J Electrocardiol 1968;1:101; Dower GE, Machado HB, Osborne JA, On deriving the electrocardiogram from
vectorcardiographic leads, Clin Cardiol 1980;3:87.

The lead frame (u, v, w) is a linear change of Frank's axes (x left, y down, z back): u = lead I,
v = aVF * 2 / sqrt(3), w = -z. In it the limb leads are exactly hexaxial, so that a frontal axis asked
for is the axis a cardiologist measures.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DOWER = np.array(  # rows as records.INDEPENDENT_LEADS, columns Frank's X, Y, Z
    [
        [0.632, -0.235, 0.059],  # I
        [0.235, 1.066, -0.132],  # II
        [-0.515, 0.157, -0.917],  # V1
        [0.044, 0.164, -1.387],  # V2
        [0.882, 0.098, -1.277],  # V3
        [1.213, 0.127, -0.601],  # V4
        [1.125, 0.127, -0.086],  # V5
        [0.831, 0.076, 0.230],  # V6
    ]
)
_FRAME = np.stack([DOWER[0], (DOWER[1] - DOWER[0] / 2) * 2 / np.sqrt(3), np.array([0.0, 0.0, -1.0])])
N_LIMB = 2
V1 = 2
# Chest leads regressed on (lead I, aVF * 2 / sqrt(3), w) over the median beats of 290 normal ECGs of
# PTB-XL. Dower's torso over-reaches in V3 to V5, regression shrinks: the mean chest lies half way.
_CHEST = np.array(
    [
        [-0.59, 0.00, 0.35],  # V1
        [0.09, 0.14, 1.90],  # V2; its w is set by the depth of S against V1
        [0.66, 0.82, 1.05],  # V3
        [0.93, 0.97, 0.72],  # V4
        [1.04, 0.73, 0.08],  # V5
        [0.91, 0.55, -0.35],  # V6
    ]
)
_NEARER = np.array([0.93, 1.12, 1.2, 1.2, 1.06, 0.96])  # what remained of R and S by lead
BODY: Array = DOWER @ np.linalg.inv(_FRAME)  # lead frame -> the 8 independent leads
BODY[N_LIMB:] = (BODY[N_LIMB:] + _CHEST) / 2 * _NEARER[:, None]

SHIFT_SD = 0.25  # chest electrodes along the ribs, in electrode spacings (Wenger and Kligfield 1996)
CHEST_GAIN_SD = 0.07  # log; thick and thin chests
LEAD_GAIN_SD = 0.06  # log, each chest lead on its own
LIMB_SD = 0.03


def random_bodies(n: int, rng: np.random.Generator) -> Array:
    """[n, 8, 3]: BODY with shifted chest electrodes, other chest walls and slightly turned limb leads."""
    body = np.repeat(BODY[None], n, axis=0)
    chest = body[:, N_LIMB:]
    ahead = np.concatenate([chest[:, 1:], 2 * chest[:, -1:] - chest[:, -2:-1]], axis=1)
    behind = np.concatenate([2 * chest[:, :1] - chest[:, 1:2], chest[:, :-1]], axis=1)
    together = rng.normal(0.0, SHIFT_SD, (n, 1, 1))
    shift = np.clip(together + rng.normal(0.0, SHIFT_SD / 2, (n, chest.shape[1], 1)), -0.9, 0.9)
    moved = chest * (1 - np.abs(shift)) + np.where(shift > 0, ahead, behind) * np.abs(shift)
    shared = rng.normal(0.0, CHEST_GAIN_SD, (n, 1, 1))
    gain = np.exp(shared + rng.normal(0.0, LEAD_GAIN_SD, (n, chest.shape[1], 1)))
    body[:, N_LIMB:] = moved * gain
    body[:, :N_LIMB] += rng.normal(0.0, LIMB_SD, (n, N_LIMB, 3))
    return body


def turn(vectors: Array, axis: Array, anterior: Array, mean: Array) -> Array:
    """Turn vectors [n, wave, 3] together so that their `mean` [n, 3] gets this axis and angle (rad)."""
    was_axis, was_anterior = angles(mean)
    straight = _about_w(vectors, -was_axis)
    tilt = (anterior - was_anterior)[:, None]
    cos, sin = np.cos(tilt), np.sin(tilt)
    along, side, front = np.moveaxis(straight, -1, 0)
    tilted = np.stack([along * cos - front * sin, side, along * sin + front * cos], axis=-1)
    return _about_w(tilted, axis)


def angles(vectors: Array) -> tuple[Array, Array]:
    """Frontal axis and anterior angle (rad) of vectors [..., 3]."""
    u, v, w = np.moveaxis(vectors, -1, 0)
    return np.arctan2(v, u), np.arctan2(w, np.hypot(u, v))


def direction(axis: Array, anterior: Array) -> Array:
    """Unit vectors [..., 3] of a frontal axis and an anterior angle (rad)."""
    flat = np.cos(anterior)
    return np.stack([flat * np.cos(axis), flat * np.sin(axis), np.sin(anterior)], axis=-1)


def _about_w(vectors: Array, angle: Array) -> Array:
    cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
    u, v, w = np.moveaxis(vectors, -1, 0)
    return np.stack([u * cos - v * sin, u * sin + v * cos, w], axis=-1)
