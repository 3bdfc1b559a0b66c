"""DICOM waveforms: against pydicom's own waveform handler, and files of a tiny writer, byte by byte."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.waveforms import multiplex_array

from cardiofusion.readers.dicom import DICOM
from cardiofusion.readers.dicom.waveform import lasting
from cardiofusion.records import LEADS, OTHER_LEADS, Recording, RecordingError

SYNTAX = {
    "implicit": "1.2.840.10008.1.2",
    "explicit": "1.2.840.10008.1.2.1",
    "big": "1.2.840.10008.1.2.2",
    "deflated": "1.2.840.10008.1.2.1.99",
}
TWELVE_LEAD, IMAGE = "1.2.840.10008.5.1.4.1.1.9.1.1", "1.2.840.10008.5.1.4.1.1.2"
LONG = {"OB", "OW", "SQ", "UN", "UT"}
NUMBERS = {
    "I": 1, "II": 2, "V1": 3, "V2": 4, "V3": 5, "V4": 6, "V5": 7, "V6": 8, "III": 61, "aVR": 62, "aVL": 63,
    "aVF": 64,
}  # fmt: skip
TYPES = {(8, "SB"): "b", (8, "UB"): "B", (16, "SS"): "h", (16, "US"): "H", (32, "SL"): "i", (32, "UL"): "I"}

Element = tuple[int, str, Any]  # tag, VR, value


def element(tag: int, vr: str, value: Any, form: str) -> bytes:
    """One element; a sequence is a list of items, each a list of elements. form: as in SYNTAX, or "open"."""
    order = ">" if form == "big" else "<"
    open_ended = form == "open"
    if vr == "SQ":
        body = b"".join(item(elements, form) for elements in value)
        body += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0) if open_ended else b""
    elif vr in {"US", "UL"}:
        many = value if isinstance(value, list) else [value]
        body = struct.pack(f"{order}{len(many)}{'H' if vr == 'US' else 'I'}", *many)
    else:
        body = value if isinstance(value, bytes) else str(value).encode("utf-8")
        body += (b"\0" if vr in {"UI", "OB", "OW"} else b" ") * (len(body) % 2)
    length = 0xFFFFFFFF if open_ended and vr == "SQ" else len(body)
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if form == "implicit":
        return head + struct.pack("<I", length) + body
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(f"{order}I", length) + body
    return head + vr.encode() + struct.pack(f"{order}H", length) + body


def item(elements: Sequence[Element], form: str) -> bytes:
    order = ">" if form == "big" else "<"
    body = b"".join(element(*each, form) for each in sorted(elements, key=lambda each: each[0]))
    if form == "open":
        end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        return struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF) + body + end
    return struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(body)) + body


def code(value: str, scheme: str, meaning: str) -> list[list[Element]]:
    return [[(0x00080100, "SH", value), (0x00080102, "SH", scheme), (0x00080104, "LO", meaning)]]


def channel(lead: str = "I", **changed: Any) -> list[Element]:
    """A channel definition; None leaves an element out."""
    fields: dict[str, Any] = {
        "source": code(f"2:{NUMBERS.get(lead, 0)}", "MDC", f"Lead {lead}"),
        "sensitivity": "5", "unit": code("uV", "UCUM", "microvolt"), "correction": "1", "baseline": "0",
        "time_skew": None, "sample_skew": "0", "offset": None, "bits": 16, "low": None, "high": None,
        "notch": None, "status": None, "label": None,
    } | changed  # fmt: skip
    tags = {
        "source": (0x003A0208, "SQ"), "sensitivity": (0x003A0210, "DS"), "unit": (0x003A0211, "SQ"),
        "correction": (0x003A0212, "DS"), "baseline": (0x003A0213, "DS"), "time_skew": (0x003A0214, "DS"),
        "sample_skew": (0x003A0215, "DS"), "offset": (0x003A0218, "DS"), "bits": (0x003A021A, "US"),
        "low": (0x003A0220, "DS"), "high": (0x003A0221, "DS"), "notch": (0x003A0222, "DS"),
        "status": (0x003A0205, "CS"), "label": (0x003A0203, "SH"),
    }  # fmt: skip
    return [(*tags[name], value) for name, value in fields.items() if value is not None]


def group(
    values: Sequence[Sequence[int]],
    channels: Sequence[list[Element]] | None = None,
    form: str = "explicit",
    **changed: Any,
) -> list[Element]:
    """A multiplex group of values [channel][sample]."""
    bits, kind = changed.pop("type", (16, "SS"))
    order = ">" if form == "big" else "<"
    channels = channels or [channel(lead) for lead in LEADS[: len(values)]]
    flat = [row[t] for t in range(len(values[0])) for row in values]
    layout = f"{order}{len(flat)}{TYPES[bits, kind]}"
    fields: dict[int, tuple[str, Any]] = {
        0x00181068: ("DS", "0"), 0x003A0004: ("CS", "ORIGINAL"), 0x003A0005: ("US", len(values)),
        0x003A0010: ("UL", len(values[0])), 0x003A001A: ("DS", "500"), 0x003A0020: ("SH", "RHYTHM"),
        0x003A0200: ("SQ", channels), 0x54001004: ("US", bits), 0x54001006: ("CS", kind),
        0x54001010: ("OB" if bits == 8 else "OW", struct.pack(layout, *flat)),
    }  # fmt: skip
    names = {
        "originality": (0x003A0004, "CS"), "count": (0x003A0005, "US"), "samples": (0x003A0010, "UL"),
        "rate": (0x003A001A, "DS"), "label": (0x003A0020, "SH"), "offset": (0x00181068, "DS"),
        "allocated": (0x54001004, "US"), "interpretation": (0x54001006, "CS"), "padding": (0x5400100A, "OW"),
        "data": (0x54001010, "OW"),
    }  # fmt: skip
    for name, value in changed.items():
        tag, vr = names[name]
        fields.pop(tag, None)
        if value is not None:
            fields[tag] = (vr, value)
    return [(tag, vr, value) for tag, (vr, value) in fields.items()]


def dicom_bytes(
    groups: Sequence[list[Element]],
    form: str = "explicit",
    more: Sequence[Element] = (),
    sop: str = TWELVE_LEAD,
    preamble: bool = True,
    syntax: str | None = None,
) -> bytes:
    """A file. form: "explicit", "implicit", "big", "deflated" or "open" (sequences without length)."""
    inner = "explicit" if form == "deflated" else form
    elements: list[Element] = [(0x00080016, "UI", sop), (0x00080060, "CS", "ECG"), *more]
    elements += [(0x54000100, "SQ", list(groups))] if groups else []
    body = b"".join(element(*each, inner) for each in sorted(elements, key=lambda each: each[0]))
    if form == "deflated":
        deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
    uid = SYNTAX["explicit" if form == "open" else form] if syntax is None else syntax
    meta = element(0x00020002, "UI", sop, "explicit") + element(0x00020010, "UI", uid, "explicit")
    meta = element(0x00020000, "UL", len(meta), "explicit") + meta
    return (b"\0" * 128 + b"DICM" if preamble else b"") + meta + body


def wave(leads: int = 2, samples: int = 40, start: int = 0) -> list[list[int]]:
    return [[start + 7 * k - 3 * t for t in range(samples)] for k in range(leads)]


def read(content: bytes) -> Recording:
    assert DICOM.recognises(content[:4096])
    return DICOM.decode(content, "x.dcm")


def outcome(content: bytes) -> Recording | None:
    """A Recording, or None for a refusal as it should be; anything else fails the test."""
    try:
        return DICOM.decode(content, "x.dcm")
    except RecordingError as error:
        refusal = error
    assert refusal.code.startswith("recording.")
    assert refusal.hint
    assert "\n" not in str(refusal)
    return None


def code_of(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        DICOM.decode(content, "x.dcm")
    assert caught.value.hint
    return caught.value.code


def row(recording: Recording, lead: str) -> NDArray[np.float32]:
    return recording.signal[recording.leads.index(lead)]


def oracle(content: bytes, index: int = 0) -> NDArray[np.float64]:
    """pydicom's own reading of a group, in the channels' units: [channel, sample]."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return multiplex_array(pydicom.dcmread(BytesIO(content)), index, as_raw=False).T


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "rate", "patient", "measured"),
    [
        (
            "Example.dcm",
            500.0,
            ("SBJ-123", 49.0, "male", datetime(2002, 11, 22, 9, 10)),
            {"pr": 148, "qrs": 120, "qt": 420, "qtc": 443},  # its axes are declared to be in ms
        ),
        (
            "anonymous_ecg.dcm",
            1000.0,
            ("642341", 42.0, "female", datetime(2013, 1, 25, 10, 59, 19)),
            {"pr": 161, "qrs": 75, "qt": 368, "qtc": 370, "p_axis": 74, "qrs_axis": 52, "t_axis": 57},
        ),
    ],
)
def test_real_files(
    data_dir: Path, name: str, rate: float, patient: tuple[Any, ...], measured: dict[str, float]
) -> None:
    content = (data_dir / "formats" / "dicom" / name).read_bytes()
    recording = read(content)
    np.testing.assert_allclose(recording.signal, oracle(content) / 1000, rtol=0, atol=1e-7)
    assert (recording.leads, recording.sampling_rate, recording.duration) == (LEADS, rate, 10.0)
    assert (recording.patient_id, recording.age, recording.sex, recording.time) == patient
    assert recording.measured == measured
    assert recording.notes["not part of this recording"] == "MEDIAN BEAT"
    assert recording.unverified == ("header", "samples")
    assert not any(word in text for text in recording.notes.values() for word in ("Clark", "Anonymous"))
    limb = {lead: row(recording, lead) for lead in LEADS[:6]}
    assert np.abs(limb["I"] + limb["III"] - limb["II"]).max() < 0.006
    assert np.abs(limb["aVR"] + limb["aVL"] + limb["aVF"]).max() < 0.006


