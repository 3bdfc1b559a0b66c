"""WHO 2019, the laboratory-based model: cardiovascular disease in 10 years in 21 regions of the world.

WHO CVD Risk Chart Working Group, Lancet Glob Health 2019;7:e1332-e1345. Two models, of coronary and of
cerebrovascular disease, for ages of 40 to 74; each region and sex rescales their ln(-ln S) with an intercept
and a slope. We found these numbers nowhere, but the charts that follow from them are public: RECALIBRATION
was estimated by us from printed cells (least squares; people without diabetes who do not smoke, and people
with diabetes who do). Of 294 cells that took no part, of all 21 regions, every one is within 1
percentage point of the chart's whole number, and 91 % round to it. A chart stands for five years of age, 20
mmHg and 1 mmol/L at once; here the patient's own values are used.
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
from cardiofusion.tabular.scores.inputs import WHO_REGIONS, Inputs, Values
from cardiofusion.tabular.scores.score import NO_EVENT_YET, Score, plausible, years

# Columns: women, men. Age is less 60 years, total cholesterol less 6 mmol/L, systolic pressure less 120 mmHg.
CORONARY: Coefficients = {
    "age": (0.1020713, 0.0719227),
    "total": (0.2050377, 0.2284944),
    "systolic": (0.0158230, 0.0132183),
    "diabetes": (1.0703580, 0.6410114),
    "smoking": (1.0532230, 0.5638109),
    "age x total": (-0.0051932, -0.0045806),
    "age x systolic": (-0.0001378, -0.0001576),
    "age x diabetes": (-0.0234174, -0.0124966),
    "age x smoking": (-0.0332666, -0.0182545),
}
STROKE: Coefficients = {
    "age": (0.1056632, 0.0986578),
    "total": (0.0257782, 0.0295260),
    "systolic": (0.0206278, 0.0222629),
    "diabetes": (0.8581998, 0.6268712),
    "smoking": (0.7443627, 0.4981217),
    "age x total": (-0.0021387, 0.0014200),
    "age x systolic": (-0.0004897, -0.0004147),
    "age x diabetes": (-0.0209826, -0.0263020),
    "age x smoking": (-0.0200822, -0.0150561),
}
SURVIVAL = ((0.989, 0.954), (0.989, 0.985))
# Region: women, men; each intercept and slope of coronary disease, then of stroke.
RECALIBRATION = {
    "andean latin america": ((-0.9582, 0.7386, -1.5386, 0.4759), (-0.6878, 0.9345, -1.4446, 0.5468)),
    "australasia": ((-0.1643, 0.8109, -0.4987, 0.8683), (-0.2926, 0.7416, -0.5956, 0.8609)),
    "caribbean": ((-0.5054, 0.6929, -1.1345, 0.5899), (-0.3399, 0.9411, -0.8863, 0.6761)),
    "central asia": ((1.6563, 1.1729, -0.4404, 0.6867), (1.7512, 1.4772, -0.5705, 0.6585)),
    "central europe": ((1.0065, 1.0993, 0.1301, 0.8656), (0.3711, 1.0885, -0.1055, 0.7894)),
    "central latin america": ((-0.6654, 0.7014, -1.4292, 0.5612), (-0.4093, 0.9785, -1.3536, 0.5835)),
    "central sub-saharan africa": ((-0.1456, 0.7547, -0.7817, 0.6368), (-0.4007, 0.8695, -0.7337, 0.7260)),
    "east asia": ((-0.4255, 0.7775, -0.3114, 0.5824), (-0.3306, 1.1174, 0.1309, 0.7028)),
    "eastern europe": ((0.7577, 0.8983, -0.2374, 0.6732), (0.0401, 0.7895, -0.4248, 0.6560)),
    "eastern sub-saharan africa": ((-0.9005, 0.6181, -1.0218, 0.6246), (-0.4552, 0.8768, -0.7629, 0.7054)),
    "high-income asia pacific": ((-0.2584, 0.8567, -1.0616, 0.5988), (-0.6670, 0.8077, -1.2075, 0.5162)),
    "high-income north america": ((-0.1296, 0.7405, -0.7242, 0.6528), (-0.2300, 0.7597, -0.7014, 0.6892)),
    "north africa and middle east": ((-0.1694, 0.5893, -0.5630, 0.5700), (0.2323, 0.8748, -0.3165, 0.7039)),
    "oceania": ((-0.7871, 0.6836, -0.7149, 0.5763), (-0.8091, 0.8143, -0.5927, 0.6125)),
    "south asia": ((-0.4742, 0.6849, -1.1491, 0.5572), (-0.1694, 0.9400, -1.3526, 0.5516)),
    "southeast asia": ((-0.4837, 0.7853, -0.8043, 0.5939), (-0.1697, 1.0801, -0.6090, 0.6738)),
    "southern latin america": ((-0.0822, 0.8757, -0.8419, 0.7445), (-0.2762, 0.8400, -0.9984, 0.6563)),
    "southern sub-saharan africa": ((-0.7087, 0.6366, -0.9462, 0.6136), (-0.3714, 0.9469, -0.9666, 0.6416)),
    "tropical latin america": ((-1.1738, 0.6711, -1.3848, 0.5179), (-0.8715, 0.8359, -1.0446, 0.6178)),
    "western europe": ((0.4365, 0.9588, -0.5596, 0.8418), (0.0336, 0.9359, -0.6401, 0.7684)),
    "western sub-saharan africa": ((-0.5967, 0.6839, -0.7915, 0.6579), (-0.2994, 0.9631, -0.9659, 0.6417)),
}
_BY_GROUP = np.array([RECALIBRATION[region][sex] for region in WHO_REGIONS for sex in (0, 1)])


def laboratory_risk(inputs: Inputs) -> Values:
    """Risks [row] of a first coronary event or stroke."""
    sex = groups(inputs["sex"])
    age = inputs["age"] - 60.0
    terms = {
        "total": inputs["total_cholesterol"] - 6.0,
        "systolic": inputs["systolic"] - 120.0,
        "diabetes": inputs["diabetes"],
        "smoking": inputs["smoking"],
    }
    terms |= {"age": age, **{f"age x {name}": age * values for name, values in terms.items()}}
    scale = _BY_GROUP[groups(2 * inputs["who_region"] + inputs["sex"])].T
    coronary, stroke = (
        risk_of(scale[k] + scale[k + 1] * log_hazard(of_group(survival, sex), weighted(model, terms, sex)))
        for k, model, survival in ((0, CORONARY, SURVIVAL[0]), (2, STROKE, SURVIVAL[1]))
    )
    return np.asarray(1.0 - (1.0 - coronary) * (1.0 - stroke))


SCORES = (
    Score(
        name="who_2019_laboratory",
        title="WHO 2019, with cholesterol",
        outcome="a first coronary event or stroke",
        horizon=10,
        source="WHO CVD Risk Chart Working Group, Lancet Glob Health 2019;7:e1332-e1345",
        needs=(
            years(40, 74),
            *plausible("sex", "systolic", "total_cholesterol", "diabetes", "smoking", "who_region"),
            NO_EVENT_YET,
        ),
        formula=laboratory_risk,
    ),
)
