"""One line a case: what the sheet keeps closed is closed there too, and no word reassures falsely."""

from __future__ import annotations

import pytest

from cardiofusion.runtime import System
from cardiofusion.serve.headline import headline, headline_words, shown


@pytest.fixture(scope="module")
def system() -> System:
    return System.load()


def told(system: System, row: dict[str, object]):
    assessment = system.assess(None, row, explain=False)
    return assessment, headline(assessment)


def test_what_is_guessed_without_an_ecg_is_not_in_the_line(system):
    _, said = told(system, {"age": 61, "sex": "male"})
    assert said["guessed"] == ["ecg-findings"]
    assert {task for task, *_ in shown(said)} == {"mortality"}
    assert headline_words(said) == "no answer"  # of the ECG, which nobody has


def test_what_is_closed_is_not_in_the_line_but_kept(system):
    _, said = told(system, {"age": 9, "sex": "male"})
    assert set(said["closed"]) == {"ecg-findings", "mortality"}
    assert shown(said) == []
    assert said["cautions"] == ["child"]
    assert len(said["findings"]) == 6  # for what turns out to be true


def test_of_an_age_that_one_task_does_not_know_only_that_one_is_closed(system):
    _, said = told(system, {"age": 80, "sex": "male"})
    assert said["closed"] == ["mortality"]


@pytest.mark.parametrize(
    ("verdicts", "words"),
    [
        (("absent", "absent"), "none of what it looks for"),
        (("present", "absent"), "present: myocardial infarction"),
        (
            ("cannot tell", "unlike"),
            "cannot rule out: myocardial infarction; unlike what it learnt from: hypertrophy",
        ),
        (("unlike", "unlike"), "unlike what it learnt from: myocardial infarction, hypertrophy"),
        ((), "no answer"),
    ],
)  # fmt: skip
def test_words_of_a_headline(verdicts, words):
    findings = [
        ["t", name, verdict, 0.5, None] for name, verdict in zip(("MI", "HYP"), verdicts, strict=False)
    ]
    assert headline_words({"findings": findings}) == words
