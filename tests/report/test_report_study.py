"""Study report, model card and tables: every figure with interval, data and n; absent parts left out."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from typing import Any

import pytest

from cardiofusion.records import NOTICE, Figure
from cardiofusion.report import StudyReport, model_card, study_report
from cardiofusion.report.tables import interval, masked_table, measured, plain_table, task_tables

MANIFEST: dict[str, Any] = {
    "name": "demo",
    "created": "2026-11-20T09:00:00",
    "cardiofusion": "0.1.0",
    "format_version": 1,
    "seed": 0,
    "threads": 1,
    "tasks": [
        {
            "name": "superclass",
            "labels": ["NORM", "MI"],
            "modalities": ["ecg", "row"],
            "alignment": "matched",
        },
        {"name": "risk", "labels": ["no", "yes"], "modalities": ["ecg", "row"], "alignment": "covariate"},
    ],
    "training_data": [
        {
            "name": "PTB-XL",
            "n_recordings": 500,
            "n_patients": 466,
            "n_rows": 500,
            "licence": "CC BY 4.0",
            "citation": "Wagner 2020",
            "transductive": True,
        }
    ],
    "parameters": {"encoder": 420_000, "fusion": 90_000, "total": 510_000},
    "population": {"age": [18, 95]},
    "libraries": {"numpy": "2.4"},
    "files": {"encoder.safetensors": {"sha256": "ab" * 32, "bytes": 10}},
}


def test_a_title_alone_is_a_report() -> None:
    page = study_report(StudyReport("Only a title"))
    assert "Only a title" in page
    assert page.count(NOTICE) == 2
    assert "<table" not in page
    assert "<svg" not in page
    assert "<h2" not in page


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(StudyReport)][1:])
def test_any_part_may_be_missing(study: StudyReport, name: str) -> None:
    field = next(field for field in dataclasses.fields(StudyReport) if field.name == name)
    nothing = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
    without = study_report(dataclasses.replace(study, **{name: nothing}))
    assert study.title in without
    assert len(without) < len(study_report(study))


def test_verdict_and_warnings_stand_first(study: StudyReport) -> None:
    page = study_report(study)
    places = [
        page.index(text) for text in (study.verdict, "Read first", "What it learnt from", "Task: superclass")
    ]
    assert places == sorted(places)


def test_every_table_of_figures_says_data_and_n(figures: dict[str, Any]) -> None:
    tables = [*task_tables(measured(figures)), masked_table(figures)]
    assert len(tables) == 4
    for table in tables:
        assert table is not None
        assert re.search(r"Data: test set; n = [\d, to]+;", table.about)
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_figures_stand_in_their_row_and_column(figures: dict[str, Any]) -> None:
    auc = task_tables(measured(figures))[0]
    rows = {row[0]: dict(zip(auc.columns, row, strict=True)) for row in auc.rows}
    assert rows["MI"]["minirocket"] == interval(figures["superclass/minirocket/MI/auc"])
    assert rows["MI"]["Prevalence"] == "15\u00a0%\u00a0of\u00a095"
    assert "Gain of fusion over the better single view: 0.012 [−0.008 to 0.031]." in auc.about
    assert "gain" not in auc.columns
    assert rows["CD"]["clinical row alone"] == "not measurable"
    assert rows["CD"]["ECG alone"] == "–"


def test_cross_validation_subgroups_and_controls_have_tables_of_their_own() -> None:
    figure = Figure(0.8, 0.7, 0.9, 50, "test set")
    keys = (
        "t/ecg/MI/auc",
        "t/ecg/MI/prevalence",
        "t/cv/ecg/MI/auc_pooled",
        "t/subgroup/ecg/MI/sex=female",
        "t/subgroup/ecg/MI/age=40 to 59",
        "t/control/shuffled_pairs/auc",
        "t/gradcam/better_than_random",
    )
    auc, crossed, groups, controls = task_tables(measured(dict.fromkeys(keys, figure)))
    assert [row[0] for row in auc.rows] == ["MI"]
    assert crossed.title.startswith("Cross-validated")
    assert crossed.rows[0][1] == "–"  # the test set's prevalence is not that of all patients
    assert groups.columns == ("Subgroup", "MI")
    assert [row[0] for row in groups.rows] == ["sex: female", "age: 40 to 59"]
    assert groups.rows[0][1] == "0.800\n[0.700–0.900]\nn = 50"
    assert len(controls.rows) == 2


def test_coverage_is_shown_by_class_with_its_own_n(figures: dict[str, Any]) -> None:
    sets = task_tables(measured(figures))[-1]
    row = dict(zip(sets.columns, sets.rows[0], strict=True))
    assert row["covered where present"].endswith("n = 15")
    assert row["covered where absent"].endswith("n = 80")
    assert row["mean set size"].startswith("1.310")


def test_a_target_with_a_slash_keeps_it() -> None:
    (item,) = measured({"t/ecg/STTC/ST/auc": Figure(0.8, 0.7, 0.9, 10, "d")})
    assert (item.target, item.metric) == ("STTC/ST", "auc")


def test_masked_r2_stands_beside_its_baselines(study: StudyReport) -> None:
    page = study_report(study)
    assert "linear interpolation" in page
    assert "−0.210" in page


def test_plain_records_put_the_name_first_and_leave_empty_columns_out() -> None:
    table = plain_table("t", "", [{"citation": "", "n_rows": 3, "name": "a"}, {"n_rows": 0, "name": "b"}])
    assert table is not None
    assert table.columns == ("name", "rows")
    assert table.rows == (("a", "3"), ("b", "0"))
    assert plain_table("t", "", [{"citation": ""}]) is None


def test_parameters_are_added_up_once() -> None:
    page = study_report(StudyReport("t", parameters={"encoder": 400, "fusion": 100, "total": 500}))
    assert "<td>500</td>" in page
    assert "1,000" not in page


def test_nothing_is_fetched_or_run_and_text_is_escaped(study: StudyReport, figures: dict[str, Any]) -> None:
    hostile = "<script>alert(1)</script>"
    poisoned = dataclasses.replace(
        study,
        title=hostile,
        warnings=[hostile],
        data=[{hostile: hostile}],
        figures=figures | {f"{hostile}/ecg/{hostile}/auc": Figure(0.8, 0.7, 0.9, 10, hostile)},
        training={hostile: [1.0, 0.5]},
        phenotypes=dict(study.phenotypes) | {"names": {0: hostile}},
    )
    card = model_card(MANIFEST | {"name": hostile}, figures)
    for page in (study_report(poisoned), card):
        assert "<script" not in page
        assert not re.search(r"\b(src|href|action)\s*=", page)
        assert not re.search(r"<link|<iframe|@import|url\(|javascript:", page)
        assert "default-src 'none'" in page.replace("&#39;", "'")
        assert len(page) < 400_000


def test_card_says_what_it_is_for_and_where_it_comes_from(figures: dict[str, Any]) -> None:
    card = model_card(MANIFEST, figures)
    for words in (
        "Intended use",
        "Not for",
        "CC BY 4.0",
        "Wagner 2020",
        "ab" * 32,
        "510,000",
        "18 to 95 years",
        "Task risk: proxy alignment",
        "saw the test patients of PTB-XL, unlabelled",
        "superclass: Discrimination",
    ):
        assert words in card
    assert "Task superclass: " not in card
    assert "<dt>Seed</dt><dd>0</dd>" in card


def test_an_empty_manifest_is_still_a_card() -> None:
    card = model_card({}, {})
    assert "a CardioFusion bundle" in card
    assert NOTICE in card


def test_a_card_says_by_when_an_event_is_meant() -> None:
    survival = MANIFEST["tasks"][0] | {"labels": ["death"], "kind": "survival", "horizon": 2.5}
    assert "death within 2.5 years" in model_card(MANIFEST | {"tasks": [survival]}, {})
    assert "within" not in model_card(MANIFEST, {}).split("What it answers")[1].split("</table>")[0]


def test_the_room_imports_no_training_library() -> None:
    # LightGBM, which brings scipy and sklearn along where it finds them, is not imported by this room.
    heavy = {"torch", "scipy", "sklearn", "pandas", "polars", "matplotlib", "numba", "umap"}
    program = f"import sys, cardiofusion.report; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_published_scores_stand_beside_the_model_as_discrimination_only() -> None:
    key = "event/published/score2/dead/"
    figures = {
        f"{key}auc": Figure(0.71, 0.66, 0.76, 320, "test patients"),
        f"{key}auc_model": Figure(0.75, 0.7, 0.8, 320, "test patients"),
    }
    (table,) = task_tables(measured(figures))
    assert "discrimination only" in table.title
    assert table.rows == (("score2", "0.710\n[0.660–0.760]", "0.750\n[0.700–0.800]\nn = 320"),)
    assert "label is not a score's own outcome" in table.about
