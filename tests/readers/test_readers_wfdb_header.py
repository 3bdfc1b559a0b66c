"""The header's grammar, its dialects, what is refused, and what its comments say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import read_recording
from cardiofusion.records import Recording, RecordingError

ADC = [[5, -3, 7], [1, 2, 3]]

Writer = Callable[..., Path]


def refused(header: Path) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.fixture
def with_comments(tmp_path: Path, write_record: Writer) -> Callable[..., Recording]:
    return lambda *lines: read_recording(write_record(tmp_path, ADC, comments=lines))


@pytest.mark.parametrize(
    ("record_line", "rate"),
    [
        ("{name} {signals} 360 {samples}", 360.0),
        ("{name} {signals} 257.5 {samples}", 257.5),
        ("{name} {signals} 1e3 {samples}", 1000.0),
        ("{name} {signals} 360/1 {samples}", 360.0),
        ("{name} {signals} 360/62.4725(-12) {samples}", 360.0),
        ("{name}\t{signals}   500\t{samples} \r", 500.0),
        ("# first a comment\n\n{name} {signals} 500 {samples}", 500.0),
    ],
)
def test_record_lines(tmp_path: Path, write_record: Writer, record_line: str, rate: float) -> None:
    recording = read_recording(write_record(tmp_path, ADC, record_line=record_line))
    assert recording.sampling_rate == rate
    assert recording.signal.shape == (2, 3)
    assert recording.record_id == "rec"
    assert recording.source == "rec.hea"


@pytest.mark.parametrize(
    ("clock", "time"),
    [
        ("14:50:55 05/06/2020", datetime(2020, 6, 5, 14, 50, 55)),
        ("14:50:55.25 05/06/2020", datetime(2020, 6, 5, 14, 50, 55, 250_000)),
        ("05-May-2020 14:50:55", datetime(2020, 5, 5, 14, 50, 55)),
        ("12:00:00 31/02/2020", None),
        ("99:99:99 01/01/2020", None),
        ("12:00:00", None),
        ("05-Foo-2020 14:50:55", None),
    ],
)
def test_clock(tmp_path: Path, write_record: Writer, clock: str, time: datetime | None) -> None:
    line = "{name} {signals} 500 {samples} " + clock
    recording = read_recording(write_record(tmp_path, ADC, record_line=line))
    assert recording.time == time
    assert recording.notes.get("time") == (None if time else clock)


def test_record_named_with_its_matlab_suffix(tmp_path: Path, write_record: Writer) -> None:
    """The dialect of PhysioNet Challenge 2020's Georgia records, on which wfdb 4.3.1 raises."""
    line = "{name}.mat {signals} 500 {samples} 05-May-2020 14:50:55"
    recording = read_recording(write_record(tmp_path, ADC, record_line=line, matlab=True))
    assert recording.record_id == "rec"
    assert "record name" not in recording.notes


def test_another_record_name_is_noted(tmp_path: Path, write_record: Writer) -> None:
    line = "elsewhere {signals} 500 {samples}"
    recording = read_recording(write_record(tmp_path, ADC, record_line=line))
    assert recording.record_id == "rec"
    assert recording.notes["record name"] == "elsewhere"


@pytest.mark.parametrize(
    ("gain", "scale", "baseline"),
    [
        ("200", 200, 0),
        ("1000.0(0)/mV", 1000, 0),
        ("1000/mv", 1000, 0),
        ("1e3(-5)/mV", 1000, -5),
        ("0.2(10)/uV", 200, 10),
        ("0.2/µV", 200, 0),
        ("200000/V", 200, 0),
    ],
)
def test_gain_and_units(tmp_path: Path, write_record: Writer, gain: str, scale: float, baseline: int) -> None:
    recording = read_recording(write_record(tmp_path, ADC, gain=gain))
    np.testing.assert_allclose(recording.signal, (np.array(ADC) - baseline) / scale, rtol=1e-6)
    assert recording.calibrated


def test_adc_zero_is_the_baseline_where_none_is_given(tmp_path: Path, write_record: Writer) -> None:
    line = "{file} {format} 200 11 1024 {initial} {checksum} 0 {lead}"
    recording = read_recording(write_record(tmp_path, ADC, signal_line=line))
    np.testing.assert_allclose(recording.signal, (np.array(ADC) - 1024) / 200, rtol=1e-6)


def test_latin_1_micro_sign(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, ADC, gain="1/µV", comments=["Diagnose: Müller"])
    header.write_bytes(header.read_text(encoding="utf-8").encode("latin-1"))
    recording = read_recording(header)
    np.testing.assert_allclose(recording.signal, np.array(ADC) / 1000, rtol=1e-6)
    assert recording.notes["Diagnose"] == "Müller"


