"""The patient sheet and its terminal twin: order, words, safety."""

from __future__ import annotations

import dataclasses
import html
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.records import LEADS, NOTICE, Assessment, PublishedScores, Recording
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.report.answers import unused_words
from cardiofusion.report.verdicts import natural
from cardiofusion.report.wording import clean, percent

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e"
EMPTY = Assessment({}, (), None, {}, None, {}, {})


def body(page: str) -> str:
    return page[page.index("<main>") :]


def test_everything_stands_in_the_promised_order(assessment: Assessment, recording: Recording) -> None:
    page = body(patient_sheet(assessment, recording))
    marks = (
        NOTICE,
        "patient P-77",
        "Read first",
        "Quality of the ECG",
        "The answer",
        "Measured in the ECG",
        'class="ecg-paper"',
        "SHAP values for MI",
        "Cross-modal attention",
        "Phenotype 2",
        "What was missing",
        "3f9a3f9a3f9a</code>",
    )
    positions = [page.index(mark) for mark in marks]
    assert positions == sorted(positions)
    assert page.count(NOTICE) == 2


def test_warnings_come_before_any_result(assessment: Assessment, recording: Recording) -> None:
    page = body(patient_sheet(assessment, recording))
    last_warning = max(page.index(warning) for warning in assessment.warnings)
    for result in ("of 100", "\u00a0%", "heart rate", "log-odds"):
        assert page.index(result) > last_warning


def test_terminal_warnings_come_before_any_number(assessment: Assessment) -> None:
    warnings = ("The ECG and the row disagree.", "Leads may be swapped.")
    text = assessment_text(dataclasses.replace(assessment, warnings=warnings))
    first_number = re.search(r"\d", text)
    assert first_number is not None
    assert all(0 <= text.index(warning) < first_number.start() for warning in warnings)
    assert text.startswith(NOTICE)


def test_the_page_fetches_nothing_and_runs_nothing(assessment: Assessment, recording: Recording) -> None:
    page = patient_sheet(assessment, recording)
    assert not re.search(r"\b(src|href|action)\s*=", page)
    assert not re.search(r"<script|<link|<iframe|@import|url\(|javascript:|\son\w+=", page)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert "default-src 'none'" in policy[1].replace("&#39;", "'")
    assert len(page) < 400_000


def test_hostile_text_stays_text(assessment: Assessment, recording: Recording) -> None:
    poisoned = dataclasses.replace(
        assessment,
        warnings=(HOSTILE,),
        missing={HOSTILE: HOSTILE},
        phenotype={"name": HOSTILE, HOSTILE: HOSTILE},
        patient={"patient_id": HOSTILE, "row": {HOSTILE: {"value": HOSTILE, "unit": HOSTILE}}},
        provenance={"bundle_hash": HOSTILE, HOSTILE: [HOSTILE], "training_data": [{"name": HOSTILE}]},
        explanations={
            HOSTILE: {
                "shap": {
                    "target": HOSTILE,
                    "base": 0.0,
                    "total": 1.0,
                    "unit": HOSTILE,
                    "contributions": [
                        {"feature": HOSTILE, "value": HOSTILE, "unit": "", "contribution": 1.0}
                    ],
                },
                "attention": {
                    "features": [HOSTILE],
                    "tokens": [HOSTILE],
                    "weights": [[1.0]],
                    "top": [HOSTILE],
                },
            }
        },
    )
    page = patient_sheet(poisoned, dataclasses.replace(recording, record_id=HOSTILE))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    for output in (page, assessment_text(poisoned)):
        assert "\x1b" not in output
        assert "\u202e" not in output


def test_a_line_break_in_an_id_forges_no_line(assessment: Assessment) -> None:
    forged = dataclasses.replace(assessment, patient={"patient_id": "1\nAnswer: healthy"})
    assert "\nAnswer: healthy" not in assessment_text(forged)


