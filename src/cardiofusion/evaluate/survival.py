"""Figures of a survival task that need the times themselves: C-indices, and the gain of fusion in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.evaluate.estimate import REPEATS, Estimate
from cardiofusion.evaluate.task import FUSED, SINGLE
from cardiofusion.metrics import Observed, censoring, concordances, patient_draws
from cardiofusion.records import Figure, Task


def survival_figures(
    task: Task,
    observed: Observed,
    risks: Mapping[str, NDArray[Any]],
    patient_ids: NDArray[np.str_],
    data: str,
    rng: np.random.Generator,
    repeats: int = REPEATS,
) -> dict[str, Figure]:
    """ "<view>/<target>/c_harrell", "c_uno" and "gain/<target>/c_uno" of the patients that all views score.

    observed: years and events [n], NaN where not known (left out). risks: view -> risk [n] at the horizon.
    Both C-indices count pairs whose first event comes by then. The gain is over the better single view.
    """
    known = np.isfinite(observed.time) & np.all([np.isfinite(risk) for risk in risks.values()], axis=0)
    seen = Observed(observed.time[known], observed.event[known])
    columns = np.column_stack([risk[known] for risk in risks.values()])
    draws = patient_draws(patient_ids[known], rng, repeats)
    horizon = float(task.horizon or np.inf)
    found: dict[str, Estimate] = {}
    for name, by in (("c_harrell", None), ("c_uno", censoring(seen))):
        value = concordances(seen, columns, None, horizon, by)[0]
        drawn = concordances(seen, columns, draws, horizon, by)
        for k, view in enumerate(risks):
            found[f"{view}/{task.targets[0]}/{name}"] = Estimate(float(value[k]), drawn[:, k], len(seen))
    return {key: estimate.figure(data) for key, estimate in (found | _gain(task, found)).items()}


def _gain(task: Task, found: Mapping[str, Estimate]) -> dict[str, Estimate]:
    key = f"{{}}/{task.targets[0]}/c_uno".format
    singles = [found[key(view)] for view in SINGLE if key(view) in found]
    if key(FUSED) not in found or not singles:
        return {}
    return {key("gain"): found[key(FUSED)].minus(max(singles, key=lambda single: single.value))}
