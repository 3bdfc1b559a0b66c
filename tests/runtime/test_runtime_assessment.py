"""One patient, whatever is there of ECG and row: an answer that holds together, or a clear refusal."""

from __future__ import annotations

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.bundle import write_bundle
from cardiofusion.records import ClinicalError, InputError, assessment_from_json, assessment_schema
from cardiofusion.report import assessment_text
from cardiofusion.runtime import System
from cardiofusion.simulate import VIRTUAL_SCHEMA, virtual_cohort

TASKS = {"event", "findings", "survival"}


@pytest.fixture(scope="module")
def both(tiny_system, recording, row):
    return tiny_system.assess(recording, row)


def views(assessment):
    return {name: set(answer.by_modality) for name, answer in assessment.tasks.items()}


def probabilities(assessment):
    return {name: answer.probability for name, answer in assessment.tasks.items()}


def holds_together(assessment):
    """What is true of every assessment."""
    document = json.loads(json.dumps(assessment.to_json(), allow_nan=False))
    jsonschema.validate(document, assessment_schema())
    assert assessment_from_json(document).to_json() == document
    for answer in assessment.tasks.values():
        for given_by_view in answer.by_modality.values():
            assert all(0.0 <= p <= 1.0 for p in given_by_view.values())
        assert answer.probability in answer.by_modality.values()
        if isinstance(answer.prediction_set, tuple):
            assert set(answer.prediction_set) <= set(answer.probability)
            assert sum(answer.probability.values()) == pytest.approx(1.0)
        else:
            assert set(answer.prediction_set) == set(answer.probability)
        assert set(answer.interval) == set(answer.probability)
        for label, (low, high) in answer.interval.items():
            assert 0.0 <= low < answer.probability[label] < high <= 1.0
        assert answer.guarantee
        assert answer.coverage == 0.9
    return document


def test_ecg_and_row_answer_every_task_from_every_view(both):
    holds_together(both)
    assert set(both.tasks) == TASKS
    assert views(both) == {name: {"ecg", "row", "ecg+row"} for name in TASKS}
    assert both.missing == {}
    assert both.quality is not None
    assert "research use only" in both.notice


def test_the_two_shapes_of_a_prediction_set(both):
    event, findings = both.tasks["event"], both.tasks["findings"]
    assert isinstance(event.prediction_set, tuple)
    assert set(event.probability) == {"no event", "event"}
    assert isinstance(findings.prediction_set, dict)
    assert all(set(kept) <= {"present", "absent"} for kept in findings.prediction_set.values())
    assert len(findings.words) == len(findings.probability)


def test_the_two_labels_of_a_binary_task_have_one_interval(both):
    interval = both.tasks["event"].interval
    low, high = interval["event"]
    assert interval["no event"] == pytest.approx((1 - high, 1 - low))


def test_a_bundle_from_before_the_interval_answers_as_before_and_tells_none(tiny_system, row, tmp_path):
    bundle = tiny_system.bundle
    old = json.dumps(without_covariance(bundle.json("conformal.json"))).encode()
    write_bundle(tmp_path / "older", bundle.manifest, {**bundle.contents, "conformal.json": old})
    older = System.load(tmp_path / "older")
    found, today = older.assess(row=row, explain=False), tiny_system.assess(row=row, explain=False)
    for name, answer in found.tasks.items():
        assert answer.interval == {}
        assert replace(today.tasks[name], interval={}) == answer
    jsonschema.validate(json.loads(json.dumps(found.to_json(), allow_nan=False)), assessment_schema())
    assert "interval" not in assessment_text(found)


def without_covariance(document):
    if not isinstance(document, dict):
        return document
    return {key: without_covariance(value) for key, value in document.items() if key != "covariance"}


