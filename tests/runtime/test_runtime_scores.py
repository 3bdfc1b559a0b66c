"""Published scores beside the model: from what was given, nothing guessed."""

from __future__ import annotations

import dataclasses
import json

import jsonschema
import numpy as np
import pytest

from cardiofusion.records import (
    ClinicalError,
    ClinicalSchema,
    Column,
    InputError,
    ScoreAbsence,
    ScoreRisk,
    assessment_schema,
)
from cardiofusion.runtime.scores import patient_scores, with_score_inputs
from cardiofusion.tabular import SCORE_INPUTS, SCORES

# D'Agostino et al. 2008: 16.75 % with body mass index. In the words of the virtual patients' schema.
MAN = {"age": 55, "sex": "male", "height": "180cm", "weight": "97.2kg", "systolic": 140}
MAN |= {"smoker": "no", "diabetes": "no", "pressure_treatment": "no"}
# Khan et al. 2024, page 441: 9.2 % atherosclerotic in 10 years.
WOMAN = {"age": 50, "sex": "female", "systolic": 160, "pressure_treatment": "yes", "diabetes": "yes"}
WOMAN |= {"total_cholesterol": "200 mg/dL", "hdl_cholesterol": "45mg/dL", "smoker": "no", "egfr": 90}
WOMAN |= {"bmi": 35, "statin": "no"}


def scores_of(system, row, recording=None):
    found = system.assess(recording, row, explain=False)
    jsonschema.validate(json.loads(json.dumps(found.to_json(), allow_nan=False)), assessment_schema())
    assert found.scores is not None
    assert len(found.scores.risks) + len(found.scores.absent) == len(SCORES)
    return found.scores


def percent(scores, name):
    (score,) = (score for score in scores.risks if score.name == name)
    assert isinstance(score, ScoreRisk)
    return 100 * score.risk


def absence(scores, name) -> ScoreAbsence:
    (score,) = (score for score in scores.absent if score.name == name)
    return score


def test_a_mans_framingham_risk_is_the_published_one(tiny_system):
    scores = scores_of(tiny_system, MAN)
    assert percent(scores, "framingham_2008_office") == pytest.approx(16.75, abs=0.01)
    (score,) = scores.risks
    assert (score.horizon, score.valid["age"]) == (10, "30 to under 75 years")
    assert "Circulation 2008" in score.source


def test_a_womans_prevent_risk_is_the_published_one(tiny_system):
    scores = scores_of(tiny_system, WOMAN)
    assert percent(scores, "prevent_atherosclerotic_10") == pytest.approx(9.2, abs=0.05)
    assert scores.inputs["total_cholesterol"].value == pytest.approx(5.172, abs=0.001)
    assert scores.inputs["total_cholesterol"].unit == "mmol/L"


def test_the_bundles_own_columns_are_inputs_under_their_synonyms(tiny_system, row):
    scores = scores_of(tiny_system, {**row, "cholesterol": 6.3, "hdl_cholesterol": 1.2, "smoker": "yes"})
    assert scores.inputs["total_cholesterol"].value == 6.3
    assert scores.inputs["total_cholesterol"].source == "row.cholesterol"
    assert scores.inputs["smoking"].source == "row.smoker"
    assert scores.inputs["hdl_cholesterol"].source == "row.hdl_cholesterol"


def test_an_inputs_own_name_goes_before_a_synonym(tiny_system):
    scores = scores_of(tiny_system, {**MAN, "cholesterol": 6.3, "total_cholesterol": 5.1})
    assert (scores.inputs["total_cholesterol"].value, scores.inputs["total_cholesterol"].source) == (
        5.1,
        "row.total_cholesterol",
    )


def test_values_only_the_scores_know_do_not_move_the_model(tiny_system, row):
    alone = tiny_system.assess(row=row, explain=False)
    beside = tiny_system.assess(row={**row, "hdl_cholesterol": 1.2, "egfr": 80}, explain=False)
    assert beside.tasks == alone.tasks
    assert beside.patient == alone.patient


def test_an_absent_score_names_what_is_missing(tiny_system):
    scores = scores_of(tiny_system, {**MAN, "cholesterol": 5.2})
    assert absence(scores, "framingham_2008_lipids").missing == ("hdl_cholesterol",)
    assert absence(scores, "score2").missing == ("hdl_cholesterol", "risk_region")


@pytest.mark.parametrize("age", [8, 96])
def test_an_age_a_score_is_not_for_is_the_reason(tiny_system, age):
    scores = scores_of(tiny_system, {**MAN, "age": age})
    assert scores.risks == ()
    assert [(o.name, o.value) for o in absence(scores, "framingham_2008_office").outside] == [("age", age)]


