"""Training CMAF for a task, and its cross-validation by patient."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save

from cardiofusion.cmaf import (
    CMAF,
    NOBODY,
    NOT_TIMES,
    CMAFConfig,
    FusionData,
    FusionOptions,
    feature_edges,
    fusion_logits,
    train_fusion,
)
from cardiofusion.records import ClinicalSchema, ClinicalTable, patient_folds, write_bytes
from cardiofusion.study.groups import SMALL_COHORT, Groups, Rows
from cardiofusion.study.sections import Cmaf
from cardiofusion.study.workspace import load_json, save_json
from cardiofusion.tmae import workers

STOP_SHARE = 0.15
ONE_ABSENT_FEATURE = [[0.0, 1.0]]


@dataclass(frozen=True, eq=False)
class Fit:
    """One training: who teaches, who says when to stop, whose logits are then wanted for which file.

    outcome: taught in place of the data's own, [n, output].
    """

    train: Rows
    stop: Rows
    held: Rows
    seed: int
    file: str = ""
    outcome: NDArray[np.float32] | None = None


def train_task_fusion(
    data: FusionData,
    schema: ClinicalSchema | None,
    groups: Groups,
    patient_ids: NDArray[np.str_],
    plan: Cmaf,
    folds: int,
    seed: int,
    threads: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write cmaf.safetensors, cmaf.json (sizes and bin edges) and, for small cohorts, out-of-fold logits.

    out_of_fold.npz is over all patients, for the report. choosing.npz is over groups.choosing alone: no model
    behind it was taught by a patient of the conformal or the test group. folds = 0: neither, because the
    encoder knows labels of patients who would be held out.
    """
    fits = [Fit(groups.train, groups.stop, np.zeros(0, np.intp), seed)]
    if folds and len(data) <= SMALL_COHORT:
        everyone = np.arange(len(data))
        fits += _crossed_fits(data, everyone, patient_ids, folds, seed, "out_of_fold")
        fits += _crossed_fits(data, groups.choosing, patient_ids, folds, seed, "choosing")
    models = train_fits(fits, data, schema, plan, threads, on_step)
    _save(models[0], data, schema, groups.train, folder)
    for file in dict.fromkeys(fit.file for fit in fits[1:]):
        pairs = [(fit, model) for fit, model in zip(fits, models, strict=True) if fit.file == file]
        _save_crossed(pairs, data, folder / f"{file}.npz")


def _crossed_fits(
    data: FusionData, rows: Rows, patient_ids: NDArray[np.str_], folds: int, seed: int, file: str
) -> list[Fit]:
    """One fit a fold of `rows`: the other folds teach, a share of their patients says when to stop."""
    shares, rng = [1.0] * folds, np.random.default_rng([seed, 5])
    fold = patient_folds(patient_ids[rows], shares, rng, data.outcome[rows])
    fits = []
    for k in range(folds):
        rest, rng = rows[fold != k], np.random.default_rng([seed, 6, k])
        stop = patient_folds(patient_ids[rest], [1 - STOP_SHARE, STOP_SHARE], rng, data.outcome[rest])
        fits.append(Fit(rest[stop == 0], rest[stop == 1], rows[fold == k], seed + k, file))
    return fits


def train_fits(
    fits: list[Fit],
    data: FusionData,
    schema: ClinicalSchema | None,
    plan: Cmaf,
    threads: int,
    on_step: Callable[[int, int], None],
) -> list[CMAF]:
    """A model for each fit; several at once, a core each. A single one has all the threads to itself."""
    progress = _Progress(len(fits), on_step)

    def train(numbered: tuple[int, Fit]) -> CMAF:
        k, fit = numbered
        taught = data if fit.outcome is None else replace(data, outcome=fit.outcome)
        return _train(taught, schema, fit.train, fit.stop, plan, fit.seed, progress.of(k))

    if len(fits) == 1:
        return [train((0, fits[0]))]
    with workers(threads) as pool:
        try:
            return list(pool.map(train, enumerate(fits)))
        except BaseException:
            progress.stop()
            raise


class _Progress:
    """The progress of several trainings as one; `stop` ends them at their next step."""

    def __init__(self, parts: int, on_step: Callable[[int, int], None]) -> None:
        self.share = [0.0] * parts
        self.on_step = on_step
        self.stopped = False
        self.lock = threading.Lock()

    def of(self, part: int) -> Callable[[int, int], None]:
        """What that part calls with (done, total). It raises InterruptedError once the others stopped."""

        def step(done: int, total: int) -> None:
            if self.stopped:
                raise InterruptedError
            with self.lock:
                self.share[part] = done / total
                self.on_step(round(100 * sum(self.share)), 100 * len(self.share))

        return step

    def stop(self) -> None:
        self.stopped = True


def _save_crossed(pairs: list[tuple[Fit, CMAF]], data: FusionData, path: Path) -> None:
    """fold [row] (-1: in none); out-of-fold logits [row, target] of two views, NaN where there are none."""
    fold = np.full(len(data), -1, dtype=np.int64)
    ecg, both = (np.full_like(data.outcome, np.nan) for _ in range(2))
    for k, (fit, model) in enumerate(pairs):
        fold[fit.held] = k
        seen = fit.held[data.ecg[fit.held] != NOBODY]
        ecg[seen] = fusion_logits(model, data, seen, "ecg")
        seen = seen[data.has_row[seen]]
        both[seen] = fusion_logits(model, data, seen, "ecg+row")
    np.savez(path, fold=fold, ecg=ecg, both=both)


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
        n_times=data.tokens.shape[1] - NOT_TIMES,
        n_targets=data.outcome.shape[1],
        n_findings=data.n_findings,
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
