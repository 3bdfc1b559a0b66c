"""What a study file says of the boosters reaches them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.records import ClinicalSchema, ClinicalTable, Column, StudyError
from cardiofusion.study.file import parse_study
from cardiofusion.study.groups import Groups
from cardiofusion.study.sections import Booster
from cardiofusion.study.tables import load_table_model, train_table

N = 300
SCHEMA = ClinicalSchema((Column("age"), Column("weight")))
STUDY = """\
[study]
name = "mine"
[data]
dataset = "virtual"
[tasks.event]
[booster]
"""


def _trained(plan: Booster, folder: Path, targets: int = 1) -> tuple[list[dict], list[tuple[int, int]]]:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N, 2))
    outcome = (values[:, :1] ** 2 + rng.logistic(size=(N, targets)) > 1).astype(np.float32)
    rows = np.arange(N)
    groups = Groups(
        train=rows[:200],
        stop=rows[200:240],
        probability=rows[240:260],
        conformal=rows[260:280],
        test=rows[280:],
    )
    steps: list[tuple[int, int]] = []
    patients = rows.astype(np.str_)
    folder.mkdir()
    train_table(
        ClinicalTable(SCHEMA, values),
        outcome,
        None,
        patients,
        groups,
        plan,
        7,
        1,
        folder,
        lambda i, n: steps.append((i, n)),
    )
    described: list[dict] = json.loads((folder / "boosters.json").read_text())
    return described, steps


def test_keys_of_the_file_become_a_recipe(tmp_path: Path) -> None:
    text = STUDY + "rounds = 9\nlearning_rate = 0.2\nleaves = 3\nmonotone = true\ntuning = 5\n"
    plan = parse_study(text, tmp_path / "s.toml").booster
    recipe = plan.recipe(SCHEMA, binary=True)
    assert (recipe.max_trees, recipe.parameters) == (9, {"learning_rate": 0.2, "num_leaves": 3})
    assert recipe.monotone == {"age": 1}
    assert plan.recipe(SCHEMA, binary=False).monotone == {}
    assert plan.budget.trials == 5
    plain = parse_study(STUDY, tmp_path / "s.toml").booster
    assert (plain.recipe(SCHEMA, binary=True).monotone, plain.budget.trials) == ({}, 0)
    with pytest.raises(StudyError):
        parse_study(STUDY + 'monotone = "yes"\n', tmp_path / "s.toml")


def test_the_boosters_are_grown_by_it_and_say_so(tmp_path: Path) -> None:
    plan = Booster(rounds=12, leaves=3, monotone=True, cross_validation=2)
    (described,), steps = _trained(plan, tmp_path / "one")
    assert described["monotone"] == {"age": 1}
    assert described["chosen"] == {"num_leaves": 3}
    (booster,) = load_table_model(tmp_path / "one", SCHEMA.names).boosters
    assert booster.model.n_trees <= 12
    along = np.column_stack([np.linspace(-3, 3, 50), np.zeros(50)])
    assert (np.diff(booster.predict_logit(along)) >= 0).all()
    assert steps[-1] == (3, 3)


def test_a_search_is_counted_trial_by_trial(tmp_path: Path) -> None:
    plan = Booster(tuning=2, cross_validation=2, rounds=30)
    described, steps = _trained(plan, tmp_path / "searched", targets=2)
    assert len(described) == 2
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (2 * 3 * 3, 2 * 3 * 3)
    again, _ = _trained(replace(plan), tmp_path / "again", targets=2)
    assert again == described