def test_someone_with_an_event_has_no_score(tiny_system):
    scores = scores_of(tiny_system, {**MAN, "cardiovascular_disease": "yes"})
    assert scores.risks == ()
    (outside,) = absence(scores, "framingham_2008_office").outside
    assert outside.name == "cardiovascular_disease"


def test_age_and_sex_are_the_ecg_files_only_where_the_row_has_none(tiny_system, changed):
    without = {name: value for name, value in MAN.items() if name not in ("age", "sex")}
    ecg = changed(age=55.0, sex="male")
    scores = scores_of(tiny_system, without, ecg)
    assert percent(scores, "framingham_2008_office") == pytest.approx(16.75, abs=0.01)
    assert (scores.inputs["age"].source, scores.inputs["sex"].source) == ("ecg.age", "ecg.sex")
    assert scores_of(tiny_system, {**MAN, "age": 60}, ecg).inputs["age"].value == 60


def test_an_ecg_that_knows_no_age_gives_none(tiny_system, changed):
    without = {name: value for name, value in MAN.items() if name not in ("age", "sex")}
    scores = scores_of(tiny_system, without, changed(age=None, sex=None))
    assert absence(scores, "framingham_2008_office").missing == ("age", "sex")


def test_an_ecg_alone_has_no_scores(tiny_system, recording):
    found = tiny_system.assess(recording, explain=False)
    assert found.scores is None
    assert found.to_json()["scores"] is None


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("hdl_cholesterol", "1.2mmHg", "clinical.unit"),
        ("hdl_cholesterol", 45, "clinical.range"),
        ("total_cholesterol", "high", "clinical.number"),
        ("statin", "sometimes", "clinical.category"),
        ("egfr", -3, "clinical.range"),
        ("hdl_cholestrol", 1.2, "clinical.column"),
    ],
)
def test_a_scores_value_that_cannot_be_is_refused(tiny_system, name, value, code):
    with pytest.raises(ClinicalError) as caught:
        tiny_system.assess(row=MAN | {name: value})
    assert caught.value.code == code
    assert name in caught.value.message
    if code == "clinical.column":
        assert "hdl_cholesterol" in caught.value.hint


def test_what_only_a_score_knows_is_nothing_to_the_model(tiny_system, recording):
    with pytest.raises(InputError) as caught:
        tiny_system.assess(row={"hdl_cholesterol": 1.2})
    assert caught.value.code == "input.nothing"
    beside = tiny_system.assess(recording, {"hdl_cholesterol": 1.2}, explain=False)
    assert set(beside.missing) >= {"row"}
    assert beside.scores is not None


def test_without_columns_of_its_own_a_bundle_takes_all_that_scores_know():
    """A bundle of ECGs alone."""
    schema = with_score_inputs(None)
    assert schema.names == SCORE_INPUTS.names
    man = {"smoking": "no", **{name: value for name, value in MAN.items() if name != "smoker"}}
    scores = patient_scores(schema, schema.encode(man))
    assert scores is not None
    assert percent(scores, "framingham_2008_office") == pytest.approx(16.75, abs=0.01)


def test_classes_of_cholesterol_are_no_concentration():
    levels = Column("cholesterol", "category", categories=("normal", "above normal", "well above normal"))
    schema = with_score_inputs(ClinicalSchema((levels, Column("age", unit="years"))))
    scores = patient_scores(
        schema, schema.encode({"cholesterol": "normal", "age": 55, "hdl_cholesterol": 1.2})
    )
    assert scores is not None
    assert "total_cholesterol" not in scores.inputs
    assert "total_cholesterol" in absence(scores, "framingham_2008_lipids").missing


def test_cholesterol_in_mg_per_dl_is_converted_from_a_bundles_column():
    schema = with_score_inputs(ClinicalSchema((Column("cholesterol", unit="mg/dL"),)))
    scores = patient_scores(schema, schema.encode({"cholesterol": 200}))
    assert scores is not None
    assert scores.inputs["total_cholesterol"].value == pytest.approx(200 / 38.67)


def test_a_row_of_nothing_a_score_asks_for_has_none(recording):
    schema = with_score_inputs(ClinicalSchema((Column("creatinine", unit="mg/dL"),)))
    assert patient_scores(schema, schema.encode({"creatinine": 1.0}), recording) is None
    assert (
        patient_scores(schema, np.full(len(schema), np.nan), dataclasses.replace(recording, age=None)) is None
    )
