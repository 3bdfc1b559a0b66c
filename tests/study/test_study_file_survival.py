"""A survival task in a study file: understood, or refused with the line and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardiofusion.records import StudyError
from cardiofusion.study.file import Study, parse_study

OWN = """\
[study]
name = "own"
[data]
dataset = "folder"
table = "patients.csv"
patient = "pid"
[columns.age]
source = "Age at visit"
[tasks.outlook]
kind = "survival"
labels = ["death"]
column = "died"
time = "followed"
time_unit = "months"
horizon = 5
present = ["dead"]
"""
PUBLISHED = """\
[study]
name = "mine"
[data]
dataset = "virtual"
[tasks.survival]
"""


def parse(text: str) -> Study:
    return parse_study(text, Path("my.toml"))


def refusal(text: str) -> StudyError:
    with pytest.raises(StudyError) as caught:
        parse(text)
    assert caught.value.hint
    return caught.value


def test_a_survival_task_of_ones_own() -> None:
    spec = parse(OWN).folder_spec({}).tasks["outlook"]
    task = spec.task("outlook")
    assert (task.kind, task.labels, task.horizon, task.by_when) == (
        "survival",
        ("death",),
        5.0,
        " within 5 years",
    )
    assert spec.columns == ("followed", "died")
    assert (spec.time_unit, spec.present) == ("months", ("dead",))
    assert (
        parse(OWN.replace('time_unit = "months"\n', "")).folder_spec({}).tasks["outlook"].time_unit == "years"
    )


def test_a_published_one_may_be_asked_by_another_horizon() -> None:
    assert parse(PUBLISHED).tasks[0].horizon == 0.0  # the data's own
    assert parse(PUBLISHED + "horizon = 2.5").tasks[0].horizon == 2.5


MISTAKES = {
    "no time": (('time = "followed"\n', ""), "study.required", 9, "'time'"),
    "no event column": (('column = "died"\n', ""), "study.required", 9, "'column'"),
    "no horizon": (("horizon = 5\n", ""), "study.required", 9, "'horizon'"),
    "horizon 0": (("horizon = 5", "horizon = 0"), "study.required", 9, "'horizon'"),
    "no labels": (('labels = ["death"]\n', ""), "study.required", 9, "'labels'"),
    "two labels": (('["death"]', '["alive", "dead"]'), "study.value", 11, "one label, not 2"),
    "negative horizon": (("horizon = 5", "horizon = -5"), "study.value", 15, "horizon = -5"),
    "endless horizon": (("horizon = 5", "horizon = inf"), "study.value", 15, "horizon = inf"),
    "horizon that is none": (("horizon = 5", "horizon = nan"), "study.value", 15, "horizon = nan"),
    "horizon in words": (("horizon = 5", 'horizon = "5 years"'), "study.type", 15, "not a number"),
    "unit": (('"months"', '"weeks"'), "study.value", 14, "time_unit cannot be 'weeks'"),
    "columns of labels": (("horizon = 5", 'columns = ["a", "b"]'), "study.value", 15, "columns is for"),
    "kind": (('"survival"', '"time"'), "study.value", 10, "kind cannot be 'time'"),
    "leak of the time": (('"Age at visit"', '"followed"'), "study.leak", 7, "[columns.age] is the outcome"),
    "leak of the event": (('"Age at visit"', '"died"'), "study.leak", 7, "[columns.age] is the outcome"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_its_line(mistake: str) -> None:
    change, code, line, words = MISTAKES[mistake]
    assert change[0] in OWN
    error = refusal(OWN.replace(*change))
    assert error.code == code
    assert words in error.message
    assert error.message.startswith(f"my.toml line {line}:")


BINARY = OWN.replace("survival", "binary").replace('["death"]', '["alive", "dead"]')


@pytest.mark.parametrize(
    ("line", "name"),
    [('time = "followed"\n', "time"), ('time_unit = "months"\n', "time_unit"), ("horizon = 5\n", "horizon")],
)
def test_times_are_for_survival_tasks_only(line: str, name: str) -> None:
    """A time that nobody reads would be a promise that nobody keeps."""
    without = BINARY
    for other in ('time = "followed"\n', 'time_unit = "months"\n', "horizon = 5\n"):
        without = without.replace(other, "")
    assert parse(without).tasks[0].horizon == 0.0
    error = refusal(without + line)
    assert (error.code, f"{name} is for a survival task" in error.message) == ("study.value", True)
    assert "survival" in error.hint


@pytest.mark.parametrize("line", ['time = "t"', 'time_unit = "days"', 'column = "c"', 'kind = "survival"'])
def test_published_data_brings_its_own_times(line: str) -> None:
    error = refusal(PUBLISHED + line)
    assert error.message.startswith("my.toml line 6: virtual brings its own")


def test_how_often_labels_are_dealt_out() -> None:
    assert parse(PUBLISHED).evaluation.label_shuffles == 20
    assert parse(PUBLISHED + "[evaluation]\nlabel_shuffles = 0").evaluation.label_shuffles == 0
    assert "label_shuffles = -1" in refusal(PUBLISHED + "[evaluation]\nlabel_shuffles = -1").message
