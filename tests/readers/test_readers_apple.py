"""Apple Health's ECG export: English and German as users show them, other languages, refusals, mutants."""

from __future__ import annotations

import contextlib
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.apple import APPLE, decode
from cardiofusion.records import RecordingError

ENGLISH = (
    'Name,"Doe, Jane"', 'Date of Birth,"Jan 8, 1962"', "Recorded Date,2024-05-30 16:32:18 -0700",
    "Classification,Sinus Rhythm", 'Symptoms,"Skipped heartbeat, Fatigue"', "Software Version,1.90",
    'Device,"Watch7,12"', "Sample Rate,512 hertz", "", "", "Lead,Lead I", "Unit,µV", "",
)  # fmt: skip
GERMAN = (
    "Name", 'Geburtstag,"27.03.1987"', "Aufzeichnungsdatum,2020-07-31 22:48:19 +0200",
    "Klassifizierung,Sinusrhythmus", "Symptome,", "Softwareversion,1.13", 'Gerät,"Watch4,2"',
    "Messrate,511,562\u00a0Hertz", "", "", "Ableitung,Ableitung I", "Einheit,µV", "",
)  # fmt: skip


def steps(samples: int = 15_360) -> np.ndarray:
    """Microvolts, with one to three decimals."""
    return np.round(400.0 * np.sin(np.arange(samples) / 60.0), 3)


def export(
    header: tuple[str, ...] = ENGLISH, values: np.ndarray | None = None, comma: str = ".", end: str = "\n"
) -> bytes:
    values = steps() if values is None else values
    rows = [f"{value:.3f}".rstrip("0").rstrip(".").replace(".", comma) for value in values]
    return (end.join([*header, *rows]) + end).encode()


def changed(old: str, new: str) -> bytes:
    content = export()
    assert content.count(old.encode()) == 1
    return content.replace(old.encode(), new.encode())


def refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        decode(content, "ecg.csv")
    assert caught.value.hint
    assert "Doe" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_an_english_export(end: str, mark: str) -> None:
    content = mark.encode() + export(end=end)
    assert APPLE.recognises(content[:4096])
    recording = decode(content, "ecg.csv")
    assert (recording.leads, recording.sampling_rate) == (("I",), 512.0)
    np.testing.assert_allclose(recording.signal[0], steps() / 1000.0, rtol=0, atol=1e-7)
    assert recording.time == datetime(2024, 5, 30, 16, 32, 18)
    assert recording.age == 62.0
    assert recording.notes == {
        "interpretation": "Sinus Rhythm",
        "symptoms": "Skipped heartbeat, Fatigue",
        "software": "1.90",
        "device": "Watch7,12",
    }
    assert recording.unverified == ("header", "samples")
    assert recording.patient_id is None
    assert "Doe" not in str(vars(recording))


@pytest.mark.parametrize("quoted", [False, True])
def test_a_german_export(quoted: bool) -> None:
    content = export(GERMAN, comma=",")
    if quoted:
        content = content.replace("511,562\u00a0Hertz".encode(), '"511,562\u00a0Hertz"'.encode())
        head, _, body = content.partition(b"V\n\n")
        rows = [b'"' + row + b'"' if b"," in row else row for row in body.splitlines()]
        content = head + b"V\n\n" + b"\n".join(rows)
    assert APPLE.recognises(content[:4096])
    recording = decode(content, "ecg.csv")
    assert recording.sampling_rate == 511.562
    np.testing.assert_allclose(recording.signal[0], steps() / 1000.0, rtol=0, atol=1e-7)
    assert recording.time == datetime(2020, 7, 31, 22, 48, 19)
    assert recording.age == 33.0
    assert recording.notes["interpretation"] == "Sinusrhythmus"
    assert "symptoms" not in recording.notes


