"""The sheet's page: order, words, what is closed, and that nothing of a stranger's runs on it."""

from __future__ import annotations

import dataclasses
import re
from html import unescape as html_unescape
from typing import Literal

import pytest

from cardiofusion.records import (
    NOTICE,
    Assessment,
    Finding,
    InputError,
    Measurement,
    Quality,
    Recording,
    Rhythm,
)
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.report.answers import NOT_OF_RHYTHM, answer_parts, two_things
from cardiofusion.report.gate import gate_reasons
from cardiofusion.report.layouts import GAINS, LAYOUTS, SPEEDS
from cardiofusion.runtime import System
from cardiofusion.serve.drawing import PaperChoice
from cardiofusion.serve.language import LANGUAGES
from cardiofusion.serve.sheet import SimilarCase

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e\"'><img src=x onerror=alert(1)>"
READING = "Two different things. Left is what this patient looks like"
SIMILAR = SimilarCase("/cases/2", "P-12", "2026-03-01", "cannot rule out HYP", 0.97, ("MI: present",))


def screen(page: str) -> str:
    """What is on the screen, without the printed page."""
    return page[page.index('<article class="sheet">') : page.index('<section id="printed"')]


def test_everything_stands_in_the_promised_order(
    whole: Assessment, ecg: Recording, rendered, shipped: System
) -> None:
    warned = dataclasses.replace(
        whole, warnings=("WRONG PATIENT? The ECG is of a female.", "V1 and V2 may be swapped.")
    )
    page = screen(rendered(warned, ecg, earlier=(whole, ecg), similar=[SIMILAR]))
    marks = (
        "P-77", NOTICE, "Wrong patient?", "The ECG is of a female.", "V1 and V2 may be swapped.",
        'id="quality"', 'id="answer"', 'id="ecg"', 'class="ecg-paper"', 'id="measured"', 'id="earlier"',
        'id="why"', 'id="scores"', 'id="similar"', 'id="missing"', 'id="provenance"',
    )  # fmt: skip
    positions = [page.index(mark) for mark in marks]
    assert positions == sorted(positions)


def test_set_and_probability_are_two_things(whole: Assessment, ecg: Recording, rendered) -> None:
    answer = whole.tasks["ecg-findings"]
    rare = dataclasses.replace(
        answer,
        prediction_set={"MI": ("present",), "CD": ("absent", "present"), "HYP": (), "STTC": ("absent",)},
        probability={"MI": 0.27, "CD": 0.4, "HYP": 0.5, "STTC": 0.03},
        interval={"MI": (0.18, 0.38)},
    )
    page = screen(rendered(dataclasses.replace(whole, tasks={"ecg-findings": rare}), ecg))
    text = " ".join(re.sub(r"<[^>]+>", " ", page).split())
    assert "Points to myocardial infarction (MI) about 27 of 100 95 % interval 18 to 38" in text
    assert "Cannot rule out conduction disturbance (CD) about 40 of 100" in text
    assert "Unlikely: ST or T wave change (STTC) about 3 of 100" in text
    assert "unlike the patients it learnt from not to be relied on" in text
    assert "a rare finding can be pointed to and still be absent in most" in text
    assert "MI: yes" not in page


def test_a_child_is_answered_behind_a_gate(shipped: System, ecg: Recording, rendered) -> None:
    child = dataclasses.replace(ecg, age=9.0)
    assessment = shipped.assess(child, {"age": 9, "sex": "male"})
    page = screen(rendered(assessment, child))
    answers = page[page.index('id="answer"') : page.index('id="ecg"')]
    assert answers.count('<div class="gate">') == len(assessment.tasks) == 2
    assert "of 100" not in answers  # not even in the page's source
    assert "Where the model looked" not in page
    assert "SHAP values for" not in page
    assert "Show anyway" not in answers
    assert "Show anyway" in screen(rendered(assessment, child, may_open=True))
    opened = rendered(assessment, child, opened=True, may_open=True)
    assert "of 100" in screen(opened)
    assert "do not rely on it" in screen(opened)
    assert "SHAP values for" in screen(opened)
    printed = opened[opened.index('id="printed"') :]
    assert not re.search(r"\d+ of 100\b", printed)


