"""Published scores on a study's test patients: ranked beside the model, or left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cardiofusion.metrics import roc_auc
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column, Task
from cardiofusion.study.evaluating import TestResult as OnTest  # pytest collects what is called Test...
from cardiofusion.study.published import MIN_SCORED, published_figures
from cardiofusion.tabular import published_risks

N = 120
KEY = "event/published/framingham_2008_office/dead"
YES_NO = ("no", "yes")
SCHEMA = ClinicalSchema(
    (
        Column("age", unit="years"),
        Column("gender", "category", categories=("Female", "Male")),
        Column("systolic", unit="mmHg"),
        Column("body_mass_index", unit="kg/m2"),
        *(
            Column(name, "category", categories=YES_NO)
            for name in ("smoker", "diabetes", "pressure_treatment")
        ),
    )
)


@pytest.fixture
def table() -> ClinicalTable:
    rng = np.random.default_rng(4)
    numbers = [rng.uniform(low, high, N) for low, high in ((32, 73), (100, 180), (20, 38))]
    flags = [rng.integers(0, 2, N).astype(np.float64) for _ in range(4)]
    age, systolic, bmi = numbers
    return ClinicalTable(SCHEMA, np.stack([age, flags[0], systolic, bmi, *flags[1:]], axis=1))


@pytest.fixture
def tested(table: ClinicalTable) -> OnTest:
    rng = np.random.default_rng(5)
    outcome = (rng.uniform(size=(N, 1)) < 0.4).astype(np.float32)
    probability = {"row": np.clip(0.3 * outcome + rng.uniform(size=(N, 1)) / 2, 0, 1).astype(np.float64)}
    ids = np.array([f"P{k}" for k in range(N)])
    return OnTest(Task("event", ("alive", "dead"), "binary"), outcome, probability, {}, ids, "test patients")


def test_score_and_model_rank_the_same_patients(tested: OnTest, table: ClinicalTable) -> None:
    table.values[:20, 0] = 80.0  # beyond the score's ages
    figures = published_figures(tested, "row", table, 0, 50)
    assert set(figures) == {f"{KEY}/auc", f"{KEY}/auc_model"}
    risks = published_risks(table)["framingham_2008_office"]
    y = tested.outcome[20:, 0]
    assert figures[f"{KEY}/auc"].value == pytest.approx(roc_auc(y, risks[20:]))
    assert figures[f"{KEY}/auc_model"].value == pytest.approx(roc_auc(y, tested.probability["row"][20:, 0]))
    assert {figure.n for figure in figures.values()} == {N - 20}


@pytest.mark.parametrize("scored", [MIN_SCORED - 1, MIN_SCORED])
def test_a_score_of_few_patients_is_left_out(tested: OnTest, table: ClinicalTable, scored: int) -> None:
    table.values[scored:, 2] = np.nan
    assert bool(published_figures(tested, "row", table, 0, 20)) == (scored >= MIN_SCORED)


def test_without_a_table_or_inputs_nothing_is_compared(tested: OnTest, table: ClinicalTable) -> None:
    assert published_figures(tested, "row", None, 0, 20) == {}
    few = ClinicalTable(ClinicalSchema(SCHEMA.columns[:3]), table.values[:, :3])
    assert published_figures(tested, "row", few, 0, 20) == {}


def test_a_survival_task_is_compared_too_and_who_was_lost_counts_through_others(
    tested: OnTest, table: ClinicalTable
) -> None:
    task = Task("event", ("dead",), "survival", horizon=5.0)
    weight, outcome = np.random.default_rng(6).uniform(1, 3, N), tested.outcome.copy()
    outcome[:20], weight[:20] = np.nan, 0.0
    survival = replace(tested, task=task, outcome=outcome, weight=weight)
    figures = published_figures(survival, "row", table, 0, 20)
    risks = published_risks(table)["framingham_2008_office"]
    assert figures[f"{KEY}/auc"].value == pytest.approx(roc_auc(outcome[:, 0], risks, weight))
    assert figures[f"{KEY}/auc"].value != pytest.approx(roc_auc(outcome[:, 0], risks))
    assert figures[f"{KEY}/auc_model"].n == N - 20
