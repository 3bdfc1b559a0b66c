"""The figures of a task on a test set: every view, every target, the macro mean and the gain of fusion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.evaluate.estimate import METRICS, REPEATS, Estimate, Float, estimates, figure, macro
from cardiofusion.metrics import Interval, Measure, coverage_by_class, roc_auc, wilson_interval
from cardiofusion.records import DatasetError, Figure, Task

FUSED = "ecg+row"
SINGLE = ("ecg", "row")
RIVALS = (*SINGLE, "lightgbm", "late")  # what the fused view is held against, one by one
GAIN = "gain"
MACRO_METRICS = ("auc", "average_precision", "brier")

Views = Mapping[str, NDArray[Any]]


def evaluate_target(
    y: NDArray[Any],
    p: NDArray[Any],
    groups: NDArray[np.str_],
    rng: np.random.Generator,
    data: str,
    repeats: int = REPEATS,
) -> dict[str, Figure]:
    """auc, average_precision, brier, ece (ten bins of equal mass) and prevalence of one target.

    y: 1 present, 0 absent, NaN not known and left out [n]. p: probability [n]. groups: patient of every row.
    Intervals: 95 %, bootstrap over patients; prevalence: Wilson with n the patients. NaN where undefined.
    """
    measures = {name: Measure(metric, y, p) for name, metric in METRICS.items()}
    measured = estimates(measures, groups, rng, repeats)
    figures = {name: estimate.figure(data) for name, estimate in measured.items()}
    return figures | {"prevalence": _prevalence(np.asarray(y, np.float64), groups, data)}


def evaluate_task(
    task: Task,
    outcome: NDArray[Any],
    views: Views,
    sets: Mapping[str, NDArray[np.bool_]],
    patient_ids: NDArray[np.str_],
    data: str,
    rng: np.random.Generator,
    repeats: int = REPEATS,
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Figure]:
    """All figures of a task, flat: "view/target/metric", "view/macro/metric", "gain/macro/auc".

    outcome: [n, target], NaN not known. views: name -> probability [n, target] ("ecg", "row", "ecg+row", and
    peers such as "lightgbm"). sets: view -> bool [n, target, 2], (absent, present); views without sets get
    no coverage. patient_ids: [n], the ECG's patient where a proxy row stands beside it. weight: [n] how much
    each row counts, for patients censored before a survival task's horizon.

    Every view is measured on the same rows: those on which every view has a finite score for each target that
    it scores at all (a peer's column may be NaN throughout). All bootstrap intervals come from the same draws
    of patients. Metrics of a target are those of `evaluate_target`, and coverage_absent, coverage_present and
    set_size. The macro mean leaves out targets of which the test set holds one class only; it is NaN for a
    view that lacks another. The gain is the fused view's macro AUC minus that of `better_single`, paired;
    "gain over VIEW/macro/auc" is that over each single view and peer.

    Raises DatasetError "evaluate.shape" where an array does not fit the task.
    """
    _check_shapes(task, outcome, views, sets, patient_ids)
    rows = common_rows(views)
    outcome, patients = np.asarray(outcome, np.float64)[rows], patient_ids[rows]
    views = {view: np.asarray(scores, np.float64)[rows] for view, scores in views.items()}
    sets = {view: held[rows] for view, held in sets.items()}
    weight = None if weight is None else weight[rows]
    measured = estimates(_measures(task, outcome, views, sets, weight), patients, rng, repeats)
    n = int(np.isfinite(outcome).any(axis=1).sum())
    targets = [task.targets[column] for column in _two_class(outcome)]
    macros = {
        f"{view}/macro/{name}": macro([measured[f"{view}/{target}/{name}"] for target in targets], n)
        for view in views
        for name in MACRO_METRICS
    }
    figures = {key: estimate.figure(data) for key, estimate in (measured | macros | _gain(macros)).items()}
    return figures | _shares(task, outcome, views, sets, patients, data, weight)


def better_single(
    outcome: NDArray[Any], views: Views, weight: NDArray[np.float64] | None = None
) -> str | None:
    """The single view that the gain is over: of "ecg" and "row" the one with the larger macro AUC.

    Chosen on the point estimate in the same test set, which can only make the gain look smaller. The AUCs
    are those of `evaluate_task`. None where neither view is there or neither AUC can be measured.
    """
    found = macro_aucs(outcome, views, weight)
    defined = {view: found[view] for view in SINGLE if view in found and np.isfinite(found[view])}
    return max(defined, key=lambda view: defined[view]) if defined else None


def macro_aucs(
    outcome: NDArray[Any], views: Views, weight: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """view -> macro AUC on the rows that all views can score, as in `evaluate_task`; NaN if undefined."""
    rows = common_rows(views)
    known = np.asarray(outcome, np.float64)[rows]
    times = None if weight is None else weight[rows]
    return {view: _macro_auc(known, np.asarray(scores)[rows], times) for view, scores in views.items()}


def common_rows(views: Views) -> NDArray[np.intp]:
    """The rows on which every view has a finite score for every target that it scores at all."""
    if not views:
        return np.zeros(0, dtype=np.intp)
    usable = [np.isfinite(scores) for scores in views.values()]
    return np.flatnonzero(np.all([(finite | ~finite.any(axis=0)).all(axis=1) for finite in usable], axis=0))


def _measures(
    task: Task,
    outcome: Float,
    views: Views,
    sets: Mapping[str, NDArray[np.bool_]],
    weight: NDArray[np.float64] | None,
) -> dict[str, Measure]:
    measures = {}
    for view, scores in views.items():
        for column, target in enumerate(task.targets):
            y = outcome[:, column]
            for name, metric in METRICS.items():
                measures[f"{view}/{target}/{name}"] = Measure(metric, y, scores[:, column], weight)
            if view in sets:
                size = sets[view][:, column].sum(axis=1)
                measures[f"{view}/{target}/set_size"] = Measure(_mean_score, y, size, weight)
    return measures


def _gain(macros: Mapping[str, Estimate]) -> dict[str, Estimate]:
    """The gain over the better single view, and over each other view by itself ("gain over lightgbm")."""
    key = "{}/macro/auc".format
    if key(FUSED) not in macros:
        return {}
    fused = macros[key(FUSED)]
    others = {view: macros[key(view)] for view in RIVALS if key(view) in macros}
    others = {view: found for view, found in others.items() if np.isfinite(found.value)}
    gains = {key(f"{GAIN} over {view}"): fused.minus(found) for view, found in others.items()}
    singles = [others[view] for view in SINGLE if view in others]
    if not singles:
        return gains
    return {key(GAIN): fused.minus(max(singles, key=lambda single: single.value))} | gains


def _shares(
    task: Task,
    outcome: Float,
    views: Views,
    sets: Mapping[str, NDArray[np.bool_]],
    patients: NDArray[np.str_],
    data: str,
    weight: NDArray[np.float64] | None,
) -> dict[str, Figure]:
    """Prevalence of every target and coverage of every class."""
    figures = {}
    for view in views:
        for column, target in enumerate(task.targets):
            y = outcome[:, column]
            figures[f"{view}/{target}/prevalence"] = _prevalence(y, patients, data, weight)
            if view in sets:
                covered = coverage_by_class(y, sets[view][:, column], weight)
                for label, share in enumerate(covered):
                    key = f"{view}/{target}/coverage_{('absent', 'present')[label]}"
                    figures[key] = _share(share, patients[y == label], data)
    return figures


def _prevalence(
    y: Float, patients: NDArray[np.str_], data: str, weight: NDArray[np.float64] | None = None
) -> Figure:
    known = np.isfinite(y)
    share = _mean_score(y, np.nan_to_num(y), weight=weight)
    return _share(share, patients[known], data)


def _share(share: float, patients: NDArray[np.str_], data: str) -> Figure:
    """A share with Wilson's interval. Rows of one patient are not independent: patients are the trials."""
    interval: Interval = wilson_interval(share, len(np.unique(patients)))
    return figure(share, interval, len(patients), data)


def _mean_score(y: NDArray[Any], score: NDArray[Any], /, *, weight: NDArray[Any] | None = None) -> float:
    """Mean over rows of known outcome."""
    known = np.isfinite(y)
    weights = known if weight is None else known * weight
    total = weights.sum()
    return float(np.sum(score * weights) / total) if total > 0 else float("nan")


def _macro_auc(outcome: Float, scores: NDArray[Any], weight: NDArray[np.float64] | None) -> float:
    values = [roc_auc(outcome[:, column], scores[:, column], weight) for column in _two_class(outcome)]
    return float(np.mean(values)) if values else float("nan")


def _two_class(outcome: Float) -> NDArray[np.intp]:
    """The targets of which both classes are there."""
    return np.flatnonzero((outcome == 0).any(axis=0) & (outcome == 1).any(axis=0))


def _check_shapes(
    task: Task,
    outcome: NDArray[Any],
    views: Views,
    sets: Mapping[str, NDArray[np.bool_]],
    patient_ids: NDArray[np.str_],
) -> None:
    shape = (len(patient_ids), len(task.targets))
    arrays: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {"the outcome": (outcome, shape)}
    arrays |= {f"view {view}": (scores, shape) for view, scores in views.items()}
    arrays |= {f"the sets of {view}": (held, (*shape, 2)) for view, held in sets.items()}
    for what, (array, wanted) in arrays.items():
        if array.shape != wanted:
            raise DatasetError(
                "evaluate.shape",
                f"{task.name}: {what} has shape {array.shape}, not {wanted}",
                "one row a test example, one column a target",
            )
