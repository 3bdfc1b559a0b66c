"""The clinical table's own model: one LightGBM booster a target, and its cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalTable, write_text
from cardiofusion.study.groups import SMALL_COHORT, Groups
from cardiofusion.study.workspace import load_json, save_json
from cardiofusion.tabular import RowModel, cross_validate, load_booster, train_row_model


@dataclass(frozen=True, eq=False)
class TableModel:
    """Of one outcome: a booster a target, and out-of-fold logits [row, target] with the folds [row].

    choosing: out-of-fold logits within groups.choosing, NaN elsewhere; None for a large table.
    """

    boosters: tuple[RowModel, ...]
    out_of_fold: NDArray[np.float64]
    fold: NDArray[np.int64]
    choosing: NDArray[np.float64] | None

    def logits(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([booster.predict_logit(values) for booster in self.boosters])


def train_table(
    table: ClinicalTable,
    outcome: NDArray[np.float32],
    horizon: float | None,
    patient_ids: NDArray[np.str_],
    groups: Groups,
    folds: int,
    seed: int,
    threads: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write the boosters, their policies and the cross-validation of every target into `folder`.

    outcome: [row, target]; with a horizon (years) that of a survival task, [row, 2].
    """
    if len(table) <= SMALL_COHORT:
        threads = 1  # two would wait for each other longer than they work
    by_target = _by_target(outcome, horizon)
    n_targets, logits, fold, described = len(by_target), [], None, []
    for k, y in enumerate(by_target):

        def on_fold(done: int, _: int, k: int = k) -> None:
            on_step(k * (folds + 1) + done, n_targets * (folds + 1))

        crossed = cross_validate(table, y, patient_ids, seed, folds, fold, threads, on_fold, horizon)
        fold = crossed.fold
        logits.append(crossed.logits)
        booster = train_row_model(
            table.values[groups.train],
            y[groups.train],
            table.schema,
            seed,
            horizon,
            valid=(table.values[groups.stop], y[groups.stop]),
            threads=threads,
        )
        write_text(folder / f"{k}.lgb.txt", booster.model.text)
        described.append(booster.to_json())
        on_step((k + 1) * (folds + 1), n_targets * (folds + 1))
    np.save(folder / "out_of_fold.npy", np.column_stack(logits), allow_pickle=False)
    np.save(folder / "fold.npy", fold, allow_pickle=False)  # type: ignore[arg-type]
    if len(table) <= SMALL_COHORT:
        rows = groups.choosing
        part = ClinicalTable(table.schema, table.values[rows])
        found = np.full((len(table), n_targets), np.nan)
        for k, y in enumerate(by_target):
            crossed = cross_validate(
                part, y[rows], patient_ids[rows], seed, folds, threads=threads, horizon=horizon
            )
            found[rows, k] = crossed.logits
        np.save(folder / "choosing.npy", found, allow_pickle=False)
    save_json(folder / "boosters.json", described)


def _by_target(outcome: NDArray[np.float32], horizon: float | None) -> list[NDArray[np.float32]]:
    """What each target is learnt from: its column, or years and events together."""
    return list(outcome.T) if horizon is None else [outcome]


def load_table_model(folder: Path, names: tuple[str, ...]) -> TableModel:
    """What `train_table` wrote into `folder`; names: the table's columns."""
    boosters = tuple(
        load_booster(described, (folder / f"{k}.lgb.txt").read_text(encoding="utf-8"), names)
        for k, described in enumerate(load_json(folder / "boosters.json"))
    )
    return TableModel(
        boosters,
        np.load(folder / "out_of_fold.npy", allow_pickle=False),
        np.load(folder / "fold.npy", allow_pickle=False),
        np.load(folder / "choosing.npy", allow_pickle=False) if (folder / "choosing.npy").exists() else None,
    )
