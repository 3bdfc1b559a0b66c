"""Everything measured on a finished pipeline: calibrations, test figures, controls and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.bundle import task_views
from cardiofusion.cmaf import CMAF, NOBODY, FusionData
from cardiofusion.conformal import TargetCalibration
from cardiofusion.evaluate import better_single
from cardiofusion.metrics import Observed
from cardiofusion.records import ALIGNMENT_WORDS, Figure, Task
from cardiofusion.study.answering import (
    FUSED,
    Chosen,
    Logits,
    Weight,
    as_targets,
    calibrate_views,
    choose_view,
    logits_by_view,
    probabilities,
    sets_by_view,
)
from cardiofusion.study.comparing import (
    LATE,
    TREES,
    dealt_labels_figure,
    late_fusion,
    skill_without_labels,
)
from cardiofusion.study.encoding import masked_r2_figures
from cardiofusion.study.evaluating import (
    TestResult,
    attention_verdict,
    cross_validation_figures,
    gradcam_verdict,
    shuffled_pairs_figure,
    subgroup_figures,
    test_figures,
)
from cardiofusion.study.pipeline import Pipeline
from cardiofusion.study.published import published_figures


@dataclass
class Results:
    """figures: key -> Figure. calibrations: task -> view -> target. chosen: the view that answers a task.

    verdicts: task -> explanation kind -> whether it may be shown. balance: task -> covariate balance.
    tested: task -> its test rows. notes: sentences a reader of the report must know.
    """

    figures: dict[str, Figure] = field(default_factory=dict)
    calibrations: dict[str, dict[str, dict[str, TargetCalibration]]] = field(default_factory=dict)
    chosen: dict[str, Chosen] = field(default_factory=dict)
    verdicts: dict[str, dict[str, Any]] = field(default_factory=dict)
    balance: dict[str, dict[str, Any]] = field(default_factory=dict)
    tested: dict[str, TestResult] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def measure(pipeline: Pipeline) -> Results:
    """Calibrate, then look at the test patients once. Raises CalibrationError."""
    results = Results()
    rng = np.random.default_rng([pipeline.study.seed, 10])
    step = pipeline.workspace.reporter.step
    tasks = pipeline.cohort.tasks
    for done, task in enumerate(tasks):
        _measure_task(pipeline, task, results, rng)
        step(done + 1, len(tasks) + 1)
    if pipeline.uses_ecg and len(pipeline.held_out_ecgs):
        results.figures |= masked_r2_figures(
            pipeline.untuned,
            _learning(pipeline),
            pipeline.held_out_ecgs,
            pipeline.study.pretrain.mask,
            pipeline.study.seed,
            f"{_held_out_name(pipeline)}, patients the encoder has not seen",
        )
    step(len(tasks) + 1, len(tasks) + 1)
    return results


def _measure_task(pipeline: Pipeline, task: Task, results: Results, rng: np.random.Generator) -> None:
    outcome, weight = pipeline.data.outcome(task), pipeline.data.weight(task)
    groups, patients, seed = pipeline.groups, pipeline.patient_ids, pipeline.study.seed
    model = pipeline.fusion(task) if "ecg" in task.modalities else None
    data = _rows_only(pipeline, outcome) if model is None else pipeline.pairs(task)[0]
    logits = logits_by_view(task, pipeline.table_model(task), _values(pipeline), model, data, groups.measured)
    choosing = _choosing(pipeline, task, logits)
    chosen = choose_view(task, choosing, outcome, weight, patients, seed)
    coverage = pipeline.study.conformal.coverage
    calibrations = calibrate_views(task, logits, outcome, weight, groups, patients, coverage, seed)
    if FUSED in logits:
        logits |= _compared(pipeline, task, choosing, logits, outcome, weight)
    result = _tested(pipeline, task, logits, calibrations)
    results.calibrations[task.name], results.chosen[task.name] = calibrations, chosen
    results.tested[task.name] = result
    results.figures |= test_figures(result, rng, pipeline.study.evaluation.bootstraps)
    results.figures |= _figures_of_view(pipeline, result, chosen.view, rng)
    if model is not None:
        _measure_fusion(pipeline, result, model, data, results, rng)
    if task.kind == "survival":
        results.notes.append(_horizon_words(task, result.outcome))


def _tested(
    pipeline: Pipeline,
    task: Task,
    logits: Logits,
    calibrations: Mapping[str, Mapping[str, TargetCalibration]],
) -> TestResult:
    """Probabilities and sets of the test patients, by every view."""
    test, weight = pipeline.groups.test, pipeline.data.weight(task)
    probability = probabilities(logits, calibrations, task.targets)
    sets = sets_by_view(probability, calibrations, task.targets)
    return TestResult(
        task,
        pipeline.data.outcome(task)[test],
        {view: values[test] for view, values in probability.items()},
        {view: found[test] for view, found in sets.items()},
        pipeline.patient_ids[test],
        _data_words(pipeline, task),
        None if weight is None else weight[test],
        _times(pipeline, task, test),
    )


def _figures_of_view(
    pipeline: Pipeline, result: TestResult, view: str, rng: np.random.Generator
) -> dict[str, Figure]:
    """Of the view that answers: by sex and age, cross-validated, and beside published scores."""
    task, test, repeats = result.task, pipeline.groups.test, pipeline.study.evaluation.bootstraps
    found = subgroup_figures(result, view, _covariates(pipeline, test), rng, repeats)
    found |= _crossed(pipeline, task, pipeline.data.outcome(task), rng)
    rows = None if pipeline.cohort.table is None else pipeline.cohort.table.take(test)
    return found | published_figures(result, view, rows, pipeline.study.seed, repeats)


def _measure_fusion(
    pipeline: Pipeline,
    result: TestResult,
    model: CMAF,
    data: FusionData,
    results: Results,
    rng: np.random.Generator,
) -> None:
    """The controls of a fusion, and which of its explanations may be shown."""
    task, study, verdicts = result.task, pipeline.study, {}
    if FUSED in result.probability:
        test, repeats = pipeline.groups.test, study.evaluation.bootstraps
        results.figures |= shuffled_pairs_figure(result, model, data, test, rng, repeats)
        results.figures |= _dealt(pipeline, task, result, results.notes)
        results.notes.append(_gain_words(result, results.figures))
        results.balance[task.name] = pipeline.pairs(task)[1]
        verdicts["attention"] = attention_verdict(model)
    figures, verdicts["gradcam"] = gradcam_verdict(
        pipeline.encoder,
        model,
        pipeline.held_out_ecgs,
        task,
        study.seed,
        study.threads,
        _held_out_name(pipeline),
    )
    results.figures |= {f"{task.name}/gradcam/{key}": figure for key, figure in figures.items()}
    results.verdicts[task.name] = verdicts


def _values(pipeline: Pipeline) -> NDArray[np.float64] | None:
    return None if pipeline.cohort.table is None else pipeline.cohort.table.values


def _compared(
    pipeline: Pipeline,
    task: Task,
    choosing: Logits,
    logits: Logits,
    outcome: NDArray[np.float32],
    weight: Weight,
) -> dict[str, NDArray[np.float64]]:
    """Logits of what fusion has to beat."""
    trees = np.load(pipeline.workspace.folder / f"compare-{task.name}" / "trees.npy", allow_pickle=False)
    return {TREES: trees, LATE: late_fusion(choosing, logits, outcome, weight)}


def _dealt(pipeline: Pipeline, task: Task, result: TestResult, notes: list[str]) -> dict[str, Figure]:
    """The control of dealt-out labels, where it was asked for; a note where it fails."""
    folder = pipeline.workspace.folder / f"dealt-{task.name}"
    if not pipeline.study.evaluation.label_shuffles:
        return {}
    figure = dealt_labels_figure(folder, result.data)
    if skill_without_labels(folder):
        notes.append(
            f"{task.name}: taught with outcomes of other patients the fusion still reaches AUC"
            f" {figure.value:.3f}: something leaks, believe no figure of this task."
        )
    return {f"{task.name}/control/dealt_labels/auc": figure}


def _choosing(pipeline: Pipeline, task: Task, logits: Logits) -> Logits:
    """Logits to choose a view by, NaN where a row may not choose.

    Cross-validated among the patients who may; in a large cohort, where that would take hours, the task's own
    models' on the thousands who taught them nothing.
    """
    table = pipeline.table_model(task)
    rows = {} if table is None or table.choosing is None else {"row": table.choosing}
    kept = pipeline.workspace.folder / f"fuse-{task.name}" / "choosing.npz"
    if kept.exists() and (rows or "row" not in task.modalities):
        with np.load(kept, allow_pickle=False) as arrays:
            ecg, both = (as_targets(task, arrays[name]) for name in ("ecg", "both"))
            return {"ecg": ecg, FUSED: both, **rows}
    aside = np.zeros(len(pipeline.cohort), dtype=np.bool_)
    aside[pipeline.groups.aside] = True
    return {view: np.where(aside[:, None], values, np.nan) for view, values in logits.items()}


def _crossed(
    pipeline: Pipeline, task: Task, outcome: NDArray[np.float32], rng: np.random.Generator
) -> dict[str, Figure]:
    """Cross-validation by patient over the whole cohort, of every view that was cross-validated."""
    repeats = pipeline.study.evaluation.bootstraps
    found: dict[str, tuple[NDArray[Any], NDArray[np.int64]]] = {}
    table = pipeline.table_model(task)
    if table is not None:
        found["row"] = (table.out_of_fold, table.fold)
    kept = pipeline.workspace.folder / f"fuse-{task.name}" / "out_of_fold.npz"
    if kept.exists():
        with np.load(kept, allow_pickle=False) as arrays:
            found["ecg"] = (as_targets(task, arrays["ecg"]), arrays["fold"])
            if FUSED in task_views(task):
                found[FUSED] = (as_targets(task, arrays["both"]), arrays["fold"])
    figures: dict[str, Figure] = {}
    for view, (logits, fold) in found.items():
        figures |= cross_validation_figures(
            task.name,
            view,
            task.targets,
            outcome,
            logits,
            fold,
            pipeline.patient_ids,
            f"{pipeline.cohort.name}, all patients",
            rng,
            repeats,
            pipeline.data.weight(task),
        )
    return figures


def _times(pipeline: Pipeline, task: Task, rows: NDArray[np.intp]) -> Observed | None:
    """Years and events of these rows, NaN where not known; None of a task that does not ask when."""
    if task.kind != "survival":
        return None
    years, event = pipeline.data.given(task)[rows].astype(np.float64).T
    return Observed(years, event > 0)


def _horizon_words(task: Task, outcome: NDArray[np.float32]) -> str:
    """What a survival task's figures are about, and how those count who were lost before."""
    lost = int(np.isnan(outcome).all(axis=1).sum())
    return (
        f"{task.name}: figures are of {task.targets[0]}{task.by_when}. {lost:,} of {len(outcome):,} test"
        " patients were lost before; those who stayed stand for them, which is right where being lost had"
        " nothing to do with the risk."
    )


