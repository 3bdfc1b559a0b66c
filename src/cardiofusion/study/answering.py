"""From logits to answers: which view answers, calibrated probabilities, prediction sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.bundle import task_views
from cardiofusion.cmaf import CMAF, NOBODY, FusionData, View, fusion_logits
from cardiofusion.conformal import TargetCalibration, calibrate, fit_probability, one_row_a_patient
from cardiofusion.evaluate import common_rows, macro_aucs
from cardiofusion.metrics import Measure, replicates, roc_auc
from cardiofusion.records import Task
from cardiofusion.study.groups import Groups
from cardiofusion.study.tables import TableModel
from cardiofusion.tabular import risk_logit

Logits = Mapping[str, NDArray[np.float64]]
Weight = NDArray[np.float64] | None
FUSED: Literal["ecg+row"] = "ecg+row"
CHOOSING_DRAWS = 200


@dataclass(frozen=True)
class Chosen:
    """The view that answers when both modalities are there, and why."""

    view: str
    why: str


def logits_by_view(
    task: Task,
    table: TableModel | None,
    values: NDArray[np.float64] | None,
    model: CMAF | None,
    data: FusionData,
    rows: NDArray[np.intp],
) -> dict[str, NDArray[np.float64]]:
    """Logits [row, target] of every view of a task, NaN outside `rows` and where a row lacks a modality.

    The row view is the booster's; "cmaf_row" is CMAF without the ECG, for comparison only.
    """
    n, wanted = len(data), np.zeros(len(data), dtype=np.bool_)
    wanted[rows] = True
    has = {"ecg": data.ecg != NOBODY, "row": data.has_row}
    logits = {}
    for view in task_views(task):
        there = np.flatnonzero(np.all([wanted, *(has[part] for part in view.split("+"))], axis=0))
        found = np.full((n, len(task.targets)), np.nan)
        if view == "row" and table is not None and values is not None:
            found[there] = table.logits(values[there])
        elif model is not None:
            found[there] = task_logits(task, model, data, there, view)  # type: ignore[arg-type]
        logits[view] = found
    if model is not None and "row" in task.modalities:
        there = np.flatnonzero(wanted)
        logits["cmaf_row"] = np.full((n, len(task.targets)), np.nan)
        logits["cmaf_row"][there] = task_logits(task, model, data, there, "row")
    return logits


def task_logits(
    task: Task, model: CMAF, data: FusionData, rows: NDArray[np.intp], view: View
) -> NDArray[np.float64]:
    """Logits [row, target] of CMAF through one view."""
    return as_targets(task, fusion_logits(model, data, rows, view))


def as_targets(task: Task, logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """What CMAF returns [row, output] as logits [row, target]: a survival task's hazards as one risk."""
    return risk_logit(logits)[:, None] if task.kind == "survival" else logits.astype(np.float64)


def choose_view(
    task: Task,
    logits: Logits,
    outcome: NDArray[np.float32],
    weight: Weight,
    patient_ids: NDArray[np.str_],
    seed: int,
) -> Chosen:
    """The view with the highest macro AUC over `logits`, of patients who are neither conformal nor test.

    The fused view answers only where it is better than the better single one by more than a standard error:
    what does not help is not asked. A proxy alignment cannot show that fusion helps: there the row answers
    and the fused view is shown beside it.
    """
    views = {view: logits[view] for view in task_views(task) if view in logits}
    if task.alignment != "matched" and "row" in views:
        return Chosen("row", f"{task.alignment} alignment is a proxy: the fused view is an experiment")
    if FUSED not in views:
        return Chosen(list(views)[-1], "the only view of this task")
    auc = {view: found for view, found in macro_aucs(outcome, views, weight).items() if np.isfinite(found)}
    shown = ", ".join(f"{view} {value:.3f}" for view, value in auc.items())
    where = f"{len(common_rows(views))} rows that set no quantile and test nothing: {shown}"
    singles = [view for view in auc if view != FUSED]
    if FUSED not in auc or not singles:
        return Chosen(max(auc, key=lambda view: auc[view], default=FUSED), f"AUC on {where}")
    single = max(singles, key=lambda view: auc[view])
    error = _error_of_gain(views[FUSED], views[single], outcome, weight, patient_ids, seed)
    gain = auc[FUSED] - auc[single]
    words = f"fused minus {single} {gain:+.3f}, standard error {error:.3f}, on {where}"
    return Chosen(FUSED if gain > error else single, words)