@pytest.mark.data
def test_statements_filters_and_axes_in_ms(data_dir: Path) -> None:
    folder = data_dir / "formats" / "dicom"
    notes = read((folder / "anonymous_ecg.dcm").read_bytes()).notes
    assert notes["interpretation"] == "RITMO SINUSALE; ECG NORMALE"
    assert (notes["high-pass filter"], notes["low-pass filter"]) == ("0.050 Hz", "300 Hz")
    assert "mains filter" not in notes
    notes = read((folder / "Example.dcm").read_bytes()).notes
    assert notes["measured in other units"] == "p_axis 44 ms; qrs_axis -61 ms; t_axis 86 ms"
    assert "padding" in notes  # 0, which is a value like others


@pytest.mark.parametrize("form", ["explicit", "implicit", "big", "deflated", "open"])
@pytest.mark.parametrize("kind", [(16, "SS"), (16, "US"), (8, "SB"), (8, "UB"), (32, "SL"), (32, "UL")])
def test_encodings(form: str, kind: tuple[int, str]) -> None:
    signed = kind[1] in {"SB", "SS", "SL"}
    top = 1 << kind[0] - (1 if signed else 0)
    low = -top if signed else 0
    step = {8: "5", 16: "0.5", 32: "0.00002"}[kind[0]]
    values = [[low, top - 1, 0, 1, 2], [3, low, top - 2, 5, 6], [9, 8, 7, low + 1, top - 3]]  # an odd number
    channels = [channel(lead, bits=kind[0], sensitivity=step, baseline="-2.5") for lead in ("I", "V1", "V2")]
    content = dicom_bytes([group(values, channels, form, type=kind)], form)
    if form == "big" and kind[0] == 32:
        assert code_of(content) == "recording.version"
        return
    recording = read(content)
    assert recording.leads == ("I", "V1", "V2")
    expected = (np.array(values, dtype=float) * float(step) - 2.5) / 1000
    np.testing.assert_allclose(recording.signal, expected, rtol=1e-6, atol=1e-6)
    if form != "big":  # pydicom's handler does not turn bytes around
        np.testing.assert_allclose(recording.signal, oracle(content) / 1000, rtol=1e-6, atol=1e-6)


