"""Framingham 2008: general cardiovascular disease in 10 years, with lipids and with body mass index alone.

D'Agostino RB Sr et al., Circulation 2008;117:743-753. Cox models of 8,491 people of 30 to 74 years; numbers
enter as natural logarithms, lipids in mg/dL. The paper states a range for age only.
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
from cardiofusion.tabular.scores.inputs import MG_PER_MMOL, Inputs, Values
from cardiofusion.tabular.scores.score import NO_EVENT_YET, Score, plausible, years

# Columns: women, men.
LIPIDS: Coefficients = {
    "age": (2.32888, 3.06117),
    "total_cholesterol": (1.20904, 1.12370),
    "hdl_cholesterol": (-0.70833, -0.93263),
    "untreated_systolic": (2.76157, 1.93303),
    "treated_systolic": (2.82263, 1.99881),
    "smoking": (0.52873, 0.65451),
    "diabetes": (0.69154, 0.57367),
}
LIPIDS_MEAN = (26.1931, 23.9802)
LIPIDS_SURVIVAL = (0.95012, 0.88936)
OFFICE: Coefficients = {
    "age": (2.72107, 3.11296),
    "bmi": (0.51125, 0.79277),
    "untreated_systolic": (2.81291, 1.85508),
    "treated_systolic": (2.88267, 1.92672),
    "smoking": (0.61868, 0.70953),
    "diabetes": (0.77763, 0.53160),
}
OFFICE_MEAN = (26.0145, 23.9388)
OFFICE_SURVIVAL = (0.94833, 0.88431)

_SOURCE = "D'Agostino et al., Circulation 2008;117:743-753"
_OUTCOME = (
    "a first cardiovascular event (coronary disease, stroke or transient ischaemic attack, "
    "peripheral artery disease, heart failure)"
)
_BOTH = ("sex", "systolic", "pressure_treatment", "smoking", "diabetes")


def lipids_risk(inputs: Inputs) -> Values:
    """Risks [row] of the version with total and HDL cholesterol."""
    lipids = {name: np.log(inputs[name] * MG_PER_MMOL) for name in ("total_cholesterol", "hdl_cholesterol")}
    return _risk(LIPIDS, LIPIDS_MEAN, LIPIDS_SURVIVAL, {**_terms(inputs), **lipids})


def office_risk(inputs: Inputs) -> Values:
    """Risks [row] of the version that needs no laboratory."""
    return _risk(OFFICE, OFFICE_MEAN, OFFICE_SURVIVAL, {**_terms(inputs), "bmi": np.log(inputs["bmi"])})


def _terms(inputs: Inputs) -> dict[str, Values]:
    systolic, treated = np.log(inputs["systolic"]), inputs["pressure_treatment"]
    return {
        **{name: inputs[name] for name in ("sex", "smoking", "diabetes")},
        "age": np.log(inputs["age"]),
        "treated_systolic": treated * systolic,
        "untreated_systolic": (1.0 - treated) * systolic,
    }


def _risk(
    table: Coefficients, mean: tuple[float, ...], survival: tuple[float, ...], terms: dict[str, Values]
) -> Values:
    sex = groups(terms["sex"])
    predictor = weighted(table, terms, sex) - of_group(mean, sex)
    return risk_of(log_hazard(of_group(survival, sex), predictor))


SCORES = (
    Score(
        name="framingham_2008_lipids",
        title="Framingham 2008 with lipids",
        outcome=_OUTCOME,
        horizon=10,
        source=_SOURCE,
        needs=(years(30, 74), *plausible(*_BOTH, "total_cholesterol", "hdl_cholesterol"), NO_EVENT_YET),
        formula=lipids_risk,
    ),
    Score(
        name="framingham_2008_office",
        title="Framingham 2008 with body mass index",
        outcome=_OUTCOME,
        horizon=10,
        source=_SOURCE,
        needs=(years(30, 74), *plausible(*_BOTH, "bmi"), NO_EVENT_YET),
        formula=office_risk,
    ),
)
