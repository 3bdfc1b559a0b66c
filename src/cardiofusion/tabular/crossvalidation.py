"""Out-of-fold scores of a table: every row scored by trees that never saw its patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalTable, patient_folds
from cardiofusion.tabular.recipe import Recipe
from cardiofusion.tabular.rowmodel import train_row_model
from cardiofusion.tabular.training import RULE, Outcome
from cardiofusion.tabular.tuning import NO_SEARCH, Budget, tune


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """logits: float64 [row], each from the fold that held the row out. fold: int64 [row].

    n_trees, recipes: of each fold's booster, in the order of the fold numbers. Such scores estimate how well
    the way of training does; they do not calibrate a model refitted on all rows.
    """

    logits: NDArray[np.float64]
    fold: NDArray[np.int64]
    n_trees: tuple[int, ...]
    recipes: tuple[Recipe, ...]


def cross_validate(
    table: ClinicalTable,
    y: Outcome,
    patient_ids: NDArray[np.str_],
    seed: int,
    folds: int = 5,
    fold: NDArray[np.int64] | None = None,
    threads: int = 1,
    on_fold: Callable[[int, int], None] | None = None,
    recipe: Recipe = RULE,
    budget: Budget = NO_SEARCH,
    on_trial: Callable[[int, int], None] | None = None,
    horizon: float | None = None,
) -> CrossValidation:
    """k-fold cross-validation by patient; early stopping stays inside each training part.

    y: [row], 1 present, 0 absent, NaN not known (scored, but not learnt from); with a horizon [row, 2], years
    and 1 or 0: then the logits are of the event by then, and nothing is searched. fold: fold numbers to
    follow, else `folds` are dealt with the outcome spread evenly. on_fold(i, k) is called after fold i of k.
    recipe: what departs from the rule. budget: of a search inside each training part (see `tune`, which calls
    on_trial); the fold held out has no say.
    Raises DatasetError where a training part does not have both outcomes.
    """
    if fold is None:
        labels = y.reshape(len(y), -1)[:, -1:].astype(np.float32)
        fold = patient_folds(patient_ids, [1.0] * folds, np.random.default_rng(seed), labels)
    numbers = np.unique(fold)
    logits = np.full(len(table), np.nan)
    n_trees, recipes = [], []
    for done, number in enumerate(numbers, start=1):
        held, rest = fold == number, fold != number
        values, outcome, patients = table.values[rest], y[rest], patient_ids[rest]
        own = seed + int(number)
        search = budget if horizon is None else NO_SEARCH
        tuned = tune(values, outcome, table.schema, own, search, patients, threads, recipe, on_trial)
        booster = train_row_model(
            values, outcome, table.schema, own, horizon, None, patients, threads, tuned.recipe
        )
        logits[held] = booster.predict_logit(table.values[held], threads)
        n_trees.append(booster.model.n_trees)
        recipes.append(tuned.recipe)
        if on_fold is not None:
            on_fold(done, len(numbers))
    return CrossValidation(logits, fold, tuple(n_trees), tuple(recipes))