def test_how_to_read_an_answer_stands_where_one_is_open(shipped: System, ecg: Recording, rendered) -> None:
    child = dataclasses.replace(ecg, age=9.0)
    closed = rendered(shipped.assess(child, {"age": 9, "sex": "male"}), child)
    opened = rendered(shipped.assess(child, {"age": 9, "sex": "male"}), child, opened=True, may_open=True)
    old = dataclasses.replace(ecg, age=80.0)  # whose mortality alone is closed
    partly = rendered(shipped.assess(old, {"age": 80, "sex": "male"}), old)
    assert [READING in screen(page) for page in (closed, opened, partly)] == [False, True, True]
    on_paper = [words_of(page[page.index('id="printed"') :]) for page in (closed, opened, partly)]
    assert ["At the right: how many" in paper for paper in on_paper] == [False, False, True]


def test_of_an_age_that_one_task_does_not_know_only_that_task_is_closed(shipped: System) -> None:
    """The clinical task learnt from 25 to 74 years, the ECG task from 17 to 90."""
    assessment = shipped.assess(None, {"age": 80, "sex": "female"})
    assert gate_reasons("mortality", assessment)
    assert not gate_reasons("ecg-findings", assessment)


def test_two_people_close_everything(shipped: System, ecg: Recording, rendered) -> None:
    assessment = shipped.assess(dataclasses.replace(ecg, sex="female"), {"age": 61, "sex": "male"})
    page = screen(rendered(assessment, ecg))
    assert page.index("Wrong patient?") < page.index('id="quality"')
    assert page.count('<div class="gate">') == 2
    assert "may be of two people" in page


def test_a_caution_without_words_closes_too(whole: Assessment) -> None:
    assert not gate_reasons("mortality", whole)
    paced = dataclasses.replace(whole, cautions=("paced",))
    assert gate_reasons("mortality", paced) == ("Paced: do not rely on what follows.",)
    assert not gate_reasons("mortality", dataclasses.replace(whole, cautions=("proxy",)))


def test_an_unfit_ecg_is_an_answer_with_what_to_do(shipped: System, flat: Recording, rendered) -> None:
    page = screen(rendered(shipped.assess(flat), flat))
    answer = page[page.index('id="answer"') : page.index('id="ecg"')]
    assert "No answer: this ECG cannot be read" in answer
    assert "record or export it again" in answer
    assert "error" not in answer.lower()


def test_a_row_alone_has_no_paper_and_says_so(shipped: System, rendered) -> None:
    page = rendered(shipped.assess(None, {"age": 61, "sex": "male"}), None)
    assert "ecg-paper" not in page
    assert "No ECG was given." in page
    assert "<figure>" in page