def test_files_without_preamble_or_meta_information() -> None:
    for form in ("explicit", "implicit"):
        whole = dicom_bytes([group(wave())], form)
        bare = whole[whole.index(b"\x08\x00\x16\x00") :]
        for content in (whole[132:], bare, dicom_bytes([group(wave())], form, syntax="")):
            np.testing.assert_array_equal(read(content).signal, read(whole).signal)


def test_what_is_recognised() -> None:
    assert not DICOM.recognises(b"")
    assert not DICOM.recognises(b"\0" * 128 + b"DICM")
    assert not DICOM.recognises(dicom_bytes([], sop=IMAGE)[:4096])
    assert not DICOM.recognises(b"<x>" + TWELVE_LEAD.encode())
    assert code_of(dicom_bytes([])) == "recording.empty"
    assert code_of(b"") == "recording.truncated"
    assert code_of(dicom_bytes([group(wave())], syntax="1.2.840.10008.1.2.4.50")) == "recording.version"


def test_unknown_value_representation_of_an_old_archive() -> None:
    """A sequence kept as unknown is implicit inside, whatever the file is (PS3.5 6.2.2)."""
    inner = item(group(wave()), "implicit")
    assert len(inner) > 100
    content = dicom_bytes([], more=[(0x54000100, "UN", inner)])
    np.testing.assert_array_equal(read(content).signal, read(dicom_bytes([group(wave())])).signal)


