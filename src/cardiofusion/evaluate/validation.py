"""Cross-validation and subgroups: the same scores, cut in other ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.evaluate.estimate import REPEATS, Float, estimates, figure
from cardiofusion.metrics import Measure, roc_auc, t_interval
from cardiofusion.records import Figure

MIN_PER_CLASS = 10  # fewer positives or negatives than this and a subgroup's AUC says nothing
AGE_BANDS = (40, 60, 80)  # years


def fold_mean(scores: Sequence[float], n: int, data: str) -> Figure:
    """The mean of fold scores with Student's 95 % interval; NaN where a fold could not be measured.

    Folds share training patients, so the interval is too short (Bengio & Grandvalet 2004): print the pooled
    figure beside it.
    """
    values = np.asarray(scores, np.float64)
    mean = float(values.mean()) if len(values) else float("nan")
    return figure(mean, t_interval(values), n, f"{data}, {len(values)}-fold mean")


def cross_validated(
    y: NDArray[Any],
    p: NDArray[Any],
    fold: NDArray[np.int64],
    groups: NDArray[np.str_],
    rng: np.random.Generator,
    data: str,
    repeats: int = REPEATS,
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Figure]:
    """AUC of out-of-fold scores, "auc_fold_mean" and "auc_pooled" (bootstrap over patients).

    y: 0, 1, NaN not known. p: score from the model that did not see the row. fold, groups: [n].
    weight: [n] how much each row counts.
    """
    outcome = np.asarray(y, np.float64)
    times = np.ones(len(outcome)) if weight is None else weight
    by_fold = [roc_auc(outcome[fold == k], p[fold == k], times[fold == k]) for k in np.unique(fold)]
    pooled = estimates({"auc": Measure(roc_auc, outcome, p, weight)}, groups, rng, repeats)["auc"]
    return {
        "auc_fold_mean": fold_mean(by_fold, pooled.n, data),
        "auc_pooled": pooled.figure(f"{data}, out of fold, pooled"),
    }


def subgroups(
    y: NDArray[Any],
    p: NDArray[Any],
    groups_by: Mapping[str, NDArray[np.str_]],
    patient_ids: NDArray[np.str_],
    rng: np.random.Generator,
    data: str,
    repeats: int = REPEATS,
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Figure]:
    """AUC in every subgroup, "sex=female" and so on, with its n.

    groups_by: name -> level of every row [n]. weight: [n] how much each row counts. A subgroup of fewer than
    10 positives or negatives is listed with NaN, so that a reader sees for whom nothing is known.
    """
    outcome, scores = np.asarray(y, np.float64), np.asarray(p, np.float64)
    figures = {}
    for name, levels in groups_by.items():
        for level in np.unique(levels):
            rows = np.flatnonzero((levels == level) & np.isfinite(outcome))
            draws = repeats if _fewest(outcome[rows]) >= MIN_PER_CLASS else 0  # no draws, no interval: NaN
            times = None if weight is None else weight[rows]
            measure = {"auc": Measure(roc_auc, outcome[rows], scores[rows], times)}
            found = estimates(measure, patient_ids[rows], rng, draws)["auc"]
            figures[f"{name}={level}"] = found.figure(data)
    return figures


def age_bands(age: NDArray[Any]) -> NDArray[np.str_]:
    """Ages in years as levels for `subgroups`: "under 40", "40 to 59", "60 to 79", "80 and over"."""
    names = np.array(["under 40", "40 to 59", "60 to 79", "80 and over"])
    years = np.asarray(age, np.float64)
    return np.where(np.isnan(years), "not known", names[np.digitize(years, AGE_BANDS)])


def _fewest(outcome: Float) -> int:
    return int(min((outcome == 0).sum(), (outcome == 1).sum()))
