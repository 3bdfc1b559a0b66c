"""A survival task: what it needs, what a cohort of one checks, and what a bundle writes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.bundle.schema_json import task_from_json, task_to_json
from cardiofusion.evaluate import evaluate_task
from cardiofusion.records import BundleError, Cohort, DatasetError, InputError, Task

DEATH = Task("death", ("death",), "survival", horizon=4.0)


def cohort(times: list[tuple[float, float]]) -> Cohort:
    outcome = np.array(times, dtype=np.float32).reshape(len(times), -1)
    ids = np.array([str(row) for row in range(len(times))])
    return Cohort("c", ids, tasks=(DEATH,), outcomes={"death": outcome})


def test_one_target_and_a_horizon() -> None:
    assert DEATH.targets == ("death",)
    assert Task("d", ("no", "yes"), "binary").horizon is None


@pytest.mark.parametrize(("horizon", "words"), [(10.0, "10"), (2.5, "2.5"), (0.25, "0.25")])
def test_by_when_is_told_as_people_say_it(horizon: float, words: str) -> None:
    assert Task("d", ("death",), "survival", horizon=horizon).by_when == f" within {words} years"
    assert Task("d", ("no", "yes"), "binary").by_when == ""


@pytest.mark.parametrize(
    ("labels", "kind", "horizon"),
    [
        (("death",), "survival", None),
        (("death",), "survival", 0.0),
        (("death",), "survival", -1.0),
        (("death",), "survival", float("nan")),
        (("death",), "survival", float("inf")),
        (("alive", "dead"), "survival", 4.0),
        (("alive", "dead"), "binary", 4.0),
        (("a", "b"), "multi_label", 1.0),
    ],
)
def test_a_task_that_contradicts_itself(labels: tuple[str, ...], kind: Any, horizon: float | None) -> None:
    with pytest.raises(InputError) as caught:
        Task("death", labels, kind, horizon=horizon)
    assert caught.value.code == "task.survival"


def test_known_and_unknown_times() -> None:
    known = cohort([(1.0, 1.0), (2.5, 0.0), (np.nan, np.nan)])
    np.testing.assert_array_equal(known.take(np.array([2, 0])).outcomes["death"], [[np.nan] * 2, [1, 1]])


@pytest.mark.parametrize(
    "row", [(0.0, 1.0), (-3.0, 0.0), (2.0, np.nan), (np.nan, 1.0), (2.0, 0.5), (np.inf, 0.0)]
)
def test_times_that_are_none(row: tuple[float, float]) -> None:
    with pytest.raises(DatasetError) as caught:
        cohort([(1.0, 1.0), row])
    assert caught.value.code == "dataset.times"


def test_labels_are_no_times() -> None:
    with pytest.raises(DatasetError, match="years above 0"):
        Cohort("c", np.array(["1"]), tasks=(DEATH,), outcomes={"death": np.ones((1, 1), np.float32)})


@given(st.lists(st.tuples(st.floats(width=32), st.floats(width=32)), min_size=1, max_size=4))
def test_a_cohort_of_any_times_is_right_or_refused(times: list[tuple[float, float]]) -> None:
    try:
        outcome = cohort(times).outcomes["death"]
    except DatasetError:
        return
    known = outcome[~np.isnan(outcome[:, 0])]
    assert (known[:, 0] > 0).all()
    assert set(known[:, 1].tolist()) <= {0.0, 1.0}


@given(st.floats(0.0, 1e6, exclude_min=True))
def test_a_bundle_gives_it_back(horizon: float) -> None:
    task = Task("d", ("death",), "survival", ("row",), horizon=horizon)
    document = task_to_json(task)
    assert (document["kind"], document["horizon"]) == ("survival", horizon)
    assert task_from_json(document) == task
    assert "horizon" not in task_to_json(Task("d", ("no", "yes"), "binary"))


@pytest.mark.parametrize("change", [{"horizon": None}, {"horizon": -1.0}, {"kind": "binary"}])
def test_a_bundles_task_that_contradicts_itself(change: dict[str, Any]) -> None:
    with pytest.raises(BundleError):
        task_from_json(task_to_json(DEATH) | change)


def test_evaluation_does_not_take_years_for_a_label() -> None:
    times = cohort([(1.0, 1.0), (2.5, 0.0)])
    views = {"row": np.array([[0.2], [0.7]])}
    with pytest.raises(DatasetError) as caught:
        evaluate_task(
            DEATH, times.outcomes["death"], views, {}, times.patient_ids, "t", np.random.default_rng(0)
        )
    assert caught.value.code == "evaluate.shape"
