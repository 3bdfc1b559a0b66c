"""The clinical table's own model: one LightGBM booster a target, and its cross-validation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalTable, write_text
from cardiofusion.study.groups import SMALL_COHORT, Groups
from cardiofusion.study.sections import Booster as Plan
from cardiofusion.study.workspace import load_json, save_json
from cardiofusion.tabular import (
    Booster,
    BoosterModel,
    MissingPolicy,
    Recipe,
    cross_validate,
    train_booster,
    tune,
)


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


class Steps:
    """Counts what is done and tells it, whichever of fold and trial it was."""

    def __init__(self, total: int, on_step: Callable[[int, int], None]) -> None:
        self._done, self._total, self._on_step = 0, total, on_step

    def one(self, *_: int) -> None:
        self.reach(self._done + 1)

    def reach(self, done: int) -> None:
        self._done = done
        self._on_step(done, self._total)


def train_table(
    table: ClinicalTable,
    outcome: NDArray[np.float32],
    patient_ids: NDArray[np.str_],
    groups: Groups,
    plan: Plan,
    seed: int,
    threads: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write the boosters, their policies and the cross-validation of every target into `folder`."""
    if len(table) <= SMALL_COHORT:
        threads = 1  # two would wait for each other longer than they work
    n_targets, logits, fold, described = outcome.shape[1], [], None, []
    recipe, budget, folds = plan.recipe(table.schema, n_targets == 1), plan.budget, plan.cross_validation
    steps = Steps(n_targets * (folds + 1) * (budget.trials + 1), on_step)
    for k in range(n_targets):
        crossed = cross_validate(
            table,
            outcome[:, k],
            patient_ids,
            seed,
            folds,
            fold,
            threads,
            on_fold=None if budget.trials else steps.one,
            recipe=recipe,
            budget=budget,
            on_trial=steps.one,
        )
        fold = crossed.fold
        logits.append(crossed.logits)
        own = (table.values[groups.train], outcome[groups.train, k], table.schema, seed)
        tuned = tune(*own, budget, patient_ids[groups.train], threads, recipe, steps.one)
        booster = train_booster(
            *own,
            valid=(table.values[groups.stop], outcome[groups.stop, k]),
            threads=threads,
            recipe=tuned.recipe,
        )
        write_text(folder / f"{k}.lgb.txt", booster.model.text)
        described.append(
            {
                "policy": booster.policy.to_json(),
                "trained": booster.n_trained,
                "stopped": booster.n_validation,
                "chosen": dict(tuned.recipe.parameters),
                "monotone": dict(tuned.recipe.monotone),
            }
        )
        steps.reach((k + 1) * (folds + 1) * (budget.trials + 1))
    np.save(folder / "out_of_fold.npy", np.column_stack(logits), allow_pickle=False)
    np.save(folder / "fold.npy", fold, allow_pickle=False)  # type: ignore[arg-type]
    if len(table) <= SMALL_COHORT:
        found = _out_of_fold(table, outcome, patient_ids, groups.choosing, plan, recipe, seed, threads)
        np.save(folder / "choosing.npy", found, allow_pickle=False)
    save_json(folder / "boosters.json", described)


def _out_of_fold(
    table: ClinicalTable,
    outcome: NDArray[np.float32],
    patient_ids: NDArray[np.str_],
    rows: NDArray[np.intp],
    plan: Plan,
    recipe: Recipe,
    seed: int,
    threads: int,
) -> NDArray[np.float64]:
    """Logits [row, target] of models that saw `rows` alone, each row left out in its turn; NaN elsewhere."""
    part = ClinicalTable(table.schema, table.values[rows])
    logits = np.full(outcome.shape, np.nan)
    for k in range(outcome.shape[1]):
        crossed = cross_validate(
            part,
            outcome[rows, k],
            patient_ids[rows],
            seed,
            plan.cross_validation,
            threads=threads,
            recipe=recipe,
            budget=plan.budget,
        )
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
