"""QRS templates: how the wave of depolarisation turns, for each way of conduction.

A template is five Gaussians in time: centre and width as shares of the QRS duration, then a vector in
(along, side, front): along the mean frontal axis, beside it, to the front. The normal one follows the mean
loop of FRANK (Draper 1964): septum to the front and right, free wall to the left, base to the back.
Right bundle branch block ends in a slow vector to the right and front, whatever the axis.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.body import turn
from cardiofusion.simulate.causes import TERRITORY

Array = NDArray[np.float64]

NORMAL, LBBB, RBBB, INCOMPLETE, DELAY, DELTA, PACED, RIGHT = range(8)

TEMPLATES: Array = np.array(
    [
        [  # normal
            (0.22, 0.066, -0.05, -0.01, 0.25),
            (0.42, 0.094, 0.82, 0.00, -0.14),
            (0.52, 0.094, 0.14, 0.00, -0.62),
            (0.61, 0.080, -0.02, 0.00, -0.22),
            (0.80, 0.090, -0.06, -0.03, -0.07),
        ],
        [  # LBBB: right septum first, no septal q; broad, notched, to the left and back
            (0.13, 0.070, 0.16, 0.02, 0.08),
            (0.35, 0.100, 0.74, 0.02, -0.72),
            (0.50, 0.090, 0.52, 0.00, -0.62),
            (0.68, 0.095, 0.82, -0.02, -0.62),
            (0.85, 0.075, 0.24, 0.00, -0.18),
        ],
        [  # RBBB: the normal loop in the first two thirds
            (0.12, 0.048, -0.06, -0.01, 0.30),
            (0.28, 0.062, 0.82, 0.00, -0.08),
            (0.38, 0.065, 0.14, 0.00, -0.50),
            (0.48, 0.065, -0.05, 0.00, -0.12),
            (0.60, 0.080, 0.02, 0.00, 0.02),
        ],
        [  # incomplete RBBB
            (0.14, 0.058, -0.06, -0.01, 0.28),
            (0.36, 0.080, 0.82, 0.00, -0.12),
            (0.48, 0.082, 0.14, 0.00, -0.52),
            (0.60, 0.080, -0.08, 0.00, -0.18),
            (0.72, 0.070, -0.02, 0.00, 0.00),
        ],
        [  # unspecific delay: slurred, notched on the way down
            (0.15, 0.070, -0.03, 0.00, 0.22),
            (0.35, 0.095, 0.70, 0.03, -0.10),
            (0.52, 0.085, 0.30, -0.05, -0.55),
            (0.69, 0.080, 0.28, 0.06, -0.30),
            (0.85, 0.075, -0.08, 0.00, -0.12),
        ],
        [  # pre-excitation: a slow delta wave, then the normal forces, late
            (0.15, 0.085, 0.26, 0.00, 0.08),
            (0.30, 0.085, 0.40, 0.00, 0.10),
            (0.54, 0.075, 0.75, 0.00, -0.12),
            (0.66, 0.080, 0.16, 0.00, -0.50),
            (0.81, 0.080, -0.08, 0.00, -0.18),
        ],
        [  # paced from the right ventricle's apex: slow throughout
            (0.17, 0.085, 0.45, 0.02, -0.10),
            (0.35, 0.105, 0.80, 0.05, -0.45),
            (0.52, 0.105, 0.75, 0.00, -0.55),
            (0.69, 0.100, 0.55, -0.05, -0.45),
            (0.85, 0.075, 0.20, 0.00, -0.15),
        ],
        [  # right ventricular hypertrophy: forces to the right and front, late ones to the right
            (0.18, 0.070, -0.05, -0.10, 0.25),
            (0.42, 0.095, 0.70, -0.12, 0.35),
            (0.56, 0.095, 0.40, 0.15, 0.10),
            (0.71, 0.090, 0.12, 0.12, 0.05),
            (0.86, 0.070, 0.05, 0.05, 0.00),
        ],
    ]
)
# The slow end of right bundle branch block, over the QRS amplitude: two Gaussians (centre, width, u, v, w).
TERMINAL: Mapping[int, Array] = {
    RBBB: np.array([(0.66, 0.085, -0.20, 0.02, 0.38), (0.81, 0.090, -0.36, -0.02, 0.34)]),
    INCOMPLETE: np.array([(0.76, 0.060, -0.11, 0.0, 0.26), (0.87, 0.060, -0.16, -0.04, 0.21)]),
}
DIRECTION_SD = 0.12  # of each wave, over the greatest vector
LATE = np.outer([0.0, 0.0, 0.0, 0.02, 0.28], [1.0, 1.0, 0.3])  # the end of QRS differs most (J in PTB-XL)
LENGTH_SD = 0.16  # log
CENTRE_SD = 0.012  # of the QRS duration
WIDTH_SD = 0.07  # log


def conduction(causes: Mapping[str, Array]) -> NDArray[np.int64]:
    """[n] which template; the flags exclude each other, the later in this list wins."""
    kind = np.full(len(causes["rate"]), NORMAL, dtype=np.int64)
    order = {
        "rvh": RIGHT,
        "intraventricular_delay": DELAY,
        "incomplete_rbbb": INCOMPLETE,
        "rbbb": RBBB,
        "lbbb": LBBB,
        "preexcitation": DELTA,
        "ventricular_escape": LBBB,  # from one side to the other through muscle, whichever way
        "paced": PACED,
    }
    for name, template in order.items():
        kind[causes[name] > 0] = template
    return kind


def qrs_waves(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Centres [n, 8], widths [n, 8] (shares of the QRS duration) and vectors [n, 8, 3] (mV) of all QRS waves.

    Five of the template, two of a right terminal, one of an infarct.
    """
    kind = conduction(causes)
    template = TEMPLATES[kind]
    n, k = template.shape[:2]
    centre = template[..., 0] + rng.normal(0.0, CENTRE_SD, (n, k))
    width = template[..., 1] * np.exp(rng.normal(0.0, WIDTH_SD, (n, k)))
    loop = template[..., 2:] * np.exp(rng.normal(0.0, LENGTH_SD, (n, k, 1)))
    size = np.linalg.norm(template[..., 2:], axis=-1, keepdims=True)
    loop = loop + rng.normal(0.0, DIRECTION_SD, loop.shape) * np.sqrt(size * 0.4 + LATE)
    mean = np.sum(loop * width[..., None], axis=1)
    loop = turn(loop, np.radians(causes["qrs_axis"]), np.radians(causes["qrs_anterior_angle"]), mean)
    loop *= (causes["qrs_amplitude"] / _greatest(centre, width, loop))[:, None, None]
    end_centre, end_width, end = _terminal(kind, causes["qrs_amplitude"], rng)
    dead_centre, dead_width, dead = _infarct(causes, rng)
    loop[:, 0] *= 1.0 - causes["infarct_anteroseptal"][:, None] * (
        0.5 + 0.5 * causes["infarct_size"][:, None]
    )
    return (
        np.concatenate([centre, end_centre, dead_centre], axis=1),
        np.concatenate([width, end_width, dead_width], axis=1),
        np.concatenate([loop, end, dead], axis=1),
    )


