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
from cardiofusion.tabular import Booster, BoosterModel, MissingPolicy, cross_validate, train_booster


@dataclass(frozen=True, eq=False)
class TableModel:
    """Of one outcome: a booster a target, and out-of-fold logits [row, target] with the folds [row].

    choosing: out-of-fold logits within groups.choosing, NaN elsewhere; None for a large table.
    """

    boosters: tuple[Booster, ...]
    out_of_fold: NDArray[np.float64]
    fold: NDArray[np.int64]
    choosing: NDArray[np.float64] | None

    def logits(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([booster.predict_logit(values) for booster in self.boosters])


def train_table(
    table: ClinicalTable,
    outcome: NDArray[np.float32],
    patient_ids: NDArray[np.str_],
    groups: Groups,
    folds: int,
    seed: int,
    threads: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write the boosters, their policies and the cross-validation of every target into `folder`."""
    if len(table) <= SMALL_COHORT:
        threads = 1  # two would wait for each other longer than they work
    n_targets, logits, fold, described = outcome.shape[1], [], None, []
    for k in range(n_targets):

        def on_fold(done: int, _: int, k: int = k) -> None:
            on_step(k * (folds + 1) + done, n_targets * (folds + 1))

        crossed = cross_validate(
            table, outcome[:, k], patient_ids, seed, folds, fold, threads=threads, on_fold=on_fold
        )
        fold = crossed.fold
        logits.append(crossed.logits)
        booster = train_booster(
            table.values[groups.train],
            outcome[groups.train, k],
            table.schema,
            seed,
            valid=(table.values[groups.stop], outcome[groups.stop, k]),
            threads=threads,
        )
        write_text(folder / f"{k}.lgb.txt", booster.model.text)
        described.append(
            {
                "policy": booster.policy.to_json(),
                "trained": booster.n_trained,
                "stopped": booster.n_validation,
            }
        )
        on_step((k + 1) * (folds + 1), n_targets * (folds + 1))
    np.save(folder / "out_of_fold.npy", np.column_stack(logits), allow_pickle=False)
    np.save(folder / "fold.npy", fold, allow_pickle=False)  # type: ignore[arg-type]
    if len(table) <= SMALL_COHORT:
        found = _out_of_fold(table, outcome, patient_ids, groups.choosing, folds, seed, threads)
        np.save(folder / "choosing.npy", found, allow_pickle=False)
    save_json(folder / "boosters.json", described)


def _out_of_fold(
    table: ClinicalTable,
    outcome: NDArray[np.float32],
    patient_ids: NDArray[np.str_],
    rows: NDArray[np.intp],
    folds: int,
    seed: int,
    threads: int,
) -> NDArray[np.float64]:
    """Logits [row, target] of models that saw `rows` alone, each row left out in its turn; NaN elsewhere."""
    part = ClinicalTable(table.schema, table.values[rows])
    logits = np.full(outcome.shape, np.nan)
    for k in range(outcome.shape[1]):
        crossed = cross_validate(part, outcome[rows, k], patient_ids[rows], seed, folds, threads=threads)
        logits[rows, k] = crossed.logits
    return logits


def load_table_model(folder: Path, names: tuple[str, ...]) -> TableModel:
    """What `train_table` wrote into `folder`; names: the table's columns."""
    boosters = tuple(
        Booster(
            BoosterModel((folder / f"{k}.lgb.txt").read_text(encoding="utf-8"), names),
            MissingPolicy.from_json(described["policy"]),
            described["trained"],
            described["stopped"],
        )
        for k, described in enumerate(load_json(folder / "boosters.json"))
    )
    return TableModel(
        boosters,
        np.load(folder / "out_of_fold.npy", allow_pickle=False),
        np.load(folder / "fold.npy", allow_pickle=False),
        np.load(folder / "choosing.npy", allow_pickle=False) if (folder / "choosing.npy").exists() else None,
    )
