"""Schiller XML against the laws of the leads, its own averaged beats and measurements, and a tiny writer."""

from __future__ import annotations

import re
import time
import tracemalloc
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.schiller import SCHILLER
from cardiofusion.records import LEADS, Recording, RecordingError

NAMES = [lead.upper() for lead in LEADS]
ROOT = "com.xiriuz.sema.xml.schillerEDI.SchillerEDI"
PATIENT = "<id>p 1</id><lastname>Doe</lastname><birthdate>19600503</birthdate><gender>FEMALE</gender>"

Rows = Sequence[Sequence[Any]]


def ecg(channels: int = 12, samples: int = 50) -> list[list[int]]:
    return [[channel * 100 + (7 * k * k) % 90 - 40 for k in range(samples)] for channel in range(channels)]


def channel(name: str, row: Sequence[Any]) -> str:
    return f"""<channel><annotation_lead><name>R_AMPL</name><value>0.77</value></annotation_lead>
        <name>{name}</name><data>{",".join(map(str, row))}</data><datastype>COMMASEPARATE</datastype>
        <samplecount>{len(row)}</samplecount></channel>"""


def document(
    rows: Rows,
    names: Sequence[str] = NAMES,
    rate: str = "500",
    step: str = "1.0",
    units: str = "UV",
    kind: str = "ECG_RHYTHMS",
    patient: str = PATIENT,
    event: str = "",
    events: str = "",
    encoding: str = "utf-8",
) -> bytes:
    channels = "".join(channel(name, row) for name, row in zip(names, rows, strict=True))
    text = f"""<?xml version="1.0" encoding="{encoding}"?><{ROOT}><patdata>{patient}</patdata><examdescript>
    <startdatetime><date>20060502</date><time>140610000</time></startdatetime><rectype>RESTING_ECG</rectype>
    <aquiringdevice><hardware><model>AT-110</model></hardware></aquiringdevice></examdescript>
    <eventdata><event><wavedata><type>{kind}</type><resolution><samplerate><exponent>1</exponent>
    <value>{rate}</value></samplerate><yres><unitperbit>{step}</unitperbit><units>{units}</units></yres>
    </resolution>{channels}</wavedata>{event}</event>{events}</eventdata></{ROOT}>"""
    return text.encode(encoding)


def read(content: bytes) -> Recording:
    assert SCHILLER.recognises(content[:4096])
    return SCHILLER.decode(content, "ecg.xml")


def refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        SCHILLER.decode(content, "ecg.xml")
    assert caught.value.hint
    assert "ecg.xml" in caught.value.message
    return caught.value.code


# The real file.


@pytest.fixture(scope="module")
def real(data_dir: Path) -> bytes:
    path = data_dir / "formats" / "schiller" / "cvrg_schiller.xml"
    if not path.exists():
        pytest.skip(f"no sample {path.name}")
    return path.read_bytes()


def test_real_samples_are_the_numbers_of_the_text(real: bytes) -> None:
    """Cut out of the text by hand: the second waveform, in whole microvolts."""
    recording = read(real)
    text = real.decode("utf-8-sig").split("<type>ECG_RHYTHMS</type>")[1]
    rows = [[int(value) for value in found.split(",")] for found in re.findall(r"<data>([^<]*)</data>", text)]
    assert recording.leads == LEADS
    assert recording.signal.shape == (12, 4998)
    assert np.abs(recording.signal - np.array(rows) / 1000).max() < 1e-6
    assert recording.sampling_rate == 500.0
    assert recording.calibrated
    assert recording.unverified == ("header", "samples")


def test_real_leads_obey_the_laws(real: bytes) -> None:
    one, two, three, right, left, foot = read(real).signal[:6].astype(np.float64)
    assert np.abs(one + three - two).max() < 1e-6
    for law in (right + (one + two) / 2, left - (one - three) / 2, foot - (two + three) / 2):
        assert np.abs(law).max() < 0.501e-3  # half a step of 1 uV


