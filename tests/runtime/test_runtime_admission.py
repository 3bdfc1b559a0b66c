"""Whom the bundle does not know, and whose ECG this is: said first, and the numbers still follow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cardiofusion.bundle import write_bundle
from cardiofusion.records import Measurement, Measurements, Rhythm
from cardiofusion.runtime import System
from cardiofusion.runtime.admission import FIBRILLATION, lead_warnings, rhythm_warnings
from cardiofusion.signal import assess_quality

DISTRUST = "do not rely on what follows"


def first_warning(system, recording, row):
    found = system.assess(recording, row, explain=False)
    assert found.tasks
    return found.warnings[0] if found.warnings else ""


def test_a_plain_patient_gets_no_such_warning(tiny_system, recording, row):
    found = tiny_system.assess(recording, row, explain=False)
    assert not any(DISTRUST in warning or "WRONG" in warning for warning in found.warnings)
    assert found.cautions == ()


@pytest.mark.parametrize("given", ["ecg", "row", "both"])
def test_a_child_is_answered_with_a_warning_first(tiny_system, changed, row, given):
    ecg = None if given == "row" else changed(age=8.0)
    warning = first_warning(tiny_system, ecg, None if given == "ecg" else {**row, "age": 8})
    assert "child (8 years)" in warning
    assert DISTRUST in warning


@pytest.fixture(scope="session")
def proxy_system(tiny_system, tmp_path_factory):
    """The tiny bundle as if one of its tasks had learnt from ECGs of other people."""
    bundle, folder = tiny_system.bundle, tmp_path_factory.mktemp("proxy") / "bundle"
    event, *others = bundle.manifest.tasks
    manifest = replace(bundle.manifest, tasks=(replace(event, alignment="latent"), *others))
    write_bundle(folder, manifest, bundle.contents)
    return System.load(folder)


def cautions(system, recording, row):
    return system.assess(recording, row, explain=False).cautions


def test_cautions_are_codes_in_order_of_weight(tiny_system, proxy_system, changed, paced, flat, row):
    assert cautions(tiny_system, changed(age=8.0), {**row, "age": 8}) == ("child",)
    assert cautions(tiny_system, changed(age=8.0), row) == ("wrong_patient",)
    assert cautions(tiny_system, changed(age=8.0), {**row, "age": 110}) == ("wrong_patient", "age")
    assert cautions(tiny_system, None, {**row, "age": 110}) == ("age",)
    assert cautions(tiny_system, paced, None) == ("paced",)
    assert cautions(tiny_system, flat, row) == ("unfit",)
    assert cautions(proxy_system, None, row) == ("proxy",)
    worst = replace(flat, sex="male")
    everything = cautions(proxy_system, worst, {**row, "sex": "female", "age": 8})
    assert everything == ("wrong_patient", "child", "unfit", "proxy")


def test_every_caution_has_its_words_among_the_warnings(proxy_system, flat, row):
    found = proxy_system.assess(replace(flat, sex="male"), {**row, "sex": "female", "age": 8}, explain=False)
    for words in ("WRONG PATIENT?", "a child (8 years)", "unfit for reading", "Experimental."):
        assert any(words in warning for warning in found.warnings)


@pytest.mark.parametrize("age", [100.0, 110.0])
def test_an_age_beyond_the_training_data_is_answered_with_a_warning_first(tiny_system, changed, row, age):
    low, high = tiny_system.manifest.population["age"]
    assert low >= 18
    assert high < age
    warning = first_warning(tiny_system, changed(age=age), {**row, "age": age})
    assert f"Age {age:g} is outside the training data ({low:g} to {high:g} years)" in warning
    assert DISTRUST in warning
    assert first_warning(tiny_system, None, {**row, "age": age}) == warning


def test_a_paced_rhythm_is_answered_with_a_warning_first(tiny_system, paced):
    assert tiny_system.manifest.population["paced"] == 0
    warning = first_warning(tiny_system, paced, None)
    assert "paced" in warning
    assert DISTRUST in warning


def test_a_holter_of_two_leads_is_answered_with_a_warning(tiny_system, only):
    found = tiny_system.assess(only("II", "V5"), None, explain=False)
    assert found.tasks
    assert found.cautions == ("leads",)
    assert f"The bundle learnt from 12 leads; this ECG has 2: {DISTRUST}." in found.warnings


def test_few_leads_close_only_the_tasks_that_read_them(only):
    shipped = System.load()
    found = shipped.assess(only("II", "V5"), {"age": 61, "sex": "male", "systolic": 150}, explain=False)
    assert set(found.tasks) == {"ecg-findings", "mortality"}
    (said,) = [words for words in found.warnings if "leads; this ECG" in words]
    assert said.startswith("ecg-findings: ")


def test_a_bundle_that_learnt_from_as_few_leads_knows_them(only):
    quality = assess_quality(only("II", "V5"))
    assert not list(lead_warnings({"leads": 2}, quality))
    assert len(list(lead_warnings({"leads": 3}, quality))) == 1
    assert not list(lead_warnings({}, None))


def test_an_answer_says_what_it_was_not_made_from(tiny_system, recording, row):
    alone = tiny_system.assess(None, row, explain=False)
    whole = tiny_system.assess(recording, row, explain=False)
    for task in tiny_system.manifest.tasks:
        for answer in (found.tasks.get(task.name) for found in (alone, whole)):
            if answer is not None:
                assert set(answer.modalities) | set(answer.unused) == set(task.modalities)
    both = {task.name for task in tiny_system.manifest.tasks if set(task.modalities) == {"ecg", "row"}}
    assert both
    assert {name for name, answer in alone.tasks.items() if answer.expected} >= both


@pytest.mark.parametrize(
    ("fields", "given", "said"),
    [
        ({"sex": "male"}, {"sex": "female"}, "of a male, the clinical row of a female"),
        ({"age": 71.0}, {"age": 27}, "says 71 years, the clinical row 27"),
        ({"patient_id": "A-1"}, {"patient_id": "B-2"}, "is of A-1, the clinical row of B-2"),
        ({"patient_id": "A-1"}, {"patient": 17}, "is of A-1, the clinical row of 17"),
    ],
)
def test_an_ecg_of_somebody_else_is_a_loud_warning_first(tiny_system, recording, row, fields, given, said):
    warning = first_warning(tiny_system, replace(recording, **fields), {**row, **given})
    assert warning.startswith("WRONG PATIENT?")
    assert said in warning


def test_a_birthday_between_ecg_and_row_is_no_contradiction(tiny_system, changed, row):
    assert "WRONG" not in first_warning(tiny_system, changed(age=row["age"] + 1.0), row)


def test_the_same_patient_id_is_no_contradiction(tiny_system, recording, row):
    given = {**row, "patient_id": recording.patient_id}
    assert "WRONG" not in first_warning(tiny_system, recording, given)


@pytest.mark.parametrize(
    ("regularity", "confidence", "warned"),
    [("irregularly irregular", 0.9, True), ("irregularly irregular", 0.3, False), ("irregular", 0.9, False)],
)
def test_a_rhythm_as_in_fibrillation_is_said_beside_labels_that_know_none(regularity, confidence, warned):
    rr = Measurement(812.0, "ms", 140.0, 0.9, 12)
    rhythm = Rhythm(regularity, rr, 0.2, 0.2, 0.0, 0.05, confidence)
    words = [warning.words for warning in rhythm_warnings(Measurements(rhythm=rhythm))]
    assert words == ([FIBRILLATION] if warned else [])
    assert list(rhythm_warnings(None)) == list(rhythm_warnings(Measurements())) == []