def words_of(html: str) -> str:
    return " ".join(html_unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_fibrillation_never_looks_like_a_normal_rhythm(whole: Assessment, ecg: Recording, rendered) -> None:
    rr = Measurement(600.0, "ms", 140.0, 0.9, 14)
    rhythm = Rhythm("irregularly irregular", rr, 0.2, 0.2, 0.0, 0.05, 0.9)
    assert whole.measurements is not None
    normal = dataclasses.replace(
        whole.tasks["ecg-findings"], prediction_set={"NORM": ("present",)}, probability={"NORM": 0.79}
    )
    fibrillating = dataclasses.replace(
        whole,
        tasks={"ecg-findings": normal},
        measurements=dataclasses.replace(whole.measurements, rhythm=rhythm),
    )
    page = rendered(fibrillating, ecg)
    answer = words_of(page[page.index('id="answer"') : page.index('id="ecg"')])
    printed = words_of(page[page.index('id="printed"') :])
    assert "Measured : Rhythm: irregularly irregular" in answer.replace("Measured:", "Measured :")
    for part in (answer, printed):
        assert "a normal ECG (NORM)" not in part
        assert "rhythm not judged (NORM)" in part
        assert "These labels do not speak of rhythm." in part
        assert "Measured beside it: rhythm irregularly irregular" in part
    regular = words_of(rendered(dataclasses.replace(fibrillating, measurements=whole.measurements), ecg))
    assert "Measured beside it" not in regular


def test_two_leads_are_answered_behind_a_gate(shipped: System, ecg: Recording, rendered) -> None:
    rows = [ecg.leads.index(lead) for lead in ("II", "V5")]
    holter = dataclasses.replace(ecg, signal=ecg.signal[rows], leads=("MLII", "V5"))
    page = screen(rendered(shipped.assess(holter), holter))
    answers = page[page.index('id="answer"') : page.index('id="ecg"')]
    assert "this ECG has 2" in answers
    assert "of 100" not in answers
    assert "Good: fit for reading" not in page


def test_what_a_row_lets_expect_of_an_ecg_is_no_finding(shipped: System, rendered) -> None:
    assessment = shipped.assess(None, {"height": 170})
    page = rendered(assessment, None)
    for part in (screen(page), page[page.index('id="printed"') :]):
        text = words_of(part)
        assert "ECG findings, guessed from the clinical row (no ECG was given)" in text
        for words in ("Points to", "Cannot rule out", "Unlikely:", "speak of rhythm"):
            assert words not in text
        often = re.findall(r"(?:expected from the row alone: )?(?:about|fewer than|more than) \d+ of", text)
        assert len(often) >= 5
        assert all(one.startswith("expected") for one in often)


def test_of_an_event_the_frequency_is_told_and_the_set_only_where_it_is_explained(
    shipped: System, rendered
) -> None:
    assessment = shipped.assess(None, {"age": 70, "sex": "male", "systolic": 160})
    risk = dataclasses.replace(
        assessment.tasks["mortality"],
        prediction_set={"death": ("present",)}, probability={"death": 0.37}, interval={"death": (0.33, 0.41)},
    )  # fmt: skip
    page = rendered(dataclasses.replace(assessment, tasks={"mortality": risk}), None)
    answer, promise = page[page.index('id="answer"') : page.index('id="ecg"')].split('class="promise"')
    assert "death within 10 years about 37 of 100 95 % interval 33 to 41" in words_of(answer)
    assert "death within 10 years: present" in words_of(promise)
    assert "death within 10 years about 37 of 100 (33 to 41)" in words_of(page[page.index('id="printed"') :])
    assert "Points to" not in page


@pytest.mark.parametrize("age", [61, 80])  # of 80 years, one of the tasks has learnt nothing
@pytest.mark.parametrize("read", [True, False])
def test_the_command_line_says_it_in_the_clinics_words(
    shipped: System, ecg: Recording, rendered, age: int, read: bool
) -> None:
    recording = dataclasses.replace(ecg, age=float(age)) if read else None
    assessment = shipped.assess(recording, {"age": age, "sex": "male", "systolic": 150})
    clinic = words_of(rendered(assessment, recording, opened=True, may_open=True))
    sheet, text = words_of(patient_sheet(assessment, recording)), words_of(assessment_text(assessment))
    for part in answer_parts(assessment):
        assert all(part.title in shown for shown in (clinic, sheet, text))
        assert all(column in shown for shown in (clinic, sheet, text) for column in part.columns)
        assert all(one.heading in shown for shown in (clinic, sheet, text) for one in part.verdicts)
        assert all(f"{one.heading} {one.often}" in sheet for one in part.verdicts)
        assert (NOT_OF_RHYTHM in text) == (NOT_OF_RHYTHM in clinic) == (NOT_OF_RHYTHM in sheet)
    explained = two_things(answer_parts(assessment))
    assert explained in clinic
    assert explained in sheet


def test_who_it_is_is_asked_once(shipped: System, ecg: Recording, rendered) -> None:
    assessment = shipped.assess(dataclasses.replace(ecg, sex="female"), {"age": 61, "sex": "male"})
    page = screen(rendered(assessment, ecg, opened=True, may_open=True))
    assert page.lower().count("wrong patient?") == 1


def test_of_an_unfit_ecg_no_lead_is_graded(whole: Assessment, ecg: Recording, rendered) -> None:
    """ "Unfit · fair: V6" would contradict itself."""

    def quality_line(grade: Literal["fair", "unfit"]) -> str:
        finding = Finding("no_beats", "unfit" if grade == "unfit" else "warning", "No heart beats.")
        quality = Quality(grade, (finding,), dict.fromkeys(ecg.leads, "fair"))
        page = screen(rendered(dataclasses.replace(whole, quality=quality), ecg))
        return words_of(page[page.index('id="quality"') : page.index('id="answer"')])

    assert "V6" in quality_line("fair")
    assert "V6" not in quality_line("unfit")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("gain", GAINS)
def test_every_paper_that_is_offered_is_drawn(
    whole: Assessment, ecg: Recording, rendered, layout: str, speed: float, gain: float
) -> None:
    page = rendered(whole, ecg, layout=layout, speed=speed, gain=gain)
    assert page.count(f"{speed:g} mm/s {gain:g} mm/mV") == 2  # on screen and on paper
    assert f'value="{layout}" checked' in page
    printed = page[page.index('id="printed"') :]
    size = re.search(r'width="([\d.]+)mm" height="([\d.]+)mm"', printed)
    assert size is not None
    width, height = (float(found) for found in size.groups())
    assert width <= 277
    assert height <= 125


@pytest.mark.parametrize(
    "query",
    [
        {"layout": "9x9"},
        {"speed": "26"},
        {"speed": "nan"},
        {"gain": "ten"},
        {"start": "-1"},
        {"start": "nan"},
    ],
)
def test_a_paper_that_is_not_offered_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InputError) as refused:
        PaperChoice.from_query(query)
    assert refused.value.code == "serve.paper"