def test_what_the_real_file_says(real: bytes) -> None:
    recording = read(real)
    assert (recording.patient_id, recording.age, recording.sex) == ("2241428", None, "male")
    assert recording.time == datetime(2006, 5, 2, 14, 6, 10)
    assert recording.measured == {
        "heart_rate": 59.0, "pr": 214.0, "p_duration": 122.0, "qrs": 146.0, "qt": 458.0, "qtc": 454.0,
        "p_axis": 91.0, "qrs_axis": -67.0, "t_axis": -30.0,
    }  # fmt: skip
    assert recording.notes["device"] == "AT-110"
    assert recording.notes["high-pass filter"] == "0.05 Hz"
    assert recording.notes["averaged beats"] == "in the file, not part of this recording"
    assert "mains filter" not in recording.notes


@pytest.fixture(scope="module")
def averages(real: bytes) -> tuple[Element, np.ndarray, dict[str, float]]:
    """Averaged beats: their element, [lead, sample] in mV, and the file's global measurements."""
    event = fromstring(real).find("eventdata/event")
    (element,) = [wave for wave in event.findall("wavedata") if wave.findtext("type") == "ECG_AVERAGES"]
    rows = [[float(v) for v in each.findtext("data").split(",")] for each in element.findall("channel")]
    stated = {each.findtext("name"): each.findtext("value") for each in event.findall("annotation_global")}
    numbers = {key: float(value) for key, value in stated.items() if value.strip(" -")}
    return element, np.array(rows) / 1000, numbers


def test_microvolts_and_rate_are_those_of_the_measurements(averages: Any) -> None:
    """The file measures its averaged beats, stored in the same units at the same rate, in mV and ms."""
    element, beats, stated = averages
    onset, end = int(stated["QRS_ON"]), int(stated["QRS_OFF"])
    assert (end - onset) * 1000 / 500 == stated["QRS"]
    assert (stated["T_OFF"] - onset) * 1000 / 500 == stated["QT"]
    assert (onset - stated["P_ON"]) * 1000 / 500 == stated["PQ"]
    for each, row in zip(element.findall("channel"), beats, strict=True):
        notes = {
            note.findtext("name"): float(note.findtext("value")) for note in each.findall("annotation_lead")
        }
        complex_ = row[onset - 5 : end + 5] - row[onset - 3 : onset + 1].mean()
        assert complex_.max() == pytest.approx(notes["R_AMPL"], abs=0.011)
        assert complex_.min() == pytest.approx(min(notes["Q_AMPL"], notes["S_AMPL"]), abs=0.04)


def test_beats_of_the_rhythm_are_those_averaged(real: bytes, averages: Any) -> None:
    signal, (_, beats, stated) = read(real).signal.astype(np.float64), averages
    onset = int(stated["QRS_ON"])
    part = beats[:, onset - 30 : onset + 110]
    part = part - part.mean(axis=1, keepdims=True)
    windows = np.lib.stride_tricks.sliding_window_view(signal, 140, axis=1)
    windows = windows - windows.mean(axis=2, keepdims=True)
    likeness = (windows * part[:, None]).sum(axis=(0, 2))
    likeness /= np.sqrt((windows**2).sum(axis=(0, 2)) * (part**2).sum())
    found = []
    while likeness.max() > 0.9:
        at = int(likeness.argmax())
        assert likeness[at] > 0.99
        found.append(at)
        likeness[max(0, at - 200) : at + 200] = 0
    found.sort()
    assert len(found) == 9
    assert 60 * 500 * 8 / (found[-1] - found[0]) == pytest.approx(stated["HR"], abs=1)
    gains = (windows[:, found].mean(axis=1) * part).sum(axis=1) / (part**2).sum(axis=1)
    assert np.abs(gains - 1).max() < 0.03


