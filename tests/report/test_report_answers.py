"""One voice: what terminal and sheet say of an answer, and what they say beside it."""

from __future__ import annotations

import dataclasses
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import Assessment, Measurement, Quality, TaskAnswer
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.report.answers import answer_part, answer_parts, two_things

DEATH = TaskAnswer(
    {"no death": 0.63, "death": 0.37}, ("no death", "death"), 0.9, "Promised.", "matched", ("row",),
    horizon=10.0, interval={"death": (0.33, 0.41)},
)  # fmt: skip
FORM = TaskAnswer(
    {"NORM": 0.79, "MI": 0.03}, {"NORM": ("present",), "MI": ("absent",)}, 0.9, "", "matched", ("ecg",)
)


def alone(answer: TaskAnswer, name: str = "ecg-findings", **beside: object) -> Assessment:
    empty = Assessment({name: answer}, (), None, {}, None, {}, {})
    return dataclasses.replace(empty, **beside)  # type: ignore[arg-type]


def both(assessment: Assessment) -> list[str]:
    """Sheet and terminal, each on one line without tags."""
    shown = (patient_sheet(assessment, None), assessment_text(assessment))
    return [" ".join(re.sub(r"<[^>]+>", " ", page).split()) for page in shown]


def test_an_event_within_years_is_told_by_its_frequency_alone() -> None:
    for shown in both(alone(DEATH, "mortality")):
        assert "Mortality" in shown
        assert "What may happen To how many patients like this it happens" in shown
        assert "death within 10 years about 37 of 100 (95 %: 33 to 41)" in shown
        assert "The set at 90 % leaves nothing out about death within 10 years." in shown
        assert not re.search("points to|unlikely|rule out|Two different", shown, re.IGNORECASE)


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (
            ("death",),
            "leaves the absence of death within 10 years out: at most 10 % of those without it look",
        ),
        (("no death",), "leaves death within 10 years out: at most 10 % of those with it look like this."),
        ((), "is empty about death within 10 years: unlike the patients it learnt from."),
    ],
)
def test_the_set_of_an_event_is_no_prognosis(labels: tuple[str, ...], words: str) -> None:
    for shown in both(alone(dataclasses.replace(DEATH, prediction_set=labels), "mortality")):
        assert f"The set at 90 % {words}" in shown
        assert not re.search(r": (present|absent)\b", shown)


def test_a_guess_from_the_row_shows_no_set_and_no_promise() -> None:
    guessed = dataclasses.replace(
        FORM, modalities=("row",), unused=("ecg",), guarantee="For each label 90 %."
    )
    for shown in both(alone(guessed)):
        assert "The set at" not in shown
        assert "For each label" not in shown


def test_a_closed_answers_reasons_are_marked_too(assessment: Assessment) -> None:
    closed = dataclasses.replace(assessment, warnings=("WRONG PATIENT? The ECG is of a male.",))
    why = assessment_text(closed).partition("\nWhy: ")[2]
    assert "⚠ ECG and clinical row may be of two people" in " ".join(why.splitlines()[1:3])


def test_what_the_row_lets_expect_of_an_ecg_is_no_finding() -> None:
    guessed = dataclasses.replace(FORM, modalities=("row",), unused=("ecg",))
    for shown in both(alone(guessed)):
        assert "ECG findings, guessed from the clinical row (no ECG was given)" in shown
        assert "myocardial infarction (MI) expected from the row alone: about 3 of 100" in shown
        assert not re.search("points to|unlikely:|speak of rhythm", shown, re.IGNORECASE)
    for shown in both(alone(guessed, quality=Quality("unfit"))):
        assert "guessed from the clinical row (the ECG is unfit and was not used)" in shown


def test_what_belies_a_normal_waveform_stands_beside_it(assessment: Assessment) -> None:
    assert assessment.measurements is not None
    slow = {"heart_rate": Measurement(31.0, "/min", 1.0, 0.99, 9)}
    belying = dataclasses.replace(assessment.measurements, intervals=slow)
    for shown in both(alone(FORM, measurements=belying)):
        assert "These labels do not speak of rhythm." in shown
        assert "⚠ A normal waveform is not a normal ECG. Measured beside it: heart rate 31" in shown
    for shown in both(alone(FORM, measurements=assessment.measurements)):
        assert "Measured beside it" not in shown


@pytest.mark.parametrize(
    ("warning", "said"),
    [
        ("WRONG PATIENT? The ECG is of a female.", "ECG and clinical row may be of two people"),
        ("This patient is a child: do not rely on what follows.", "has not learnt from such patients"),
        ("ecg-findings: Age 99 is outside: do not rely on what follows.", "has not learnt from such"),
    ],
)
def test_what_the_clinic_keeps_closed_is_marked_beside_the_answer(warning: str, said: str) -> None:
    for shown in both(alone(FORM, warnings=(warning,))):
        answer = shown[shown.index("ECG findings") :]
        assert said in answer[: answer.index("Points to")]
        assert "do not rely on this answer" in answer
    for shown in both(alone(FORM, warnings=("V1 and V2 may be swapped.",))):
        assert "do not rely" not in shown


def test_a_task_is_marked_for_its_own_warning_only() -> None:
    warning = "mortality: Age 80 is outside the training data: do not rely on what follows."
    two = dataclasses.replace(alone(FORM), tasks={"ecg-findings": FORM, "mortality": DEATH})
    ecg, mortality = answer_parts(dataclasses.replace(two, warnings=(warning,)))
    assert not ecg.distrust
    assert mortality.distrust


def test_how_to_read_it_names_what_the_set_leaves_open() -> None:
    part = answer_part("ecg-findings", dataclasses.replace(FORM, coverage=0.95), alone(FORM))
    assert "at most 5 % of the patients without it" in two_things([part])
    assert two_things([]) == two_things([answer_part("mortality", DEATH, alone(DEATH))]) == ""


def test_set_and_frequency_stand_in_columns_and_a_long_set_above(assessment: Assessment) -> None:
    lines = assessment_text(assessment).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("  What the set says (at 90 %)"))
    column = lines[at].index("How many")
    assert lines[at + 1][column:] == "about 71 of 100 (95 %: 58 to 81)"
    assert lines[at + 2][column:] == "about 47 of 100"
    assert lines[at + 3 : at + 5] == [
        "  ◇ Cannot tell hypertrophy (HYP): unlike the patients it learnt from",
        "      not to be relied on: about 23 of 100 (95 %: 10 to 40)",
    ]


@given(
    name=st.text(min_size=1, max_size=150),
    share=st.floats(0.0, 1.0),
    held=st.sampled_from([(), ("present",)]),
)
def test_no_name_is_too_long_for_a_terminal(name: str, share: float, held: tuple[str, ...]) -> None:
    answer = TaskAnswer({name: share}, {name: held}, 0.9, "", "matched", ("ecg",))
    assert max(map(len, assessment_text(alone(answer, "question")).splitlines())) <= 100
