"""The pooled cohort equations of the ACC and AHA: atherosclerotic cardiovascular disease in 10 years.

Goff DC Jr et al., Circulation 2014;129(suppl 2):S49-S73 (published online in 2013), table A of its appendix,
with the digits printed there. Cox models of people of 40 to 79 years; numbers enter as natural logarithms,
lipids in mg/dL. The ranges are those of the societies' calculator. The guideline uses the equations of white
people for everyone who is not black, and says that this may over- or underestimate.
"""

from __future__ import annotations

import numpy as np

from cardiofusion.tabular.scores.equations import (
    Coefficients,
    groups,
    log_hazard,
    of_group,
    risk_of,
    weighted,
)
from cardiofusion.tabular.scores.inputs import INPUTS, MG_PER_MMOL, Inputs, Values
from cardiofusion.tabular.scores.score import NO_EVENT_YET, Score, plausible, within, years

# Columns: white women, black women, white men, black men.
COEFFICIENTS: Coefficients = {
    "age": (-29.799, 17.114, 12.344, 2.469),
    "age2": (4.884, 0.0, 0.0, 0.0),
    "total": (13.540, 0.940, 11.853, 0.302),
    "age x total": (-3.114, 0.0, -2.664, 0.0),
    "hdl": (-13.578, -18.920, -7.990, -0.307),
    "age x hdl": (3.149, 4.475, 1.769, 0.0),
    "treated": (2.019, 29.291, 1.797, 1.916),
    "age x treated": (0.0, -6.432, 0.0, 0.0),
    "untreated": (1.957, 27.820, 1.764, 1.809),
    "age x untreated": (0.0, -6.087, 0.0, 0.0),
    "smoking": (7.574, 0.691, 7.837, 0.549),
    "age x smoking": (-1.665, 0.0, -1.795, 0.0),
    "diabetes": (0.661, 0.874, 0.658, 0.645),
}
MEAN = (-29.18, 86.61, 61.18, 19.54)
SURVIVAL = (0.9665, 0.9533, 0.9144, 0.8954)
_BLACK = INPUTS["race"].categories.index("black")


def pooled_risk(inputs: Inputs) -> Values:
    """Risks [row]."""
    group = groups(2 * inputs["sex"] + (inputs["race"] == _BLACK))
    predictor = weighted(COEFFICIENTS, _terms(inputs), group) - of_group(MEAN, group)
    return risk_of(log_hazard(of_group(SURVIVAL, group), predictor))


def _terms(inputs: Inputs) -> dict[str, Values]:
    age, systolic, treated = np.log(inputs["age"]), np.log(inputs["systolic"]), inputs["pressure_treatment"]
    terms = {
        "total": np.log(inputs["total_cholesterol"] * MG_PER_MMOL),
        "hdl": np.log(inputs["hdl_cholesterol"] * MG_PER_MMOL),
        "treated": treated * systolic,
        "untreated": (1.0 - treated) * systolic,
        "smoking": inputs["smoking"],
    }
    with_age = {f"age x {name}": age * values for name, values in terms.items()}
    return {**terms, **with_age, "age": age, "age2": age**2, "diabetes": inputs["diabetes"]}


SCORES = (
    Score(
        name="pooled_cohort_equations",
        title="ACC/AHA pooled cohort equations",
        outcome="a first atherosclerotic event (myocardial infarction, coronary death, stroke)",
        horizon=10,
        source="Goff et al., Circulation 2014;129(suppl 2):S49-S73",
        needs=(
            years(40, 79),
            within("systolic", 90, 200),
            within("total_cholesterol", 130 / MG_PER_MMOL, 320 / MG_PER_MMOL),
            within("hdl_cholesterol", 20 / MG_PER_MMOL, 100 / MG_PER_MMOL),
            *plausible("sex", "race", "pressure_treatment", "smoking", "diabetes"),
            NO_EVENT_YET,
        ),
        formula=pooled_risk,
    ),
)