def test_sensitivity_correction_baseline_units() -> None:
    for unit, meaning, factor in (("uV", "microvolt", 1e-3), ("mV", "millivolts", 1.0), ("V", "", 1e3)):
        step = 0.002 / factor / 0.5
        channels = [
            channel(
                lead,
                unit=code(unit, "UCUM", meaning),
                sensitivity=f"{step:.9f}",
                correction=".5",
                baseline=f"{0.25 / factor:.6f}",
            )
            for lead in ("I", "II")
        ]
        recording = read(dicom_bytes([group(wave(), channels)]))
        np.testing.assert_allclose(
            row(recording, "I"), np.array(wave()[0]) * 0.002 + 0.25, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"unit": None}, "recording.units"),
        ({"unit": code("mm[Hg]", "UCUM", "millimeter of mercury")}, "recording.units"),
        ({"unit": code("MV", "UCUM", "")}, "recording.units"),
        ({"unit": code("mV", "UCUM", "microvolt")}, "recording.units"),
        ({"sensitivity": None}, "recording.gain"),
        ({"sensitivity": "0"}, "recording.gain"),
        ({"sensitivity": "-5"}, "recording.gain"),
        ({"sensitivity": "2000"}, "recording.gain"),
        ({"correction": "0"}, "recording.gain"),
        ({"baseline": "1e15"}, "recording.gain"),
        ({"sensitivity": "5\\6"}, "recording.header"),
        ({"sensitivity": "five"}, "recording.header"),
        ({"sensitivity": "nan"}, "recording.header"),
        ({"baseline": "inf"}, "recording.header"),
        ({"bits": 17}, "recording.header"),
        ({"bits": 0}, "recording.header"),
        ({"bits": 4}, "recording.header"),
        ({"source": code("2:65", "MDC", "aVR")}, "recording.lead"),
        ({"source": code("2:65", "MDC", "−aVR")}, "recording.lead"),
        ({"source": code("2:3", "MDC", "Lead III")}, "recording.lead"),
        ({"source": code("2:0", "MDC", "Unspecified lead")}, "recording.lead"),
        ({"source": code("2:10", "MDC", "Lead V2R")}, "recording.lead"),
        ({"source": code("", "", "Ch 1")}, "recording.lead"),
        ({"source": None}, "recording.lead"),
        ({"source": code("2:2", "MDC", "Lead II")}, "recording.lead"),  # twice
    ],
)
def test_channels_that_are_refused(changed: dict[str, Any], expected: str) -> None:
    content = dicom_bytes([group(wave(), [channel("I", **changed), channel("II")])])
    assert code_of(content) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (("2:1", "MDC", "Lead I (Einthoven)"), "I"),
        (("2:62", "MDC", "aVR, augmented voltage, right"), "aVR"),
        (("2:20", "MDC", "Chest-manubrium lead per V5 placement"), "CM5"),
        (("2:19", "MDC", "Chest lead per V5 and V5R placement"), "CC5"),
        (("2:131", "MDC", "EASI Lead ES"), "ES"),
        (("5.6.3-9-1", "SCPECG", "Lead I (Einthoven)"), "I"),
        (("5.6.3-9-61", "SCPECG", "Lead III"), "III"),
        (("5.6.3-9-13", "SCP-ECG", ""), "V5R"),
        (("MDC_ECG_LEAD_AVL", "MDC", ""), "aVL"),
        (("X1", "99LOCAL", "Lead V3\0"), "V3"),
        (("", "", "V6"), "V6"),
        (("1", "99LOCAL", "aVF"), "aVF"),
    ],
)
def test_lead_codes(source: tuple[str, str, str], expected: str) -> None:
    recording = read(dicom_bytes([group(wave(1), [channel(source=code(*source))])]))
    assert recording.leads == (expected,)


def test_lead_codes_equal_the_standards_table() -> None:
    """CID 3001 as pydicom has it: a code alone gives the lead that its meaning names, or is refused."""
    seen = set()
    for concept in codes.cid3001.concepts.values():
        named = re.fullmatch(r"(?:Derived |EASI )?Lead (\w+)|(aV[RLF]), .*|(.*placement)", concept.meaning)
        wanted = next((name for name in named.groups() if name), None) if named else None
        content = dicom_bytes([group(wave(1), [channel(source=code(concept.value, "MDC", ""))])])
        recording = outcome(content)
        if recording is not None:
            lead = recording.leads[0]
            spoken = {f"Chest-manubrium lead per V{n} placement": f"CM{n}" for n in (2, 4, 5)}
            spoken |= {"Chest lead per V5 and V5R placement": "CC5"}
            assert lead == spoken.get(wanted or "", wanted)
            seen.add(lead)
    assert seen == {*LEADS, *OTHER_LEADS} - {"MLI", "MLII", "MLIII", "MV1", "MV5"}


def test_lead_by_label_and_leads_the_device_computed() -> None:
    labelled = channel(source=code("a", "99X", "first"), label="V4")
    computed = channel(source=code("2:33", "MDC", "Derived Lead V1"))
    recording = read(dicom_bytes([group(wave(), [labelled, computed])]))
    assert recording.leads == ("V1", "V4")
    assert recording.notes["leads computed by the device"] == "V1"


def test_channels_that_are_no_ecg_are_left_out() -> None:
    pressure = channel(
        source=code("128446002", "SCT", "Arterial pressure"), unit=code("mm[Hg]", "UCUM", "mmHg")
    )
    impedance = channel(source=code("128436004", "SCT", "Respiration impedance"), unit=None, sensitivity=None)
    content = dicom_bytes(
        [group(wave(3), [pressure, channel("II"), impedance]), group(wave(1), [pressure], rate="4")]
    )
    recording = read(content)
    assert recording.leads == ("II",)
    assert recording.notes["skipped"] == "Arterial pressure; Respiration impedance; Arterial pressure"
    np.testing.assert_allclose(recording.signal[0], np.array(wave(3)[1]) * 0.005, rtol=1e-6)
    assert code_of(dicom_bytes([group(wave(1), [pressure])])) == "recording.empty"


