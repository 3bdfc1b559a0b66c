"""An assessment comes back from its JSON as it was, and nothing else becomes one."""

from __future__ import annotations

import json
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.records import (
    Assessment,
    Caution,
    Finding,
    InputError,
    Measurement,
    Measurements,
    OutOfRange,
    PublishedScores,
    Quality,
    Rhythm,
    ScoreAbsence,
    ScoreInput,
    ScoreRisk,
    TaskAnswer,
    assessment_from_json,
    assessment_schema,
)

finite = st.floats(-1e9, 1e9)
shares = st.floats(0, 1)
words = st.text(min_size=1, max_size=12)
values = st.none() | st.booleans() | finite | st.text(max_size=8)
plain = st.dictionaries(words, values | st.lists(st.lists(finite, max_size=2), max_size=2), max_size=3)


def by_name(of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(words, of, max_size=2)


def several(of: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(of, max_size=2).map(tuple)


measurement = st.builds(Measurement, finite, st.just("ms"), finite, shares, st.integers(1, 30))
measurements = st.builds(
    Measurements,
    by_name(measurement),
    by_name(by_name(measurement)),
    by_name(measurement),
    st.none() | st.builds(Rhythm, st.just("regular"), measurement, finite, finite, shares, shares, shares),
    by_name(finite),
    several(words),
)
finding = st.builds(
    Finding,
    words,
    st.sampled_from(["note", "warning", "unfit"]),
    words,
    st.none() | words,
    leads=several(words),
)
quality = st.builds(
    Quality, st.sampled_from(["good", "unfit"]), several(finding), by_name(words), st.none() | finite
)
score = (words, words, st.integers(1, 30), words, words, by_name(words))
out_of_range = st.builds(OutOfRange, words, finite | words, words, st.booleans())
scores = st.builds(
    PublishedScores,
    by_name(st.builds(ScoreInput, finite | words | st.none(), words, words)),
    several(st.builds(ScoreRisk, *score, shares)),
    several(st.builds(ScoreAbsence, *score, several(words), several(out_of_range))),
)
answer = st.builds(
    TaskAnswer,
    probability=by_name(shares),
    prediction_set=several(words) | by_name(several(words)),
    coverage=shares,
    guarantee=words,
    alignment=st.sampled_from(["matched", "covariate", "latent"]),
    modalities=several(st.sampled_from(["ecg", "row"])),
    by_modality=by_name(by_name(shares)),
    words=several(words),
    horizon=st.none() | finite,
    interval=by_name(st.tuples(shares, shares)),
)
assessments = st.builds(
    Assessment,
    tasks=by_name(answer),
    warnings=several(words),
    quality=st.none() | quality,
    missing=by_name(words),
    phenotype=st.none() | plain,
    explanations=by_name(by_name(plain)),
    provenance=plain,
    patient=plain,
    scores=st.none() | scores,
    measurements=st.none() | measurements,
    cautions=several(st.sampled_from(get_args(Caution))),
)


def document(assessment: Assessment) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(assessment.to_json(), allow_nan=False))
    return found


@settings(deadline=None)
@given(assessments)
def test_an_assessment_comes_back_from_its_json_as_it_was(assessment):
    assert assessment_from_json(document(assessment)) == assessment


PROVENANCE = {
    "bundle_hash": "0" * 64, "bundle_name": "b", "version": "1", "created": "2026-11-20T09:00:00",
    "training_data": [],
}  # fmt: skip
ANSWER = TaskAnswer(
    {"MI": 0.27}, {"MI": ("absent", "present")}, 0.9, "g", "matched", ("ecg",), interval={"MI": (0.18, 0.38)}
)
WHOLE = Assessment(
    {"findings": ANSWER}, (), Quality("good"), {}, None, {}, PROVENANCE, cautions=("child", "proxy")
)


def test_interval_and_cautions_are_in_the_schema():
    jsonschema.validate(document(WHOLE), assessment_schema())


@pytest.mark.parametrize(
    "interval", [{"MI": [0.1]}, {"MI": [0.1, 1.2]}, {"MI": [0.1, 0.2, 0.3]}, {"MI": 0.1}]
)
def test_the_schema_refuses_what_is_no_interval(interval):
    spoilt = document(WHOLE)
    spoilt["tasks"]["findings"]["interval"] = interval
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spoilt, assessment_schema())


def test_a_document_from_before_the_interval_is_read_and_stays_valid():
    old = document(WHOLE)
    del old["cautions"], old["tasks"]["findings"]["interval"], old["scores"]
    found = assessment_from_json(old)
    assert found.cautions == ()
    assert found.tasks["findings"].interval == {}
    assert found.scores is None
    jsonschema.validate({**old, "scores": None}, assessment_schema())


def set_at(place: tuple[str, ...], value: object) -> dict[str, Any]:
    spoilt = document(WHOLE)
    inner = spoilt
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return spoilt


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else 1


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("tasks",), [], "assessment.tasks is not an object"),
        (("tasks",), {1: {}}, "assessment.tasks is not an object"),
        (("warnings",), "loud", "assessment.warnings is not a list"),
        (("warnings",), [3], "assessment.warnings[0] is not of type str"),
        (("cautions",), ["tired"], "assessment.cautions[0] is none of wrong_patient, child"),
        (("cautions",), [["child"]], "assessment.cautions[0] is none of"),
        (("new",), 1, "assessment holds 'new', which is not known"),
        (("quality", "grade"), "splendid", "assessment.quality.grade is none of good, fair, unfit"),
        (("quality", "heart_rate"), "75", "assessment.quality.heart_rate is not a number"),
        (("tasks", "findings", "probability", "MI"), True, "findings.probability.MI is not a number"),
        (("tasks", "findings", "probability", "MI"), float("nan"), "is not a finite number"),
        (("tasks", "findings", "probability", "MI"), 10**400, "is not a finite number"),
        (("tasks", "findings", "interval", "MI"), [0.1], "MI does not hold exactly 2 entries"),
        (("tasks", "findings", "prediction_set"), 3, "prediction_set is not an object"),
        (("patient", "age"), float("inf"), "assessment.patient.age is not a finite number"),
        (("patient", "age"), {4}, "assessment.patient.age is nothing that JSON can hold"),
        (("phenotype",), {"deep": nested(60)}, "is nested too deeply"),
    ],
)
def test_what_is_no_assessment_is_refused_and_the_place_is_named(place, value, said):
    with pytest.raises(InputError) as caught:
        assessment_from_json(set_at(place, value))
    assert caught.value.code == "input.document"
    assert said in caught.value.message


@pytest.mark.parametrize("junk", [None, 3, "{}", [], {}, {"tasks": {}}])
def test_junk_is_refused(junk):
    with pytest.raises(InputError):
        assessment_from_json(junk)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
ANSWER_PLACES = [("tasks", "findings", name) for name in document(WHOLE)["tasks"]["findings"]]
PLACES = [(name,) for name in document(WHOLE)] + ANSWER_PLACES


@settings(deadline=None)
@given(st.sampled_from(PLACES), json_values)
def test_any_json_in_any_place_is_an_assessment_or_our_error(place, value):
    try:
        found = assessment_from_json(set_at(place, value))
    except InputError:
        return
    assert assessment_from_json(document(found)) == found
