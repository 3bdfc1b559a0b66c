"""What makes a virtual ECG look as it does: the causes, their units, ranges and sources.

Directions are given in the lead frame (see body.py): u along lead I (left), v along aVF (down) and
w to the front of the chest. A frontal axis is the usual hexaxial angle atan2(v, u); an anterior angle is how
far a vector leaves the frontal plane, + to the front, - to the back (the horizontal-plane axis, free of
the poor conditioning that an angle between u and w has in vertical hearts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import InputError

Kind = Literal["number", "flag"]

RIJNBEEK = "Rijnbeek et al., J Electrocardiol 2014;47:914 (normal values of the ECG, ages 16-90)"
MASON = "Mason et al., J Electrocardiol 2007;40:228 (reference ranges of 79,743 ECGs)"
AHA_III = "Surawicz et al., AHA/ACCF/HRS 2009 part III: intraventricular conduction, Circulation 119:e235"
AHA_IV = "Rautaharju et al., AHA/ACCF/HRS 2009 part IV: ST, T, U and QT, Circulation 119:e241"
AHA_V = "Hancock et al., AHA/ACCF/HRS 2009 part V: chamber hypertrophy, Circulation 119:e251"
AHA_VI = "Wagner et al., AHA/ACCF/HRS 2009 part VI: ischaemia and infarction, Circulation 119:e262"
UDMI = "Thygesen et al., Fourth Universal Definition of Myocardial Infarction, Circulation 2018;138:e618"
TEXTBOOK = "Surawicz and Knilans, Chou's Electrocardiography in Clinical Practice, 6th edition 2008"
FRANK = "Draper et al., The corrected orthogonal ECG and VCG in 510 normal men, Circulation 1964;30:853"
HRV = "Task Force of ESC and NASPE, Heart rate variability, Circulation 1996;93:1043"
BLOCKS = "Kusumoto et al., ACC/AHA/HRS bradycardia and conduction delay, Circulation 2019;140:e382"
SVT = "Page et al., ACC/AHA/HRS supraventricular tachycardia, Circulation 2016;133:e506"
BRUGADA = "Antzelevitch et al., J-wave syndromes consensus, Heart Rhythm 2016;13:e295"
PERICARDIUM = "Adler et al., ESC pericardial diseases, Eur Heart J 2015;36:2921"
POTASSIUM = "Diercks et al., Electrocardiographic manifestations: electrolytes, J Emerg Med 2004;27:153"
SHORT = "Gollob et al., The short QT syndrome: proposed criteria, J Am Coll Cardiol 2011;57:802"
CABLES = "Batchvarov et al., Incorrect electrode cable connection, Europace 2007;9:1081"
EARLY = "Macfarlane et al., The early repolarization pattern, J Am Coll Cardiol 2015;66:470"


@dataclass(frozen=True)
class Cause:
    """One cause. number: `low` to `high` in `unit`, both included; flag: 0 or 1. `source` of its norm."""

    name: str
    kind: Kind
    unit: str
    low: float
    high: float
    source: str


def _number(name: str, unit: str, low: float, high: float, source: str) -> Cause:
    return Cause(name, "number", unit, low, high, source)


def _flag(name: str, source: str) -> Cause:
    return Cause(name, "flag", "", 0.0, 1.0, source)


CAUSES: tuple[Cause, ...] = (
    # Rhythm. rate: mean ventricular rate. rr_variation: SD of RR over its mean, but for what extra beats and
    # dropped beats do to it.
    _number("rate", "/min", 30.0, 190.0, RIJNBEEK),
    _number("rr_variation", "1", 0.0, 0.35, HRV),
    _number("ectopic_share", "1", 0.0, 0.5, TEXTBOOK),
    # Intervals. pr: where it lengthens from beat to beat, that after the pause. qtc: Fridericia.
    _number("pr", "ms", 80.0, 360.0, RIJNBEEK),
    _number("qrs_duration", "ms", 60.0, 200.0, RIJNBEEK),
    _number("qtc", "ms", 280.0, 580.0, AHA_IV),
    # Depolarisation: direction and greatest length of the QRS vector; infarct and right terminal left out.
    _number("qrs_axis", "deg", -180.0, 180.0, MASON),
    _number("qrs_anterior_angle", "deg", -85.0, 85.0, FRANK),
    _number("qrs_amplitude", "mV", 0.2, 4.0, FRANK),
    # Atria. p_terminal: depth of the negative end of P in V1.
    _number("p_duration", "ms", 60.0, 170.0, MASON),
    _number("p_amplitude", "mV", 0.02, 0.4, MASON),
    _number("p_axis", "deg", -180.0, 180.0, MASON),
    _number("p_terminal", "mV", 0.0, 0.2, AHA_V),
    # Repolarisation: everything together, primary and secondary. st_*: the vector 60 ms after J.
    _number("t_amplitude", "mV", 0.0, 1.5, RIJNBEEK),
    _number("t_axis", "deg", -180.0, 180.0, RIJNBEEK),
    _number("t_anterior_angle", "deg", -90.0, 90.0, FRANK),
    _number("st_left", "mV", -0.6, 0.6, AHA_IV),
    _number("st_down", "mV", -0.6, 0.6, AHA_IV),
    _number("st_front", "mV", -0.6, 0.6, AHA_IV),
    # Share of the wall that is lost; 0 where no infarct flag is set.
    _number("infarct_size", "1", 0.0, 1.0, UDMI),
    # Conduction.
    _flag("lbbb", AHA_III),
    _flag("rbbb", AHA_III),
    _flag("incomplete_rbbb", AHA_III),
    _flag("intraventricular_delay", AHA_III),
    _flag("preexcitation", AHA_III),
    _flag("paced", TEXTBOOK),
    _flag("lafb", AHA_III),
    _flag("lpfb", AHA_III),
    _flag("av_block_1", TEXTBOOK),
    _flag("wenckebach", BLOCKS),  # second degree, type 1
    _flag("mobitz", BLOCKS),  # second degree, type 2, two to one included
    _flag("av_block_3", BLOCKS),
    _flag("ventricular_escape", BLOCKS),  # only in av_block_3: broad, else from the junction and narrow
    # Chambers.
    _flag("lvh", AHA_V),
    _flag("lv_strain", AHA_V),
    _flag("rvh", AHA_V),
    _flag("rv_strain", AHA_V),
    _flag("left_atrial", AHA_V),
    _flag("right_atrial", AHA_V),
    # Infarction: territories; acute (ST elevation) or else old.
    _flag("infarct_anteroseptal", UDMI),
    _flag("infarct_anterior", UDMI),
    _flag("infarct_lateral", UDMI),
    _flag("infarct_inferior", UDMI),
    _flag("infarct_posterior", UDMI),
    _flag("infarct_acute", AHA_VI),
    # Repolarisation.
    _flag("ischaemia_anterior", AHA_VI),
    _flag("ischaemia_lateral", AHA_VI),
    _flag("ischaemia_inferior", AHA_VI),
    _flag("nonspecific_t", AHA_IV),
    _flag("digitalis", TEXTBOOK),
    _flag("long_qt", AHA_IV),
    _flag("short_qt", SHORT),
    _flag("early_repolarisation", EARLY),
    _flag("brugada", BRUGADA),  # type 1
    _flag("pericarditis", PERICARDIUM),
    _flag("hyperacute_t", AHA_VI),
    _flag("hyperkalaemia", POTASSIUM),
    _flag("hypokalaemia", POTASSIUM),
    # Rhythm and voltage.
    _flag("afib", TEXTBOOK),
    _flag("aflt", TEXTBOOK),
    _flag("pvc", TEXTBOOK),
    _flag("pac", TEXTBOOK),
    _flag("bigeminy", TEXTBOOK),
    _flag("junctional", BLOCKS),
    _flag("svt", SVT),
    _flag("low_voltage", AHA_III),
    # How the heart lies and how it was recorded. The directions above stay those of the same heart in a usual
    # chest under electrodes in their places.
    _flag("dextrocardia", TEXTBOOK),
    _flag("arm_reversal", CABLES),
    _flag("chest_reversal", CABLES),
)

NAMES: tuple[str, ...] = tuple(cause.name for cause in CAUSES)
FLAGS: tuple[str, ...] = tuple(cause.name for cause in CAUSES if cause.kind == "flag")
NUMBERS: tuple[str, ...] = tuple(cause.name for cause in CAUSES if cause.kind == "number")
INFARCTS: tuple[str, ...] = tuple(
    f"infarct_{where}" for where in ("anteroseptal", "anterior", "lateral", "inferior", "posterior")
)
# Unit vectors (u, v, w) that point to the wall named: ST elevation there points this way.
TERRITORY: Mapping[str, tuple[float, float, float]] = {
    "anteroseptal": (-0.05, 0.0, 1.0),
    "anterior": (0.30, 0.0, 0.95),
    "lateral": (0.80, -0.40, -0.45),
    "inferior": (-0.20, 0.97, -0.15),
    "posterior": (0.15, 0.15, -0.98),
}
_POSITION = {name: position for position, name in enumerate(NAMES)}


def cause_index(name: str) -> int:
    """Position of a cause in CAUSES. Raises InputError for a name that is no cause."""
    if name not in _POSITION:
        raise InputError("simulate.cause", f"{name!r} is no cause", f"one of: {', '.join(NAMES)}")
    return _POSITION[name]


def columns(causes: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """name -> float64 [n]. Raises InputError where `causes` is not [n, len(CAUSES)] and finite."""
    if causes.ndim != 2 or causes.shape[1] != len(CAUSES) or not np.isfinite(causes).all():
        raise InputError(
            "simulate.causes",
            f"causes are {causes.shape}, not finite [n, {len(CAUSES)}]",
            "draw them with simulate.draw_causes",
        )
    return {name: causes[:, i].astype(np.float64) for i, name in enumerate(NAMES)}


def stack(values: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float32]:
    """The inverse of `columns`; numbers are held inside their ranges."""
    held = [np.clip(values[cause.name], cause.low, cause.high) for cause in CAUSES]
    return np.stack(held, axis=1).astype(np.float32)
