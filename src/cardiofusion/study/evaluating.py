"""The figures of a study: test patients once, cross-validation beside it, controls, faithfulness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cardiofusion.cmaf import CMAF, NOBODY, FusionData, ecg_tokens
from cardiofusion.conformal.probability import sigmoid
from cardiofusion.evaluate import age_bands, cross_validated, evaluate_task, subgroups, survival_figures
from cardiofusion.explain import (
    Faithfulness,
    deletion_insertion,
    directions,
    grad_cam,
    passes,
    pooled,
    randomisation_similarity,
)
from cardiofusion.export import gradient, slope
from cardiofusion.metrics import Observed, t_interval
from cardiofusion.records import Figure, Task
from cardiofusion.study.answering import FUSED, task_logits
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.tmae import TMAE, workers

FAITHFULNESS_ECGS = 12  # each costs some 250 passes through the encoder
FAITHFULNESS_STEPS, FAITHFULNESS_REPEATS = 8, 6


@dataclass(frozen=True, eq=False)
class TestResult:
    """What one task did on the test patients: arrays over their rows."""

    task: Task
    outcome: NDArray[np.float32]
    probability: Mapping[str, NDArray[np.float64]]
    sets: Mapping[str, NDArray[np.bool_]]
    patient_ids: NDArray[np.str_]
    data: str
    weight: NDArray[np.float64] | None = None  # of a survival task: see StudyData.weight
    times: Observed | None = None  # and when; None of any other task


def test_figures(result: TestResult, rng: np.random.Generator, repeats: int) -> dict[str, Figure]:
    """ "<task>/<view>/<target>/<metric>" and "<task>/gain/macro/auc"."""
    figures = evaluate_task(
        result.task,
        result.outcome,
        result.probability,
        result.sets,
        result.patient_ids,
        result.data,
        rng,
        repeats,
        result.weight,
    )
    if result.times is not None:
        risks = {view: p[:, 0] for view, p in result.probability.items()}
        figures |= survival_figures(
            result.task, result.times, risks, result.patient_ids, result.data, rng, repeats
        )
    return {f"{result.task.name}/{key}": figure for key, figure in figures.items()}


def shuffled_pairs_figure(
    result: TestResult,
    model: CMAF,
    data: FusionData,
    rows: NDArray[np.intp],
    rng: np.random.Generator,
    repeats: int,
) -> dict[str, Figure]:
    """What the right ECG is worth: macro AUC of the fused view minus the same with ECGs dealt out anew.

    About zero for a proxy alignment; above zero where the patient's own ECG tells something.
    """
    there = rows[(data.ecg[rows] != NOBODY) & data.has_row[rows]]
    if not len(there):
        return {}
    dealt = data.ecg.copy()
    dealt[there] = rng.permutation(data.ecg[there])
    true_pairs = task_logits(result.task, model, data, there, FUSED)
    false_pairs = task_logits(result.task, model, replace(data, ecg=dealt), there, FUSED)
    position = np.searchsorted(rows, there)
    views = {FUSED: sigmoid(true_pairs), "row": sigmoid(false_pairs)}
    figures = evaluate_task(
        replace(result.task, modalities=("ecg", "row")),
        result.outcome[position],
        views,
        {},
        result.patient_ids[position],
        f"{result.data}, own ECG minus shuffled ECG",
        rng,
        repeats,
        None if result.weight is None else result.weight[position],
    )
    gain = figures.get("gain/macro/auc")
    return {} if gain is None else {f"{result.task.name}/control/shuffled_pairs/auc": gain}


def cross_validation_figures(
    name: str,
    view: str,
    targets: tuple[str, ...],
    outcome: NDArray[np.float32],
    logits: NDArray[np.floating[Any]],
    fold: NDArray[np.int64],
    patient_ids: NDArray[np.str_],
    data: str,
    rng: np.random.Generator,
    repeats: int,
    weight: NDArray[np.float64] | None = None,
) -> dict[str, Figure]:
    """ "<task>/cv/<view>/<target>/auc_pooled" and "auc_fold_mean", and the macro means over targets."""
    figures: dict[str, Figure] = {}
    for k, target in enumerate(targets):
        known = np.isfinite(outcome[:, k]) & np.isfinite(logits[:, k])
        score, times = sigmoid(logits[known, k]), None if weight is None else weight[known]
        found = cross_validated(
            outcome[known, k], score, fold[known], patient_ids[known], rng, data, repeats, times
        )
        figures |= {f"{name}/cv/{view}/{target}/{key}": figure for key, figure in found.items()}
    return figures


def subgroup_figures(
    result: TestResult,
    view: str,
    covariates: Mapping[str, NDArray[Any]],
    rng: np.random.Generator,
    repeats: int,
) -> dict[str, Figure]:
    """AUC of one view by sex and age band, for every target."""
    levels = {
        name: age_bands(values) if name == "age" else values.astype(np.str_)
        for name, values in covariates.items()
    }
    figures: dict[str, Figure] = {}
    for k, target in enumerate(result.task.targets):
        scores = result.probability[view][:, k]
        known = np.isfinite(scores)
        by = {name: values[known] for name, values in levels.items()}
        found = subgroups(
            result.outcome[known, k],
            scores[known],
            by,
            result.patient_ids[known],
            rng,
            result.data,
            repeats,
            None if result.weight is None else result.weight[known],
        )
        figures |= {f"{result.task.name}/subgroup/{view}/{target}/{key}": f for key, f in found.items()}
    return figures


def gradcam_verdict(
    encoder: TMAE, fusion: CMAF, ecgs: EcgSet, task: Task, seed: int, threads: int, data: str
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Whether Grad-CAM may be shown: deletion and insertion against random maps, and weight randomisation."""
    torch.manual_seed(seed)
    along = directions(task, fusion.config.n_targets)
    blank = CMAF(fusion.config, [[0.0, 1.0]] * fusion.features.bias.shape[0]).eval()
    random_encoder = TMAE(encoder.config).eval()

    def examine(row: int) -> tuple[Faithfulness, float]:
        """One ECG's map against random ones, and how alike the map of random weights is."""
        ecg = ecgs.take(np.array([row]))
        cam, target = _cam(encoder, fusion, ecg, along)
        other, _ = _cam(random_encoder, blank, ecg, along)

        def score(batch: NDArray[np.float32]) -> NDArray[np.float64]:
            scores: NDArray[np.float64] = _scores(encoder, fusion, batch, ecg.present[0]) @ along[target]
            return scores

        wide = np.repeat(cam, ecg.signal.shape[2] // cam.shape[1], axis=1)
        rng = np.random.default_rng([seed, 9, row])
        found = deletion_insertion(score, ecg.signal[0], wide, rng, FAITHFULNESS_STEPS, FAITHFULNESS_REPEATS)
        return found, randomisation_similarity(cam, other)

    rows = np.random.default_rng([seed, 9]).permutation(len(ecgs))[:FAITHFULNESS_ECGS]
    with workers(threads) as pool:
        examined = list(pool.map(examine, map(int, rows)))
    results, similarity = [found for found, _ in examined], [alike for _, alike in examined]
    better = pooled(results, data)
    alike = float(np.mean(similarity)) if len(similarity) > 1 else float("nan")
    shown = passes(better, alike)
    why = (
        f"beats {100 * better.value:.0f} % of random maps; rank correlation {alike:.2f} with an untrained"
        " model's map"
    )
    figures = {
        "better_than_random": better,
        "randomisation_similarity": Figure(alike, *t_interval(np.array(similarity)), len(similarity), data),
    }
    return figures, {"shown": bool(shown), "why": why if shown else f"failed its test: {why}"}


def attention_verdict(fusion: CMAF) -> dict[str, Any]:
    """Whether attention may be shown: not where what the row saw in the ECG never reaches the answer."""
    why = f"what the row saw in the ECG {'reaches' if fusion.attends else 'does not reach'} the answer"
    return {"shown": fusion.attends, "why": why}


def _cam(
    encoder: TMAE, fusion: CMAF, ecg: EcgSet, along: NDArray[np.float32]
) -> tuple[NDArray[np.float64], int]:
    """Grad-CAM of the likeliest target from the ECG alone."""
    target = int((along @ _scores(encoder, fusion, ecg.signal, ecg.present[0])[0]).argmax())
    yes, no = torch.tensor([True]), torch.tensor([False])
    row = torch.zeros(1, fusion.features.bias.shape[0])
    signal, present = torch.from_numpy(ecg.signal), torch.from_numpy(ecg.present)
    with torch.no_grad():
        tokens = ecg_tokens(encoder, encoder.encoder(signal, present), present)
    *_, down = slope(fusion, tokens, row, yes, no, torch.from_numpy(along[target]))
    stem = (part.detach().numpy() for part in gradient(encoder, signal, present, down))
    return grad_cam(*stem), target


def _scores(
    encoder: TMAE, fusion: CMAF, batch: NDArray[np.float32], present: NDArray[np.bool_]
) -> NDArray[np.float64]:
    n = len(batch)
    leads = torch.from_numpy(np.repeat(present[None], n, axis=0))
    with torch.no_grad():
        grid = encoder.encoder(torch.from_numpy(batch), leads)
        tokens = ecg_tokens(encoder, grid, leads)
        row = torch.zeros(n, fusion.features.bias.shape[0])
        logits = fusion(tokens, row, torch.ones(n, dtype=torch.bool), torch.zeros(n, dtype=torch.bool)).logits
    scores: NDArray[np.float64] = logits.numpy().astype(np.float64)
    return scores
