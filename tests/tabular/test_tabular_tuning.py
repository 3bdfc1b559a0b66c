"""A search inside the training rows: repeatable, within its budget, blind to the fold held out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.records import ClinicalSchema, ClinicalTable, Column, DatasetError
from cardiofusion.tabular import Budget, Recipe, booster_parameters, cross_validate, train_booster, tune

SCHEMA = ClinicalSchema((Column("a"), Column("b"), Column("c")))
N = 400


def _rows(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N, 3))
    return values, (values[:, 0] + 0.5 * values[:, 1] + rng.logistic(size=N) > 0).astype(np.float32)


def test_the_same_seed_finds_the_same_recipe_and_keeps_the_best() -> None:
    one, two = (tune(*_rows(), SCHEMA, seed=3, budget=Budget(4)) for _ in range(2))
    assert one == two
    assert len(one.trials) == 5
    best = min(one.trials, key=lambda trial: trial.loss)
    assert one.recipe.parameters == best.parameters
    assert tune(*_rows(), SCHEMA, seed=4, budget=Budget(4)).trials[1] != one.trials[1]


def test_the_rule_is_tried_first_so_a_search_never_loses_inside() -> None:
    tuned = tune(*_rows(), SCHEMA, seed=3, budget=Budget(3))
    assert tuned.trials[0].parameters == {}
    assert min(trial.loss for trial in tuned.trials) <= tuned.trials[0].loss


def test_what_is_not_searched_stays() -> None:
    recipe = Recipe({"max_bin": 63}, {"a": 1}, max_trees=40)
    tuned = tune(*_rows(), SCHEMA, seed=3, budget=Budget(2), recipe=recipe)
    assert (tuned.recipe.monotone, tuned.recipe.max_trees) == ({"a": 1}, 40)
    assert all(trial.parameters["max_bin"] == 63 for trial in tuned.trials)


def test_time_is_a_budget_too_and_no_trials_no_search() -> None:
    calls: list[tuple[int, int]] = []
    found = tune(
        *_rows(), SCHEMA, 3, Budget(500, seconds=0.0), on_trial=lambda done, n: calls.append((done, n))
    )
    assert len(found.trials) == 1
    assert calls == [(0, 500)]
    assert tune(*_rows(), SCHEMA, 3, Budget()).trials == ()


def test_the_fold_held_out_has_no_say() -> None:
    values, y = _rows()
    fold, patients = np.arange(N) % 3, np.arange(N).astype(np.str_)
    other = np.where(fold == 0, 1.0 - y, y)
    first, second = (
        cross_validate(ClinicalTable(SCHEMA, values), o, patients, 1, fold=fold, budget=Budget(3))
        for o in (y, other)
    )
    np.testing.assert_array_equal(first.logits[fold == 0], second.logits[fold == 0])
    assert first.recipes[0] == second.recipes[0]
    assert len(first.recipes) == 3


def test_rows_of_unknown_outcome_have_no_say_either() -> None:
    values, y = _rows()
    more, unknown = np.vstack([values, values * 3]), np.concatenate([y, np.full(N, np.nan, np.float32)])
    assert tune(more, unknown, SCHEMA, 3, Budget(2)) == tune(values, y, SCHEMA, 3, Budget(2))


def test_a_chosen_recipe_grows_the_booster() -> None:
    recipe = Recipe({"num_leaves": 2, "learning_rate": 0.1}, max_trees=7)
    booster = train_booster(*_rows(), SCHEMA, seed=0, recipe=recipe)
    assert booster.model.n_trees <= 7
    assert booster.model.n_leaves == 2 * booster.model.n_trees
    chosen = recipe.lightgbm_parameters(SCHEMA, N, 0)
    rule = booster_parameters(N, 0)
    assert {key for key in rule if chosen[key] != rule[key]} == {"num_leaves", "learning_rate"}


def test_one_outcome_only_is_our_error() -> None:
    with pytest.raises(DatasetError):
        tune(_rows()[0], np.zeros(N, np.float32), SCHEMA, 0, Budget(2))
