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
from cardiofusion.tabular import Budget, RowModel, cross_validate, load_booster, train_row_model, tune


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
    if len(table) <= SMALL_COHORT:
        threads = 1  # two would wait for each other longer than they work
    by_target = list(outcome.T) if horizon is None else [outcome]
    recipe, folds = plan.recipe(table.schema, len(by_target) == 1), plan.cross_validation
    budget = plan.budget if horizon is None else Budget()
    steps = Steps(len(by_target) * (folds + 1) * (budget.trials + 1), on_step)
    logits, fold, described = [], None, []
    for k, y in enumerate(by_target):
        crossed = cross_validate(
            table,
            y,
            patient_ids,
            seed,
            folds,
            fold,
            threads,
            on_fold=None if budget.trials else steps.one,
            recipe=recipe,
            budget=budget,
            on_trial=steps.one,
            horizon=horizon,
        )
        fold = crossed.fold
        logits.append(crossed.logits)
        own = (table.values[groups.train], y[groups.train], table.schema, seed)
        tuned = tune(*own, budget, patient_ids[groups.train], threads, recipe, steps.one)
        booster = train_row_model(
            *own,
            horizon,
            (table.values[groups.stop], y[groups.stop]),
            patient_ids[groups.train],
            threads,
            tuned.recipe,
        )
        write_text(folder / f"{k}.lgb.txt", booster.model.text)
        chosen = {"chosen": dict(tuned.recipe.parameters), "monotone": dict(tuned.recipe.monotone)}
        described.append({**booster.to_json(), **chosen})
        steps.reach((k + 1) * (folds + 1) * (budget.trials + 1))
    np.save(folder / "out_of_fold.npy", np.column_stack(logits), allow_pickle=False)
    np.save(folder / "fold.npy", fold, allow_pickle=False)  # type: ignore[arg-type]
    if len(table) <= SMALL_COHORT:
        rows = groups.choosing
        part, found = (
            ClinicalTable(table.schema, table.values[rows]),
            np.full((len(table), len(by_target)), np.nan),
        )
        for k, y in enumerate(by_target):
            found[rows, k] = cross_validate(
                part,
                y[rows],
                patient_ids[rows],
                seed,
                folds,
                threads=threads,
                recipe=recipe,
                budget=budget,
                horizon=horizon,
            ).logits
        np.save(folder / "choosing.npy", found, allow_pickle=False)
    save_json(folder / "boosters.json", described)


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
