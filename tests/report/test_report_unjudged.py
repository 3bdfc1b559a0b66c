"""What is said beside labels of form, of what they leave out."""

from __future__ import annotations

import dataclasses

import pytest

from cardiofusion.records import Measurement, Measurements, Rhythm, TaskAnswer
from cardiofusion.report.measured import rhythm_words
from cardiofusion.report.unjudged import beside_normal, of_form
from cardiofusion.report.verdicts import verdicts

NORMAL = TaskAnswer({"NORM": 0.79}, {"NORM": ("present",)}, 0.9, "", "matched", ("ecg",))


def measured(
    rate: float = 70.0, qtc: float = 410.0, regularity: str = "regular", sure: float = 0.9
) -> Measurements:
    rr = Measurement(60_000.0 / rate, "ms", 9.0, sure, 10)
    return Measurements(
        intervals={
            "heart_rate": Measurement(rate, "/min", 1.0, sure, 9),
            "qtc_fridericia": Measurement(qtc, "ms", 4.0, sure, 9),
        },
        rhythm=Rhythm(regularity, rr, 0.2, 0.2, 0.0, 0.1, sure),  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (measured(), []),
        (measured(rate=39.0), ["heart rate"]),
        (measured(rate=131.0), ["heart rate"]),
        (measured(qtc=501.0), ["QTc Fridericia"]),
        (measured(regularity="irregular"), []),
        (measured(regularity="irregularly irregular"), ["rhythm"]),
        (measured(30.0, 520.0, "irregularly irregular"), ["rhythm", "heart rate", "QTc Fridericia"]),
        (measured(30.0, 520.0, "irregularly irregular", sure=0.3), []),
        (None, []),
    ],
)
def test_what_belies_a_normal_waveform_is_named(found: Measurements | None, said: list[str]) -> None:
    assert [what for what, _ in beside_normal(verdicts(NORMAL), found)] == said


@pytest.mark.parametrize("held", [("absent",), ("absent", "present"), ()])
def test_where_none_is_pointed_to_nothing_is_belied(held: tuple[str, ...]) -> None:
    told = verdicts(dataclasses.replace(NORMAL, prediction_set={"NORM": held}))
    assert beside_normal(told, measured(rate=30.0)) == ()


def test_labels_of_form_are_told_from_others() -> None:
    assert of_form(verdicts(NORMAL))
    other = dataclasses.replace(NORMAL, prediction_set={"NORM": ("present",), "fibrillation": ("absent",)})
    assert not of_form(verdicts(other))
    assert not of_form(())


def test_the_rhythm_is_one_sentence() -> None:
    assert rhythm_words(measured()).startswith("Rhythm: regular (sure); RR 857")
    assert rhythm_words(None) == rhythm_words(Measurements()) == ""