def test_a_choice_comes_from_the_address() -> None:
    assert PaperChoice.from_query({}) == PaperChoice()
    asked = {"layout": "12x1", "speed": "50", "gain": "5", "start": "2.5"}
    assert PaperChoice.from_query(asked) == PaperChoice("12x1", 50.0, 5.0, 2.5)


def test_a_long_recording_offers_where_to_start(whole: Assessment, ecg: Recording, rendered) -> None:
    twice = dataclasses.replace(ecg, signal=ecg.signal.repeat(3, axis=1))
    page = rendered(whole, twice, start=1e6)
    assert f'max="{twice.duration - 10:.4g}"' in page
    assert f'value="{twice.duration - 10:g}"' in page
    assert 'name="start"' not in rendered(whole, ecg)


def test_what_changed_stands_with_the_previous_ecg(
    whole: Assessment, ecg: Recording, shipped: System, rendered
) -> None:
    page = screen(rendered(whole, ecg, earlier=(whole, ecg)))
    earlier = page[page.index('id="earlier"') : page.index('id="why"')]
    assert "No change beyond measurement error" in earlier
    assert earlier.count('class="ecg-paper"') == 1


def test_hostile_text_stays_text(whole: Assessment, ecg: Recording, rendered) -> None:
    poisoned = dataclasses.replace(
        whole,
        warnings=(HOSTILE, f"WRONG PATIENT? {HOSTILE}"),
        missing={HOSTILE: HOSTILE},
        patient={"patient_id": HOSTILE, "row": {HOSTILE: {"value": HOSTILE, "unit": HOSTILE}}},
        provenance={"bundle_hash": HOSTILE, HOSTILE: [HOSTILE], "training_data": [{"name": HOSTILE}]},
        tasks={HOSTILE: whole.tasks["mortality"], **whole.tasks},
    )
    page = rendered(
        poisoned,
        dataclasses.replace(ecg, record_id=HOSTILE),
        similar=[SimilarCase("/cases/2", HOSTILE, HOSTILE, HOSTILE, 0.5, (HOSTILE,))],
        assessed=HOSTILE,
    )
    assert "<script>" not in page
    assert "<img" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_keeps_the_policy_in_every_language(
    whole: Assessment, ecg: Recording, rendered, language: str
) -> None:
    page = rendered(whole, ecg, language=language)
    assert not re.search(r"<style|\sstyle=|<script(?![^>]*\ssrc=)|\son[a-z]+=|javascript:", page)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", page)
    assert "\ufffd" not in page
    assert f'lang="{language}"' in page
    assert re.search(r'class="paper-box"[^>]*dir="ltr"', page)
