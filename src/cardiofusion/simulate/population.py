"""Who the virtual patients are: structurally normal people, and what disease does to them.

Normal values by age and sex follow Rijnbeek 2014 and Mason 2007 (see causes.py), checked against the normal
ECGs of PTB-XL 1-500; each pathology moves the causes together the way its source says: a block widens QRS
and turns ST and T against it, hypertrophy raises voltage and brings strain, an infarct takes forces away.
Who has what stands in prevalence.py.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.causes import INFARCTS, cause_index, stack
from cardiofusion.simulate.prevalence import draw_flags, exactly
from cardiofusion.simulate.repolarisation import recover

Array = NDArray[np.float64]
Values = dict[str, Array]


def draw_causes(
    n: int,
    rng: np.random.Generator,
    age: Array | None = None,
    sex: Array | None = None,
    findings: Sequence[str] | None = None,
) -> NDArray[np.float32]:
    """Causes float32 [n, len(CAUSES)] of n virtual patients.

    age: [n] years; sex: [n], 0 female, 1 male; drawn where None. findings: give everyone exactly these
    flags instead of a mixture (about 45 % without any; see prevalence.py).
    Raises InputError for a finding that is no flag.
    """
    age = draw_age(n, rng) if age is None else np.asarray(age, dtype=np.float64)
    sex = (rng.random(n) < 0.52).astype(np.float64) if sex is None else np.asarray(sex, dtype=np.float64)
    values = _healthy(age, sex, rng)
    values.update(draw_flags(age, sex, rng) if findings is None else exactly(n, findings))
    return stack(_diseased(values, rng))


def draw_age(n: int, rng: np.random.Generator) -> Array:
    """Ages [n] of people who have an ECG taken: 18 to 95 years, median about 60."""
    return np.asarray(
        np.clip(np.where(rng.random(n) < 0.3, rng.normal(42, 14, n), rng.normal(65, 13, n)), 18, 95)
    )


def _healthy(age: Array, sex: Array, rng: np.random.Generator) -> Values:
    n, decades, man = len(age), (age - 50.0) / 10.0, sex
    normal = rng.normal(size=(12, n))
    rate = 66.0 + 2.0 * (1 - man) + 9.5 * normal[0]
    unusual = rng.random(n)
    rate = np.where(
        unusual < 0.08, rng.uniform(40, 60, n), np.where(unusual > 0.92, rng.uniform(85, 135, n), rate)
    )
    rate = np.clip(rate, 40, 150)
    st = rng.normal(0.0, 0.018, (3, n)) - 0.012 * np.maximum(rate - 100, 0) / 40
    return {
        "rate": rate,
        "rr_variation": 0.034 * np.exp(-0.14 * decades + 0.55 * normal[1]) * np.sqrt(70 / rate),
        "ectopic_share": np.zeros(n),
        "pr": np.clip(152 + 4 * decades + 4 * man - 0.25 * (rate - 70) + 19 * normal[2], 112, 200),
        "qrs_duration": np.clip(88 + 8 * man + 8.5 * normal[3], 66, 112),
        "qtc": np.clip(411 - 9 * man + 2.5 * decades + 16 * normal[4], 355, 455),
        "qrs_axis": np.clip(42 - 7 * decades - 9 * man + 29 * normal[5], -29, 100),
        "qrs_anterior_angle": np.clip(-37 + 2 * man + 14 * normal[6], -72, 15),
        "qrs_amplitude": np.exp(np.log(1.30 + 0.13 * man - 0.03 * decades) + 0.17 * normal[7]),
        "p_duration": np.clip(104 + 3 * decades + 3 * man + 10 * normal[8], 76, 122),
        "p_amplitude": (0.138 + 0.0008 * (rate - 70)) * np.exp(0.25 * normal[9]),
        "p_axis": np.clip(48 + 25 * normal[10], -28, 88),
        "p_terminal": np.clip(0.026 + 0.018 * normal[11], 0, 0.06),
        **_healthy_t(decades, man, rate, rng),
        "st_left": st[0] + 0.008,
        "st_down": st[1] + 0.012,
        "st_front": st[2] + 0.030 + 0.030 * man - 0.006 * decades,
        "infarct_size": np.zeros(n),
    }


def _healthy_t(decades: Array, man: Array, rate: Array, rng: np.random.Generator) -> Values:
    """T is tallest in young men, and in women points less to the front (Rijnbeek 2014; AHA_IV)."""
    n = len(rate)
    length = (0.30 + 0.09 * man - 0.022 * decades) * np.exp(0.30 * rng.normal(size=n))
    return {
        "t_amplitude": length * np.clip(1.25 - 0.0035 * rate, 0.6, 1.15),
        "t_axis": np.clip(40 + 17 * rng.normal(size=n), -10, 90),
        "t_anterior_angle": np.clip(29 + 18 * man + 14 * rng.normal(size=n), -15, 75),
    }


def _diseased(values: Values, rng: np.random.Generator) -> Values:
    """Apply the flags: conduction and voltage first, then what repolarisation makes of them."""
    n = len(values["rate"])
    for apply in (_conduction, _chambers, _atria, _rhythm, _blocks, _potassium):
        _set(values, apply(values, n, rng))
    any_infarct = np.any([values[name] > 0 for name in INFARCTS], axis=0)
    values["infarct_size"] = np.where(any_infarct, rng.uniform(0.3, 1.0, n), 0.0)
    return recover(values, rng)


Changes = list[tuple[str, str, Array]]  # flag, cause, value the cause takes where the flag is set


def _set(values: Values, changes: Changes) -> None:
    for flag, name, value in changes:
        values[name] = np.where(values[flag] > 0, value, values[name])


def _conduction(values: Values, n: int, rng: np.random.Generator) -> Changes:
    """Durations and axes of AHA_III."""
    uniform, old = rng.uniform, values["qrs_duration"]
    axis, amplitude = values["qrs_axis"], values["qrs_amplitude"]
    return [
        ("lafb", "qrs_axis", uniform(-78, -43, n)),
        ("lafb", "qrs_duration", old + uniform(2, 14, n)),
        ("lpfb", "qrs_axis", uniform(98, 130, n)),
        ("lpfb", "qrs_duration", old + uniform(2, 12, n)),
        ("av_block_1", "pr", 203 + rng.gamma(1.6, 24, n)),
        ("incomplete_rbbb", "qrs_duration", uniform(98, 119, n)),
        ("intraventricular_delay", "qrs_duration", uniform(112, 150, n)),
        ("rbbb", "qrs_duration", uniform(121, 165, n)),
        ("rbbb", "qrs_amplitude", amplitude * uniform(0.7, 1.0, n)),
        ("lbbb", "qrs_duration", uniform(124, 180, n)),
        ("lbbb", "qrs_axis", np.clip(axis - uniform(10, 75, n), -65, 75)),
        ("lbbb", "qrs_anterior_angle", uniform(-70, -42, n)),
        ("lbbb", "qrs_amplitude", amplitude * uniform(1.2, 2.0, n)),
        ("preexcitation", "pr", uniform(85, 119, n)),
        ("preexcitation", "qrs_duration", uniform(108, 150, n)),
        ("preexcitation", "qrs_axis", uniform(-60, 100, n)),
        ("preexcitation", "qrs_anterior_angle", uniform(-45, 35, n)),
        ("paced", "qrs_duration", uniform(135, 190, n)),
        ("paced", "qrs_axis", uniform(-95, -45, n)),
        ("paced", "qrs_anterior_angle", uniform(-60, -25, n)),
        ("paced", "qrs_amplitude", amplitude * uniform(1.1, 1.8, n)),
        ("paced", "pr", uniform(130, 200, n)),
        ("paced", "rate", np.maximum(uniform(58, 75, n), np.where(values["afib"] > 0, 0, values["rate"]))),
    ]


def _chambers(values: Values, n: int, rng: np.random.Generator) -> Changes:
    """Voltages and axes of AHA_V."""
    uniform, amplitude = rng.uniform, values["qrs_amplitude"]
    return [
        ("lvh", "qrs_amplitude", np.clip(amplitude, 1.1, 1.5) * uniform(1.2, 1.95, n)),
        ("lvh", "qrs_anterior_angle", np.clip(values["qrs_anterior_angle"] - uniform(4, 26, n), -70, -15)),
        ("lvh", "qrs_axis", values["qrs_axis"] - uniform(0, 30, n) * (values["lafb"] == 0)),
        ("lvh", "qrs_duration", values["qrs_duration"] + uniform(0, 16, n)),
        ("rvh", "qrs_axis", uniform(92, 150, n)),
        ("rvh", "qrs_anterior_angle", uniform(5, 50, n)),
        ("rvh", "qrs_amplitude", amplitude * uniform(0.9, 1.5, n)),
        ("low_voltage", "qrs_amplitude", uniform(0.28, 0.55, n)),
        ("low_voltage", "p_amplitude", values["p_amplitude"] * uniform(0.5, 0.9, n)),
        ("low_voltage", "t_amplitude", values["t_amplitude"] * uniform(0.35, 0.7, n)),
    ]


def _atria(values: Values, n: int, rng: np.random.Generator) -> Changes:
    return [
        ("left_atrial", "p_duration", rng.uniform(121, 155, n)),
        ("left_atrial", "p_terminal", rng.uniform(0.08, 0.17, n)),
        ("left_atrial", "pr", np.maximum(values["pr"], rng.uniform(150, 200, n))),
        ("right_atrial", "p_amplitude", rng.uniform(0.24, 0.38, n)),
        ("right_atrial", "p_axis", rng.uniform(65, 88, n)),
    ]


def _rhythm(values: Values, n: int, rng: np.random.Generator) -> Changes:
    """Rates and irregularity; flutter conducts one wave in two, three or four."""
    flutter = rng.uniform(255, 320, n)
    ratio = rng.choice([2.0, 3.0, 4.0], n, p=[0.4, 0.2, 0.4])
    extra = np.minimum(rng.exponential(0.10, n) + 0.04, 0.4)
    slow = np.where(values["paced"] > 0, values["rate"], np.exp(rng.normal(np.log(84), 0.27, n)))
    return [
        ("afib", "rate", np.clip(slow, 42, 165)),
        ("afib", "rr_variation", np.where(values["paced"] > 0, 0.002, rng.uniform(0.13, 0.3, n))),
        ("paced", "rr_variation", np.full(n, 0.003)),
        ("aflt", "rate", flutter / ratio),
        ("aflt", "rr_variation", np.where(rng.random(n) < 0.6, 0.0, rng.uniform(0.1, 0.2, n))),
        ("pvc", "ectopic_share", extra),
        ("pac", "ectopic_share", extra),
        ("bigeminy", "ectopic_share", rng.uniform(0.44, 0.5, n)),
    ]


def _blocks(values: Values, n: int, rng: np.random.Generator) -> Changes:
    """Rates of BLOCKS and SVT. An escape from the junction keeps its QRS, one from below is broad."""
    uniform, steady = rng.uniform, rng.uniform(0.002, 0.012, n)
    retrograde = uniform(-110, -60, n)
    return [
        ("wenckebach", "rate", uniform(46, 76, n)),
        ("wenckebach", "pr", uniform(165, 260, n)),
        ("mobitz", "rate", uniform(36, 68, n)),
        ("mobitz", "qrs_duration", values["qrs_duration"] + uniform(0, 30, n)),
        ("av_block_3", "rate", uniform(31, 46, n)),
        ("av_block_3", "rr_variation", steady),
        ("ventricular_escape", "qrs_duration", uniform(124, 170, n)),
        ("ventricular_escape", "qrs_axis", uniform(-100, 120, n)),
        ("ventricular_escape", "qrs_anterior_angle", uniform(-65, 45, n)),
        ("junctional", "rate", uniform(38, 80, n)),
        ("junctional", "rr_variation", steady),
        ("junctional", "pr", uniform(85, 118, n)),
        ("junctional", "p_axis", retrograde),
        ("junctional", "p_terminal", np.zeros(n)),
        ("svt", "rate", uniform(148, 189, n)),
        ("svt", "rr_variation", steady),
        ("svt", "p_axis", retrograde),
        ("svt", "p_terminal", np.zeros(n)),
    ]


def _potassium(values: Values, n: int, rng: np.random.Generator) -> Changes:
    """Too much slows conduction, the atria first; ST and T follow in repolarisation.py."""
    uniform = rng.uniform
    return [
        ("hyperkalaemia", "qrs_duration", values["qrs_duration"] + uniform(4, 60, n)),
        ("hyperkalaemia", "p_amplitude", values["p_amplitude"] * uniform(0.15, 0.65, n)),
        ("hyperkalaemia", "p_duration", values["p_duration"] + uniform(0, 20, n)),
        ("hyperkalaemia", "pr", values["pr"] + uniform(0, 60, n)),
        ("hypokalaemia", "p_amplitude", values["p_amplitude"] * uniform(1.0, 1.35, n)),
    ]


def with_cause(causes: NDArray[np.float32], name: str, value: float) -> NDArray[np.float32]:
    """A copy in which one cause has this value for everyone and all else is as it was."""
    changed = causes.copy()
    changed[:, cause_index(name)] = value
    return changed