def told(page: str) -> str:
    """A page's text on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_answer_is_said_as_set_and_natural_frequency(
    assessment: Assessment, recording: Recording
) -> None:
    page, text = (
        told(shown) for shown in (patient_sheet(assessment, recording), assessment_text(assessment))
    )
    for words in (
        "◐ Cannot rule out myocardial infarction (MI) about 47 of 100",
        "● Points to ST or T wave change (STTC) about 71 of 100 (95 %: 58 to 81)",
        "○ Unlikely: conduction disturbance (CD) fewer than 1 of 1,000",
        "◇ Cannot tell hypertrophy (HYP): unlike the patients it learnt from"
        " not to be relied on: about 23 of 100 (95 %: 10 to 40)",
        "◐ Cannot rule out diseased about 64 of 100",
        "These labels do not speak of rhythm.",
    ):
        assert words in page
        assert words in text
    assert "a rare finding can be pointed to and still be absent in most" in page
    assert "What is pointed to may still be absent in most" in text
    assert not re.search(r": (yes|no)\b|cannot tell:", page[: page.index("SHAP")])


def test_what_an_interval_is_stands_beside_it_and_nowhere_else(
    assessment: Assessment, recording: Recording
) -> None:
    said = "given the model&#39;s score; it is not how sure the model is of this patient"
    assert body(patient_sheet(assessment, recording)).count(said) == 1
    text = " ".join(assessment_text(assessment).split())
    assert text.count(said.replace("&#39;", "'")) == 1
    assert "about 71 of 100 (95 %: 58 to 81)" in text
    tasks = {name: dataclasses.replace(a, interval={}) for name, a in assessment.tasks.items()}
    without = dataclasses.replace(assessment, tasks=tasks)
    for shown in (patient_sheet(without, recording), assessment_text(without)):
        assert "interval" not in shown
        assert "95 %" not in told(shown).replace("\u00a0", " ")


def test_a_proxy_is_marked_and_a_match_is_not(assessment: Assessment, recording: Recording) -> None:
    page = patient_sheet(assessment, recording)
    assert page.count('<span class="badge">⚠ proxy alignment</span>') == 1
    assert "proxy alignment" in assessment_text(assessment)
    matched = dataclasses.replace(assessment, tasks={"superclass": assessment.tasks["superclass"]})
    assert "proxy alignment" not in body(patient_sheet(matched, recording))


def test_published_scores_stand_after_the_answer_each_outcome_once(
    assessment: Assessment, recording: Recording, scores: PublishedScores
) -> None:
    page = body(patient_sheet(dataclasses.replace(assessment, scores=scores), recording))
    assert page.index("The answer") < page.index("Published scores") < page.index('class="ecg-paper"')
    for words in (
        "Risk in 10 years",
        "Risk in 30 years",
        "<b>3.3\u00a0%</b> about 3 of 100",
        "<b>21\u00a0%</b> about 21 of 100",
        "age 63\u00a0years (from the ECG file)",
        "Sources: Khan et al., 2024; D&#39;Agostino et al., 2008.",
        "Not computed: SCORE2, PREVENT (2). Missing: risk region, eGFR, HDL cholesterol.",
        "Out of range for some: age 63.",
    ):
        assert words in page
    assert page.count("a first event") == 1
    assert "Published scores" not in body(patient_sheet(assessment, recording))


def test_terminal_scores_name_what_to_give(assessment: Assessment, scores: PublishedScores) -> None:
    lines = assessment_text(dataclasses.replace(assessment, scores=scores)).splitlines()
    start = lines.index("Published scores")
    section = " ".join(" ".join(lines[start : lines.index("", start)]).split())
    assert "a first event: PREVENT, cardiovascular 3.3 % in 10 years, 21 % in 30 years" in section
    assert "missing: risk_region, egfr, hdl_cholesterol; out of range for some: age 63" in section
    assert "event before: not told" in section
    assert max(map(len, lines)) <= 100


def test_scores_that_are_all_absent_are_one_line(assessment: Assessment, scores: PublishedScores) -> None:
    none = dataclasses.replace(assessment, scores=dataclasses.replace(scores, risks=()))
    page = patient_sheet(none, None)
    assert "Not computed: SCORE2, PREVENT (2)." in page
    assert 'class="scores"' not in page
    assert "given: age" not in assessment_text(none)


def test_nothing_at_all_is_still_a_sheet() -> None:
    page = patient_sheet(EMPTY, None)
    assert "No task could be answered" in page
    assert "No ECG was given" in page
    assert 'class="loud"' not in page
    assert assessment_text(EMPTY).startswith(NOTICE)


def test_without_grad_cam_the_paper_is_plain(assessment: Assessment, recording: Recording) -> None:
    plain = patient_sheet(dataclasses.replace(assessment, explanations={}), recording)
    assert 'class="ecg-paper"' in plain
    assert 'class="heat"' not in plain
    assert 'type="checkbox"' not in plain


def test_an_explanation_of_what_the_answer_did_not_use_says_so(
    assessment: Assessment, recording: Recording
) -> None:
    used = "did not enter it"
    assert used not in patient_sheet(assessment, recording)
    row_only = dataclasses.replace(assessment.tasks["superclass"], modalities=("row",))
    doubtful = dataclasses.replace(assessment, tasks={"superclass": row_only})
    for output in (patient_sheet(doubtful, recording), " ".join(assessment_text(doubtful).split())):
        assert f"What is said here of the ECG {used}" in output


def test_the_paper_shows_the_task_that_used_the_ecg(assessment: Assessment, recording: Recording) -> None:
    gradcam = assessment.explanations["superclass"]["gradcam"]
    explanations = {"risk": {"gradcam": gradcam | {"target": "diseased"}}, "superclass": {"gradcam": gradcam}}
    page = patient_sheet(dataclasses.replace(assessment, explanations=explanations), recording)
    assert "The ECG, and where the model looked for MI" in page


def test_a_refused_explanation_says_why(assessment: Assessment, recording: Recording) -> None:
    refused = {"superclass": {"gradcam": {"target": "MI", "refused": "failed its test"}}}
    without = dataclasses.replace(assessment, explanations=refused)
    page = patient_sheet(without, recording)
    assert 'class="heat"' not in page
    assert "is not shown: failed its test" in page
    assert "is not shown: failed its test" in assessment_text(without)


def test_attention_that_never_reached_the_answer_is_not_drawn(
    assessment: Assessment, recording: Recording
) -> None:
    refused = {"superclass": {"attention": {"target": "MI", "refused": "lines answer alone"}}}
    without = dataclasses.replace(assessment, explanations=refused)
    page = patient_sheet(without, recording)
    assert "Cross-modal attention is not shown: lines answer alone." in page
    assert "which part of the ECG each clinical feature looked at" not in page
    assert "attention is not shown: lines answer alone" in assessment_text(without)


def test_what_is_refused_needs_no_caution(assessment: Assessment) -> None:
    """That the answer did not use the ECG is said beside a picture of it, not beside an excuse."""
    answer = dataclasses.replace(assessment.tasks["superclass"], modalities=("row",))
    shown = {"gradcam": assessment.explanations["superclass"]["gradcam"]}
    assert unused_words(answer, shown)
    assert not unused_words(answer, {"gradcam": {"target": "MI", "refused": "failed its test"}})


def test_grad_cam_of_a_short_ecg_is_padded_not_stretched(assessment: Assessment) -> None:
    gradcam = {
        "target": "MI",
        "leads": list(LEADS),
        "rate": 25.0,
        "map": [[0.0] * 25 + [1.0] * 25] * 12,
        "peaks": [],
    }
    short = Recording(np.zeros((12, 1000), np.float32), 500.0, LEADS)
    page = patient_sheet(
        dataclasses.replace(assessment, explanations={"superclass": {"gradcam": gradcam}}), short
    )
    heat = re.search(r'<g class="heat".*?</g>', page)
    assert heat is not None
    assert "M40.00 100h25.00" in heat[0]  # the rhythm strip, from 1 to 2 s


def test_the_text_fits_a_terminal(assessment: Assessment) -> None:
    lines = assessment_text(assessment).splitlines()
    assert max(map(len, lines)) <= 100
    assert len(lines) < 74


@given(st.floats(0.0, 1.0))
def test_frequency_and_percent_say_the_same(probability: float) -> None:
    found = natural(probability)
    assert found is not None
    said = found.words
    count, whole = (int(n.replace(",", "")) for n in re.findall(r"[\d,]+", said)[:2])
    shown = float(re.sub(r"[^\d.]", "", percent(probability)))
    assert abs(count / whole - probability) <= 0.00501
    assert abs(shown / 100 - probability) <= 0.00501
    assert abs(shown / 100 - count / whole) <= 0.0055
    if 0 < probability < 1:
        assert count > 0 or said.startswith("fewer")
        assert count < whole


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf")])
def test_no_probability_is_said_so(nothing: float | None) -> None:
    assert percent(nothing) == "no probability"


@given(st.text())
def test_clean_text_prints(text: str) -> None:
    assert all(c.isprintable() or c in "\n\u00a0" for c in clean(text))
    assert len(clean(text)) == len(text)
