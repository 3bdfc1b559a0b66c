"""Training CMAF for a task, and its cross-validation by patient."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from cardiofusion.cmaf import (
    CMAF,
    CMAFConfig,
    FusionData,
    FusionOptions,
    feature_edges,
    fusion_logits,
    train_fusion,
)
from cardiofusion.records import ClinicalSchema, ClinicalTable, patient_folds, write_bytes
from cardiofusion.study.groups import Groups
from cardiofusion.study.sections import Cmaf
from cardiofusion.study.workspace import load_json, save_json

# Cross-validating the fusion costs one training a fold: done where that takes seconds, not hours.
MAX_CROSS_VALIDATED = 5_000
STOP_SHARE = 0.15
ONE_ABSENT_FEATURE = [[0.0, 1.0]]


def train_task_fusion(
    data: FusionData,
    schema: ClinicalSchema | None,
    groups: Groups,
    patient_ids: NDArray[np.str_],
    plan: Cmaf,
    folds: int,
    seed: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write cmaf.safetensors, cmaf.json (sizes and bin edges) and, for small cohorts, out-of-fold logits."""
    crossed = len(data) <= MAX_CROSS_VALIDATED
    parts = 1 + (folds if crossed else 0)
    model = _train(data, schema, groups.train, groups.stop, plan, seed, _part(on_step, 0, parts))
    _save(model, data, schema, groups.train, folder)
    if crossed:
        fold = patient_folds(patient_ids, [1.0] * folds, np.random.default_rng([seed, 5]), data.outcome)
        logits = {view: np.full_like(data.outcome, np.nan) for view in ("ecg", "ecg+row")}
        for k in range(folds):
            held, rest = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
            stop = patient_folds(
                patient_ids[rest],
                [1 - STOP_SHARE, STOP_SHARE],
                np.random.default_rng([seed, 6, k]),
                data.outcome[rest],
            )
            train_rows, stop_rows = rest[stop == 0], rest[stop == 1]
            model = _train(data, schema, train_rows, stop_rows, plan, seed + k, _part(on_step, 1 + k, parts))
            for view in ("ecg", "ecg+row"):
                logits[view][held] = fusion_logits(model, data, held, view)
        np.savez(folder / "out_of_fold.npz", fold=fold, ecg=logits["ecg"], both=logits["ecg+row"])


def load_fusion(folder: Path, data: FusionData, plan: Cmaf) -> CMAF:
    model = CMAF(_config(data, plan), load_json(folder / "cmaf.json")["edges"])
    model.load_state_dict(load_file(folder / "cmaf.safetensors"))
    return model.eval()


def _train(
    data: FusionData,
    schema: ClinicalSchema | None,
    train: NDArray[np.intp],
    stop: NDArray[np.intp],
    plan: Cmaf,
    seed: int,
    on_step: Callable[[int, int], None],
) -> CMAF:
    options = FusionOptions(
        epochs=plan.epochs,
        batch=plan.batch,
        learning_rate=plan.learning_rate,
        modality_dropout=plan.modality_dropout,
    )
    edges = _edges(data, schema, train)
    return train_fusion(data, train, stop, _config(data, plan), edges, options, seed, on_step)


def _config(data: FusionData, plan: Cmaf) -> CMAFConfig:
    return CMAFConfig(
        ecg_width=data.tokens.shape[2],
        n_times=data.tokens.shape[1] - 12,
        n_targets=data.outcome.shape[1],
        width=plan.width,
    )


def _edges(data: FusionData, schema: ClinicalSchema | None, train: NDArray[np.intp]) -> list[list[float]]:
    if schema is None:
        return ONE_ABSENT_FEATURE
    return feature_edges(ClinicalTable(schema, data.rows[train].astype(np.float64)))


def _save(
    model: CMAF, data: FusionData, schema: ClinicalSchema | None, train: NDArray[np.intp], folder: Path
) -> None:
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    write_bytes(folder / "cmaf.safetensors", save(tensors))
    save_json(folder / "cmaf.json", {"edges": _edges(data, schema, train)})


def _part(on_step: Callable[[int, int], None], part: int, parts: int) -> Callable[[int, int], None]:
    """Progress of one of several trainings, as progress of them all."""

    def step(done: int, total: int) -> None:
        on_step(part * total + done, parts * total)

    return step