def _rows_only(pipeline: Pipeline, outcome: NDArray[np.float32]) -> FusionData:
    n = len(pipeline.cohort)
    assert pipeline.cohort.table is not None
    rows = pipeline.cohort.table.values.astype(np.float32)
    nobody, given = np.full(n, NOBODY, np.int64), np.asarray(np.isfinite(rows).any(axis=1), np.bool_)
    return FusionData(np.zeros((1, 1, 1), np.float32), nobody, rows, given, outcome)


def _covariates(pipeline: Pipeline, rows: NDArray[np.intp]) -> Mapping[str, NDArray[Any]]:
    """Age and sex of these rows, where the table or the ECG files have them."""
    table, ecgs = pipeline.cohort.table, pipeline.cohort_ecgs
    found: dict[str, NDArray[Any]] = {}
    if table is not None:
        for name in ("age", "sex", "gender"):
            if name in table.schema.names:
                column = table.schema[name]
                values = table.values[rows, table.schema.names.index(name)]
                shown = (
                    values
                    if column.kind == "number"
                    else np.array([column.show(v) or "not known" for v in values])
                )
                found["age" if name == "age" else "sex"] = shown
    elif ecgs is not None:
        found["age"] = ecgs.age[rows]
        found["sex"] = np.where(np.isnan(ecgs.sex), "not known", np.where(ecgs.sex == 1, "male", "female"))[
            rows
        ]
    return found