@pytest.mark.parametrize("gain", ["0", "0(0)/mV", "0.0/mV"])
def test_no_gain_is_not_calibrated(tmp_path: Path, write_record: Writer, gain: str) -> None:
    recording = read_recording(write_record(tmp_path, ADC, gain=gain))
    assert not recording.calibrated
    assert "I, II" in recording.notes["calibration"]
    np.testing.assert_allclose(recording.signal, np.array(ADC) / 200, rtol=1e-6)


def test_channels_in_other_units_are_left_out_and_noted(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, ADC, leads=("II", "ABP"))
    lines = header.read_text().splitlines()
    header.write_text("\n".join([*lines[:2], lines[2].replace("/mV", "/mmHg")]))
    recording = read_recording(header)
    assert recording.leads == ("II",)
    assert recording.notes["skipped"] == "ABP in mmHg"
    header.write_text("\n".join([lines[0], *(line.replace("/mV", "/mmHg") for line in lines[1:])]))
    assert refused(header).code == "recording.units"


def test_channels_of_monitors_are_left_out(tmp_path: Path, write_record: Writer) -> None:
    """MIMIC's "V" is a chest lead nobody says where, its "RESP" has no unit; a gain may be negative."""
    header = write_record(tmp_path, [*ADC, *ADC], leads=("II", "V", "RESP", "TEMP"))
    lines = header.read_text().splitlines()
    lines[3] = lines[3].replace("1000(0)/mV", "2000")
    lines[4] = lines[4].replace("1000(0)/mV", "-19.34(3064)/degC")
    header.write_text("\n".join(lines))
    recording = read_recording(header)
    assert recording.leads == ("II",)
    assert recording.notes["skipped"] == "V in mV; RESP in mV; TEMP in degC"


def test_a_damaged_channel_that_is_left_out_is_still_refused(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, ADC, leads=("II", "ABP"))
    lines = header.read_text().splitlines()
    header.write_text("\n".join([*lines[:2], lines[2].replace("/mV", "/mmHg")]))
    content = (tmp_path / "rec.dat").read_bytes()
    (tmp_path / "rec.dat").write_bytes(content[:-1] + b"\7")
    assert refused(header).code == "recording.checksum"


def test_lead_names_are_standard(tmp_path: Path, write_record: Writer) -> None:
    assert read_recording(write_record(tmp_path, ADC, leads=("avr", "V3"))).leads == ("aVR", "V3")
    error = refused(write_record(tmp_path, ADC, leads=("I", "V77")))
    assert error.code == "recording.lead"
    assert "V77" in error.message
    assert "twice" in refused(write_record(tmp_path, ADC, leads=("aVR", "AVR"))).message


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("rec 2 500 3", "", "recording.header"),
        ("rec 2 500 3", "rec two 500 3", "recording.header"),
        ("rec 2 500 3", "rec 1 500 3", "recording.header"),
        ("rec 2 500 3", "rec 3 500 3", "recording.header"),
        ("rec 2 500 3", "rec 0 500 3", "recording.header"),
        ("rec 2 500 3", "rec 2 500 -3", "recording.header"),
        ("rec 2 500 3", "rec 2 500 3.5", "recording.header"),
        ("rec 2 500 3", "rec 2 500 4", "recording.truncated"),
        ("rec 2 500 3", "rec 2 500 999999999999", "recording.size"),
        ("rec 2 500 3", "rec 2 500 " + "9" * 5000, "recording.header"),
        ("rec 2 500 3", "rec 2", "recording.rate"),
        ("rec 2 500 3", "rec 2 0 3", "recording.rate"),
        ("rec 2 500 3", "rec 2 9.99 3", "recording.rate"),
        ("rec 2 500 3", "rec 2 1e99 3", "recording.rate"),
        ("rec 2 500 3", "rec 2 nan 3", "recording.header"),
        ("rec 2 500 3", "rec 2 inf 3", "recording.header"),
        ("rec 2 500 3", "rec 2 -500 3", "recording.header"),
        ("rec 2 500 3", "rec/2 2 500 3", "recording.header"),
        ("rec 2 500 3", "rec/0 2 500 3", "recording.header"),
        ("rec 2 500 3", "rec/20000 2 500 3", "recording.header"),
        ("rec.dat 16", "../rec.dat 16", "recording.path"),
        ("rec.dat 16", "/etc/passwd 16", "recording.path"),
        ("rec.dat 16", "..\\rec.dat 16", "recording.path"),
        ("rec.dat 16", "C:rec.dat 16", "recording.path"),
        ("rec.dat 16", ".. 16", "recording.path"),
        ("rec.dat 16", "- 16", "recording.path"),
        ("rec.dat 16", "no.dat 16", "recording.missing"),
        ("rec.dat 16", "x" * 3000 + " 16", "recording.unreadable"),
        ("rec.dat 16", "rec.dat", "recording.header"),
        ("rec.dat 16", "rec.dat 16x4", "recording.truncated"),
        ("rec.dat 16", "rec.dat 16x0", "recording.header"),
        ("rec.dat 16", "rec.dat 16x999999", "recording.truncated"),
        ("rec.dat 16", "~ 16", "recording.path"),
        ("rec.dat 16", "rec.dat:stream 16", "recording.path"),
        ("rec.dat 16", "rec.dat 16:3", "recording.header"),
        ("rec.dat 16", "rec.dat 16:-1", "recording.header"),
        ("rec.dat 16", "rec.dat 16+999999999999", "recording.header"),
        ("1000(0)/mV", "-1000(0)/mV", "recording.gain"),
        ("1000(0)/mV", "nan/mV", "recording.header"),
        ("1000(0)/mV", "1e-9/mV", "recording.gain"),
        ("1000(0)/mV", "1e30/mV", "recording.gain"),
        ("1000(0)/mV", "1000(x)/mV", "recording.header"),
        ("1000(0)/mV", "1000/", "recording.header"),
        (" 9 0 I\n", " 99999 0 I\n", "recording.header"),
        (" 9 0 I\n", " nine 0 I\n", "recording.header"),
        (" 9 0 I\n", " 9 0 I\0\n", "recording.header"),
        (" 9 0 I\n", " 9 0 \x1b[31m\n", "recording.header"),
    ],
)
def test_hostile_headers(tmp_path: Path, write_record: Writer, old: str, new: str, code: str) -> None:
    header = write_record(tmp_path, ADC)
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new, 1))
    assert refused(header).code == code