# What the writer makes.


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_samples_come_back(encoding: str) -> None:
    recording = read(document(ecg(), encoding=encoding))
    assert recording.leads == LEADS
    assert np.abs(recording.signal - np.array(ecg()) / 1000).max() < 1e-6
    assert (recording.patient_id, recording.age, recording.sex) == ("p 1", 45.0, "female")
    assert not [text for text in recording.notes.values() if "Doe" in text]


@pytest.mark.parametrize(
    ("step", "units", "millivolts"),
    [("2.5", "UV", 0.0025), ("5", "uV", 0.005), ("0.001", "MV", 0.001), ("1", "mV", 1.0)],
)
def test_units_and_steps(step: str, units: str, millivolts: float) -> None:
    recording = read(document(ecg(), step=step, units=units, rate="1000"))
    assert np.abs(recording.signal - np.array(ecg()) * millivolts).max() < 1e-3 * millivolts
    assert recording.sampling_rate == 1000.0


def test_decimal_samples_and_a_last_comma() -> None:
    recording = read(document([["0.5", "-1.25", "3e1"]], names=["II"]).replace(b"3e1<", b"3e1,<"))
    assert recording.leads == ("II",)
    assert recording.signal.tolist() == [pytest.approx([0.0005, -0.00125, 0.03])]


def test_leads_are_named_and_completed() -> None:
    names = ["II", "I", "V1", "V2", "V3", "V4", "V5", "V6", "V4R"]
    recording = read(document(ecg(9), names=names, kind="ECG_RHYTHM"))
    assert recording.leads == (*LEADS, "V4R")
    rows = np.array(ecg(9)) / 1000
    assert np.abs(recording.signal[2] - (rows[0] - rows[1])).max() < 1e-6
    assert np.abs(recording.signal[12] - rows[8]).max() < 1e-6


@pytest.mark.parametrize(
    ("patient", "age"),
    [
        ("<birthdate>19600502</birthdate>", 46.0),
        ("<birthdate>20060502</birthdate>", 0.0),
        ("<birthdate>19600502000000</birthdate>", 46.0),
        ("<birthdate>18600502</birthdate>", None),
        ("<birthdate>02.05.1960</birthdate>", None),
        ("<birthdate>19601332</birthdate>", None),
        ("<birthdate>196005 2</birthdate>", None),
        ("<birthdate/>", None),
    ],
)
def test_ages(patient: str, age: float | None) -> None:
    recording = read(document(ecg(), patient=patient))
    assert recording.age == age
    assert (recording.patient_id, recording.sex) == (None, None)


def test_times() -> None:
    assert read(document(ecg())).time == datetime(2006, 5, 2, 14, 6, 10)
    assert read(document(ecg()).replace(b"140610000", b"140610")).time == datetime(2006, 5, 2, 14, 6, 10)
    for stated in (b"14:06:10", b"250000000", "١٤٠٦١٠".encode()):
        assert read(document(ecg()).replace(b"140610000", stated)).time is None


def test_notes() -> None:
    event = """<annotation_global><name>HR</name><value>61</value></annotation_global>
        <annotation_global><name>QT</name><value> -</value></annotation_global>
        <filters_data><filter><name>MAINS</name><value>50</value></filter>
        <filter><name>SMOOTHING</name><value>-</value></filter></filters_data>
        <textdata><type>INTERPRETATION</type><textdata>sinus rhythm</textdata></textdata>
        <textdata><type>REMARK_6</type><textdata>of a patient</textdata></textdata>"""
    recording = read(document(ecg(), event=event))
    assert recording.measured == {"heart_rate": 61.0}
    assert recording.notes == {
        "device": "AT-110", "type of recording": "RESTING_ECG", "mains filter": "50 Hz",
        "interpretation": "sinus rhythm",
    }  # fmt: skip