def _greatest(centre: Array, width: Array, loop: Array) -> Array:
    """[n] length of the longest vector of each loop."""
    time = np.linspace(0.0, 1.0, 41)
    shape = np.exp(-0.5 * ((time - centre[..., None]) / width[..., None]) ** 2)
    path = np.einsum("nkt,nkd->ntd", shape, loop)
    return np.asarray(np.linalg.norm(path, axis=-1).max(axis=1))


def _terminal(
    kind: NDArray[np.int64], amplitude: Array, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    waves = np.zeros((len(kind), 2, 5))
    waves[..., :2] = (0.8, 0.08)
    for template, end in TERMINAL.items():
        waves[kind == template] = end
    scale = amplitude[:, None, None] * np.exp(rng.normal(0.0, 0.3, (len(kind), 1, 1)))
    vector = (waves[..., 2:] + rng.normal(0.0, 0.04, (len(kind), 2, 3)) * (waves[..., 4:] != 0)) * scale
    return waves[..., 0], waves[..., 1], vector


def _infarct(causes: Mapping[str, Array], rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """The forces that the scar no longer makes, early in the QRS (late for the posterior wall)."""
    n = len(causes["rate"])
    lost = np.zeros((n, 3))
    for name, wall in TERRITORY.items():
        lost -= causes[f"infarct_{name}"][:, None] * np.array(wall)
    strength = causes["infarct_size"] * causes["qrs_amplitude"] * rng.uniform(0.38, 0.62, n)
    posterior = causes["infarct_posterior"] > 0
    centre = np.where(posterior, 0.40, rng.uniform(0.24, 0.30, n))
    width = np.where(posterior, 0.12, rng.uniform(0.11, 0.14, n))
    return centre[:, None], width[:, None], (lost * strength[:, None])[:, None, :]
