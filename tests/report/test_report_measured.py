"""Measured values on the sheet and in the terminal: how sure, what the device says, nothing made up."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from cardiofusion.records import LEADS, Assessment, Finding, Measurement, Measurements, Quality, Recording
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.report.measured import COLUMNS, NOT_TOLD, measured_part, measured_value


def test_every_column_stands_whether_it_could_be_told_or_not(measurements: Measurements) -> None:
    part = measured_part(measurements)
    assert part is not None
    assert [column.title for column in part.columns] == [title for title, _ in COLUMNS.values()]
    told = {column.title: column.value for column in part.columns}
    assert told["PR"] == "240\u00a0ms"
    assert told["Rate"] == "75\u00a0/min"
    assert told["QRS axis"] == "-178°"
    assert told["T axis"] == NOT_TOLD


def test_what_is_not_sure_is_said_to_be_uncertain(measurements: Measurements) -> None:
    part = measured_part(measurements)
    assert part is not None
    sure = {column.title: (column.sure, column.confidence) for column in part.columns}
    assert sure["PR"] == (False, "uncertain")
    assert sure["QRS axis"] == (True, "fairly sure")
    assert sure["QRS"] == (True, "sure")


def test_only_a_device_far_off_is_named(measurements: Measurements) -> None:
    part = measured_part(measurements)
    assert part is not None
    assert (
        len(part.apart) == 1
    )  # neither 2 ms of QRS, nor 6 degrees across the seam, nor QTc by who knows what
    assert re.match(r"PR: 240\sms here, 280 by the device", part.apart[0])


def test_st_is_named_where_it_is_off(measurements: Measurements) -> None:
    part = measured_part(measurements)
    assert part is not None
    assert any("V2 +0.21, V3 +0.14" in line and "V4" not in line for line in part.lines)
    level = dataclasses.replace(measurements, amplitudes={"V4": measurements.amplitudes["V4"]})
    quiet = measured_part(level)
    assert quiet is not None
    assert any("in no lead" in line for line in quiet.lines)


def test_nothing_measured_is_no_part() -> None:
    assert measured_part(None) is None
    assert measured_part(Measurements()) is None


def test_sheet_and_terminal_say_the_same(assessment: Assessment, recording: Recording) -> None:
    page, text = patient_sheet(assessment, recording), assessment_text(assessment)
    for words in ("240", "uncertain", "280 by the device", "Rhythm: regular", "Sokolow-Lyon voltage 3.62"):
        assert words in page.replace("\u00a0", " ")
        assert words in text
    assert page.count('class="unsure"') == 2  # PR: its value and how sure
    without = dataclasses.replace(assessment, measurements=None)
    assert "Measured in the ECG" not in patient_sheet(without, recording) + assessment_text(without)


def test_without_a_device_there_is_no_row_of_it(assessment: Assessment, measurements: Measurements) -> None:
    alone = dataclasses.replace(assessment, measurements=dataclasses.replace(measurements, device={}))
    assert ">Device</th>" not in patient_sheet(alone, None)
    assert ">Device</th>" in patient_sheet(assessment, None)


def test_the_sheet_of_an_unfit_ecg_says_why_and_what_to_do(recording: Recording) -> None:
    reasons = ("Every lead is flat: check the electrodes.", "No beats: look at the patient first.")
    quality = Quality("unfit", tuple(Finding("x", "unfit", reason) for reason in reasons))
    unfit = Assessment({}, ("unfit",), quality, {"ecg": "not used"}, None, {}, {})
    flat = dataclasses.replace(recording, signal=np.zeros_like(recording.signal))
    page, text = patient_sheet(unfit, flat), assessment_text(unfit)
    for reason in reasons:
        assert reason in page
        assert reason in text
    assert "Nothing was answered: the ECG is unfit" in page
    assert "All four are answers" not in page
    assert 'class="ecg-paper"' in page


def lines_of(measurements: Measurements) -> str:
    part = measured_part(measurements)
    assert part is not None
    return " ".join(part.lines)


def test_a_qtc_by_an_unknown_formula_stands_beside_none_of_ours(measurements: Measurements) -> None:
    part = measured_part(measurements)
    assert part is not None
    device = {column.title: column.device for column in part.columns}
    assert device["QTc Bazett"] == device["QTc Fridericia"] == ""
    assert device["QTc, device's formula"] == "390"
    without = measured_part(dataclasses.replace(measurements, device={"pr": 280.0}))
    assert without is not None
    assert "QTc, device's formula" not in {column.title for column in without.columns}


def test_p_waves_are_not_said_to_be_where_no_pr_could_be_told(measurements: Measurements) -> None:
    assert "; P waves before the QRS" in lines_of(measurements)
    intervals = {name: one for name, one in measurements.intervals.items() if name != "pr"}
    told = lines_of(dataclasses.replace(measurements, intervals=intervals))
    assert "no P waves made out before the QRS of most beats" in told


@pytest.mark.parametrize(
    ("leads", "words"),
    [
        (LEADS, "All leads together"),
        (("II",), "From lead II alone"),
        (("I", "II"), "From leads I, II alone"),
        (LEADS[:10], "From leads I, II, III, aVR, aVL, aVF, V1, V2, V3, V4 together"),
    ],
)
def test_the_leads_are_named(assessment: Assessment, leads: tuple[str, ...], words: str) -> None:
    assert assessment.measurements is not None
    found = dataclasses.replace(assessment.measurements, from_leads=leads)
    of_these = dataclasses.replace(assessment, measurements=found)
    assert (words in " ".join(assessment_text(of_these).split())) == (leads != LEADS)
    assert words in patient_sheet(of_these, None)


def test_no_value_is_minus_zero() -> None:
    assert measured_value(Measurement(-0.2, "°", 1.0, 1.0, 9)) == "0°"
    assert measured_value(Measurement(-0.001, "mV", 0.0, 1.0, 9)) == "0.00\u00a0mV"
