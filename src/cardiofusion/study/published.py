"""Published risk scores on the test patients of a study, where its table has their inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.evaluate import evaluate_task
from cardiofusion.records import ClinicalTable, Figure
from cardiofusion.study.evaluating import TestResult
from cardiofusion.tabular import published_risks

MIN_SCORED = 50  # test rows that a score must be computable for


def published_figures(
    result: TestResult, view: str, table: ClinicalTable | None, seed: int, repeats: int
) -> dict[str, Figure]:
    """ "<task>/published/<score>/<target>/auc" and, on the same rows, ".../auc_model".

    Discrimination only: a score's outcome is a first event within years, the label is another, so that its
    probability cannot be held against it. table: the rows of the test patients. view: the one that answers.
    Empty for tasks of several labels, and without a score that MIN_SCORED rows can have.
    """
    if table is None or len(result.task.targets) != 1:
        return {}
    figures: dict[str, Figure] = {}
    for name, risks in published_risks(table).items():
        if np.isfinite(risks[np.isfinite(result.outcome[:, 0])]).sum() >= MIN_SCORED:
            figures |= _compared(result, view, name, risks, seed, repeats)
    return figures


def _compared(
    result: TestResult, view: str, name: str, risks: NDArray[np.float64], seed: int, repeats: int
) -> dict[str, Figure]:
    """Score and model on the rows that both can answer, under the same draws of patients."""
    (target,) = result.task.targets
    views = {"score": risks[:, None], "model": result.probability[view]}
    data = f"{result.data}, those whom the score is for"
    rng = np.random.default_rng([seed, 11])
    found = evaluate_task(
        result.task, result.outcome, views, {}, result.patient_ids, data, rng, repeats, result.weight
    )
    prefix = f"{result.task.name}/published/{name}/{target}"
    return {
        f"{prefix}/auc": found[f"score/{target}/auc"],
        f"{prefix}/auc_model": found[f"model/{target}/auc"],
    }
