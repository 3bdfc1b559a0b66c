"""The NaN trap, feature by feature, in every published table: no gap is ever scored as 0."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.datasets import load_dataset
from cardiofusion.metrics import Observed
from cardiofusion.records import ClinicalTable, Cohort
from cardiofusion.simulate import virtual_cohort
from cardiofusion.tabular import Booster, Recipe, repair, train_booster, train_survival

FOLDERS = {
    "cardio70k": "cardio70k",
    "ptb-xl": "ptb-xl",
    "nhanes1": "nhanes1",
    "music": "music",
    "uci-heart": "uci-heart",
    "heart-failure": "uci-heart",
}
ROWS = 1500
NAN_MISSING = 2  # of LightGBM's three kinds of missing: none, zero, NaN


def _table(cohort: Cohort) -> tuple[ClinicalTable, NDArray[np.float32]]:
    """The table as studies train on it, and a label of its first task, or whether its event came."""
    assert cohort.table is not None
    table, _ = repair(cohort.table)
    y = next(iter(cohort.outcomes.values()))[:, -1]
    return table.take(np.arange(min(ROWS, len(table)))), y[:ROWS]


@pytest.fixture(
    scope="module", params=[*(pytest.param(n, marks=pytest.mark.data) for n in FOLDERS), "virtual"]
)
def trained(request: pytest.FixtureRequest) -> tuple[ClinicalTable, Booster]:
    if request.param == "virtual":
        cohort = virtual_cohort(300, seed=3)
    else:
        data: Path = request.getfixturevalue("data_dir")
        cohort = load_dataset(request.param, data / FOLDERS[request.param])
    table, y = _table(cohort)
    return table, train_booster(table.values, y, table.schema, seed=0, recipe=Recipe(max_trees=30))


def _kinds_of_missing(text: str, position: int) -> set[int]:
    """How the numeric splits on a feature treat what is missing."""
    found = set()
    for tree in text.split("\nTree=")[1:]:
        lists = {
            key: [int(word) for word in words.split()]
            for key, words in re.findall(r"^(split_feature|decision_type)=(.*)$", tree, re.MULTILINE)
        }
        for feature, decision in zip(
            lists.get("split_feature", []), lists.get("decision_type", []), strict=True
        ):
            if feature == position and not decision & 1:
                found.add(decision >> 2 & 3)
    return found


def test_every_feature_is_imputed_in_the_open_or_its_gaps_were_learnt(
    trained: tuple[ClinicalTable, Booster],
) -> None:
    table, booster = trained
    for position, column in enumerate(table.schema):
        row = table.values[7].copy()
        row[position] = np.nan
        filled, words = booster.policy.apply(row)
        assert column.name in words, column.name
        if booster.policy.learnt[position]:
            assert np.isnan(filled[position])
            assert "learnt from patients without it" in words[column.name]
            assert _kinds_of_missing(booster.model.text, position) <= {NAN_MISSING}, column.name
        else:
            assert filled[position] == booster.policy.fill[position], column.name
            assert booster.policy.shown[position] in words[column.name]
            assert column.kind == "category" or column.plausible(filled[position]), column.name
            score, typical = booster.predict_logit(row[None]), booster.model.predict_logit(filled[None])
            np.testing.assert_array_equal(score, typical)


def test_in_survival_too() -> None:
    cohort = virtual_cohort(300, seed=3)
    table, _ = _table(cohort)
    rng = np.random.default_rng(0)
    time = rng.exponential(np.where(table.values[:, 0] > np.median(table.values[:, 0]), 3.0, 9.0))
    observed = Observed(np.minimum(time, 5.0), time <= 5.0)
    model = train_survival(table.values, observed, table.schema, 5.0, seed=1)
    for position, column in enumerate(table.schema):
        row = table.values[:1].copy()
        row[0, position] = np.nan
        assert np.isfinite(model.risk(row, 5.0)).all(), column.name
        filled = model.booster.policy.fill_rows(np.column_stack([row, [[0.0]]]))[0]
        if not model.booster.policy.learnt[position]:
            assert model.risk(filled[None, :-1], 5.0) == pytest.approx(model.risk(row, 5.0)), column.name
