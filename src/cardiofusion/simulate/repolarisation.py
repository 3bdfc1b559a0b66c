"""ST and T as vectors: what depolarisation imposes, then walls that lack blood, then drugs and genes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.body import angles, direction
from cardiofusion.simulate.causes import TERRITORY

Array = NDArray[np.float64]
Values = dict[str, Array]
Vectors = tuple[Array, Array]  # ST and T, each [n, 3] mV

SLOWED = (
    "lbbb",
    "paced",
    "preexcitation",
    "ventricular_escape",
)  # depolarisation through muscle: T must turn against it
RIGHT_END = np.array([-0.36, 0.0, 0.45])  # where right bundle branch block ends, over the QRS amplitude
RIGHT_WALL = (-0.25, 0.35, 0.90)
PERICARDIUM = (0.55, 0.70, 0.30)  # all of it: ST up everywhere but in aVR and V1
FRONT, INFERIOR = np.array([0.30, 0.10, 0.95]), np.array([0.1, 0.97, -0.1])
EARLY_WALL = np.array([0.5, 0.4, 0.7])
ISCHAEMIA = {  # which way the injured inner wall faces
    "ischaemia_anterior": (0.25, 0.10, 0.95),
    "ischaemia_lateral": (0.75, 0.30, 0.15),
    "ischaemia_inferior": (0.20, 0.95, -0.05),
}


def recover(values: Values, rng: np.random.Generator) -> Values:
    """The causes with ST, T and QTc as the flags make them out of those of a healthy heart."""
    qrs = direction(np.radians(values["qrs_axis"]), np.radians(values["qrs_anterior_angle"]))
    qrs = qrs * values["qrs_amplitude"][:, None]
    t = direction(np.radians(values["t_axis"]), np.radians(values["t_anterior_angle"]))
    t = t * values["t_amplitude"][:, None]
    st = np.stack([values["st_left"], values["st_down"], values["st_front"]], axis=1)
    st, t = _secondary(values, qrs, st, t, rng)
    st, t = _hypertrophy(values, qrs, st, t, rng)
    st, t = _infarction(values, st, t, rng)
    st, t = _ischaemia(values, st, t, rng)
    st, t = _other(values, qrs, st, t, rng)
    st, t = _membrane(values, st, t, rng)
    axis, anterior = angles(t)
    return values | {
        "st_left": st[:, 0],
        "st_down": st[:, 1],
        "st_front": st[:, 2],
        "t_axis": np.degrees(axis),
        "t_anterior_angle": np.degrees(anterior),
        "t_amplitude": np.linalg.norm(t, axis=1),
        "qtc": _qtc(values, rng),
    }


def _where(flag: Array, changed: Array, old: Array) -> Array:
    return np.where(flag[:, None] > 0, changed, old)


def _some(like: Array, low: float, high: float, rng: np.random.Generator) -> Array:
    """[n, 1] uniform shares, one a patient."""
    return rng.uniform(low, high, (len(like), 1))


def _secondary(values: Values, qrs: Array, st: Array, t: Array, rng: np.random.Generator) -> Vectors:
    """ST and T against the slowed forces (AHA_IV: secondary changes)."""
    slowed = np.max([values[name] for name in SLOWED], axis=0)
    st = _where(slowed, st - _some(st, 0.07, 0.14, rng) * qrs, st)
    t = _where(slowed, 0.15 * t - _some(t, 0.22, 0.42, rng) * qrs, t)
    end = RIGHT_END * values["qrs_amplitude"][:, None]
    st = _where(values["rbbb"], st - _some(st, 0.03, 0.10, rng) * end, st)
    t = _where(values["rbbb"], 0.85 * t - _some(t, 0.35, 0.70, rng) * end, t)
    t = _where(values["incomplete_rbbb"], t - _some(t, 0.0, 0.20, rng) * end, t)
    t = _where(values["intraventricular_delay"], 0.8 * t - _some(t, 0.0, 0.12, rng) * qrs, t)
    return st, t


def _hypertrophy(values: Values, qrs: Array, st: Array, t: Array, rng: np.random.Generator) -> Vectors:
    """A little against QRS in any hypertrophy, much in strain (AHA_V)."""
    st = _where(values["lvh"], st - _some(st, 0.0, 0.05, rng) * qrs, st)
    t = _where(values["lvh"], t - _some(t, 0.0, 0.06, rng) * qrs, t)
    st = _where(values["lv_strain"], st - _some(st, 0.03, 0.08, rng) * qrs, st)
    t = _where(values["lv_strain"], 0.35 * t - _some(t, 0.16, 0.30, rng) * qrs, t)
    st = _where(values["rvh"], st - _some(st, 0.02, 0.08, rng) * qrs, st)
    t = _where(values["rvh"], 0.8 * t - _some(t, 0.10, 0.30, rng) * qrs, t)
    right = np.array(RIGHT_WALL)
    st = _where(values["rv_strain"], st - _some(st, 0.03, 0.12, rng) * right, st)
    t = _where(values["rv_strain"], 0.5 * t - _some(t, 0.25, 0.55, rng) * right, t)
    return st, t


def _infarction(values: Values, st: Array, t: Array, rng: np.random.Generator) -> Vectors:
    """Acute: ST to the wall, T tall or turning. Old: T from it or normal, ST flat unless an aneurysm."""
    n, acute = len(st), values["infarct_acute"] > 0
    for name, wall in TERRITORY.items():
        flag, towards = values[f"infarct_{name}"][:, None], np.array(wall)
        injury = np.where(acute, rng.uniform(0.10, 0.36, n), 0.10 * (rng.random(n) < 0.15))
        inverted = rng.uniform(0.05, 0.40, n) * (rng.random(n) < 0.65)
        wave = np.where(acute, rng.uniform(-0.2, 0.35, n), -inverted)
        st, t = st + flag * injury[:, None] * towards, t + flag * wave[:, None] * towards
    return st, t


def _ischaemia(values: Values, st: Array, t: Array, rng: np.random.Generator) -> Vectors:
    """ST away from the inner wall, T inverted, or both (AHA_VI)."""
    n = len(st)
    for name, wall in ISCHAEMIA.items():
        flag, towards, which = values[name][:, None], np.array(wall), rng.random(n)
        depression = rng.uniform(0.04, 0.16, n) * (which > 0.3)
        inversion = rng.uniform(0.15, 0.55, n) * (which < 0.75)
        st, t = st - flag * depression[:, None] * towards, t - flag * inversion[:, None] * towards
    return st, t


def _other(values: Values, qrs: Array, st: Array, t: Array, rng: np.random.Generator) -> Vectors:
    """Flat T of no one cause; digitalis (sagging ST); early repolarisation (EARLY)."""
    sag = _some(st, 0.0, 0.05, rng) * np.array([0.7, 0.4, 0.2])
    st = _where(values["nonspecific_t"], st - sag, st)
    flat = _some(t, 0.10, 0.70, rng) * t + rng.normal(0.0, 0.03, t.shape)
    t = _where(values["nonspecific_t"], flat, t)
    st = _where(values["digitalis"], st - _some(st, 0.06, 0.13, rng) * qrs, st)
    t = _where(values["digitalis"], _some(t, 0.15, 0.5, rng) * t, t)
    early = values["early_repolarisation"]
    st = _where(early, st + _some(st, 0.10, 0.22, rng) * EARLY_WALL, st)
    t = _where(early, _some(t, 1.2, 1.6, rng) * t, t)
    return st, t


def _membrane(values: Values, st: Array, t: Array, rng: np.random.Generator) -> Vectors:
    """Pericarditis, the first minutes of an infarct, potassium, a short QT (sources in causes.py)."""
    sore = values["pericarditis"]
    st = _where(sore, st + _some(st, 0.12, 0.28, rng) * np.array(PERICARDIUM), st)
    wall = np.where(rng.random((len(st), 1)) < 0.7, FRONT, INFERIOR)
    early = values["hyperacute_t"]
    st = _where(early, st + _some(st, 0.03, 0.12, rng) * wall, st)
    t = _where(early, t + _some(t, 0.55, 1.0, rng) * wall, t)
    length = np.linalg.norm(t, axis=1, keepdims=True)
    peaked = np.maximum(length * _some(t, 1.6, 2.5, rng), _some(t, 0.7, 1.1, rng))
    t = _where(values["hyperkalaemia"], t * peaked / np.maximum(length, 1e-3), t)
    low = values["hypokalaemia"]
    st = _where(low, st - _some(st, 0.02, 0.09, rng) * np.array(PERICARDIUM), st)
    t = _where(low, _some(t, 0.10, 0.50, rng) * t, t)
    t = _where(values["short_qt"], _some(t, 1.1, 1.6, rng) * t, t)
    return st, t


def _qtc(values: Values, rng: np.random.Generator) -> Array:
    """Longer where depolarisation is; short under digitalis; long QT above AHA_IV's limits."""
    n = len(values["qtc"])
    slowed = np.max([values[name] for name in SLOWED], axis=0)
    qtc = values["qtc"] + slowed * rng.uniform(10, 45, n)
    qtc = np.where(values["digitalis"] > 0, rng.uniform(335, 390, n), qtc)
    qtc = np.where(values["short_qt"] > 0, rng.uniform(285, 338, n), qtc)
    return np.where(values["long_qt"] > 0, rng.uniform(475, 560, n), qtc)