def test_an_ecg_alone_is_answered_from_the_ecg_and_the_row_is_missed(tiny_system, recording):
    found = tiny_system.assess(recording)
    document = holds_together(found)
    assert views(found) == {key: {"ecg"} for key in TASKS}
    assert all(answer.modalities == ("ecg",) for answer in found.tasks.values())
    assert set(found.missing) == {"row"}
    assert all(set(kinds) == {"gradcam"} for kinds in document["explanations"].values())


def test_a_row_alone_is_answered_from_the_row_and_the_ecg_is_missed(tiny_system, row):
    found = tiny_system.assess(row=row)
    document = holds_together(found)
    assert views(found) == {key: {"row"} for key in TASKS}
    assert set(found.missing) == {"ecg"}
    assert found.quality is None
    assert found.phenotype is None
    assert all(set(kinds) == {"shap"} for kinds in document["explanations"].values())


def test_the_single_views_say_the_same_alone_and_beside_the_other(tiny_system, recording, row, both):
    ecg, table = tiny_system.assess(recording), tiny_system.assess(row=row)
    for name, answer in both.tasks.items():
        assert answer.by_modality["ecg"] == pytest.approx(ecg.tasks[name].probability)
        assert answer.by_modality["row"] == pytest.approx(table.tasks[name].probability)


def test_one_lead_is_enough_and_the_others_are_said_to_be_absent(tiny_system, only, row):
    found = tiny_system.assess(only("I"), row)
    holds_together(found)
    assert "V6" in found.missing["ecg.absent"]
    assert "ecg" in found.tasks["findings"].by_modality


@pytest.mark.parametrize("seconds", [4.0, 10.0, 25.0])
@pytest.mark.parametrize("rate", [100.0, 250.0, 500.0])
def test_other_lengths_and_rates_are_accepted_and_said(tiny_system, seconds, rate, recording, changed):
    times = np.arange(round(seconds * rate)) / rate % recording.duration
    at = np.arange(recording.signal.shape[1]) / recording.sampling_rate
    signal = np.stack([np.interp(times, at, lead) for lead in recording.signal]).astype(np.float32)
    found = tiny_system.assess(changed(signal=signal, sampling_rate=rate), explain=False)
    holds_together(found)
    assert ("ecg.resampled" in found.missing) == (rate != 100.0)
    assert ("ecg.padded" in found.missing) == (seconds < 10.0)
    assert ("ecg.cropped" in found.missing) == (seconds > 10.0)


def test_a_unit_of_the_same_kind_is_converted(tiny_system, row):
    pounds = tiny_system.assess(row=row | {"weight": "180lb"}, explain=False)
    kilograms = tiny_system.assess(row=row | {"weight": 180 * 0.45359237}, explain=False)
    assert probabilities(pounds) == probabilities(kilograms)
    assert pounds.patient["row"]["weight"]["value"] == pytest.approx(81.6466, abs=1e-3)
    assert pounds.patient["row"]["weight"]["unit"] == "kg"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("weight", "82mmHg", "clinical.unit"),
        ("weight", "heavy", "clinical.number"),
        ("weight", 820, "clinical.range"),
        ("systolic", -10, "clinical.range"),
        ("sex", "other", "clinical.category"),
        ("wieght", 82, "clinical.column"),
    ],
)
def test_a_value_that_cannot_be_is_refused(tiny_system, row, name, value, code):
    with pytest.raises(ClinicalError) as caught:
        tiny_system.assess(row=row | {name: value})
    assert caught.value.code == code
    assert name in caught.value.message


@pytest.mark.parametrize("given_as", ["absent", None, float("nan"), "", "NA"])
def test_a_missing_value_is_listed(tiny_system, row, given_as):
    without = {name: value for name, value in row.items() if name != "systolic"}
    if given_as != "absent":
        without["systolic"] = given_as
    found = tiny_system.assess(row=without, explain=False)
    holds_together(found)
    assert set(found.missing) == {"ecg", "row.systolic"}
    assert "stands in" in found.missing["row.systolic"]


