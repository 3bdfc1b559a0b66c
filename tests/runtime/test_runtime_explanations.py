"""Explanations say what they claim: they add up, have the shape of the ECG, and name who was asked."""

from __future__ import annotations

import numpy as np
import pytest

from cardiofusion.records import LEADS


@pytest.fixture(scope="module")
def explained(tiny_system, recording, row):
    return tiny_system.assess(recording, row)


def gradcams(assessment):
    return [kinds["gradcam"] for kinds in assessment.explanations.values()]


@pytest.mark.parametrize("task", ["event", "findings"])
def test_shap_values_add_up_to_the_boosters_score(tiny_system, explained, row, task):
    shap = explained.explanations[task]["shap"]
    contributions = [step["contribution"] for step in shap["contributions"]]
    assert shap["base"] + sum(contributions) == pytest.approx(shap["total"], abs=1e-6)
    models = tiny_system._models[task]
    target = models.task.targets.index(shap["target"])
    logits = models.row_logits(tiny_system.encode_row(row))
    assert shap["total"] == pytest.approx(logits[target], abs=1e-9)


def test_shap_shows_the_values_that_were_given(explained, row):
    for kinds in explained.explanations.values():
        for step in kinds["shap"]["contributions"]:
            if step["feature"] in row:
                assert step["value"] == row[step["feature"]]


def test_attention_is_shown_only_where_it_reaches_the_answer(tiny_system, explained):
    verdicts = tiny_system.manifest.details["explanations"]
    for task, kinds in explained.explanations.items():
        verdict = verdicts[task]["attention"]
        assert ("weights" in kinds["attention"]) == verdict["shown"]
        assert kinds["attention"].get("refused", verdict["why"]) == verdict["why"]


def test_attention_rows_add_up_to_one_over_the_times_and_leads_of_the_ecg(tiny_system, explained):
    shown = [
        kinds["attention"] for kinds in explained.explanations.values() if "weights" in kinds["attention"]
    ]
    attention = shown[0]
    weights = np.array(attention["weights"])
    assert tuple(attention["features"]) == tiny_system.manifest.schema.names
    assert tuple(attention["tokens"][-12:]) == LEADS
    assert weights.shape == (len(attention["features"]), len(attention["tokens"]))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-3)  # each weight is rounded to 1e-5


def test_the_explained_target_is_the_likeliest(explained):
    answer, kinds = explained.tasks["findings"], explained.explanations["findings"]
    likeliest = max(answer.probability, key=answer.probability.get)
    assert {kind["target"] for kind in kinds.values() if "target" in kind} == {likeliest}


def test_gradcam_is_shown_only_where_it_passed_its_test_in_training(tiny_system, explained):
    verdicts = tiny_system.manifest.details["explanations"]
    for task, kinds in explained.explanations.items():
        verdict = verdicts[task]["gradcam"]
        assert ("map" in kinds["gradcam"]) == verdict["shown"]
        if not verdict["shown"]:
            assert kinds["gradcam"]["refused"] == verdict["why"]


@pytest.fixture
def shown(tiny_system, monkeypatch):
    """The system as if Grad-CAM had passed its test: a tiny encoder's map may well fail it."""
    yes = {"shown": True, "why": "for this test"}
    details = {key: {"gradcam": yes} for key in ("event", "findings", "survival")}
    monkeypatch.setitem(tiny_system.manifest.details, "explanations", details)
    return tiny_system


def test_gradcam_is_a_map_of_leads_by_time(shown, recording, row):
    for cam in gradcams(shown.assess(recording, row)):
        heat = np.array(cam["map"])
        assert tuple(cam["leads"]) == LEADS
        assert cam["rate"] >= 25.0  # 40 ms or finer
        assert heat.shape == (12, round(10 * cam["rate"]))
        assert heat.min() >= 0.0
        assert heat.max() == pytest.approx(1.0, abs=1e-3)
        assert cam["peaks"]


def test_gradcam_has_nothing_where_a_lead_is_absent(shown, only):
    for cam in gradcams(shown.assess(only("V2"))):
        heat = np.array(cam["map"])
        absent = [k for k, lead in enumerate(LEADS) if lead != "V2"]
        assert not heat[absent].any()
        assert all(peak.startswith("V2") for peak in cam["peaks"])


def test_explanations_can_be_left_out(tiny_system, recording, row, explained):
    found = tiny_system.assess(recording, row, explain=False)
    assert found.explanations == {}
    assert {k: a.probability for k, a in found.tasks.items()} == {
        k: a.probability for k, a in explained.tasks.items()
    }
