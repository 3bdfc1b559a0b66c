"""What changed since the previous ECG: only what a measurement can tell."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import Assessment, Measurement, Measurements, Quality
from cardiofusion.report.change import LIMITS, changes_between

EMPTY = Assessment({}, (), None, {}, None, {}, {})


def measured(name: str, value: float, unit: str, sure: float = 0.95, spread: float = 0.0) -> Assessment:
    one = Measurement(value, unit, spread, sure, 9)
    return dataclasses.replace(EMPTY, measurements=Measurements(intervals={name: one}))


def words(before: Assessment, now: Assessment) -> list[str]:
    return [change.words for change in changes_between(before, now).changes]


def test_the_same_ecg_has_not_changed(assessment: Assessment) -> None:
    part = changes_between(assessment, assessment)
    assert not part.changes
    assert not part.doubtful
    assert part.unchanged.startswith("No change beyond measurement error in the answers, rhythm, Rate")


@pytest.mark.parametrize("name", LIMITS)
def test_a_change_is_named_from_its_limit_on(name: str) -> None:
    title, limit = LIMITS[name]
    unit = "°" if name.endswith("axis") else "/min" if name == "heart_rate" else "ms"
    before = measured(name, 100.0, unit)
    assert not words(before, measured(name, 100.0 + limit - 1, unit))
    (named,) = words(before, measured(name, 100.0 + limit, unit))
    assert named.startswith(f"{title}: 100")
    assert f"(+{limit:.0f}" in named
    (fallen,) = words(before, measured(name, 100.0 - limit, unit))
    assert f"(−{limit:.0f}" in fallen


def test_what_is_uncertain_is_no_change_but_is_not_kept_silent() -> None:
    part = changes_between(measured("pr", 150, "ms", sure=0.4), measured("pr", 240, "ms"))
    assert not part.changes
    assert part.doubtful == ("PR: 150\u00a0ms before, 240\u00a0ms now, but uncertain in one of them",)


def test_beats_that_spread_widely_raise_the_limit() -> None:
    before = measured("qrs", 90, "ms", spread=20.0)
    assert not words(before, measured("qrs", 120, "ms", spread=20.0))
    assert words(before, measured("qrs", 150, "ms", spread=20.0))


def test_an_axis_turns_the_short_way_round() -> None:
    assert not words(measured("qrs_axis", 175, "°"), measured("qrs_axis", -175, "°"))
    assert words(measured("qrs_axis", 160, "°"), measured("qrs_axis", -160, "°")) == [
        "QRS axis: 160° before, -160° now (+40°)"
    ]


def test_st_of_each_lead_in_one_statement() -> None:
    def ecg(**st_mv: float) -> Assessment:
        amplitudes = {lead: {"st": Measurement(mv, "mV", 0.0, 0.9, 9)} for lead, mv in st_mv.items()}
        return dataclasses.replace(EMPTY, measurements=Measurements(amplitudes=amplitudes))

    found = words(ecg(V2=0.05, V3=0.02, V4=0.0), ecg(V2=0.25, V3=-0.1, V4=0.05))
    assert found == ["ST in mV, before to now: V2 +0.05 to +0.25, V3 +0.02 to −0.10"]


def test_a_set_that_changed_is_named_first(assessment: Assessment) -> None:
    answer = assessment.tasks["superclass"]
    sets = {**answer.prediction_set, "MI": ("absent",)}  # type: ignore[dict-item]
    before = dataclasses.replace(
        assessment, tasks={"superclass": dataclasses.replace(answer, prediction_set=sets)}
    )
    assert words(before, assessment) == [
        "Myocardial infarction (MI): “unlikely” before, “cannot rule out” now"
    ]


def test_answers_of_another_bundle_are_not_compared(assessment: Assessment) -> None:
    before = dataclasses.replace(assessment, tasks={}, provenance={"bundle_hash": "other"})
    part = changes_between(before, assessment)
    assert part.doubtful == ("The two were answered by different bundles: answers are not compared",)
    assert "the answers" not in part.compared


def test_answers_from_other_modalities_are_not_compared(assessment: Assessment) -> None:
    answer = assessment.tasks["superclass"]
    alone = dataclasses.replace(answer, modalities=("row",), prediction_set={"MI": ()})
    assert not words(dataclasses.replace(assessment, tasks={"superclass": alone}), assessment)


def test_rhythm_and_quality(assessment: Assessment) -> None:
    assert assessment.measurements is not None
    assert assessment.measurements.rhythm is not None
    rhythm = dataclasses.replace(
        assessment.measurements.rhythm, regularity="irregularly irregular", p_waves=0.1
    )
    now = dataclasses.replace(
        assessment,
        measurements=dataclasses.replace(assessment.measurements, rhythm=rhythm),
        quality=Quality("good"),
    )
    assert words(assessment, now) == [
        "Quality: fair before, good now",
        "Rhythm: regular before, irregularly irregular now",
        "P waves before the QRS: made out before, not now",
    ]


def test_where_nothing_was_measured_nothing_is_claimed() -> None:
    other = dataclasses.replace(EMPTY, provenance={"bundle_hash": "other"})
    assert changes_between(EMPTY, other).unchanged == "Nothing could be compared."


found = st.tuples(st.floats(-180, 600), st.floats(0, 50), st.floats(0, 1))
intervals = st.dictionaries(st.sampled_from(sorted(LIMITS)), found)


@given(intervals, intervals)
def test_there_and_back_are_the_same_changes(before: dict[str, Any], now: dict[str, Any]) -> None:
    def ecg(values: dict[str, Any]) -> Assessment:
        units = {name: "°" if name.endswith("axis") else "ms" for name in values}
        measurements = {
            name: Measurement(value, units[name], spread, sure, 9)
            for name, (value, spread, sure) in values.items()
        }
        return dataclasses.replace(EMPTY, measurements=Measurements(intervals=measurements))

    one, two = ecg(before), ecg(now)
    assert len(changes_between(one, two).changes) == len(changes_between(two, one).changes)
    assert not changes_between(one, one).changes