def _data_words(pipeline: Pipeline, task: Task) -> str:
    words = f"{pipeline.cohort.name}, test patients"
    words += f", {task.by_when.strip()}" if task.by_when else ""
    return words if task.alignment == "matched" else f"{words}; {ALIGNMENT_WORDS[task.alignment]}"


def _held_out_name(pipeline: Pipeline) -> str:
    return pipeline.cohort.name if pipeline.cohort_ecgs is not None else "ECG corpora"


def _learning(pipeline: Pipeline) -> Any:
    assert pipeline.learning_ecgs is not None
    return pipeline.learning_ecgs


def _gain_words(result: TestResult, figures: Mapping[str, Figure]) -> str:
    """The first line of the report: does fusion help?"""
    task = result.task
    gain = figures.get(f"{task.name}/gain/macro/auc")
    single = better_single(
        result.outcome, {v: p for v, p in result.probability.items() if v in ("ecg", "row")}, result.weight
    )
    if gain is None:
        return f"{task.name}: whether fusion helps cannot be measured on these test patients."
    verdict = "helps" if gain.low > 0 else "hurts" if gain.high < 0 else "does not measurably help"
    proxy = "" if task.alignment == "matched" else f" ({ALIGNMENT_WORDS[task.alignment]})"
    return (
        f"{task.name}: fusing ECG and row {verdict}: AUC {gain.value:+.3f}"
        f" [{gain.low:+.3f} to {gain.high:+.3f}] against {single} alone, n = {gain.n:,}{proxy}."
    )
