"""Choosing a recipe by a search inside the training rows: random settings, judged by inner folds of patients.

The rule (recipe.py) is always tried first and is kept unless a setting has a lower log-loss over the inner
folds. On cardio70k the search gains nothing (docs/tabular.md): it is there for tables of another kind.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalSchema, ClinicalTable
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.recipe import Parameters, Recipe
from cardiofusion.tabular.training import (
    RULE,
    SMALL_TABLE,
    Outcome,
    Parts,
    Values,
    cross_grown,
    dataset,
    dealt_folds,
    parts_of,
    require_both,
)

INNER_FOLDS = 3  # of which a large table judges by the first alone
LEAVES = (2, 3, 4, 6, 8, 12, 16, 24, 32)
LEARNING_RATE = (0.03, 0.12)
L2 = (0.1, 100.0)
LEAF_ROWS = (5.0, 0.02)  # fewest, and the share of the rows that is most
FEATURES = (0.3, 1.0)
TOP, OTHER = (0.1, 0.4), (0.1, 0.5)  # shares of GOSS


@dataclass(frozen=True)
class Budget:
    """trials: random settings beside the rule, 0 for no search. seconds: no trial begins later."""

    trials: int = 0
    seconds: float = math.inf


NO_SEARCH = Budget()


@dataclass(frozen=True)
class Trial:
    """A setting and its mean log-loss over the inner folds. parameters: none where the rule's."""

    parameters: Parameters
    loss: float


@dataclass(frozen=True)
class Tuned:
    """recipe: the best of `trials`, which stand in the order they were tried."""

    recipe: Recipe
    trials: tuple[Trial, ...]


def tune(
    values: Values,
    y: Outcome,
    schema: ClinicalSchema,
    seed: int,
    budget: Budget,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
    recipe: Recipe = RULE,
    on_trial: Callable[[int, int], None] | None = None,
) -> Tuned:
    """The best of the given `recipe` and random settings for encoded rows [n, column].

    y: [n], NaN not known (left out). groups: [n] patients. A budget of trials alone gives the same answer for
    the same seed and threads; without trials the recipe comes back untried. on_trial(i, n) is called after
    trial i of n. Raises DatasetError where the rows do not have both outcomes.
    """
    if not budget.trials:
        return Tuned(recipe, ())
    known = ~np.isnan(y)
    patients = np.arange(len(y)).astype(np.str_) if groups is None else groups
    rows, outcome, patients = values[known], y[known], patients[known]
    require_both(outcome)
    table = ClinicalTable(schema, MissingPolicy.fit(ClinicalTable(schema, rows)).fill_rows(rows))
    parts = parts_of(dealt_folds(patients, outcome, [1.0] * INNER_FOLDS, seed))
    if len(outcome) >= SMALL_TABLE:
        parts = parts[:1]
    rng, until = np.random.default_rng([seed, 1]), time.monotonic() + budget.seconds
    found: list[Trial] = []
    for number in range(budget.trials + 1):
        drawn = random_parameters(rng, len(outcome)) if number else {}
        tried = replace(recipe, parameters={**recipe.parameters, **drawn})
        found.append(Trial(tried.parameters, _loss(table, outcome, parts, tried, seed, threads)))
        if on_trial is not None:
            on_trial(number, budget.trials)
        if time.monotonic() > until:
            break
    best = min(found, key=lambda trial: trial.loss)
    return Tuned(replace(recipe, parameters=best.parameters), tuple(found))


def random_parameters(rng: np.random.Generator, n_rows: int) -> Parameters:
    """One setting drawn for `n_rows` rows; rates, penalties and leaf sizes evenly on a logarithmic scale."""
    fewest, share = LEAF_ROWS
    return {
        "num_leaves": int(rng.choice(LEAVES)),
        "learning_rate": _logarithmic(rng, *LEARNING_RATE),
        "min_data_in_leaf": round(_logarithmic(rng, fewest, max(share * n_rows, 4 * fewest))),
        "lambda_l2": _logarithmic(rng, *L2),
        "feature_fraction": float(rng.uniform(*FEATURES)),
        "top_rate": float(rng.uniform(*TOP)),
        "other_rate": float(rng.uniform(*OTHER)),
    }


def _logarithmic(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _loss(table: ClinicalTable, y: Outcome, parts: Parts, recipe: Recipe, seed: int, threads: int) -> float:
    parameters = recipe.lightgbm_parameters(table.schema, len(y), seed, threads)
    training = dataset(table.values, y, table.schema, parameters)
    return cross_grown(training, parameters, parts, recipe.max_trees)[1]