def test_eight_leads_are_completed() -> None:
    names = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
    recording = read(dicom_bytes([group(wave(8), [channel(name) for name in names])]))
    assert recording.leads == LEADS
    np.testing.assert_allclose(row(recording, "III"), row(recording, "II") - row(recording, "I"), atol=1e-6)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"rate": None}, "recording.rate"),
        ({"rate": "0"}, "recording.rate"),
        ({"rate": "5"}, "recording.rate"),
        ({"rate": "1e9"}, "recording.rate"),
        ({"samples": 41}, "recording.truncated"),
        ({"samples": 0xFFFFFFFF}, "recording.truncated"),
        ({"samples": 0}, "recording.truncated"),
        ({"samples": 39}, "recording.header"),
        ({"samples": None}, "recording.header"),
        ({"count": 3}, "recording.header"),
        ({"allocated": 24}, "recording.version"),
        ({"interpretation": "MB"}, "recording.version"),
        ({"interpretation": "SB"}, "recording.version"),
        ({"data": b""}, "recording.truncated"),
        ({"data": None}, "recording.truncated"),
        ({"label": "MEDIAN BEAT"}, "recording.empty"),
        ({"offset": "late"}, "recording.header"),
    ],
)
def test_groups_that_are_refused(changed: dict[str, Any], expected: str) -> None:
    assert code_of(dicom_bytes([group(wave(), **changed)])) == expected


def test_typical_beats_and_derived_waveforms_stay_apart() -> None:
    beat = group(wave(2, 20), label="MEDIAN BEAT", originality="DERIVED")
    mislabelled = group(wave(2, 20), label="Average Complex")
    filtered = group(wave(2, 60), label="SMOOTHED", originality="DERIVED")
    recording = read(dicom_bytes([beat, mislabelled, group(wave()), filtered]))
    assert recording.signal.shape == (6, 40)
    assert recording.notes["not part of this recording"] == "MEDIAN BEAT; Average Complex; SMOOTHED"
    alone = read(dicom_bytes([beat, filtered]))
    assert alone.signal.shape == (6, 60)
    assert alone.notes["originality"] == "derived from other waveforms"


