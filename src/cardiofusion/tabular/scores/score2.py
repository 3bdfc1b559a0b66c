"""SCORE2 and SCORE2-OP: cardiovascular disease in 10 years in the four risk regions of Europe.

SCORE2 working group, Eur Heart J 2021;42:2439-2454: ages of 40 to 69, without diabetes (which is in its
equations for the recalibration only). SCORE2-OP working group, Eur Heart J 2021;42:2455-2467: ages of 70 to
89, those of its charts. Models of competing risks; each region rescales ln(-ln S) with an intercept and a
slope of its own. The numbers have the digits of the program that the authors distribute; the papers print
them rounded, which moves SCORE2-OP by up to 1.4 percentage points. The papers state a range for age only.
"""

from __future__ import annotations

from cardiofusion.tabular.scores.equations import (
    Coefficients,
    groups,
    log_hazard,
    of_group,
    risk_of,
    weighted,
)
from cardiofusion.tabular.scores.inputs import Inputs, Values
from cardiofusion.tabular.scores.score import NO_EVENT_YET, Need, Score, plausible, years

# Columns: women, men. Terms are centred, see `middle_age_risk` and `older_risk`.
COEFFICIENTS: Coefficients = {
    "age": (0.4648, 0.3742),
    "smoking": (0.7744, 0.6012),
    "systolic": (0.3131, 0.2777),
    "total": (0.1002, 0.1458),
    "hdl": (-0.2606, -0.2698),
    "age x smoking": (-0.1088, -0.0755),
    "age x systolic": (-0.0277, -0.0255),
    "age x total": (-0.0226, -0.0281),
    "age x hdl": (0.0613, 0.0426),
}
SURVIVAL = (0.9776, 0.9605)
# Regions: low, moderate, high, very high; in each women, men.
INTERCEPT = (-0.737966, -0.569857, -0.314269, -0.156481, 0.570963, 0.320717, 0.941177, 0.583578)
SLOPE = (0.701868, 0.747593, 0.770149, 0.800869, 0.936893, 0.936004, 0.832923, 0.829368)

OLDER_COEFFICIENTS: Coefficients = {
    "age": (0.0789191229, 0.0633767915),
    "diabetes": (0.6009874438, 0.4245248910),
    "smoking": (0.4921147010, 0.3523957899),
    "systolic": (0.0101993091, 0.0094362177),
    "total": (0.0604939598, 0.0849594156),
    "hdl": (-0.3040280248, -0.3563571842),
    "age x diabetes": (-0.0106909701, -0.0173654217),
    "age x smoking": (-0.0255496313, -0.0247205945),
    "age x systolic": (-0.0004404728, -0.0004794522),
    "age x total": (-0.0009121461, 0.0073336663),
    "age x hdl": (0.0153779923, 0.0091317857),
}
OLDER_MEAN = (0.2287676, 0.09285225)
OLDER_SURVIVAL = (1 - 0.19178759, 1 - 0.24235298)
OLDER_INTERCEPT = (-0.516054, -0.343484, -0.101044, 0.005320, 0.375720, 0.084305, 0.379293, 0.045959)
OLDER_SLOPE = (1.007238, 1.193038, 1.099621, 1.248514, 1.089031, 1.151902, 0.691530, 0.703625)

_OUTCOME = "a first cardiovascular event (myocardial infarction, stroke, cardiovascular death)"
_BOTH = plausible("sex", "systolic", "total_cholesterol", "hdl_cholesterol", "smoking", "risk_region")


def middle_age_risk(inputs: Inputs) -> Values:
    """SCORE2's risks [row]."""
    sex = groups(inputs["sex"])
    terms = {
        "smoking": inputs["smoking"],
        "systolic": (inputs["systolic"] - 120.0) / 20.0,
        "total": inputs["total_cholesterol"] - 6.0,
        "hdl": (inputs["hdl_cholesterol"] - 1.3) / 0.5,
    }
    predictor = weighted(COEFFICIENTS, _with_age((inputs["age"] - 60.0) / 5.0, terms), sex)
    return _recalibrated(log_hazard(of_group(SURVIVAL, sex), predictor), inputs, INTERCEPT, SLOPE)


def older_risk(inputs: Inputs) -> Values:
    """SCORE2-OP's risks [row]."""
    sex = groups(inputs["sex"])
    terms = {
        "diabetes": inputs["diabetes"],
        "smoking": inputs["smoking"],
        "systolic": inputs["systolic"] - 150.0,
        "total": inputs["total_cholesterol"] - 6.0,
        "hdl": inputs["hdl_cholesterol"] - 1.4,
    }
    predictor = weighted(OLDER_COEFFICIENTS, _with_age(inputs["age"] - 73.0, terms), sex)
    hazard = log_hazard(of_group(OLDER_SURVIVAL, sex), predictor - of_group(OLDER_MEAN, sex))
    return _recalibrated(hazard, inputs, OLDER_INTERCEPT, OLDER_SLOPE)


def _with_age(age: Values, terms: dict[str, Values]) -> dict[str, Values]:
    return {"age": age, **terms, **{f"age x {name}": age * values for name, values in terms.items()}}


def _recalibrated(
    hazard: Values, inputs: Inputs, intercept: tuple[float, ...], slope: tuple[float, ...]
) -> Values:
    region = groups(2 * inputs["risk_region"] + inputs["sex"])
    return risk_of(of_group(intercept, region) + of_group(slope, region) * hazard)


SCORES = (
    Score(
        name="score2",
        title="SCORE2",
        outcome=_OUTCOME,
        horizon=10,
        source="SCORE2 working group, Eur Heart J 2021;42:2439-2454",
        needs=(years(40, 69), *_BOTH, Need("diabetes", only=("no",), stated=True), NO_EVENT_YET),
        formula=middle_age_risk,
    ),
    Score(
        name="score2_op",
        title="SCORE2-OP",
        outcome=_OUTCOME,
        horizon=10,
        source="SCORE2-OP working group, Eur Heart J 2021;42:2455-2467",
        needs=(years(70, 89), *_BOTH, *plausible("diabetes"), NO_EVENT_YET),
        formula=older_risk,
    ),
)
