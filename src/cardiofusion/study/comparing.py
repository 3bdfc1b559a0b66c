"""What fusion has to beat, and what it must not find.

To beat: trees on the row and the embedding side by side, and late fusion, a weighted sum of what ECG and row
say alone. Not to find: skill, when it was taught with outcomes dealt out to other patients.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cardiofusion.bundle import task_views
from cardiofusion.cmaf import NOBODY, FusionData
from cardiofusion.evaluate import macro_aucs
from cardiofusion.metrics import t_interval
from cardiofusion.records import ClinicalSchema, Column, Figure, Task
from cardiofusion.study.answering import FUSED, Logits, Weight, task_logits
from cardiofusion.study.fusing import Fit, train_fits
from cardiofusion.study.groups import Groups, Rows
from cardiofusion.study.sections import Cmaf
from cardiofusion.tabular import train_row_model

if TYPE_CHECKING:
    from cardiofusion.study.pipeline import Pipeline

TREES, LATE = "lightgbm", "late"
ENOUGH_TRAININGS = 20  # to say that a mean is not 0.50
MOST_TAUGHT = 2000  # rows that teach a network of the control: more would take hours in a large cohort


def compare(pipeline: Pipeline) -> None:
    """The stages "compare-TASK" (trees) and "dealt-TASK" (the control) of every task that fuses two views."""
    for task in pipeline.fused_tasks:
        if FUSED in task_views(task):
            mark, repeats = pipeline.fusion_mark(task), pipeline.study.evaluation.label_shuffles
            stage = pipeline.workspace.stage
            stage(f"compare-{task.name}", mark, partial(_train_trees, pipeline, task))
            if repeats:
                stage(f"dealt-{task.name}", f"{mark} {repeats} series", partial(_train_dealt, pipeline, task))


def _train_trees(pipeline: Pipeline, task: Task, folder: Path) -> None:
    data, schema = pipeline.pairs(task)[0], pipeline.schema_of(task)
    assert schema is not None
    logits = tree_logits(
        np.column_stack([data.rows.astype(np.float64), data.embedding]),
        schema,
        pipeline.data.given(task),
        task.horizon,
        pipeline.patient_ids,
        pipeline.groups,
        pipeline.study.seed,
        pipeline.study.threads,
        pipeline.workspace.reporter.step,
    )
    np.save(folder / "trees.npy", logits, allow_pickle=False)


def _train_dealt(pipeline: Pipeline, task: Task, folder: Path) -> None:
    """Write dealt.npy [series, repeat]. A series that shows skill is followed by another, dealt anew."""
    study, repeats = pipeline.study, pipeline.study.evaluation.label_shuffles

    def series(first: int) -> NDArray[np.float64]:
        """The AUCs of as many trainings as were asked for, numbered from `first`."""
        return aucs_of_dealt_labels(
            pipeline.pairs(task)[0],
            pipeline.schema_of(task),
            task,
            pipeline.groups,
            pipeline.data.outcome(task),
            pipeline.data.weight(task),
            study.cmaf,
            range(first, first + repeats),
            study.seed,
            study.threads,
            pipeline.workspace.reporter.step,
        )

    found = [series(0)]
    if _off(found[0]):
        found.append(series(repeats))
    np.save(folder / "dealt.npy", np.stack(found), allow_pickle=False)


def tree_logits(
    values: NDArray[np.float64],
    schema: ClinicalSchema,
    outcome: NDArray[np.float32],
    horizon: float | None,
    patient_ids: NDArray[np.str_],
    groups: Groups,
    seed: int,
    threads: int,
    on_step: Callable[[int, int], None],
) -> NDArray[np.float64]:
    """Logits [row, target] of LightGBM on row and embedding, of all but the training rows.

    values: [row, column + d], the row's columns and the embedding. outcome: [row, target]; with a horizon
    years and events. They are grown as the row's own trees are.
    """
    width = values.shape[1] - len(schema)
    longer = ClinicalSchema((*schema, *(Column(f"embedding_{k}") for k in range(width))))
    targets, (train, stop) = list(outcome.T) if horizon is None else [outcome], (groups.train, groups.stop)
    logits = np.full((len(values), len(targets)), np.nan)
    for k, y in enumerate(targets):
        valid = values[stop], y[stop]
        who = patient_ids[train]
        model = train_row_model(values[train], y[train], longer, seed, horizon, valid, who, threads)
        logits[groups.measured, k] = model.predict_logit(values[groups.measured])
        on_step(k + 1, len(targets))
    return logits


def late_fusion(
    choosing: Logits, logits: Logits, outcome: NDArray[np.float32], weight: Weight
) -> NDArray[np.float64]:
    """Logits [row, target]: for each target a weighted sum of the two single views' logits.

    The weights are learnt on `choosing`, of patients who set no quantile and test nothing (logistic
    regression, ridge penalty 1); the sum is taken of `logits`. NaN where a view is.
    """
    found = np.full(outcome.shape, np.nan)
    for k in range(outcome.shape[1]):
        taught, applied = (
            np.column_stack([view["ecg"][:, k], view["row"][:, k]]) for view in (choosing, logits)
        )
        known = np.isfinite(taught).all(axis=1) & np.isfinite(outcome[:, k])
        there = np.isfinite(applied).all(axis=1)
        if len(np.unique(outcome[known, k])) == 2 and there.any():
            model = LogisticRegression().fit(
                taught[known], outcome[known, k], None if weight is None else weight[known]
            )
            found[there, k] = model.decision_function(applied[there])
    return found


def aucs_of_dealt_labels(
    data: FusionData,
    schema: ClinicalSchema | None,
    task: Task,
    groups: Groups,
    outcome: NDArray[np.float32],
    weight: Weight,
    plan: Cmaf,
    repeats: range,
    seed: int,
    threads: int,
    on_step: Callable[[int, int], None],
) -> NDArray[np.float64]:
    """Macro AUC [repeat] on the test patients of a CMAF taught with outcomes of other patients.

    Each time the outcomes are dealt out anew among those who teach and those who say when to stop; the test
    patients keep theirs. outcome: [row, target] as tested, weight: see StudyData.
    """
    fits = []
    for repeat in repeats:
        rng = np.random.default_rng([seed, 12, repeat])
        dealt, train, stop = data.outcome.copy(), _some(groups.train, rng), _some(groups.stop, rng)
        for rows in (train, stop):
            dealt[rows] = data.outcome[rng.permutation(rows)]
        fits.append(Fit(train, stop, groups.test, seed + repeat, outcome=dealt))
    models = train_fits(fits, data, schema, plan, threads, on_step)
    there = groups.test[(data.ecg[groups.test] != NOBODY) & data.has_row[groups.test]]
    times = None if weight is None else weight[there]
    found = []
    for model in models:
        views: Logits = {FUSED: task_logits(task, model, data, there, FUSED)}
        found.append(macro_aucs(outcome[there], views, times)[FUSED])
    return np.array(found)


def _some(rows: Rows, rng: np.random.Generator) -> Rows:
    return rows if len(rows) <= MOST_TAUGHT else np.sort(rng.choice(rows, MOST_TAUGHT, replace=False))


def dealt_labels_figure(folder: Path, data: str) -> Figure:
    """The mean AUC after teaching with dealt-out outcomes, with Student's interval; n: how many times."""
    found = np.load(folder / "dealt.npy", allow_pickle=False).ravel()
    return Figure(
        float(found.mean()), *t_interval(found), len(found), f"{data}, mean of {len(found)} trainings"
    )


def skill_without_labels(folder: Path) -> bool:
    """Whether every series has a mean more than 3 standard errors from 0.50: then something leaks.

    Of 20 trainings one mean in 135 is, by chance; what leaks shows again when the labels are dealt anew.
    """
    return all(map(_off, np.load(folder / "dealt.npy", allow_pickle=False)))


def _off(found: NDArray[np.float64]) -> bool:
    """Fewer than 20 trainings cannot tell: their spread is as uncertain as their mean."""
    error = found.std(ddof=1) / np.sqrt(len(found)) if len(found) >= ENOUGH_TRAININGS else np.inf
    return bool(abs(found.mean() - 0.5) > 3.0 * error)
