"""Sets and probabilities in words that cannot be taken for one another."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import Assessment, Quality, TaskAnswer
from cardiofusion.report.verdicts import (
    label_name,
    natural,
    set_words,
    task_title,
    verdicts,
    without_ecg_words,
)


def answer(sets: dict[str, tuple[str, ...]], probability: dict[str, float]) -> TaskAnswer:
    return TaskAnswer(probability, sets, 0.9, "", "matched", ("ecg",))


def test_the_four_sets_have_four_sentences_without_a_number() -> None:
    sets = {"MI": ("present",), "CD": ("absent", "present"), "HYP": (), "STTC": ("absent",)}
    told = verdicts(answer(sets, {"MI": 0.27, "CD": 0.3, "HYP": 0.5, "STTC": 0.1}))
    assert [one.sentence for one in told] == [
        "Points to myocardial infarction (MI)",
        "Cannot rule out conduction disturbance (CD)",
        "Cannot tell hypertrophy (HYP): unlike the patients it learnt from",
        "Unlikely: ST or T wave change (STTC)",
    ]
    assert len({one.mark for one in told}) == 4
    assert not any(character.isdigit() for one in told for character in one.sentence)


def test_a_set_of_one_is_never_a_yes_or_a_no() -> None:
    """With a rare finding, "yes" beside "27 of 100" would be read as certainty."""
    for held in (("present",), ("absent",)):
        (told,) = verdicts(answer({"MI": held}, {"MI": 0.27}))
        assert not set(told.sentence.lower().split()) & {"yes", "no", "positive", "negative", "has"}


def test_what_is_pointed_to_comes_first_and_the_likelier_before() -> None:
    sets = {"A": ("absent",), "B": ("present",), "C": ("present",), "D": ("absent", "present")}
    order = [one.target for one in verdicts(answer(sets, {"A": 0.9, "B": 0.2, "C": 0.4, "D": 0.99}))]
    assert order == ["C", "B", "D", "A"]


def test_of_a_binary_task_the_second_label_is_the_target(assessment: Assessment) -> None:
    (both,) = verdicts(assessment.tasks["risk"])
    assert (both.target, both.leaning) == ("diseased", "both")
    alone = dataclasses.replace(assessment.tasks["risk"], prediction_set=("healthy",))
    assert verdicts(alone)[0].leaning == "absent"
    assert verdicts(dataclasses.replace(alone, prediction_set=("diseased",)))[0].leaning == "present"


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (
            ("present",),
            "leaves the absence of heart failure within 10 years out: at most 10 % of those without",
        ),
        (
            ("absent",),
            "leaves heart failure within 10 years out: at most 10 % of those with it look like this.",
        ),
        (("absent", "present"), "leaves nothing out about heart failure within 10 years."),
    ],
)
def test_of_an_event_within_years_the_frequency_is_told(held: tuple[str, ...], words: str) -> None:
    """Any event: "points to" it frightens where 63 of 100 do not have it."""
    risk = dataclasses.replace(answer({"heart_failure": held}, {"heart_failure": 0.37}), horizon=10.0)
    (told,) = verdicts(risk)
    assert not told.by_set
    assert told.said == "heart failure within 10 years: about 37 of 100"
    assert set_words(told, 0.9).startswith(f"The set at 90 % {words}")


def test_an_event_of_a_stranger_has_no_number_to_rely_on() -> None:
    (told,) = verdicts(dataclasses.replace(answer({"death": ()}, {"death": 0.37}), horizon=10.0))
    assert told.said == "death within 10 years: not to be relied on"


def test_what_the_row_alone_says_of_an_ecg_is_expected_and_points_to_nothing() -> None:
    sets = {"MI": ("absent",), "HYP": ("present",)}
    row_only = dataclasses.replace(
        answer(sets, {"MI": 0.3, "HYP": 0.13}), modalities=("row",), unused=("ecg",)
    )
    likelier, other = verdicts(row_only)
    assert (likelier.target, other.target) == ("MI", "HYP")
    assert other.said == "hypertrophy (HYP), expected from the clinical row alone: about 13 of 100"
    for one in (likelier, other):
        assert not re.search("points to|unlikely|rule out", one.said, re.IGNORECASE)
        assert set_words(one, 0.9) == ""
    read = dataclasses.replace(row_only, modalities=("ecg",), unused=("row",))
    assert all(one.by_set for one in verdicts(read))


def test_why_no_ecg_was_read_is_said() -> None:
    row_only = dataclasses.replace(answer({"MI": ("absent",)}, {}), modalities=("row",), unused=("ecg",))
    assert without_ecg_words(row_only, None) == "no ECG was given"
    assert "unfit" in without_ecg_words(row_only, Quality("unfit"))
    assert without_ecg_words(row_only, Quality("good")) == "the ECG was not used"
    assert without_ecg_words(answer({"MI": ("absent",)}, {}), None) == ""


def test_norm_is_not_said_to_be_of_the_rhythm() -> None:
    assert "rhythm not judged" in label_name("NORM")


def test_an_interval_is_of_the_same_hundred() -> None:
    mi = answer({"MI": ("present",)}, {"MI": 0.27})
    (told,) = verdicts(dataclasses.replace(mi, interval={"MI": (0.18, 0.38)}))
    assert told.frequency is not None
    assert told.frequency.words == "about 27 of 100 (95 %: 18 to 38)"
    assert verdicts(mi)[0].frequency.words == "about 27 of 100"  # type: ignore[union-attr]


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_natural_frequency_is_near_its_probability(a: float, b: float, c: float) -> None:
    low, share, high = sorted((a, b, c))
    found = natural(share, low, high)
    assert found is not None
    if found.fewer or found.more:
        assert (share < 0.001) if found.fewer else (share > 0.999)
    else:
        assert abs(found.n / found.of - share) <= 0.5 / found.of + 1e-9
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.n <= found.high


@pytest.mark.parametrize("share", [float("nan"), float("inf")])
def test_no_number_is_no_frequency(share: float) -> None:
    assert natural(share) is None


def test_names_are_for_people() -> None:
    assert label_name("MI") == "myocardial infarction (MI)"
    assert label_name("heart_failure") == "heart failure"
    assert task_title("ecg-findings") == "ECG findings"