def test_an_imputed_value_is_the_one_that_is_named(tiny_system, row):
    """What `missing` says stands in is what was really used."""
    without = tiny_system.assess(row={**row, "systolic": None}, explain=False)
    named = without.missing["row.systolic"].rsplit(": ", 1)[1]
    filled = tiny_system.assess(row={**row, "systolic": named}, explain=False)
    for task, probability in probabilities(without).items():
        assert probability == pytest.approx(probabilities(filled)[task])


def test_nothing_at_all_is_refused(tiny_system):
    for given_row in (None, {}, {"age": None}, {"age": "NA"}, {"patient_id": "P1"}):
        with pytest.raises(InputError) as caught:
            tiny_system.assess(row=given_row)
        assert caught.value.code == "input.nothing"


def test_an_unfit_ecg_alone_is_answered_with_why_and_what_to_do(tiny_system, flat):
    found = tiny_system.assess(flat)
    document = holds_together(found)
    assert found.tasks == found.explanations == {}
    assert found.phenotype is None
    assert found.measurements is None
    assert found.quality is not None
    assert found.quality.reasons == ("Every sample is zero or missing: record or export it again.",)
    assert "unfit for reading" in found.warnings[0]
    assert set(found.quality.reasons) <= set(document["warnings"])
    assert "not used" in found.missing["ecg"]


def test_measurements_are_of_the_ecg_alone(tiny_system, recording, row, both):
    assert both.measurements == tiny_system.assess(recording, explain=False).measurements
    assert {"heart_rate", "qrs", "qt"} <= set(both.measurements.intervals)
    assert tiny_system.assess(row=row).measurements is None


def test_an_unfit_ecg_beside_a_row_is_answered_from_the_row_and_said(tiny_system, flat, row):
    found = tiny_system.assess(flat, row)
    holds_together(found)
    alone = tiny_system.assess(row=row)
    assert probabilities(found) == probabilities(alone)
    assert all(answer.modalities == ("row",) for answer in found.tasks.values())
    assert found.quality is not None
    assert found.quality.grade == "unfit"
    assert "not used" in found.missing["ecg"]
    assert any("sample is zero" in warning for warning in found.warnings)


def test_an_ecg_of_nan_is_unfit(tiny_system, changed, recording):
    found = tiny_system.assess(changed(signal=np.full_like(recording.signal, np.nan)))
    holds_together(found)
    assert found.tasks == {}
    assert found.quality.grade == "unfit"


def test_the_same_patient_gets_the_same_answer(tiny_system, recording, row, both):
    assert tiny_system.assess(recording, row).to_json() == both.to_json()


def test_provenance_names_the_bundle(tiny_system, both):
    assert both.provenance["bundle_hash"] == tiny_system.bundle.hash
    assert both.provenance["bundle_name"] == "tiny"
    assert [entry["name"] for entry in both.provenance["training_data"]]


def test_words_for_a_terminal_say_the_research_notice_first(both):
    assert assessment_text(both).startswith("For research use only")


COHORT = virtual_cohort(6, 20_013)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    patient=st.integers(0, 5),
    given_columns=st.sets(st.sampled_from(VIRTUAL_SCHEMA.names)),
    leads=st.sets(st.integers(0, 11)),
)
def test_any_part_of_a_patient_is_answered_or_refused(tiny_system, changed, patient, given_columns, leads):
    source = COHORT.recordings[patient].read()
    kept = sorted(leads)
    ecg = (
        changed(signal=source.signal[kept], leads=tuple(source.leads[k] for k in kept), patient_id=None)
        if kept
        else None
    )
    decoded = VIRTUAL_SCHEMA.decode(COHORT.table.values[patient])
    refusal = None
    try:
        found = tiny_system.assess(ecg, {name: decoded[name] for name in given_columns})
    except InputError as error:
        refusal = error.code
    if refusal is None:
        holds_together(found)
    else:
        assert refusal == "input.nothing"
