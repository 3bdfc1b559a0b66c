"""The clinical table's own model: one LightGBM booster a target, and its cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalTable, write_text
from cardiofusion.study.groups import SMALL_COHORT, Groups, Rows
from cardiofusion.study.sections import Booster as Plan
from cardiofusion.study.workspace import load_json, save_json
from cardiofusion.tabular import (
    Budget,
    CrossValidation,
    Recipe,
    RowModel,
    cross_validate,
    load_booster,
    train_row_model,
    tune,
)


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
    horizon: float | None,
    patient_ids: NDArray[np.str_],
    groups: Groups,
    plan: Plan,
    seed: int,
    threads: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write the boosters, their policies and the cross-validation of every target into `folder`.

    outcome: [row, target]; with a horizon (years) that of a survival task [row, 2]: nothing is searched then.
    """
    small = len(table) <= SMALL_COHORT
    threads = 1 if small else threads  # two would wait for each other longer than they work
    by_target = list(outcome.T) if horizon is None else [outcome]
    recipe, budget = (
        plan.recipe(table.schema, len(by_target) == 1),
        plan.budget if horizon is None else Budget(),
    )
    each = (plan.cross_validation + 1) * (budget.trials + 1)
    steps = Steps(len(by_target) * each, on_step)
    trees = _Trees(horizon, plan.cross_validation, recipe, budget, seed, threads)
    crossed: list[CrossValidation] = []
    described = []
    for k, y in enumerate(by_target):
        fold = crossed[0].fold if crossed else None
        crossed.append(trees.crossed(table, y, patient_ids, fold, steps))
        model, tuned = trees.grown(table, y, patient_ids, groups, steps)
        write_text(folder / f"{k}.lgb.txt", model.model.text)
        chosen = {"chosen": dict(tuned.parameters), "monotone": dict(tuned.monotone)}
        described.append({**model.to_json(), **chosen})
        steps.reach((k + 1) * each)
    logits = np.column_stack([found.logits for found in crossed])
    np.save(folder / "out_of_fold.npy", logits, allow_pickle=False)
    np.save(folder / "fold.npy", crossed[0].fold, allow_pickle=False)
    if small:
        choosing = trees.choosing(table, by_target, patient_ids, groups.choosing)
        np.save(folder / "choosing.npy", choosing, allow_pickle=False)
    save_json(folder / "boosters.json", described)


@dataclass(frozen=True)
class _Trees:
    """How the models of a table are grown, whatever the target."""

    horizon: float | None
    folds: int
    recipe: Recipe
    budget: Budget
    seed: int
    threads: int

    def crossed(
        self,
        table: ClinicalTable,
        y: NDArray[np.float32],
        patient_ids: NDArray[np.str_],
        fold: NDArray[np.int64] | None = None,
        steps: Steps | None = None,
    ) -> CrossValidation:
        """Cross-validated by patient, following `fold` where it is given."""
        told = None if steps is None else steps.one
        return cross_validate(
            table,
            y,
            patient_ids,
            self.seed,
            self.folds,
            fold,
            self.threads,
            on_fold=None if self.budget.trials else told,
            recipe=self.recipe,
            budget=self.budget,
            on_trial=told,
            horizon=self.horizon,
        )

    def grown(
        self,
        table: ClinicalTable,
        y: NDArray[np.float32],
        patient_ids: NDArray[np.str_],
        groups: Groups,
        steps: Steps,
    ) -> tuple[RowModel, Recipe]:
        """The model that answers, and the recipe found for it."""
        train, stop = groups.train, groups.stop
        taught = (table.values[train], y[train], table.schema, self.seed)
        who = patient_ids[train]
        tuned = tune(*taught, self.budget, who, self.threads, self.recipe, steps.one)
        valid = (table.values[stop], y[stop])
        model = train_row_model(*taught, self.horizon, valid, who, self.threads, tuned.recipe)
        return model, tuned.recipe

    def choosing(
        self,
        table: ClinicalTable,
        by_target: Sequence[NDArray[np.float32]],
        patient_ids: NDArray[np.str_],
        rows: Rows,
    ) -> NDArray[np.float64]:
        """Out-of-fold logits [row, target] among `rows` alone, NaN elsewhere."""
        part, found = table.take(rows), np.full((len(table), len(by_target)), np.nan)
        for k, y in enumerate(by_target):
            found[rows, k] = self.crossed(part, y[rows], patient_ids[rows]).logits
        return found


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