def test_successive_groups_of_leads_and_a_rhythm_strip() -> None:
    """The classical 3 x 4 sheet: four groups of three leads, 20 samples each, and 80 of lead II."""
    strip = [[5 * t for t in range(80)]]
    groups = [group(strip, [channel("II")], label="strip")]
    for k in range(4):
        rows = [[100 * k + 10 * lead + t for t in range(20)] for lead in range(3)]
        names = LEADS[3 * k : 3 * k + 3]
        if k == 0:
            rows[1] = strip[0][:20]
        groups.append(group(rows, [channel(name) for name in names], offset=str(40 * k)))
    recording = read(dicom_bytes(groups))
    assert recording.leads == LEADS
    assert recording.signal.shape == (12, 80)
    np.testing.assert_allclose(row(recording, "II"), np.array(strip[0]) * 0.005, rtol=1e-6)
    for k, name in enumerate(LEADS):
        first = 20 * (k // 3)
        present = np.isfinite(recording.signal[k])
        expected = np.ones(80, bool) if name == "II" else np.isin(np.arange(80), np.arange(first, first + 20))
        np.testing.assert_array_equal(present, expected)
    np.testing.assert_allclose(row(recording, "V6")[60:], (320 + np.arange(20)) * 0.005, rtol=1e-6)


def test_groups_that_cannot_be_put_side_by_side() -> None:
    def second(**changed: Any) -> list[list[Element]]:
        return [group(wave(), offset="0"), group(wave(), [channel("V1"), channel("V2")], **changed)]

    assert read(dicom_bytes(second(offset="0"))).signal.shape == (8, 40)
    assert code_of(dicom_bytes(second(offset=None))) == "recording.header"
    assert code_of(dicom_bytes(second(offset="0", rate="250"))) == "recording.rate"
    assert code_of(dicom_bytes(second(offset="1e30"))) == "recording.size"
    assert code_of(dicom_bytes(second(offset="-60000"))) == "recording.size"
    clash = [group(wave(), offset="0"), group(wave(start=1000), offset="0")]
    assert code_of(dicom_bytes(clash)) == "recording.header"
    slow = [group(wave(), offset="0"), group(wave(1, 20), rate="100", label="slow")]
    assert read(dicom_bytes(slow)).notes["not part of this recording"] == "slow"
    same = [group(wave(), offset=None), group(wave(start=5), offset=None, label="again")]
    assert read(dicom_bytes(same)).notes["not part of this recording"] == "again"


def test_the_same_leads_at_successive_times() -> None:
    parts = [group(wave(start=k), offset=str(100 * k)) for k in range(3)]  # 80 ms each, 20 ms apart
    recording = read(dicom_bytes(parts, more=[(0x0008002A, "DT", "20210506070809.5+0200")]))
    assert recording.signal.shape == (6, 140)
    lead = row(recording, "I")
    assert np.isnan(lead[[*range(40, 50), *range(90, 100)]]).all()
    np.testing.assert_allclose(lead[100:], (np.array(wave()[0]) + 2) * 0.005, rtol=1e-6)
    assert recording.time == datetime(2021, 5, 6, 7, 8, 9, 500_000)


def test_skewed_channels_are_shifted() -> None:
    channels = [
        channel("I", sample_skew="3"),
        channel("II", sample_skew=None, time_skew="0.004"),
        channel("V1", offset="0.01"),
        channel("V2", sample_skew="0.3"),
    ]
    recording = read(dicom_bytes([group(wave(4), channels)], more=[(0x0008002A, "DT", "20210506070809")]))
    assert recording.signal.shape[1] == 45
    for lead, skew, values in zip(("I", "II", "V1", "V2"), (3, 2, 5, 0), wave(4), strict=True):
        np.testing.assert_allclose(
            row(recording, lead)[skew : skew + 40], np.array(values) * 0.005, rtol=1e-6
        )
        assert np.isfinite(row(recording, lead)).sum() == 40
    last = read(dicom_bytes([group(wave(), offset="2500")], more=[(0x0008002A, "DT", "99991231235959")]))
    assert last.time is None
    late = read(dicom_bytes([group(wave(), offset="2500")], more=[(0x0008002A, "DT", "20210506070809")]))
    assert (late.time, late.signal.shape) == (datetime(2021, 5, 6, 7, 8, 11, 500_000), (6, 40))


def test_padding() -> None:
    values = [[1, -32768, 3, 4, -32768], [-32768, 7, 8, 9, 10]]
    recording = read(dicom_bytes([group(values, padding=struct.pack("<h", -32768))]))
    np.testing.assert_array_equal(np.isnan(row(recording, "I")), [False, True, False, False, True])
    np.testing.assert_array_equal(np.isnan(row(recording, "III")), [True, True, False, False, True])
    assert code_of(dicom_bytes([group([[7] * 5] * 2, padding=struct.pack("<h", 7))])) == "recording.empty"
    big = group(values, form="big", padding=struct.pack(">h", -32768))
    np.testing.assert_array_equal(read(dicom_bytes([big], "big")).signal, recording.signal)


def test_padding_that_is_a_value_like_others_counts_where_it_lasts() -> None:
    crossing = [5, 0, -5, 0, 0, 7] * 40
    off = [*crossing[:60], *[0] * 100, *crossing[:80]]  # 0.2 s at 500 Hz
    recording = read(dicom_bytes([group([crossing, off], [channel("V1"), channel("V2")], padding=b"\0\0")]))
    assert np.isfinite(row(recording, "V1")).all()
    np.testing.assert_array_equal(np.nonzero(np.isnan(row(recording, "V2")))[0], np.arange(60, 160))
    assert recording.notes["padding"].startswith("0 lies within the signal")


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=3), st.integers(1, 5))
def test_runs_of_a_mask(rows: list[list[bool]], least: int) -> None:
    expected = ["".join(run if len(run) >= least else "." * len(run) for run in _runs(bits)) for bits in rows]
    found = lasting(np.array(rows).T, least).T
    assert ["".join("#" if bit else "." for bit in bits) for bits in found] == expected


def _runs(bits: list[bool]) -> list[str]:
    text = "".join("#" if bit else "." for bit in bits)
    return text.replace(".#", ". #").replace("#.", "# .").split(" ")


def test_bits_stored() -> None:
    fits = [[-2048, 2047, 0], [1, 2, 3]]
    channels = [channel(lead, bits=12) for lead in ("I", "II")]
    assert read(dicom_bytes([group(fits, channels)])).signal[0, 0] == np.float32(-10.24)
    assert code_of(dicom_bytes([group([[0, 2048, 0], [1, 2, 3]], channels)])) == "recording.header"
    padded = group([[0, -32768, 0], [1, 2, 3]], channels, padding=struct.pack("<h", -32768))
    assert np.isnan(read(dicom_bytes([padded])).signal[0, 1])
    unsaid = [channel(lead, bits=None) for lead in ("I", "II")]
    assert read(dicom_bytes([group(fits, unsaid)])).signal[0, 0] == np.float32(-10.24)