@pytest.mark.parametrize(
    ("rate", "lead", "unit"),
    [("512 hertz", "Dérivation I", "µV"), ("512 hercios", "Derivación I", "µV"), ("512ヘルツ", "I誘導", "µV"),
     ("512 герц", "Отведение I", "мкВ"), ("512 赫兹", "导联 I", "μV"), ("511.4 Hz", "Lead I", "uV")],
)  # fmt: skip
def test_other_languages_are_read_by_values_and_places(rate: str, lead: str, unit: str) -> None:
    header = tuple(f"{k}{line[line.find(',') :]}" if "," in line else line for k, line in enumerate(ENGLISH))
    header = (*header[:7], f"7,{rate}", "", "", f"10,{lead}", f"11,{unit}", "")
    recording = decode(export(header), "ecg.csv")
    np.testing.assert_allclose(recording.signal[0], steps() / 1000.0, rtol=0, atol=1e-7)
    assert recording.notes["device"] == "Watch7,12"


@pytest.mark.parametrize(
    ("born", "age"),
    [("1962-01-08", 62.0), ("08.01.1962", 62.0), ("8 Jan 1962", 62.0), ("July 1, 1962", 61.0),
     ("01/08/1962", None), ("", None), ("Doe", None)],
)  # fmt: skip
def test_dates_of_birth_that_can_be_read_in_one_way(born: str, age: float | None) -> None:
    assert decode(changed('"Jan 8, 1962"', f'"{born}"'), "ecg.csv").age == age


def test_an_ecg_that_is_not_of_thirty_seconds_is_noted() -> None:
    recording = decode(export(values=steps(5120)), "ecg.csv")
    assert recording.notes["duration"] == "10.0 s; a watch records 30 s"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("Unit,µV", "Unit,V", "recording.units"),
        ("Unit,µV", "Unit", "recording.units"),
        ("Lead,Lead I\n", "Lead,Lead II\n", "recording.lead"),
        ("Lead,Lead I\n", "", "recording.lead"),
        ("512 hertz", "512 bpm", "recording.units"),
        ("512 hertz", "5120 hertz", "recording.rate"),
        ("512 hertz", "51,2 hertz", "recording.rate"),
        ("\n6.666\n", "\n6,666\n", "recording.header"),
        ("\n6.666\n", "\n6.666 7\n", "recording.header"),
        ("\n6.666\n", "\n6.6.66\n", "recording.header"),
        ("\n6.666\n", "\nI,6.666\n", "recording.header"),
        ("\n6.666\n", "\n--\n", "recording.header"),
        ("\n6.666\n", "\n6.666e9\n", "recording.units"),
    ],
)
def test_refusals(old: str, new: str, code: str) -> None:
    assert refusal(changed(old, new)) == code


def test_more_refusals() -> None:
    assert refusal(export(values=np.zeros(0))) == "recording.empty"
    assert refusal(export() + b"\xff\n") == "recording.header"
    assert refusal(b"") == "recording.units"
    assert refusal(export() + b"\n" * (1 << 24)) == "recording.size"


def test_other_tables_are_not_taken_for_an_export() -> None:
    for content in (
        b"age,sex\n61,1\n",
        b"# cardiofusion-ecg: 1\n",
        b"Date,2024-05-30 16:32:18 -0700\nRate,512 Hz\n1\n",
        b"Recorded Date,2024-05-30 16:32:18 -0700\nDevice,Watch7,12\n1\n",
        b"",
        bytes(range(256)) * 16,
    ):
        assert not APPLE.recognises(content)


@given(
    values=st.lists(st.floats(-5000, 5000), min_size=1, max_size=50),
    comma=st.sampled_from([".", ","]),
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_read(values: list[float], comma: str) -> None:
    recording = decode(export(GERMAN if comma == "," else ENGLISH, np.array(values), comma), "ecg.csv")
    np.testing.assert_allclose(recording.signal[0], np.array(values) / 1000.0, rtol=0, atol=1e-6)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_mutant_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(export(values=steps(20)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    mutant = bytes(content[: data.draw(st.integers(0, len(content)))])
    APPLE.recognises(mutant)
    with contextlib.suppress(RecordingError):
        assert np.isfinite(decode(mutant, "ecg.csv").signal).all()
