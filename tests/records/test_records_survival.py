"""A survival task: what it needs, what a cohort of one checks, and that nothing takes it for labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.bundle.schema_json import task_to_json
from cardiofusion.conformal import describe_set
from cardiofusion.evaluate import evaluate_task
from cardiofusion.records import Cohort, DatasetError, InputError, Task

DEATH = Task("death", ("death",), "survival", horizon=4.0)


def cohort(times: list[tuple[float, float]]) -> Cohort:
    outcome = np.array(times, dtype=np.float32).reshape(len(times), -1)
    ids = np.array([str(row) for row in range(len(times))])
    return Cohort("c", ids, tasks=(DEATH,), outcomes={"death": outcome})


def test_one_target_and_a_horizon() -> None:
    assert DEATH.targets == ("death",)
    assert Task("d", ("no", "yes"), "binary").horizon is None


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


def test_what_knows_only_labels_refuses_it() -> None:
    for use in (
        lambda: DEATH.label_kind,
        lambda: task_to_json(DEATH),
        lambda: describe_set(DEATH, np.array([[True, False]])),
    ):
        with pytest.raises(InputError, match="when, not whether") as caught:
            use()
        assert caught.value.code == "task.kind"
        assert caught.value.hint


def test_evaluation_does_not_take_years_for_a_label() -> None:
    times = cohort([(1.0, 1.0), (2.5, 0.0)])
    views = {"row": np.array([[0.2], [0.7]])}
    with pytest.raises(InputError):
        evaluate_task(
            DEATH, times.outcomes["death"], views, {}, times.patient_ids, "t", np.random.default_rng(0)
        )
