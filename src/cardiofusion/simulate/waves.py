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
LEFT_ATRIUM = 1
LEFT_SEEN: Array = np.array([1.0, 1.0, 1.0, 1.6, 1.0, 1.0, 1.0, 1.0])  # over the right, by lead: P of PTB-XL
N_FRAGMENTS = 3
GROUPS: NDArray[np.int64] = np.array(
    [P] * 3 + [SPIKE] + [QRS] * (10 + N_FRAGMENTS) + [T] * 4 + [QRS, T] + [EXTRA] * 4
)
# The atria lie further from the chest electrodes than the ventricles, of which Dower's matrix speaks.
ATRIA_SEEN: Array = np.array([1.0, 1.0, 0.58, 0.38, 0.30, 0.27, 0.29, 0.42])
# T in each lead over the dipole's, from the medians of normal ECGs of PTB-XL.
RECOVERY_SEEN: Array = np.array([1.0, 0.93, 0.72, 1.08, 0.7, 0.60, 0.68, 1.0])
BRUGADA_SEEN: Array = np.array([0.0, 0.0, 0.9, 1.0, 0.35, 0.0, 0.0, 0.0])  # over the outflow tract only
# Share of a wave that a single dipole cannot explain, by lead: limb, chest (PTB-XL: 4-15 % of the variance).
LOCAL_LIMB, LOCAL_CHEST = 0.04, 0.26
TIP, TIP_WIDTH = 0.22, 0.42  # share of R and S, and how narrow
FRAGMENT = 0.07  # of the QRS amplitude
T_RIGHT, T_SLOPE = 0.090, (0.98, 1.17)  # of QT; left over right width
LAST_LEAD = 0.018  # s by which T of all leads together ends before that of the lead in which it ends last
T_LOOP = 0.12  # of T: how far its vector turns on the way
# What is added to T early and late, over its size: it turns from the front to the left and down.
T_TURNS: Array = np.array([(0.0, -0.06, 0.16), (0.02, 0.08, -0.12)])
ST_BEGINS = 0.01  # s after QRS: injury current is masked until the last muscle is awake
COVE = np.flatnonzero(GROUPS == EXTRA)[0] - np.array([2, 1])  # the waves of `_outflow`


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
    body[..., 0] *= 1.0 - 2.0 * causes["dextrocardia"][:, None]  # the heart in a mirror
    qt = causes["qtc"] / 1000.0 * np.cbrt(60.0 / causes["rate"])
    parts = [_atria(causes, rng), _spike(causes, rng), _ventricles(causes, rng), _fragments(causes, rng)]
    parts += [_recovery(causes, qt, rng), _outflow(causes, rng), _extra_beat(causes, rng)]
    centre, left, right, vector = (np.concatenate(field, axis=1) for field in zip(*parts, strict=True))
    lead = np.einsum("nwd,nld->nwl", vector, body)
    lead += _local(vector, rng)
    lead[:, GROUPS == P] *= ATRIA_SEEN
    lead[:, LEFT_ATRIUM] *= LEFT_SEEN
    lead[:, GROUPS == T] *= RECOVERY_SEEN * (1 - 0.8 * causes["brugada"][:, None, None] * BRUGADA_SEEN)
    lead[:, COVE] = causes["brugada"][:, None, None] * _cove(rng, len(lead))
    st = np.stack([causes["st_left"], causes["st_down"], causes["st_front"]], axis=-1)
    qrs = causes["qrs_duration"] / 1000.0
    plateau = np.einsum("nd,nld->nl", st, body) * RECOVERY_SEEN
    return Waves(centre, left, right, lead, plateau, qrs + ST_BEGINS, centre[:, GROUPS == T][:, 0], body)


def _cove(rng: np.random.Generator, n: int) -> Array:
    """[n, 2, 8] the high take-off in V1 and V2, and the T below the line that it runs into."""
    height = rng.uniform(0.25, 0.5, (n, 1)) * BRUGADA_SEEN
    return np.stack([height, -height * rng.uniform(0.5, 1.1, (n, 1))], axis=1)