@pytest.mark.parametrize("sample_format", ["1", "216", "9999"])
def test_other_formats_are_named(tmp_path: Path, write_record: Writer, sample_format: str) -> None:
    header = write_record(tmp_path, ADC)
    header.write_text(header.read_text().replace("rec.dat 16", f"rec.dat {sample_format}"))
    error = refused(header)
    assert error.code == "recording.encoding"
    assert "8, 16, 24, 32, 61, 80, 160, 212, 310, 311, 508, 516, 524" in error.hint


def test_huge_and_binary_headers(tmp_path: Path) -> None:
    header = tmp_path / "big.hea"
    header.write_text("#" * 300_000)
    assert refused(header).code == "recording.header"
    header.write_bytes(bytes(range(256)) * 10)
    assert refused(header).code == "recording.header"
    header.write_bytes(b"")
    assert refused(header).code == "recording.header"


@pytest.mark.parametrize(
    ("lines", "age", "sex"),
    [
        ((" Age: 22", " Sex: Female"), 22.0, "female"),
        (("<age>: 51", "<sex>: F"), 51.0, "female"),
        (("<age>: 65  <sex>: M  <diagnoses> Coronary artery disease",), 65.0, "male"),
        ((" 69 M 1085 1629 x1", " Aldomet, Inderal"), 69.0, "male"),
        (("age: 81 years", "gender: m"), 81.0, "male"),
        (("Age: NaN", "Sex: Unknown"), None, None),
        (("Age: 300",), None, None),
        (("Age: -4",), None, None),
        (("Age: 6 months",), None, None),
        (("a note", "69 M is not the first line"), None, None),
        (("Average: 22", "Sextant: F"), None, None),
    ],
)
def test_age_and_sex(
    with_comments: Callable[..., Recording], lines: tuple[str, ...], age: float | None, sex: str | None
) -> None:
    recording = with_comments(*lines)
    assert (recording.age, recording.sex) == (age, sex)


def test_other_comments_are_notes(with_comments: Callable[..., Recording]) -> None:
    recording = with_comments(
        "Patient ID: 77", "Dx: 1,2", "<diagnoses>:", "Left atrial hypertrophy.", "Paced.", "Age: 300", ""
    )
    assert recording.patient_id == "77"
    assert recording.notes == {"Dx": "1,2", "comment": "Left atrial hypertrophy.; Paced.", "Age": "300"}


def test_a_second_contradicting_age_is_noted(with_comments: Callable[..., Recording]) -> None:
    recording = with_comments("Age: 40", "Age: 50")
    assert recording.age == 40.0
    assert recording.notes["Age"] == "50"