def test_filters_and_states_of_channels() -> None:
    channels = [
        channel("I", low="0.05", high="150", notch="50"),
        channel("II", low="0.05", high="40", notch="0", status="DISCONNECTED"),
    ]
    recording = read(dicom_bytes([group(wave(), channels)]))
    assert recording.notes["high-pass filter"] == "0.05 Hz"
    assert recording.notes["low-pass filter"] == "150 Hz, 40 Hz"
    assert recording.notes["mains filter"] == "50 Hz"
    assert recording.notes["channel status"] == "II DISCONNECTED"
    assert recording.calibrated
    uncalibrated = [channel("I", status="UNCALIBRATED"), channel("II", status="OK")]
    assert not read(dicom_bytes([group(wave(), uncalibrated)])).calibrated


def annotation(concept: tuple[str, str, str], value: str, unit: str, channels: list[int]) -> list[Element]:
    return [
        (0x0040A043, "SQ", code(*concept)),
        (0x0040A30A, "DS", value),
        (0x004008EA, "SQ", code(unit, "UCUM", unit)),
        (0x0040A0B0, "US", channels),
    ]


def test_measurements() -> None:
    items = [
        annotation(("2:15872", "MDC", "PR interval global"), "0.161", "s", [1, 0]),
        annotation(("2:15872", "MDC", "PR interval global"), "999", "ms", [1, 0]),  # the first counts
        annotation(("x", "99", "QRS Duration"), "90", "ms", [1, 0]),
        annotation(("x", "99", "QT duration, global"), "400", "ms", [1, 0]),
        annotation(("2:16160", "MDC", "QT interval global"), "402.5", "ms", [1, 0]),
        annotation(("2:15880", "MDC", "QTc global using Bazett formula"), "430", "ms", [1, 2]),  # of one lead
        annotation(("x", "99", "Ventricular Heart Rate"), "62", "{beats}/min", [1, 0]),
        annotation(("2:16132", "MDC", "QRS axis"), "-30", "deg", [1, 0]),
        annotation(("2:16136", "MDC", "T axis"), "40", "rad", [1, 0]),
        annotation(("x", "99", "P Duration"), "1e400", "ms", [1, 0]),
        [(0x00700006, "ST", b"Rhythmus \xfcber 100")],
    ]
    more: list[Element] = [(0x00080005, "CS", "ISO_IR 100"), (0x0040B020, "SQ", items)]
    recording = read(dicom_bytes([group(wave())], more=more))
    assert recording.measured == {
        "pr": 161.0,
        "qrs": 90.0,
        "qt": 402.5,
        "heart_rate": 62.0,
        "qrs_axis": -30.0,
    }
    assert recording.notes["measured in other units"] == "t_axis 40 rad; p_duration 1e400 ms"
    assert recording.notes["interpretation"] == "Rhythmus über 100"


@pytest.mark.parametrize(
    ("age", "birth", "expected"),
    [
        ("042Y", "19000101", 42.0),
        ("006M", "", 0.5),
        ("010D", "", 0.03),
        ("", "19500507", 70.0),
        ("", "19500506", 71.0),
        ("300Y", "", None),
        ("42", "", None),
        ("", "1950", None),
        ("", "", None),
    ],
)
def test_age(age: str, birth: str, expected: float | None) -> None:
    more = [(0x00101010, "AS", age), (0x00100030, "DA", birth), (0x0008002A, "DT", "20210506070809")]
    assert read(dicom_bytes([group(wave())], more=more)).age == expected


def test_patient_device_and_time() -> None:
    more: list[Element] = [
        (0x00100010, "PN", "Doe^Jane"), (0x00100020, "LO", " 77 "), (0x00100040, "CS", "F"),
        (0x00080070, "LO", "Maker"), (0x00081090, "LO", "unknown"), (0x00080023, "DA", "20200102"),
        (0x00080033, "TM", "030405.25"), (0x0008002A, "DT", "2021"),
    ]  # fmt: skip
    recording = read(dicom_bytes([group(wave())], more=more))
    assert (recording.patient_id, recording.sex) == ("77", "female")
    assert recording.time == datetime(2020, 1, 2, 3, 4, 5, 250_000)
    assert recording.notes == {"device": "Maker"}
    assert read(dicom_bytes([group(wave())], more=[(0x0008002A, "DT", "20211341250000")])).time is None


def test_character_sets() -> None:
    for charset, text in (("ISO_IR 192", "µ-ид".encode()), ("ISO_IR 144", "ид".encode("iso8859-5"))):
        more: list[Element] = [(0x00080005, "CS", charset), (0x00100020, "LO", text)]
        found = read(dicom_bytes([group(wave())], more=more)).patient_id
        assert found == text.decode("utf-8" if charset == "ISO_IR 192" else "iso8859-5")
    odd: list[Element] = [(0x00080005, "CS", "UTF-9"), (0x00100020, "LO", b"\xff\xfe1")]
    with warnings.catch_warnings(record=True) as caught:
        assert read(dicom_bytes([group(wave())], more=odd)).patient_id
    assert not caught


