"""Every wave of a patient's beat: when it comes, how wide it is, what each lead sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.body import BODY, N_LIMB, V1, direction, random_bodies
from cardiofusion.simulate.depolarisation import qrs_waves

Array = NDArray[np.float64]

P, SPIKE, QRS, T, EXTRA = range(5)  # groups of waves that come and go together
GROUPS: NDArray[np.int64] = np.array([P] * 2 + [SPIKE] + [QRS] * 8 + [T] * 2 + [EXTRA] * 4)
# The atria lie further from the chest electrodes than the ventricles, of which Dower's matrix speaks.
ATRIA_SEEN: Array = np.array([1.0, 1.0, 1.0, 0.7, 0.5, 0.4, 0.45, 0.6])
# Share of a wave that a single dipole cannot explain, by lead: limb, chest (PTB-XL: 4-15 % of the variance).
LOCAL_LIMB, LOCAL_CHEST = 0.04, 0.24


@dataclass(frozen=True)
class Waves:
    """Gaussians with a left and a right width, and the ST plateau.

    centre, left, right: [n, wave] s from QRS onset. lead: [n, wave, 8] mV in records.INDEPENDENT_LEADS.
    plateau: [n, 8] mV between plateau_start and plateau_end [n] s. body: [n, 8, 3].
    """

    centre: Array
    left: Array
    right: Array
    lead: Array
    plateau: Array
    plateau_start: Array
    plateau_end: Array
    body: Array


def draw_waves(causes: Mapping[str, Array], rng: np.random.Generator) -> Waves:
    """The waves of n patients: exact where a cause speaks, drawn where none does."""
    body = random_bodies(len(causes["rate"]), rng)
    qt = causes["qtc"] / 1000.0 * np.cbrt(60.0 / causes["rate"])
    parts = [_atria(causes), _spike(causes, rng), _ventricles(causes, rng)]
    parts += [_recovery(causes, qt, rng), _extra_beat(causes, rng)]
    centre, left, right, vector = (np.concatenate(field, axis=1) for field in zip(*parts, strict=True))
    lead = np.einsum("nwd,nld->nwl", vector, body)
    lead += _local(vector, rng)
    lead[:, GROUPS == P] *= ATRIA_SEEN
    st = np.stack([causes["st_left"], causes["st_down"], causes["st_front"]], axis=-1)
    qrs = causes["qrs_duration"] / 1000.0
    plateau = np.einsum("nd,nld->nl", st, body)
    return Waves(centre, left, right, lead, plateau, qrs, centre[:, GROUPS == T][:, 0], body)


def _local(vector: Array, rng: np.random.Generator) -> Array:
    """What sources near an electrode add to the dipole."""
    source = rng.normal(size=(*vector.shape[:2], len(BODY)))
    chest = source[..., N_LIMB:]
    chest[..., 1:] = (chest[..., 1:] + chest[..., :-1]) / np.sqrt(2.0)  # neighbours see the same sources
    share = np.where(np.arange(len(BODY)) < N_LIMB, LOCAL_LIMB, LOCAL_CHEST)
    share = share * np.where(GROUPS == T, 0.6, 1.0)[:, None]  # repolarisation is spread wider
    return np.asarray(np.linalg.norm(vector, axis=-1, keepdims=True) * share * source)


def _atria(causes: Mapping[str, Array]) -> tuple[Array, Array, Array, Array]:
    """Right atrium down and to the front, left atrium later, to the left and back."""
    duration, pr = causes["p_duration"] / 1000.0, causes["pr"] / 1000.0
    present = (causes["afib"] == 0) & (causes["aflt"] == 0)
    height = 0.74 * causes["p_amplitude"] * present  # two that overlap reach the amplitude asked for
    axis = np.radians(causes["p_axis"])
    tall = causes["right_atrial"]
    right = direction(axis + 0.25, np.full_like(axis, 0.35)) * (height * (1 + 0.5 * tall))[:, None]
    left = direction(axis - 0.25, np.zeros_like(axis)) * (height * (1 - 0.3 * tall))[:, None]
    left[:, 2] = (-causes["p_terminal"] * present - BODY[V1, 0] * left[:, 0]) / BODY[V1, 2]
    centre = np.stack([0.36 * duration - pr, 0.67 * duration - pr], axis=1)
    width = np.repeat(0.165 * duration[:, None], 2, axis=1)
    return centre, width, width, np.stack([right, left], axis=1)


def _spike(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """The stimulus: about 1 ms, from the apex up; unipolar or bipolar, so of any height."""
    n = len(causes["rate"])
    height = causes["paced"] * np.exp(rng.normal(-0.3, 0.8, n))
    up = np.array([-0.45, -0.75, -0.3]) + rng.normal(0.0, 0.2, (n, 3))
    flat = np.full((n, 1), 0.0012)
    return np.full((n, 1), -0.006), flat, flat, (up * height[:, None])[:, None, :]


def _ventricles(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    duration = causes["qrs_duration"][:, None] / 1000.0
    centre, width, vector = qrs_waves(causes, rng)
    return centre * duration, width * duration, width * duration, vector


def _recovery(
    causes: Mapping[str, Array], qt: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """T (slower up than down; ends at QT by the tangent) and a small U behind it."""
    n = len(qt)
    right = 0.105 * qt * np.exp(rng.normal(0.0, 0.12, n))
    left = right * rng.uniform(1.2, 1.7, n)
    peak = np.maximum(qt - 2.0 * right, causes["qrs_duration"] / 1000.0 + 0.06)
    t = direction(np.radians(causes["t_axis"]), np.radians(causes["t_anterior_angle"]))
    t = t * causes["t_amplitude"][:, None]
    u = np.array([0.2, 0.2, 0.8]) * (0.08 * rng.random(n) * causes["t_amplitude"])[:, None]
    u_width = rng.uniform(0.03, 0.045, n)
    centre = np.stack([peak, qt + 0.08 + 0.5 * u_width], axis=1)
    return centre, np.stack([left, u_width], 1), np.stack([right, u_width], 1), np.stack([t, u], 1)


def _extra_beat(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """A ventricular beat: broad, tall, from either ventricle, with T the other way."""
    n = len(causes["rate"])
    axis = rng.uniform(-np.pi, np.pi, n)
    front = np.where(np.cos(axis) > 0, rng.uniform(-1.0, 0.1, n), rng.uniform(-0.4, 0.9, n))
    heart = (
        direction(axis, front)
        * (rng.uniform(1.1, 1.9, n) * np.maximum(causes["qrs_amplitude"], 0.6))[:, None]
    )
    duration = rng.uniform(0.13, 0.18, (n, 1))
    share = np.array([(0.22, 0.10), (0.46, 0.125), (0.74, 0.105)])
    vector = heart[:, None, :] * np.array([0.45, 0.9, 0.4])[:, None]
    vector = vector + rng.normal(0.0, 0.12, vector.shape)
    t = (-rng.uniform(0.25, 0.45, (n, 1)) * heart)[:, None, :]
    t_centre = duration + rng.uniform(0.14, 0.18, (n, 1))
    centre = np.concatenate([share[:, 0] * duration, t_centre], axis=1)
    width = np.concatenate([share[:, 1] * duration, np.full((n, 1), 0.055)], axis=1)
    return centre, width, width, np.concatenate([vector, t], axis=1)
