"""A user's own table of times and events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.datasets import FolderSpec, TaskSpec, load_folder
from cardiofusion.datasets.outcomes import read_outcomes
from cardiofusion.datasets.table import read_table
from cardiofusion.records import DatasetError

DEATH = TaskSpec("survival", ("death",), ("followed", "died"), horizon=5.0)
TABLE = """patient,followed,died
p1,2.5,1
p2,10,0
p3,,1
p4,0.5,
p5,6,yes
"""


def load(folder: Path, table: str = TABLE, spec: TaskSpec = DEATH) -> np.ndarray:
    (folder / "table.csv").write_text(table, encoding="utf-8")
    cohort = load_folder(FolderSpec(folder / "table.csv", patient="patient", tasks={"death": spec}))
    (task,) = cohort.tasks
    assert (task.kind, task.horizon, task.targets) == ("survival", 5.0, ("death",))
    return cohort.outcomes["death"]


def refused(folder: Path, table: str = TABLE, spec: TaskSpec = DEATH) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        load(folder, table, spec)
    assert caught.value.hint
    return caught.value


def test_years_and_events_and_cells_that_are_empty(tmp_path: Path) -> None:
    """Who lacks a time or an event is not known at all: neither of the two is kept."""
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(load(tmp_path), np.array([[2.5, 1], [10, 0], nan, nan, [6, 1]], np.float32))


@pytest.mark.parametrize(("unit", "per_year"), [("years", 1.0), ("months", 12.0), ("days", 365.25)])
def test_times_are_turned_into_years(tmp_path: Path, unit: str, per_year: float) -> None:
    found = load(tmp_path, spec=replace(DEATH, time_unit=unit))
    assert found[:2, 0] == pytest.approx(np.array([2.5, 10.0]) / per_year)


def test_a_decimal_comma_and_a_unit_in_the_cell(tmp_path: Path) -> None:
    table = "patient;followed;died\np1;2,5;1\np2;18 months;0\np3;3 y;0\n"
    assert load(tmp_path, table)[:, 0] == pytest.approx([2.5, 1.5, 3.0])


def test_the_events_own_words(tmp_path: Path) -> None:
    spec = replace(DEATH, present=("dead",), absent=("alive", "lost"))
    table = "patient,followed,died\np1,1,Dead\np2,2,alive\np3,3,LOST\n"
    assert load(tmp_path, table, spec)[:, 1].tolist() == [1.0, 0.0, 0.0]
    error = refused(tmp_path, table.replace("LOST", "moved"), spec)
    assert "row 3: died is 'moved'" in error.message
    assert "dead" in error.hint


@pytest.mark.parametrize("cell", ["0", "-2", "0.0", "soon", "inf", "1e999", "1_000", "2 kg", "3 parsecs"])
def test_what_is_no_time_is_named_by_row_and_column(tmp_path: Path, cell: str) -> None:
    error = refused(tmp_path, TABLE.replace("p2,10,", f"p2,{cell},"))
    assert error.code == "dataset.outcome"
    assert f"row 2: followed is {cell!r}" in error.message


def test_everybody_may_have_the_event_but_somebody_must(tmp_path: Path) -> None:
    """Whether it came by the horizon still differs where nobody was lost."""
    everybody = "patient,followed,died\np1,1,1\np2,9,1\n"
    assert load(tmp_path, everybody)[:, 1].tolist() == [1.0, 1.0]
    error = refused(tmp_path, everybody.replace(",1\n", ",0\n"))
    assert (error.code, "died never says" in error.message) == ("dataset.outcome", True)
    assert "died never says" in refused(tmp_path, "patient,followed,died\np1,1,0\np2,,1\n").message


@pytest.mark.parametrize(
    "change",
    [
        {"labels": ("alive", "dead")},
        {"labels": ()},
        {"columns": ("followed",)},
        {"columns": ("followed", "died", "patient")},
        {"horizon": None},
        {"horizon": 0.0},
        {"time_unit": "weeks"},
        {"present": ("1",), "absent": ("1", "0")},
    ],
)
def test_a_task_that_does_not_fit_together(tmp_path: Path, change: dict[str, object]) -> None:
    assert refused(tmp_path, spec=replace(DEATH, **change)).code == "dataset.task"  # type: ignore[arg-type]


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path, spec=replace(DEATH, columns=("Followed up", "died"))).code == "dataset.column"


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0.001, 100), st.booleans()), min_size=1, max_size=8).filter(
        lambda rows: any(event for _, event in rows)
    )
)
def test_any_times_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, bool]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    lines = [f"p{k},{years!r},{int(event)}" for k, (years, event) in enumerate(rows)]
    path.write_text("\n".join(["patient,followed,died", *lines, ""]))
    np.testing.assert_array_equal(read_outcomes(read_table(path), "death", DEATH), np.array(rows, np.float32))