def _outflow(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """When the waves of `_cove` come; BRUGADA: no dipole, so their vector is nothing."""
    qrs = causes["qrs_duration"] / 1000.0
    n = len(qrs)
    centre = np.stack([qrs, qrs + rng.uniform(0.17, 0.21, n)], axis=1)
    left = np.repeat([[0.018, 0.055]], n, axis=0)
    right = np.stack([rng.uniform(0.06, 0.1, n), np.full(n, 0.045)], axis=1)
    return centre, left, right, np.zeros((n, 2, 3))


def _local(vector: Array, rng: np.random.Generator) -> Array:
    """What sources near an electrode add to the dipole."""
    source = rng.normal(size=(*vector.shape[:2], len(BODY)))
    chest = source[..., N_LIMB:]
    chest[..., 1:] = (chest[..., 1:] + chest[..., :-1]) / np.sqrt(2.0)  # neighbours see the same sources
    share = np.where(np.arange(len(BODY)) < N_LIMB, LOCAL_LIMB, LOCAL_CHEST)
    share = share * np.where(GROUPS == T, 0.85, 1.0)[:, None]  # repolarisation is spread wider
    return np.asarray(np.linalg.norm(vector, axis=-1, keepdims=True) * share * source)


def _atria(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Right atrium down and to the front, left atrium later, to the left and back; then both recover.

    Their T wave is low, against P, and lowers PR and ST a little; more in pericarditis (PERICARDIUM).
    """
    duration, pr = causes["p_duration"] / 1000.0, causes["pr"] / 1000.0
    present = (causes["afib"] == 0) & (causes["aflt"] == 0)
    height = 0.74 * causes["p_amplitude"] * present  # two that overlap reach the amplitude asked for
    axis = np.radians(causes["p_axis"])
    tall = causes["right_atrial"]
    right = direction(axis + 0.25, np.full_like(axis, 0.5)) * (height * (1 + 0.5 * tall))[:, None]
    left = direction(axis - 0.25, np.zeros_like(axis)) * (height * (1 - 0.3 * tall))[:, None]
    left[:, 2] = (-1.35 / ATRIA_SEEN[V1] * causes["p_terminal"] * present - BODY[V1, 0] * left[:, 0]) / BODY[
        V1, 2
    ]
    depth = rng.uniform(0.08, 0.26, len(axis)) + causes["pericarditis"] * rng.uniform(0.15, 0.4, len(axis))
    again = -0.5 * depth[:, None] * (right + left)
    centre = np.stack([0.36 * duration, 0.67 * duration, 1.5 * duration], axis=1) - pr[:, None]
    width = duration[:, None] * np.array([0.165, 0.165, 0.55])
    return centre, width, width, np.stack([right, left, again], axis=1)


def _spike(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """The stimulus: about 1 ms, from the apex up; unipolar or bipolar, so of any height."""
    n = len(causes["rate"])
    height = causes["paced"] * np.exp(rng.normal(-0.3, 0.8, n))
    up = np.array([-0.45, -0.75, -0.3]) + rng.normal(0.0, 0.2, (n, 3))
    flat = np.full((n, 1), 0.0012)
    return np.full((n, 1), -0.006), flat, flat, (up * height[:, None])[:, None, :]


def _ventricles(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """R and S are more pointed than a Gaussian: part of each is narrower."""
    duration = causes["qrs_duration"][:, None] / 1000.0
    centre, width, vector = qrs_waves(causes, rng)
    main = slice(1, 3)
    centre = np.concatenate([centre, centre[:, main]], axis=1)
    width = np.concatenate([width, TIP_WIDTH * width[:, main]], axis=1)
    vector = np.concatenate([vector, TIP * vector[:, main]], axis=1)
    vector[:, main] *= 1.0 - TIP
    return centre * duration, width * duration, width * duration, vector


def _fragments(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """Small sharp turns within QRS: the front of activation is not smooth, even in the healthy."""
    n = len(causes["rate"])
    duration = causes["qrs_duration"][:, None] / 1000.0
    centre = rng.uniform(0.12, 0.88, (n, N_FRAGMENTS)) * duration
    width = rng.uniform(0.004, 0.0065, (n, N_FRAGMENTS))
    size = FRAGMENT * causes["qrs_amplitude"] * np.minimum(0.09 / duration[:, 0], 1.0) ** 1.5
    size = (size * np.exp(rng.normal(0.0, 0.5, n)))[:, None, None]
    return centre, width, width, size * rng.normal(size=(n, N_FRAGMENTS, 3))


def _recovery(
    causes: Mapping[str, Array], qt: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array, Array]:
    """T (slower up than down; ends at QT by the tangent), its turn from early to late, and U behind it."""
    n = len(qt)
    right = T_RIGHT * qt * np.exp(rng.normal(0.0, 0.10, n))
    narrow = causes["hyperkalaemia"] > 0
    right = np.where(narrow, 0.75 * right, right)
    left = right * np.where(narrow, rng.uniform(0.95, 1.15, n), rng.uniform(*T_SLOPE, n))
    peak = np.maximum(qt - LAST_LEAD - 2.0 * right, causes["qrs_duration"] / 1000.0 + 0.06)
    t = direction(np.radians(causes["t_axis"]), np.radians(causes["t_anterior_angle"]))
    t = t * causes["t_amplitude"][:, None]
    size = (causes["t_amplitude"] + 0.05)[:, None, None]
    early, late = np.moveaxis((T_TURNS + rng.normal(0.0, T_LOOP, (n, 2, 3))) * size, 1, 0)
    early = early + 0.18 * t
    u_width = rng.uniform(0.04, 0.065, n)
    centre = np.stack([peak, peak - 1.6 * left, peak + 0.9 * right, qt + 0.08 + 0.5 * u_width], axis=1)
    before = np.stack([left, 0.9 * left, 0.7 * right, u_width], axis=1)
    after = np.stack([right, 0.8 * left, 0.7 * right, u_width], axis=1)
    return centre, before, after, np.stack([t, early, late, _u(causes, rng)], axis=1)


def _u(causes: Mapping[str, Array], rng: np.random.Generator) -> Array:
    """[n, 3] small, to the front; taller than T where potassium is low."""
    n = len(causes["rate"])
    height = rng.uniform(0.0, 0.06, n) + 0.03 * causes["t_amplitude"]
    height = np.where(causes["hypokalaemia"] > 0, rng.uniform(0.10, 0.28, n), height)
    return np.array([0.6, 0.5, 0.5]) * height[:, None]


def _extra_beat(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array, Array]:
    """A ventricular beat: broad, tall, from either ventricle, with T the other way."""
    n = len(causes["rate"])
    axis = rng.uniform(-np.pi, np.pi, n)
    front = np.where(np.cos(axis) > 0, rng.uniform(-1.0, 0.1, n), rng.uniform(-0.4, 0.9, n))
    heart = (
        direction(axis, front)
        * (rng.uniform(0.75, 1.4, n) * np.maximum(causes["qrs_amplitude"], 0.6))[:, None]
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
