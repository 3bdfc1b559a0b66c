"""Causes as targets for a model: numbers on one scale, angles as cosine and sine, flags as they are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.body import direction
from cardiofusion.simulate.causes import CAUSES, FLAGS, INFARCTS, Kind, columns

Array = NDArray[np.float64]

# Centre and scale of each number over draw_causes, rounded: mean and standard deviation.
SCALES: Mapping[str, tuple[float, float]] = {
    "rate": (71.0, 21.0),
    "rr_variation": (-3.14, 0.62),
    "ectopic_share": (0.011, 0.055),
    "pr": (160.0, 26.0),
    "qrs_duration": (99.0, 19.0),
    "qtc": (411.0, 24.0),
    "qrs_anterior_angle": (-36.0, 19.0),
    "qrs_amplitude": (1.43, 0.40),
    "p_duration": (108.0, 12.0),
    "p_amplitude": (0.143, 0.044),
    "p_terminal": (0.030, 0.025),
    "t_amplitude": (0.38, 0.18),
    "t_anterior_angle": (34.0, 26.0),
    "st_left": (0.0, 0.047),
    "st_down": (0.016, 0.055),
    "st_front": (0.058, 0.073),
    "infarct_size": (0.65, 0.2),
    "qrs_t_angle": (92.0, 37.0),
}
# Its logarithm is the target, of this much more: a breath moves a young heart by 5 %, an old one by 1 %.
LOGARITHM: Mapping[str, float] = {"rr_variation": 0.01}
_AXES = ("qrs_axis", "p_axis", "t_axis")
_SCALED = tuple(c.name for c in CAUSES if c.kind == "number" and c.name not in _AXES)
WITHOUT_SINUS_P = ("afib", "aflt", "junctional", "svt")
_ATRIAL = ("pr", "p_duration", "p_amplitude", "p_terminal", "p_axis_cos", "p_axis_sin")

CAUSE_TARGETS: tuple[str, ...] = (
    *_SCALED,
    "qrs_t_angle",
    *(f"{axis}_{part}" for axis in _AXES for part in ("cos", "sin")),
    *FLAGS,
)
TARGET_KINDS: tuple[Kind, ...] = tuple("flag" if name in FLAGS else "number" for name in CAUSE_TARGETS)


def scale_causes(causes: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Targets and mask, both float32 [n, len(CAUSE_TARGETS)].

    Numbers have about mean 0 and variance 1, axes are their cosine and sine times sqrt(2), flags 0 or 1.
    qrs_t_angle is the spatial angle between the QRS axis and T. The mask is 0, and the target too, where
    a target has no meaning: P and PR without P waves from the sinus node,
    PR where none is conducted, the size of an infarct that is not there.
    Raises InputError for malformed causes.
    """
    values = columns(causes)
    values["qrs_t_angle"] = qrs_t_angle(values)
    values |= {name: np.log(values[name] + more) for name, more in LOGARITHM.items()}
    targets = {name: (values[name] - SCALES[name][0]) / SCALES[name][1] for name in SCALES}
    for axis in _AXES:
        angle = np.radians(values[axis])
        targets[f"{axis}_cos"] = np.sqrt(2.0) * np.cos(angle)
        targets[f"{axis}_sin"] = np.sqrt(2.0) * np.sin(angle)
    targets.update({name: values[name] for name in FLAGS})
    mask = _defined(values)
    stacked = np.stack([targets[name] for name in CAUSE_TARGETS], axis=1)
    return (stacked * mask).astype(np.float32), mask


def qrs_t_angle(values: Mapping[str, Array]) -> Array:
    """[n] spatial angle (deg) between the mean QRS vector and T."""
    qrs, t = (
        direction(np.radians(values[f"{wave}_axis"]), np.radians(values[f"{wave}_anterior_angle"]))
        for wave in ("qrs", "t")
    )
    return np.asarray(np.degrees(np.arccos(np.clip(np.sum(qrs * t, axis=-1), -1.0, 1.0))))


def _defined(values: Mapping[str, Array]) -> NDArray[np.float32]:
    mask = np.ones((len(values["rate"]), len(CAUSE_TARGETS)), dtype=np.float32)
    no_p = np.any([values[name] > 0 for name in WITHOUT_SINUS_P], axis=0)
    no_infarct = np.all([values[name] == 0 for name in INFARCTS], axis=0)
    for name in _ATRIAL:
        mask[no_p, CAUSE_TARGETS.index(name)] = 0.0
    mask[values["av_block_3"] > 0, CAUSE_TARGETS.index("pr")] = 0.0
    mask[values["av_block_3"] == 0, CAUSE_TARGETS.index("ventricular_escape")] = 0.0
    for name in ("infarct_size", "infarct_acute"):
        mask[no_infarct, CAUSE_TARGETS.index(name)] = 0.0
    return mask
