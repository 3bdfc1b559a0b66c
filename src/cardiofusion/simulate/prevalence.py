"""Who has what: weights of the common findings, odds of the rare ones, what excludes and what goes with what.

Prevalence is balanced for learning, not that of a clinic; its dependence on age and sex follows the sources
in causes.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import InputError
from cardiofusion.simulate.causes import FLAGS, INFARCTS

Array = NDArray[np.float64]
Values = dict[str, Array]

NORMAL_SHARE = 0.52  # before the rare findings, which come to anyone
HOW_MANY = (0.31, 0.34, 0.35)  # one, two or three pathologies, of those who have any

# Pathology -> (weight, log weight a year from 60, log weight of men). Attendants (strain, acute) come later.
PATHOLOGIES: Mapping[str, tuple[float, float, float]] = {
    "lbbb": (1.1, 0.02, 0.0),
    "rbbb": (1.2, 0.02, 0.3),
    "incomplete_rbbb": (1.4, -0.015, 0.3),
    "intraventricular_delay": (0.9, 0.01, 0.3),
    "preexcitation": (0.4, -0.03, 0.2),
    "paced": (0.6, 0.04, 0.0),
    "lafb": (1.6, 0.02, 0.3),
    "lpfb": (0.3, 0.0, 0.2),
    "av_block_1": (1.2, 0.02, 0.2),
    "lvh": (3.0, 0.01, 0.1),
    "rvh": (0.8, 0.0, 0.0),
    "left_atrial": (0.8, 0.015, 0.0),
    "right_atrial": (0.4, 0.0, 0.0),
    "infarct_anteroseptal": (1.8, 0.02, 0.4),
    "infarct_anterior": (1.1, 0.02, 0.4),
    "infarct_lateral": (0.9, 0.02, 0.4),
    "infarct_inferior": (2.4, 0.02, 0.4),
    "infarct_posterior": (0.5, 0.02, 0.4),
    "ischaemia_anterior": (1.4, 0.015, 0.0),
    "ischaemia_lateral": (1.8, 0.015, 0.0),
    "ischaemia_inferior": (1.1, 0.015, 0.0),
    "nonspecific_t": (2.2, 0.005, -0.2),
    "digitalis": (0.5, 0.03, 0.0),
    "long_qt": (0.7, 0.0, -0.3),
    "early_repolarisation": (0.9, -0.04, 0.9),
    "afib": (1.7, 0.04, 0.1),
    "aflt": (0.7, 0.02, 0.3),
    "pvc": (1.4, 0.01, 0.0),
    "pac": (1.1, 0.02, 0.0),
    "low_voltage": (0.7, 0.01, 0.0),
}
# Rare finding -> (probability at 60 years, log odds a year, log odds of men), each on its own.
RARE: Mapping[str, tuple[float, float, float]] = {
    "wenckebach": (0.010, 0.01, 0.2),
    "mobitz": (0.008, 0.03, 0.1),
    "av_block_3": (0.010, 0.03, 0.0),
    "junctional": (0.010, 0.015, 0.0),
    "svt": (0.012, -0.01, -0.3),
    "brugada": (0.008, -0.01, 1.2),
    "pericarditis": (0.010, -0.02, 0.6),
    "hyperacute_t": (0.009, 0.01, 0.5),
    "hyperkalaemia": (0.010, 0.015, 0.0),
    "hypokalaemia": (0.010, 0.0, -0.4),
    "short_qt": (0.008, -0.01, 0.4),
    "dextrocardia": (0.006, 0.0, 0.0),
    "arm_reversal": (0.011, 0.0, 0.0),
    "chest_reversal": (0.013, 0.0, 0.0),
}
RECORDING = ("dextrocardia", "arm_reversal", "chest_reversal")
ATRIAL_RHYTHMS = ("afib", "aflt")
NO_SINUS = ("wenckebach", "mobitz", "av_block_3", "junctional", "svt")  # one of them at most
# Where both of a pair are drawn the second goes.
CONFLICTS: tuple[tuple[str, str], ...] = (
    *(("paced", other) for other in PATHOLOGIES if other not in ("paced", "afib", "pvc", "long_qt")),
    *(("paced", other) for other in RARE if other not in RECORDING),
    *((first, second) for i, first in enumerate(NO_SINUS) for second in NO_SINUS[i + 1 :]),
    *((first, second) for first in NO_SINUS for second in (*ATRIAL_RHYTHMS, "pvc", "pac", "av_block_1")),
    *((first, second) for first in NO_SINUS for second in ("preexcitation", "left_atrial", "right_atrial")),
    *(("hyperkalaemia", other) for other in ("hypokalaemia", "hyperacute_t", "nonspecific_t", "digitalis")),
    *(("hyperkalaemia", other) for other in ("lbbb", "rbbb", "preexcitation", "low_voltage")),
    *(("hypokalaemia", other) for other in ("hyperacute_t", "early_repolarisation", "short_qt")),
    *(("short_qt", other) for other in ("long_qt", "lbbb", "rbbb", "preexcitation", "digitalis")),
    *(("brugada", other) for other in ("pericarditis", "lbbb", "rbbb", "preexcitation", "rvh")),
    *(("brugada", other) for other in ("incomplete_rbbb", "intraventricular_delay", "hyperacute_t")),
    *(("pericarditis", other) for other in ("early_repolarisation", "hyperacute_t", "lbbb", "preexcitation")),
    *(("pericarditis", f"ischaemia_{where}") for where in ("anterior", "lateral", "inferior")),
    *(("hyperacute_t", other) for other in ("lbbb", "preexcitation", "nonspecific_t", *INFARCTS)),
    *(("hyperacute_t", f"ischaemia_{where}") for where in ("anterior", "lateral", "inferior")),
    *((first, second) for i, first in enumerate(RECORDING) for second in RECORDING[i + 1 :]),
    *(("lbbb", other) for other in ("rbbb", "incomplete_rbbb", "intraventricular_delay", "preexcitation")),
    *(("lbbb", other) for other in ("lafb", "lpfb", "rvh", "early_repolarisation", *INFARCTS)),
    *(("preexcitation", other) for other in ("rbbb", "incomplete_rbbb", "intraventricular_delay")),
    *(("preexcitation", other) for other in ("av_block_1", "lafb", "lpfb", "rvh", "afib", "aflt", *INFARCTS)),
    ("rbbb", "incomplete_rbbb"),
    ("rbbb", "intraventricular_delay"),
    ("rbbb", "rvh"),
    ("incomplete_rbbb", "intraventricular_delay"),
    ("incomplete_rbbb", "rvh"),
    ("rvh", "intraventricular_delay"),
    ("lafb", "lpfb"),
    ("lafb", "rvh"),
    ("lvh", "rvh"),
    ("lvh", "low_voltage"),
    ("rvh", "low_voltage"),
    ("afib", "aflt"),
    *(("afib", other) for other in ("av_block_1", "pac", "left_atrial", "right_atrial")),
    *(("aflt", other) for other in ("av_block_1", "pac", "pvc", "left_atrial", "right_atrial")),
    ("infarct_lateral", "lpfb"),
    ("nonspecific_t", "early_repolarisation"),
)


def exactly(n: int, findings: Sequence[str]) -> Values:
    """Flags [n] by name: everyone has these findings and no other. Raises InputError for no flag."""
    unknown = [name for name in findings if name not in FLAGS]
    if unknown:
        raise InputError("simulate.finding", f"{unknown[0]!r} is no flag", f"one of: {', '.join(FLAGS)}")
    return {name: np.full(n, float(name in findings)) for name in FLAGS}


def draw_flags(age: Array, sex: Array, rng: np.random.Generator) -> Values:
    """Flags [n] by name for ages [n] (years) and sexes [n] (0 female, 1 male)."""
    flags = _common(age, sex, rng) | _rare(age, sex, rng)
    for first, second in CONFLICTS:
        flags[second] = flags[second] * (flags[first] == 0)
    return flags | _attendants(flags, len(age), rng)


def _common(age: Array, sex: Array, rng: np.random.Generator) -> Values:
    """None, or one to three by weighted draw without replacement (Gumbel)."""
    n, names = len(age), tuple(PATHOLOGIES)
    weight, slope, men = np.array(list(PATHOLOGIES.values())).T
    score = np.log(weight) + slope * (age[:, None] - 60) + men * (sex[:, None] - 0.5)
    score = score + rng.gumbel(size=(n, len(names)))
    healthy = rng.random(n) < np.clip(NORMAL_SHARE - 0.004 * (age - 60), 0.2, 0.75)
    count = np.where(healthy, 0, rng.choice((1, 2, 3), n, p=HOW_MANY))
    rank = np.argsort(np.argsort(-score, axis=1), axis=1)
    chosen = rank < count[:, None]
    return {name: chosen[:, i].astype(np.float64) for i, name in enumerate(names)}


def _rare(age: Array, sex: Array, rng: np.random.Generator) -> Values:
    share, slope, men = np.array(list(RARE.values())).T
    odds = np.exp(slope * (age[:, None] - 60) + men * (sex[:, None] - 0.5)) * share / (1 - share)
    drawn = rng.random(odds.shape) < odds / (1 + odds)
    return {name: drawn[:, i].astype(np.float64) for i, name in enumerate(RARE)}


def _attendants(flags: Values, n: int, rng: np.random.Generator) -> Values:
    """What only comes with another finding, and then in this share of patients."""
    infarct = np.any([flags[name] > 0 for name in INFARCTS], axis=0)
    extra = np.maximum(flags["pvc"], flags["pac"])
    sinus = np.all([flags[name] == 0 for name in (*ATRIAL_RHYTHMS, *NO_SINUS)], axis=0)
    companion = (flags["lvh"] > 0) & sinus & (rng.random(n) < 0.25)
    return {
        "infarct_acute": infarct * (rng.random(n) < 0.3),
        "lv_strain": flags["lvh"] * (rng.random(n) < 0.45),
        "rv_strain": flags["rvh"] * (rng.random(n) < 0.5),
        "ventricular_escape": flags["av_block_3"] * (rng.random(n) < 0.5),
        "bigeminy": extra * sinus * (rng.random(n) < 0.18),
        "left_atrial": np.maximum(flags["left_atrial"], companion),
    }
