"""AHA PREVENT, the base model: cardiovascular disease, its atherosclerotic part, heart failure.

Khan SS et al., Circulation 2024;149:430-449 (published online in 2023), supplementary tables S12A (in 10
years, for ages of 30 to 79) and S12F (in 30 years, for ages of 30 to 59). Logistic equations by sex, without
race. The ranges are those of the AHA's calculator; each equation asks only for what it uses, as the AHA's own
program does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cardiofusion.tabular.scores.equations import Coefficients, groups, weighted
from cardiofusion.tabular.scores.inputs import MG_PER_MMOL, Inputs, Values
from cardiofusion.tabular.scores.score import NO_EVENT_YET, Need, Score, plausible, within, years

# Columns: women, men. Terms: see `_common_terms`, `_lipid_terms` and `_body_terms`.
CARDIOVASCULAR_10: Coefficients = {
    "constant": (-3.307728, -3.031168),
    "age": (0.7939329, 0.7688528),
    "non-HDL": (0.0305239, 0.0736174),
    "HDL": (-0.1606857, -0.0954431),
    "systolic below 110": (-0.2394003, -0.4347345),
    "systolic from 110": (0.3600781, 0.3362658),
    "diabetes": (0.8667604, 0.7692857),
    "smoking": (0.5360739, 0.4386871),
    "eGFR below 60": (0.6045917, 0.5378979),
    "eGFR from 60": (0.0433769, 0.0164827),
    "pressure_treatment": (0.3151672, 0.2888790),
    "statin": (-0.1477655, -0.1337349),
    "treated systolic": (-0.0663612, -0.0475924),
    "treated non-HDL": (0.1197879, 0.1502730),
    "age x non-HDL": (-0.0819715, -0.0517874),
    "age x HDL": (0.0306769, 0.0191169),
    "age x systolic": (-0.0946348, -0.1049477),
    "age x diabetes": (-0.2705700, -0.2251948),
    "age x smoking": (-0.0787150, -0.0895067),
    "age x eGFR": (-0.1637806, -0.1543702),
}
ATHEROSCLEROTIC_10: Coefficients = {
    "constant": (-3.819975, -3.500655),
    "age": (0.7198830, 0.7099847),
    "non-HDL": (0.1176967, 0.1658663),
    "HDL": (-0.1511850, -0.1144285),
    "systolic below 110": (-0.0835358, -0.2837212),
    "systolic from 110": (0.3592852, 0.3239977),
    "diabetes": (0.8348585, 0.7189597),
    "smoking": (0.4831078, 0.3956973),
    "eGFR below 60": (0.4864619, 0.3690075),
    "eGFR from 60": (0.0397779, 0.0203619),
    "pressure_treatment": (0.2265309, 0.2036522),
    "statin": (-0.0592374, -0.0865581),
    "treated systolic": (-0.0395762, -0.0322916),
    "treated non-HDL": (0.0844423, 0.1145630),
    "age x non-HDL": (-0.0567839, -0.0300005),
    "age x HDL": (0.0325692, 0.0232747),
    "age x systolic": (-0.1035985, -0.0927024),
    "age x diabetes": (-0.2417542, -0.2018525),
    "age x smoking": (-0.0791142, -0.0970527),
    "age x eGFR": (-0.1671492, -0.1217081),
}
HEART_FAILURE_10: Coefficients = {
    "constant": (-4.310409, -3.946391),
    "age": (0.8998235, 0.8972642),
    "systolic below 110": (-0.4559771, -0.6811466),
    "systolic from 110": (0.3576505, 0.3634461),
    "diabetes": (1.0383460, 0.9237760),
    "smoking": (0.5839160, 0.5023736),
    "BMI below 30": (-0.0072294, -0.0485841),
    "BMI from 30": (0.2997706, 0.3726929),
    "eGFR below 60": (0.7451638, 0.6926917),
    "eGFR from 60": (0.0557087, 0.0251827),
    "pressure_treatment": (0.3534442, 0.2980922),
    "treated systolic": (-0.0981511, -0.0497731),
    "age x systolic": (-0.0946663, -0.1289201),
    "age x diabetes": (-0.3581041, -0.3040924),
    "age x smoking": (-0.1159453, -0.1401688),
    "age x BMI": (-0.0038780, 0.0068126),
    "age x eGFR": (-0.1884289, -0.1797778),
}
CARDIOVASCULAR_30: Coefficients = {
    "constant": (-1.318827, -1.148204),
    "age": (0.5503079, 0.4627309),
    "age2": (-0.0928369, -0.0984281),
    "non-HDL": (0.0409794, 0.0836088),
    "HDL": (-0.1663306, -0.1029824),
    "systolic below 110": (-0.1628654, -0.2140352),
    "systolic from 110": (0.3299505, 0.2904325),
    "diabetes": (0.6793894, 0.5331276),
    "smoking": (0.3196112, 0.2141914),
    "eGFR below 60": (0.1857101, 0.1155556),
    "eGFR from 60": (0.0553528, 0.0603775),
    "pressure_treatment": (0.2894000, 0.2327140),
    "statin": (-0.0756880, -0.0272112),
    "treated systolic": (-0.0563670, -0.0384488),
    "treated non-HDL": (0.1071019, 0.1341920),
    "age x non-HDL": (-0.0751438, -0.0511759),
    "age x HDL": (0.0301786, 0.0165865),
    "age x systolic": (-0.0998776, -0.1101437),
    "age x diabetes": (-0.3206166, -0.2585943),
    "age x smoking": (-0.1607862, -0.1566406),
    "age x eGFR": (-0.1450788, -0.1166776),
}
ATHEROSCLEROTIC_30: Coefficients = {
    "constant": (-1.974074, -1.736444),
    "age": (0.4669202, 0.3994099),
    "age2": (-0.0893118, -0.0937484),
    "non-HDL": (0.1256901, 0.1744643),
    "HDL": (-0.1542255, -0.1202030),
    "systolic below 110": (-0.0018093, -0.0665117),
    "systolic from 110": (0.3229490, 0.2753037),
    "diabetes": (0.6296707, 0.4790257),
    "smoking": (0.2682920, 0.1782635),
    "eGFR below 60": (0.1001060, -0.0218789),
    "eGFR from 60": (0.0499663, 0.0602553),
    "pressure_treatment": (0.1875292, 0.1421182),
    "statin": (0.0152476, 0.0135996),
    "treated systolic": (-0.0276123, -0.0218265),
    "treated non-HDL": (0.0736147, 0.1013148),
    "age x non-HDL": (-0.0521962, -0.0312619),
    "age x HDL": (0.0316918, 0.0206730),
    "age x systolic": (-0.1046101, -0.0920935),
    "age x diabetes": (-0.2727793, -0.2159947),
    "age x smoking": (-0.1530907, -0.1548811),
    "age x eGFR": (-0.1299149, -0.0712547),
}
HEART_FAILURE_30: Coefficients = {
    "constant": (-2.205379, -1.957510),
    "age": (0.6254374, 0.5681541),
    "age2": (-0.0983038, -0.1048388),
    "systolic below 110": (-0.3919241, -0.4761564),
    "systolic from 110": (0.3142295, 0.3032400),
    "diabetes": (0.8330787, 0.6840338),
    "smoking": (0.3438651, 0.2656273),
    "BMI below 30": (0.0594874, 0.0833107),
    "BMI from 30": (0.2525536, 0.2699900),
    "eGFR below 60": (0.2981642, 0.2541805),
    "eGFR from 60": (0.0667159, 0.0638923),
    "pressure_treatment": (0.3339210, 0.2583631),
    "treated systolic": (-0.0893177, -0.0391938),
    "age x systolic": (-0.0974299, -0.1269124),
    "age x diabetes": (-0.4048550, -0.3273572),
    "age x smoking": (-0.1982991, -0.2043019),
    "age x BMI": (-0.0035619, -0.0182831),
    "age x eGFR": (-0.1564215, -0.1342618),
}


def _logistic(coefficients: Coefficients) -> Callable[[Inputs], Values]:
    """The risks [row] of one equation."""

    def risk(inputs: Inputs) -> Values:
        sex = groups(inputs["sex"])
        terms = {**_common_terms(inputs), **_lipid_terms(inputs), **_body_terms(inputs)}
        return np.asarray(1.0 / (1.0 + np.exp(-weighted(coefficients, terms, sex))))

    return risk


def _common_terms(inputs: Inputs) -> dict[str, Values]:
    """Those of every equation, centred at 55 years, 130 mmHg and an eGFR of 90."""
    age, treated = _decades(inputs), inputs["pressure_treatment"]
    systolic = (np.maximum(inputs["systolic"], 110.0) - 130.0) / 20.0
    low_egfr = (60.0 - np.minimum(inputs["egfr"], 60.0)) / 15.0
    return {
        **{name: inputs[name] for name in ("diabetes", "smoking", "pressure_treatment")},
        "constant": np.ones_like(age),
        "age": age,
        "age2": age**2,
        "systolic below 110": (np.minimum(inputs["systolic"], 110.0) - 110.0) / 20.0,
        "systolic from 110": systolic,
        "eGFR below 60": low_egfr,
        "eGFR from 60": (90.0 - np.maximum(inputs["egfr"], 60.0)) / 15.0,
        "treated systolic": treated * systolic,
        "age x systolic": age * systolic,
        "age x diabetes": age * inputs["diabetes"],
        "age x smoking": age * inputs["smoking"],
        "age x eGFR": age * low_egfr,
    }


def _lipid_terms(inputs: Inputs) -> dict[str, Values]:
    """Those of all cardiovascular and of atherosclerotic disease, centred at 3.5 and 1.3 mmol/L."""
    age = _decades(inputs)
    non_hdl = inputs["total_cholesterol"] - inputs["hdl_cholesterol"] - 3.5
    hdl = (inputs["hdl_cholesterol"] - 1.3) / 0.3
    return {
        "non-HDL": non_hdl,
        "HDL": hdl,
        "statin": inputs["statin"],
        "treated non-HDL": inputs["statin"] * non_hdl,
        "age x non-HDL": age * non_hdl,
        "age x HDL": age * hdl,
    }


def _body_terms(inputs: Inputs) -> dict[str, Values]:
    """Those of heart failure, centred at 25 kg/m2."""
    high = (np.maximum(inputs["bmi"], 30.0) - 30.0) / 5.0
    return {
        "BMI below 30": (np.minimum(inputs["bmi"], 30.0) - 25.0) / 5.0,
        "BMI from 30": high,
        "age x BMI": _decades(inputs) * high,
    }


def _decades(inputs: Inputs) -> Values:
    return (inputs["age"] - 55.0) / 10.0


_COMMON = (
    within("systolic", 90, 200),
    within("egfr", 15, 140),
    *plausible("sex", "pressure_treatment", "smoking", "diabetes"),
    NO_EVENT_YET,
)
_LIPIDS = (
    within("total_cholesterol", 130 / MG_PER_MMOL, 320 / MG_PER_MMOL),
    within("hdl_cholesterol", 20 / MG_PER_MMOL, 100 / MG_PER_MMOL),
    *plausible("statin"),
)
_BODY = (within("bmi", 18.5, 40, below=True),)
_ATHEROSCLEROTIC = "a first atherosclerotic event (myocardial infarction, coronary death, stroke)"
_HEART_FAILURE = "heart failure"
_ALL = f"{_ATHEROSCLEROTIC} or heart failure"


def _score(name: str, outcome: str, horizon: int, needs: tuple[Need, ...], table: Coefficients) -> Score:
    return Score(
        name=f"prevent_{name}_{horizon}",
        title=f"PREVENT, {name.replace('_', ' ')}, {horizon} years",
        outcome=outcome,
        horizon=horizon,
        source="Khan et al., Circulation 2024;149:430-449",
        needs=(years(30, 79 if horizon == 10 else 59), *_COMMON, *needs),
        formula=_logistic(table),
    )


SCORES = (
    _score("cardiovascular", _ALL, 10, _LIPIDS, CARDIOVASCULAR_10),
    _score("atherosclerotic", _ATHEROSCLEROTIC, 10, _LIPIDS, ATHEROSCLEROTIC_10),
    _score("heart_failure", _HEART_FAILURE, 10, _BODY, HEART_FAILURE_10),
    _score("cardiovascular", _ALL, 30, _LIPIDS, CARDIOVASCULAR_30),
    _score("atherosclerotic", _ATHEROSCLEROTIC, 30, _LIPIDS, ATHEROSCLEROTIC_30),
    _score("heart_failure", _HEART_FAILURE, 30, _BODY, HEART_FAILURE_30),
)
