"""A study's data: survival outcomes at a horizon, and what a network learns of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.metrics import Observed
from cardiofusion.records import ClinicalTable, Cohort, DatasetError, StudyError, Task
from cardiofusion.simulate import VIRTUAL_SCHEMA
from cardiofusion.study import data as data_module
from cardiofusion.study.data import StudyData, load_study_data
from cardiofusion.study.file import parse_study

DEATH = Task("death", ("death",), "survival", horizon=5.0)
EVENT = Task("event", ("no", "yes"), "binary")
N = 600


def followed(seed: int = 0) -> np.ndarray:
    """Years and events [n, 2], the first ten not known."""
    rng = np.random.default_rng(seed)
    time, until = rng.exponential(8.0, N), rng.uniform(1.0, 12.0, N)
    found = np.column_stack([np.minimum(time, until), time <= until]).astype(np.float32)
    found[:10] = np.nan
    return found


def data_of(outcome: np.ndarray, tasks: tuple[Task, ...] = (DEATH, EVENT)) -> StudyData:
    event = (np.arange(len(outcome)) % 2).astype(np.float32)[:, None]
    ids = np.arange(len(outcome)).astype(str)
    cohort = Cohort("c", ids, tasks=tasks, outcomes={"death": outcome, "event": event})
    return StudyData(cohort, None, {task.name: task.name for task in tasks}, ())


def test_labels_are_as_given_and_weigh_nothing() -> None:
    data = data_of(followed())
    assert data.outcome(EVENT) is data.given(EVENT)
    assert data.weight(EVENT) is None


def test_a_survival_task_is_asked_at_its_horizon() -> None:
    given, data = followed(), data_of(followed())
    status, weight = data.outcome(DEATH), data.weight(DEATH)
    observed = Observed.of(given[10:])
    assert status.shape == (N, 1)
    assert weight is not None
    np.testing.assert_array_equal(status[10:, 0], observed.status(5.0).astype(np.float32))
    np.testing.assert_array_equal(weight[10:], observed.weight(5.0))
    assert np.isnan(status[:10]).all()
    assert not weight[:10].any()
    assert np.array_equal(weight > 0, np.isfinite(status[:, 0]))
    later = replace(DEATH, horizon=10.0)
    assert np.nansum(data.outcome(later)) > np.nansum(status)


def test_a_network_learns_one_hazard_an_interval() -> None:
    given, data = followed(), data_of(followed())
    hazards = data.hazards(DEATH, np.arange(N))
    events = int((given[10:, 1] * (given[10:, 0] <= 5)).sum())
    assert hazards.shape == (N, min(8, events // 20))
    assert np.isnan(hazards[:10]).all()
    came = np.nansum(hazards, axis=1)
    assert np.array_equal(came[10:] == 1, (given[10:, 1] == 1) & (given[10:, 0] <= 5))
    assert set(np.unique(came)) <= {0.0, 1.0}


@pytest.mark.parametrize("change", ["turned", "moved", "unknown"])
def test_intervals_follow_from_those_who_teach_alone(change: str) -> None:
    given, learning, others = followed(), np.arange(300), np.arange(300, N)
    changed = given.copy()
    if change == "turned":
        changed[others, 1] = 1 - changed[others, 1]
    elif change == "moved":
        changed[others, 0] *= 0.1
    else:
        changed[others] = np.nan
    one, other = (data_of(outcome).hazards(DEATH, learning) for outcome in (given, changed))
    np.testing.assert_array_equal(one[learning], other[learning])
    assert not np.array_equal(one[others], other[others], equal_nan=True)


def test_few_events_teach_one_interval_and_too_few_none() -> None:
    given = followed()
    events = 10 + np.flatnonzero((given[10:, 1] == 1) & (given[10:, 0] < 5))
    assert data_of(given).hazards(DEATH, events[:25]).shape == (N, 1)
    with pytest.raises(DatasetError, match="events within 5 years"):
        data_of(given).hazards(DEATH, events[:19])


STUDY = """
[study]
name = "s"
[data]
dataset = "cardio70k"
path = "here"
[tasks.cardio]
modalities = ["row"]
"""


def loaded(text: str, task: Task, outcome: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> StudyData:
    """The study's data as if the published set held this task and a virtual table."""
    values = np.full((len(outcome), len(VIRTUAL_SCHEMA)), 50.0)
    values[:, [1, 7, 8]] = 0.0
    table, ids = ClinicalTable(VIRTUAL_SCHEMA, values), np.arange(len(outcome)).astype(str)
    cohort = Cohort("c", ids, table=table, tasks=(task,), outcomes={"cardio": outcome})
    monkeypatch.setattr(data_module, "load_dataset", lambda name, folder: cohort)
    return load_study_data(parse_study(text, Path("s.toml")))


CARDIO = Task("cardio", ("event",), "survival", horizon=2.0)
PLAIN = Task("cardio", ("no", "yes"), "binary")


def test_a_study_may_ask_for_another_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    own = loaded(STUDY, CARDIO, followed(), monkeypatch)
    assert own.cohort.tasks[0].horizon == 2.0
    longer = loaded(STUDY + "horizon = 8", CARDIO, followed(), monkeypatch)
    assert longer.cohort.tasks[0].horizon == 8.0
    assert longer.cohort.tasks[0].modalities == ("row",)


def test_labels_have_no_horizon(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StudyError) as caught:
        loaded(STUDY + "horizon = 8", PLAIN, np.ones((3, 1), np.float32), monkeypatch)
    assert caught.value.code == "study.horizon"
    assert caught.value.hint


def test_columns_left_out_are_not_learnt_from(monkeypatch: pytest.MonkeyPatch) -> None:
    text = STUDY.replace('path = "here"', 'path = "here"\nleave_out = ["cholesterol", "age"]')
    table = loaded(text, PLAIN, np.ones((3, 1), np.float32), monkeypatch).cohort.table
    assert table is not None
    kept = [name for name in VIRTUAL_SCHEMA.names if name not in ("cholesterol", "age")]
    assert list(table.schema.names) == kept
    assert table.values.shape == (3, len(kept))
    with pytest.raises(StudyError, match="colour") as caught:
        loaded(text.replace("age", "colour"), PLAIN, np.ones((3, 1), np.float32), monkeypatch)
    assert "age" in caught.value.hint