def test_a_bomb_is_refused() -> None:
    junk = (0x00081030, "OB", b"\0" * 40_000_000)
    content = dicom_bytes([group(wave())], "deflated", more=[junk])
    assert len(content) < 100_000
    assert code_of(content) == "recording.size"
    whole = dicom_bytes([group(wave())], "deflated")
    assert code_of(whole[:-20]) == "recording.truncated"
    assert code_of(whole[:260] + b"\xff" * 100) == "recording.header"


def test_nested_sequences_without_end() -> None:
    opened = struct.pack("<HH2sHIHHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF)
    head = dicom_bytes([])
    assert code_of(head + opened * 5000) == "recording.header"
    assert code_of(head + opened[:12] + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 5000) == "recording.header"


def test_more_items_than_any_ecg_has() -> None:
    whole = dicom_bytes([group(wave())])
    before = whole.index(b"\x00\x54\x00\x01")
    for form in ("explicit", "open"):
        empty = element(0x0040B020, "SQ", [[]] * 20_000, form)
        assert code_of(whole[:before] + empty + whole[before:]) == "recording.size"
    assert code_of(dicom_bytes([], "deflated", [(0x0040B020, "SQ", [[]] * 100_000)])) == "recording.size"
    assert code_of(dicom_bytes([], "big", [(0x0040B020, "SQ", [[]] * 20_000)])) == "recording.size"
    assert code_of(dicom_bytes([group(wave())] * 65)) == "recording.size"
    assert code_of(dicom_bytes([group([[1]] * 257, [channel()] * 257)])) == "recording.size"
    beats = [annotation(("10:256", "MDC", "P wave"), "1", "ms", [1, 0])[:1]] * 10_001
    notes = read(dicom_bytes([group(wave())], more=[(0x0040B020, "SQ", beats)])).notes
    assert notes["annotations"] == "10001, of which the first 10000 were read"


CUT = dicom_bytes([group(wave())], more=[(0x00100020, "LO", "12345678")])
OPEN = dicom_bytes([group(wave())], "open")


def test_an_unknown_type_of_value() -> None:
    """Each type (VR) in turn becomes one that no standard knows: pydicom speaks when asked for the value."""
    content = dicom_bytes([group(wave())])
    for at in range(132, len(content)):
        if content[at : at + 2] in {b"SQ", b"UN", b"OW", b"US", b"DS", b"LO", b"SH", b"CS", b"UI"}:
            outcome(content[:at] + b"S\0" + content[at + 2 :])


def test_short_of_every_byte() -> None:
    for content in (CUT, OPEN):
        read(content)
        for cut in range(len(content)):
            recording = outcome(content[:cut])
            assert recording is None or np.array_equal(recording.signal, read(content).signal)
        assert outcome(content[:-60]) is None


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["explicit", "implicit", "big", "open"]), st.data())
def test_any_damage_is_an_error_or_an_honest_recording(form: str, data: st.DataObject) -> None:
    content = bytearray(
        dicom_bytes([group(wave(), form=form), group(wave(1, 9), form=form, label="MEDIAN")], form)
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    recording = outcome(bytes(content))
    if recording is not None:
        assert 10 <= recording.sampling_rate <= 10_000
        assert not np.isinf(recording.signal).any()
        assert recording.signal.size <= 40 * 2 * 16 * 3


@settings(max_examples=80, deadline=None)
@given(
    leads=st.lists(
        st.sampled_from([name for name in LEADS if name.startswith("V")]), min_size=1, unique=True
    ),
    kind=st.sampled_from(sorted(TYPES)),
    form=st.sampled_from(["explicit", "implicit", "deflated", "open"]),
    rate=st.integers(10, 10_000),
    data=st.data(),
)
def test_round_trip(
    leads: list[str], kind: tuple[int, str], form: str, rate: int, data: st.DataObject
) -> None:
    signed = kind[1] in {"SB", "SS", "SL"}
    top = 1 << kind[0] - (1 if signed else 0)
    number = st.integers(-top if signed else 0, top - 1)
    length = data.draw(st.integers(1, 9))
    values = [data.draw(st.lists(number, min_size=length, max_size=length)) for _ in leads]
    step = data.draw(st.sampled_from(["0.00125", "0.0005", "0.002"]))
    offset = data.draw(st.integers(-1000, 1000))
    channels = [channel(lead, bits=kind[0], sensitivity=step, baseline=str(offset)) for lead in leads]
    content = dicom_bytes([group(values, channels, type=kind, rate=str(rate))], form)
    recording = read(content)
    assert (recording.sampling_rate, set(recording.leads)) == (rate, set(leads))
    for lead, given_row, read_row in zip(leads, values, oracle(content), strict=True):
        expected = [(value * float(step) + offset) / 1000 for value in given_row]
        np.testing.assert_allclose(row(recording, lead), expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(row(recording, lead), read_row / 1000, rtol=1e-6, atol=1e-6)


def test_pydicom_comes_with_the_first_file() -> None:
    script = "import sys, cardiofusion.readers.dicom\nprint('pydicom' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