REFUSED = {
    "averages only": (b"ECG_RHYTHMS", b"ECG_AVERAGES", "recording.empty"),
    "no events": (b"eventdata", b"eventdate", "recording.empty"),
    "no channels": (b"channel>", b"canal>", "recording.empty"),
    "rate missing": (b"<value>500</value>", b"", "recording.rate"),
    "rate low": (b"<value>500</value>", b"<value>5</value>", "recording.rate"),
    "exponent other": (b"<exponent>1<", b"<exponent>2<", "recording.rate"),
    "exponent missing": (b"<exponent>1</exponent>", b"", "recording.rate"),
    "units missing": (b"<units>UV</units>", b"", "recording.units"),
    "units other": (b">UV<", b">NV<", "recording.units"),
    "step missing": (b"<unitperbit>1.0</unitperbit>", b"", "recording.header"),
    "step zero": (b">1.0<", b">0.0<", "recording.gain"),
    "step negative": (b">1.0<", b">-1.0<", "recording.gain"),
    "step high": (b">1.0<", b">5000<", "recording.gain"),
    "lead unknown": (b"<name>V6<", b"<name>V66<", "recording.lead"),
    "lead twice": (b"<name>V6<", b"<name>V5<", "recording.lead"),
    "lead inverted": (b"<name>AVR<", b"<name>-AVR<", "recording.lead"),
    "lead unnamed": (b"<name>V6</name>", b"", "recording.lead"),
    "type other": (b"COMMASEPARATE", b"BASE64", "recording.version"),
    "count missing": (b"<samplecount>50</samplecount>", b"", "recording.header"),
    "count other": (b"<samplecount>50<", b"<samplecount>51<", "recording.truncated"),
    "no number": (b"<data>-40,", b"<data>-4O,", "recording.header"),
    "infinite": (b"<data>-40,", b"<data>1e999,", "recording.units"),
    "implausible": (b"<data>-40,", b"<data>99999999,", "recording.units"),
    "gap": (b"<data>-40,", b"<data>,", "recording.truncated"),
    "a sample less": (b"<data>-40,", b"<data>", "recording.truncated"),
    "two samples in one": (b"<data>-40,", b"<data>-40 -40,", "recording.truncated"),
    "no XML": (f"</{ROOT}>".encode(), b"", "recording.xml"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    old, new, code = REFUSED[case]
    content = document(ecg())
    assert old in content
    assert refusal(content.replace(old, new)) == code


def test_refused_shapes() -> None:
    assert refusal(document([*ecg()[:11], ecg()[11][:49]])) == "recording.truncated"
    assert refusal(document([[]] * 12)) == "recording.truncated"
    another = f"<event><wavedata><type>ECG_RHYTHMS</type>{channel('I', [1, 2])}</wavedata></event>"
    assert refusal(document(ecg(), events=another)) == "recording.version"


def test_large_texts_are_refused_at_once() -> None:
    content = document([["1,1"]], names=["I"])
    begun = time.perf_counter()
    assert refusal(content.replace(b"1,1", b"1," * (9 << 20))) == "recording.size"
    tracemalloc.start()
    assert refusal(content.replace(b"1,1", b"," * 500_000)) == "recording.truncated"
    assert refusal(content.replace(b"1,1", b"9" * 500_000)) in {"recording.units", "recording.header"}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
    assert time.perf_counter() - begun < 3


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 40).flatmap(
        lambda n: st.lists(
            st.lists(st.integers(-99_999, 99_999), min_size=n, max_size=n), min_size=12, max_size=12
        )
    )
)
def test_any_ecg_comes_back(rows: list[list[int]]) -> None:
    assert np.abs(read(document(rows)).signal - np.array(rows) / 1000).max() < 1e-5


BASE = document(ecg(12, 20))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damage_is_refused_or_an_honest_recording(data: st.DataObject) -> None:
    content = bytearray(BASE)
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(BASE) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(BASE) - 1))] = data.draw(st.integers(0, 255))
    try:
        recording = SCHILLER.decode(bytes(content), "ecg.xml")
    except RecordingError as error:
        caught = error
    else:
        assert recording.signal.shape == (len(recording.leads), 20)
        assert np.isfinite(recording.signal).all()
        assert recording.unverified == ("header", "samples")
        return
    assert caught.hint
