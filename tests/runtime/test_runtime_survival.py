"""A survival task from the bundle to the sheet: by when, one risk from hazards, the same as the study's."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import jsonschema
import numpy as np
import pytest

from cardiofusion.bundle import manifest_schema
from cardiofusion.records import assessment_schema
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.study import Silent, read_study
from cardiofusion.study.answering import logits_by_view
from cardiofusion.study.pipeline import Pipeline
from cardiofusion.study.workspace import Workspace

BY_WHEN = "within 5 years"
SOME = 12


@pytest.fixture(scope="module")
def both(tiny_system, recording, row):
    return tiny_system.assess(recording, row)


@pytest.fixture(scope="module")
def pipeline(tiny_folder):
    """The tiny study, read from what it kept: nothing is trained."""
    return Pipeline(read_study(tiny_folder / "tiny.toml"), Workspace(tiny_folder / "bundle.work", Silent()))


def test_the_answer_says_by_when(both):
    answer = both.tasks["survival"]
    assert answer.horizon == 5.0
    assert set(answer.probability) == {"event"}
    assert set(answer.by_modality) == {"ecg", "row", "ecg+row"}
    assert set(answer.prediction_set["event"]) <= {"absent", "present"}
    assert all(BY_WHEN in words for words in answer.words)
    assert "lost" in answer.guarantee
    assert both.tasks["event"].horizon is None


def test_the_document_is_valid_and_has_the_horizon(both):
    document = json.loads(json.dumps(both.to_json(), allow_nan=False))
    jsonschema.validate(document, assessment_schema())
    horizons = {name: answer.get("horizon") for name, answer in document["tasks"].items()}
    assert horizons == {"event": None, "findings": None, "survival": 5.0}


def test_the_manifest_knows_the_horizon(tiny_bundle):
    manifest = json.loads((tiny_bundle / "manifest.json").read_text("utf-8"))
    jsonschema.validate(manifest, manifest_schema())
    tasks = {task["name"]: task for task in manifest["tasks"]}
    assert (tasks["survival"]["kind"], tasks["survival"]["horizon"]) == ("survival", 5.0)
    assert "horizon" not in tasks["event"]


def test_the_runtime_gives_the_risk_the_study_measured(tiny_system, pipeline):
    """Each view's logit, from ONNX and the booster's text, as torch and LightGBM gave it in the study."""
    task = tiny_system.manifest.task("survival")
    rows = pipeline.groups.test[:SOME]
    table, model, data = pipeline.table_model(task), pipeline.fusion(task), pipeline.pairs(task)[0]
    values = pipeline.cohort.table.values
    expected = logits_by_view(task, table, values, model, data, rows)
    views, models = ("ecg", "row", "ecg+row"), tiny_system._models["survival"]
    assert model.config.n_targets > 1  # hazards, of which one risk is made
    for row in rows:
        tokens = data.tokens[data.ecg[row]]
        fused = models.fused_logits(tokens, values[row], ("ecg", "ecg+row"))
        assert fused.shape == (2, 1)
        found = dict(zip(("ecg", "ecg+row"), fused[:, 0], strict=True)) | {
            "row": models.row_logits(values[row])[0]
        }
        assert [found[view] for view in views] == pytest.approx(
            [expected[view][row, 0] for view in views], abs=1e-4
        )


def test_a_later_horizon_is_another_model(pipeline):
    """Trees and fusion of another horizon have another place or another mark: none is taken for this one."""
    task = next(task for task in pipeline.cohort.tasks if task.kind == "survival")
    later = replace(task, horizon=8.0)
    assert pipeline.fusion_mark(later) != pipeline.fusion_mark(task)
    assert pipeline._boost_stage(later) != pipeline._boost_stage(task)
    event = next(task for task in pipeline.cohort.tasks if task.name == "event")
    assert pipeline._boost_stage(event) == "boost-event"


def test_shap_adds_up_to_the_hazard_and_says_so(tiny_system, both, row):
    shap = both.explanations["survival"]["shap"]
    contributions = [step["contribution"] for step in shap["contributions"]]
    assert shap["base"] + sum(contributions) == pytest.approx(shap["total"], abs=1e-6)
    (booster,) = tiny_system._models["survival"].boosters
    assert shap["total"] == pytest.approx(booster.contributions(tiny_system.encode_row(row)[None]).sum())
    assert "stretch of time" in shap["unit"]
    assert "interval_of_time" not in {step["feature"] for step in shap["contributions"]}
    assert both.explanations["event"]["shap"]["unit"] == "log-odds"


def test_sheet_and_terminal_say_by_when(both, recording):
    sheet, text = patient_sheet(both, recording), assessment_text(both)
    for shown in (sheet, text):
        assert BY_WHEN in re.sub(r"\s+", " ", shown)


def test_the_figures_of_the_study_have_orders_in_time_and_what_fusion_beats(tiny_bundle):
    figures = json.loads((tiny_bundle / "metrics.json").read_text("utf-8"))["figures"]
    for view in ("ecg", "row", "ecg+row", "lightgbm", "late"):
        assert f"survival/{view}/event/c_uno" in figures
        assert np.isfinite(figures[f"survival/{view}/macro/auc"]["value"])
    for rival in ("ecg", "row", "lightgbm", "late"):
        fused, other = (figures[f"survival/{view}/macro/auc"]["value"] for view in ("ecg+row", rival))
        assert figures[f"survival/gain over {rival}/macro/auc"]["value"] == pytest.approx(fused - other)
    for task in ("event", "findings", "survival"):
        assert figures[f"{task}/control/dealt_labels/auc"]["n"] == 2
    assert not any(key.startswith("event/") and "c_uno" in key for key in figures)


def test_the_report_names_the_task_and_its_measures(tiny_folder):
    text = re.sub(r"\s+", " ", (tiny_folder / "report.html").read_text("utf-8"))
    assert "Uno" in text
    assert "outcomes of other patients" in text
    assert "within 5 years" in text