def _error_of_gain(
    fused: NDArray[np.float64],
    single: NDArray[np.float64],
    outcome: NDArray[np.float32],
    weight: Weight,
    patient_ids: NDArray[np.str_],
    seed: int,
) -> float:
    """The standard error of a difference of macro AUCs, by a paired bootstrap of patients."""
    rows = common_rows({"fused": fused, "single": single})
    times = None if weight is None else weight[rows]
    measures = [
        Measure(roc_auc, outcome[rows, k], scores[rows, k], times)
        for scores in (fused, single)
        for k in range(outcome.shape[1])
    ]
    rng = np.random.default_rng([seed, 13])
    drawn = replicates(measures, patient_ids[rows], rng, CHOOSING_DRAWS).reshape(CHOOSING_DRAWS, 2, -1)
    gains = drawn[:, 0] - drawn[:, 1]
    gains = gains[np.isfinite(gains).any(axis=1)]  # a draw may hold one class only
    return float(np.nanmean(gains, axis=1).std(ddof=1)) if len(gains) > 1 else float("inf")


def calibrate_views(
    task: Task,
    logits: Logits,
    outcome: NDArray[np.float32],
    weight: Weight,
    groups: Groups,
    patient_ids: NDArray[np.str_],
    coverage: float,
    seed: int,
) -> dict[str, dict[str, TargetCalibration]]:
    """view -> target -> calibration. Raises CalibrationError where a class has too few patients."""
    conformal = _conformal_rows(groups, patient_ids, seed)
    return {
        view: {
            target: _calibrate(
                target,
                logits[view][:, k],
                outcome[:, k],
                weight,
                patient_ids,
                groups.probability,
                conformal,
                coverage,
            )
            for k, target in enumerate(task.targets)
        }
        for view in task_views(task)
        if view in logits
    }


def check_calibration(
    task: Task,
    outcome: NDArray[np.float32],
    weight: Weight,
    groups: Groups,
    patient_ids: NDArray[np.str_],
    coverage: float,
    seed: int,
) -> None:
    """Raises CalibrationError where the promise cannot be kept: known from the split, before any training."""
    rows = _conformal_rows(groups, patient_ids, seed)
    for k, target in enumerate(task.targets):
        calibrate(target, np.full(len(rows), 0.5), outcome[rows, k], coverage, _of(weight, rows))


def _conformal_rows(groups: Groups, patient_ids: NDArray[np.str_], seed: int) -> NDArray[np.intp]:
    chosen = one_row_a_patient(patient_ids[groups.conformal], np.random.default_rng([seed, 7]))
    return groups.conformal[chosen]


def _calibrate(
    target: str,
    logit: NDArray[np.float64],
    outcome: NDArray[np.float32],
    weight: Weight,
    patient_ids: NDArray[np.str_],
    probability_rows: NDArray[np.intp],
    conformal_rows: NDArray[np.intp],
    coverage: float,
) -> TargetCalibration:
    known = np.isfinite(logit)
    p, c = probability_rows[known[probability_rows]], conformal_rows[known[conformal_rows]]
    probability = fit_probability(logit[p], outcome[p], _of(weight, p), patient_ids[p])
    sets = calibrate(target, probability.apply(logit[c]), outcome[c], coverage, _of(weight, c))
    return TargetCalibration(probability, sets)


def _of(weight: Weight, rows: NDArray[np.intp]) -> Weight:
    return None if weight is None else weight[rows]


def probabilities(
    logits: Logits, calibrations: Mapping[str, Mapping[str, TargetCalibration]], targets: tuple[str, ...]
) -> dict[str, NDArray[np.float64]]:
    """Calibrated where a calibration exists; a bare sigmoid for comparison views."""
    out = {}
    for view, values in logits.items():
        if view not in calibrations:
            out[view] = 1.0 / (1.0 + np.exp(-values))
            continue
        with np.errstate(invalid="ignore"):  # a row that lacks the view's modalities stays NaN
            columns = [calibrations[view][t].probability.apply(values[:, k]) for k, t in enumerate(targets)]
        out[view] = np.column_stack(columns)
    return out


def sets_by_view(
    probability: Mapping[str, NDArray[np.float64]],
    calibrations: Mapping[str, Mapping[str, TargetCalibration]],
    targets: tuple[str, ...],
) -> dict[str, NDArray[np.bool_]]:
    """bool [row, target, 2]; rows without the view's modalities hold nothing."""
    out = {}
    for view, calibrated in calibrations.items():
        values = probability[view]
        known = np.isfinite(values)
        included = np.stack(
            [
                calibrated[t].sets.sets(np.where(known[:, k], values[:, k], 0.5))
                for k, t in enumerate(targets)
            ],
            1,
        )
        out[view] = included & known[..., None]
    return out
