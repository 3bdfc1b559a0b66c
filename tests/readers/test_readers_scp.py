"""SCP-ECG: a real file against its HL7 twin, and records written here by other means than they are read."""

from __future__ import annotations

import contextlib
import struct
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.scp import SCP
from cardiofusion.records import LEADS, MEASUREMENTS, Recording, RecordingError

EIGHT = (1, 2, 3, 4, 5, 6, 7, 8)  # I, II, V1 ... V6
Ints = list[int]


# --- a tiny writer -----------------------------------------------------------------------------------------


def crc_of_byte(byte: int) -> int:
    """CRC-CCITT bit by bit: polynomial x^16 + x^12 + x^5 + 1, the highest bit first."""
    register = byte << 8
    for _ in range(8):
        register = (register << 1 ^ (0x1021 if register & 0x8000 else 0)) & 0xFFFF
    return register


CRC_TABLE = [crc_of_byte(byte) for byte in range(256)]


def crc(data: bytes) -> int:
    register = 0xFFFF
    for byte in data:
        register = (register << 8 & 0xFFFF) ^ CRC_TABLE[register >> 8 ^ byte]
    return register


def section(number: int, data: bytes, protocol: int = 20, checksum: int | None = None) -> bytes:
    data += b"\0" * (len(data) % 2)
    mark = b"SCPECG" if number == 0 else bytes(6)
    rest = struct.pack("<HIBB6s", number, 16 + len(data), protocol, protocol, mark) + data
    return struct.pack("<H", crc(rest) if checksum is None else checksum) + rest


def record(blocks: dict[int, bytes], protocol: int = 20) -> bytes:
    """Section 0 and these sections, ready made."""
    numbers = [*range(12), *(number for number in blocks if number > 11)]
    first = 7 + 16 + 10 * len(numbers)
    pointers = struct.pack("<HII", 0, first - 7, 7)
    for number in numbers[1:]:
        block = blocks.get(number, b"")
        pointers += struct.pack("<HII", number, len(block), first if block else 0)
        first += len(block)
    body = section(0, pointers, protocol) + b"".join(blocks.get(number, b"") for number in numbers[1:])
    sized = struct.pack("<I", 6 + len(body)) + body
    return struct.pack("<H", crc(sized)) + sized


def differences(samples: Sequence[int], order: int) -> Ints:
    """What is stored, in 16 bits as a device computes it."""
    stored = list(samples)
    for n in range(order or len(samples), len(samples)):
        past = {1: samples[n - 1], 2: 2 * samples[n - 1] - samples[n - 2]}.get(order, 0)
        stored[n] = (samples[n] - past + 0x8000) % 0x10000 - 0x8000
    return stored


def default_code(value: int) -> str:
    if abs(value) <= 8:
        return "1" * abs(value) + "0" + ("" if value == 0 else "01"[value < 0])
    small = -128 <= value < 128
    return "111111111" + ("0" + f"{value & 0xFF:08b}" if small else "1" + f"{value & 0xFFFF:016b}")


def default_bits(values: Sequence[int]) -> str:
    return "".join(default_code(value) for value in values)


def two_table_bits(values: Sequence[int]) -> str:
    """0 and +-1 in the first table, all else as 16 bits in the second."""
    bits, table = "", 1
    for value in values:
        if (abs(value) > 1) == (table == 1):
            bits, table = bits + ("1110" if table == 1 else "0"), 3 - table
        bits += {0: "0", 1: "10", -1: "110"}[value] if table == 1 else f"1{value & 0xFFFF:016b}"
    return bits


def code_line(prefix: str, extra: int, mode: int, value: int) -> bytes:
    stored = int(prefix[::-1], 2)
    return struct.pack("<BBBhI", len(prefix), len(prefix) + extra, mode, value, stored)


TWO_TABLES = b"".join((
    struct.pack("<HH", 2, 4),
    code_line("0", 0, 1, 0), code_line("10", 0, 1, 1), code_line("110", 0, 1, -1), code_line("1110", 0, 0, 2),
    struct.pack("<H", 2), code_line("0", 0, 0, 1), code_line("1", 16, 1, 0),
))  # fmt: skip
LADDER = [n // 2 if n % 2 else -n // 2 for n in range(1, 31)]  # 0, -1, 1, -2, 2, ...: longer than a look-up


def ladder_bits(values: Sequence[int]) -> str:
    """Each value of the ladder one bit longer than the one before, all else as 16 bits after the last."""
    places = {value: place for place, value in enumerate(LADDER)}
    codes = ("1" * places[v] + "0" if v in places else "1" * 30 + f"{v & 0xFFFF:016b}" for v in values)
    return "".join(codes)


LADDER_TABLE = (
    struct.pack("<HH", 1, 31)
    + code_line("1" * 30, 16, 1, 0)
    + b"".join(code_line("1" * place + "0", 0, 1, value) for place, value in enumerate(LADDER))
)
CODINGS: dict[str, tuple[bytes, Callable[[Sequence[int]], str]]] = {
    "plain": (b"", lambda values: "".join(f"{v & 0xFF:08b}{v >> 8 & 0xFF:08b}" for v in values)),
    "none": (
        struct.pack("<H", 0),
        lambda values: "".join(f"{v & 0xFF:08b}{v >> 8 & 0xFF:08b}" for v in values),
    ),
    "default": (struct.pack("<H", 19999), default_bits),
    "two tables": (TWO_TABLES, two_table_bits),
    "long codes": (LADDER_TABLE, ladder_bits),
}


def pack_bits(bits: str) -> bytes:
    bits += "0" * (-len(bits) % 16)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


def tag(number: int, value: bytes) -> bytes:
    return struct.pack("<BH", number, len(value)) + value


def device(
    language: int = 0, names: Sequence[bytes] = (b"1", b"SN", b"sw", b"scp", b"Maker"), code: int = 8
) -> bytes:
    fixed = struct.pack("<HHHBB6sBBBBB16sB", 1, 2, 3, 0, code, b"ABC12", 20, 0, language, 0, 1, bytes(16), 2)
    return tag(14, fixed + b"".join(name + b"\0" for name in names))


PATIENT = tag(2, b"P-1\0") + tag(25, struct.pack("<HBB", 2020, 5, 17)) + tag(26, bytes([13, 14, 15]))


@dataclass
class Ecg:
    """What a record is written from. rows: stored samples of each lead, in the order of `codes`."""

    rows: Sequence[Sequence[int]]
    codes: Sequence[int] = EIGHT
    order: int = 2
    coding: str = "default"
    step: int = 2500
    interval: int = 2000
    flag: int = 0
    flags: int = 0x04
    ranges: Sequence[tuple[int, int]] = ()
    protocol: int = 20
    patient: bytes = PATIENT
    beats: bytes = b""
    reference: Sequence[Sequence[int]] = ()
    reference_step: int = 5000
    reference_interval: int = 2000
    more: dict[int, bytes] = field(default_factory=dict)

    def streams(self, rows: Sequence[Sequence[int]], step: int, interval: int, flag: int) -> bytes:
        encode = CODINGS[self.coding][1]
        streams = [pack_bits(encode(differences(row, self.order))) for row in rows]
        head = struct.pack("<HHBB", step, interval, self.order, flag)
        return head + b"".join(struct.pack("<H", len(s)) for s in streams) + b"".join(streams)

    def data(self) -> dict[int, bytes]:
        """The data of every section."""
        ranges = self.ranges or [(1, len(row)) for row in self.rows]
        leads = b"".join(
            struct.pack("<IIB", *span, code) for span, code in zip(ranges, self.codes, strict=True)
        )
        data = {1: self.patient + tag(255, b""), 2: CODINGS[self.coding][0],
                3: bytes([len(self.codes), self.flags]) + leads, 4: self.beats,
                6: self.streams(self.rows, self.step, self.interval, self.flag)}  # fmt: skip
        if self.reference:
            data[5] = self.streams(self.reference, self.reference_step, self.reference_interval, 0)
        return {number: content for number, content in (data | self.more).items() if content}

    def write(self, **changed: bytes) -> bytes:
        data = self.data() | {int(key.removeprefix("s")): value for key, value in changed.items()}
        blocks = {
            number: section(number, data[number], self.protocol) for number in sorted(data) if data[number]
        }
        return record(blocks, self.protocol)

    def read(self) -> Recording:
        return SCP.decode(self.write(), "a.scp")


def waves(leads: int = 8, samples: int = 200, seed: int = 1) -> list[Ints]:
    rng = np.random.default_rng(seed)
    steps = rng.integers(-30, 31, (leads, samples)) + 200 * (rng.random((leads, samples)) < 0.05)
    return (np.cumsum(steps, axis=1) % 4001 - 2000).tolist()


def code_of(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        SCP.decode(content, "a.scp")
    assert caught.value.hint
    assert len(caught.value.message) < 200
    return caught.value.code


def in_millivolts(rows: Sequence[Sequence[int]], step: int = 2500) -> np.ndarray:
    return np.array(rows) * step / 1e6


# --- real files --------------------------------------------------------------------------------------------


@pytest.fixture
def formats(data_dir: Path) -> Path:
    folder = data_dir / "formats"
    if not (folder / "scp").is_dir():
        pytest.skip("no sample files of this format")
    return folder


@pytest.mark.data
def test_real_file_equals_its_twin_in_hl7(formats: Path) -> None:
    content = (formats / "scp" / "Example.scp").read_bytes()
    recording = SCP.decode(content, "Example.scp")
    assert (recording.leads, recording.sampling_rate, recording.unverified) == (LEADS, 500.0, ())
    assert recording.signal.shape == (12, 5000)
    space = {"h": "urn:hl7-org:v3"}
    twin = ElementTree.parse(formats / "hl7-aecg" / "ECGToolkit_Example.xml").find(".//h:series", space)
    found = 0
    for sequence in twin.iterfind("h:component/h:sequenceSet/h:component/h:sequence", space):
        code = sequence.find("h:code", space).get("code")
        if code.startswith("MDC_ECG_LEAD_"):
            lead = next(lead for lead in LEADS if lead.upper() == code.rpartition("_")[2].upper())
            digits = np.array(sequence.find("h:value/h:digits", space).text.split(), dtype=float)
            scale = sequence.find("h:value/h:scale", space)
            assert scale.get("unit") == "uV"
            expected = digits * float(scale.get("value")) / 1000
            assert np.abs(recording.signal[LEADS.index(lead)] - expected).max() < 1e-6
            found += 1
    assert found == 12
    assert (recording.patient_id, recording.age, recording.sex) == ("SBJ-123", 49.0, "male")
    assert recording.time == datetime(2002, 11, 22, 9, 10)
    assert recording.measured == {  # as the twin in DICOM names them
        "p_duration": 102, "pr": 148, "qrs": 120, "qt": 420, "qtc": 443,
        "p_axis": 44, "qrs_axis": -61, "t_axis": 86,
    }  # fmt: skip
    assert recording.notes["device"] == "ECGConversion ELI250"
    assert "Clark" not in str(recording.notes)


@pytest.mark.data
def test_healforce_is_refused_for_what_is_wrong_with_it(formats: Path) -> None:
    content = (formats / "scp" / "healforce_62.SCP").read_bytes()
    assert SCP.recognises(content[:4096])
    size, itself = struct.unpack_from("<I", content, 2)[0], struct.unpack_from("<I", content, 28)[0]
    assert (size, len(content), itself) == (0x72F00000, 32768, 6)  # not truncated: nothing in it is right
    assert code_of(content) == "recording.version"
    with pytest.raises(RecordingError, match="pointers count bytes from 0"):
        SCP.decode(content, "healforce_62.SCP")


@pytest.mark.data
def test_other_formats_are_not_taken_for_scp(formats: Path) -> None:
    for path in formats.rglob("*.*"):
        assert SCP.recognises(path.read_bytes()[:4096]) == (path.parent.name == "scp")


# --- samples -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("order", [0, 1, 2])
def test_samples_in_every_coding(coding: str, order: int) -> None:
    recording = Ecg(waves(), order=order, coding=coding, step=1250, interval=1000).read()
    assert (recording.leads, recording.sampling_rate, recording.unverified) == (LEADS, 1000.0, ())
    expected = in_millivolts(waves(), 1250)
    got = recording.signal[[LEADS.index(lead) for lead in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]]
    assert np.abs(got - expected).max() < 1e-6
    assert np.abs(recording.signal[2] - (expected[1] - expected[0])).max() < 1e-6  # III


def test_the_standards_own_example() -> None:
    """Annex C: 28 samples as second differences in the default table; a byte its text mistypes corrected."""
    stream = bytes.fromhex("FF837FE0E6F1536559B65B964B960000")
    samples = [13, 14, 15, 14, 16, 18, 19, 20, 22, 22, 23, 23, 23, 22,
               22, 20, 17, 15, 12, 8, 6, 3, 1, 0, -2, -2, -3, -3]  # fmt: skip
    rhythm = struct.pack("<HHBBH", 5000, 2000, 2, 0, len(stream)) + stream
    recording = SCP.decode(Ecg([samples], codes=[2]).write(s6=rhythm), "a.scp")
    assert recording.leads == ("II",)
    assert np.abs(recording.signal[0] - np.array(samples) * 0.005).max() < 1e-6


@settings(max_examples=40, deadline=None)
@given(
    samples=st.lists(st.integers(-32768, 32767), min_size=1, max_size=60),
    order=st.integers(0, 2),
    coding=st.sampled_from(list(CODINGS)),
    step=st.integers(10, 65535),
)
def test_round_trip_of_any_sixteen_bits(samples: Ints, order: int, coding: str, step: int) -> None:
    recording = Ecg([samples], codes=[2], order=order, coding=coding, step=step).read()
    np.testing.assert_allclose(recording.signal[0], np.array(samples) * step / 1e6, rtol=1e-6, atol=1e-9)


def zones(
    length: int, fiducial: int, beats: Sequence[tuple[int, int, int, int]], areas: Sequence[tuple[int, int]]
) -> bytes:
    head = struct.pack("<HHH", length, fiducial, len(beats))
    return (
        head
        + b"".join(struct.pack("<HIII", *b) for b in beats)
        + b"".join(struct.pack("<II", *a) for a in areas)
    )


# type, first, fiducial, last: of the first more than the beat has before its fiducial, of the last after it
BEATS = [(0, 5, 20, 30), (1, 50, 60, 70), (0, 91, 100, 118)]


@pytest.mark.parametrize("coding", ["plain", "default"])
def test_reference_beats_are_added_where_they_were_subtracted(coding: str) -> None:
    residual, beat = waves(samples=200), waves(samples=25, seed=2)
    beats = zones(50, 12, BEATS, [])
    recording = Ecg(residual, coding=coding, flags=0x05, beats=beats, reference=beat).read()
    expected = in_millivolts(residual)
    for kind, first, fiducial, last in BEATS:
        for n in range(first, last + 1):
            place = n - fiducial + 12 - 1  # the beat's 12th sample lies on the fiducial
            if kind == 0 and 0 <= place < 25:
                expected[:, n - 1] += np.array(beat)[:, place] * 5000 / 1e6
    assert np.abs(recording.signal[[0, 1, *range(6, 12)]] - expected).max() < 1e-5
    assert "added again" in recording.notes["compression"]
    unchanged = Ecg(
        residual, coding=coding, beats=beats, reference=beat
    ).read()  # not subtracted: only carried
    assert np.abs(unchanged.signal[:2] - in_millivolts(residual)[:2]).max() < 1e-6
    assert "compression" not in unchanged.notes
    assert unchanged.notes["reference beats"]


def reduce(samples: Sequence[int], areas: Sequence[tuple[int, int]], by: int) -> tuple[Ints, Ints]:
    """What a device stores outside these areas, and what can be had of it again, sample by sample."""
    full = {n for first, last in areas for n in range(first, last + 1)}
    stored, again, n = [], [], 1
    while n <= len(samples):
        end = next((m for m in range(n, len(samples) + 1) if (m in full) != (n in full)), len(samples) + 1)
        stretch = list(samples[n - 1 : end - 1])
        groups = 0 if n in full else len(stretch) // by
        means = [round(sum(stretch[k * by : k * by + by]) / by) for k in range(groups)]
        rest = stretch[groups * by :]
        for k in range(groups * by):
            left = (k - by // 2) // by
            low, high = means[max(left, 0)], means[min(left + 1, groups - 1)]
            share = ((k - by // 2) % by / by) if 0 <= left < groups - 1 else 0
            again.append(round((low if left >= 0 else means[0]) * (1 - share) + high * share))
        stored, again, n = stored + means + rest, again + rest, end
    return stored, again


@pytest.mark.parametrize("by", [2, 3, 4])
@pytest.mark.parametrize("coding", ["plain", "default"])
def test_bimodal_samples_are_interpolated_outside_protected_areas(by: int, coding: str) -> None:
    areas = [(13, 28), (57, 72), (93, 113)]  # the third leaves stretches that are no multiple
    rows = [(300 * np.sin(np.arange(200) / 9 + k)).astype(int).tolist() for k in range(8)]
    halves = [reduce(row, areas, by) for row in rows]
    ecg = Ecg(
        [stored for stored, _ in halves], coding=coding, flag=1, interval=2000 * by, ranges=[(1, 200)] * 8,
        beats=zones(50, 12, BEATS, areas), reference=waves(samples=25),
    )  # fmt: skip
    recording = ecg.read()
    assert (recording.sampling_rate, recording.signal.shape) == (500.0, (12, 200))
    got = recording.signal[[0, 1, *range(6, 12)]]
    assert (
        np.abs(got - in_millivolts([again for _, again in halves])).max() < 2.6e-3
    )  # a step: ties are rounded
    for first, last in areas:
        assert np.abs(got[:, first - 1 : last] - in_millivolts(rows)[:, first - 1 : last]).max() < 1e-6
    assert np.abs(got - in_millivolts(rows)).max() < 0.15  # of 0.75 mV: straight lines through a sine
    assert "interpolated" in recording.notes["compression"]
    both = replace(ecg, flags=0x05).read()
    assert not np.array_equal(both.signal, recording.signal)
    assert np.array_equal(both.signal[:, 118:], recording.signal[:, 118:])


def test_bimodal_refusals() -> None:
    areas = [(13, 28), (57, 72), (93, 112)]
    rows = [reduce(row, areas, 4)[0] for row in waves()]
    ecg = Ecg(rows, flag=1, interval=8000, ranges=[(1, 200)] * 8, reference=waves(samples=25),
              beats=zones(50, 12, BEATS, areas))  # fmt: skip
    assert ecg.read().sampling_rate == 500.0
    assert code_of(replace(ecg, beats=zones(50, 12, BEATS, [])).write()) == "recording.version"  # version 1.1
    assert code_of(replace(ecg, beats=b"").write()) == "recording.header"
    assert code_of(replace(ecg, flag=0, flags=0x05).write()) == "recording.version"
    assert code_of(replace(ecg, reference=()).write()) == "recording.truncated"
    assert code_of(replace(ecg, interval=7000).write()) == "recording.version"
    assert code_of(replace(ecg, interval=10000).write()) == "recording.version"
    others = zones(50, 12, BEATS, [(13, 20), (57, 60), (93, 96)])  # fewer samples than were stored
    assert code_of(replace(ecg, beats=others).write()) == "recording.header"
    overlapping = zones(50, 12, BEATS, [(13, 60), (57, 72), (93, 112)])
    assert code_of(replace(ecg, beats=overlapping).write()) == "recording.header"


def test_bimodal_flag_on_a_rhythm_that_is_complete() -> None:
    complete = Ecg(waves(), flag=1)
    assert np.array_equal(complete.read().signal, Ecg(waves()).read().signal)
    same_rate = replace(complete, reference=waves(samples=25), beats=zones(50, 12, BEATS, []))
    assert np.array_equal(same_rate.read().signal, Ecg(waves()).read().signal)


# --- leads -------------------------------------------------------------------------------------------------


def test_lead_codes() -> None:
    known = {1: "I", 2: "II", 3: "V1", 4: "V2", 5: "V3", 6: "V4", 7: "V5", 8: "V6", 9: "V7", 11: "V3R",
             12: "V4R", 13: "V5R", 14: "V6R", 16: "X", 17: "Y", 18: "Z", 19: "CC5", 20: "CM5", 61: "III",
             62: "aVR", 63: "aVL", 64: "aVF", 66: "V8", 67: "V9", 107: "CM2", 109: "CM4", 131: "ES",
             132: "AS", 133: "AI"}  # fmt: skip
    for code, lead in known.items():
        assert Ecg(waves(1), codes=[code]).read().leads == (lead,)
    for code in set(range(1, 185)) - set(known) - {65}:
        recording = Ecg(waves(2), codes=[2, code]).read()
        assert recording.leads == ("II",)
        assert recording.notes["skipped"].startswith("lead ")
    assert "derived I" in Ecg(waves(2), codes=[2, 31]).read().notes["skipped"]
    for codes in ([0], [185], [255], [31], [2, 2]):
        assert code_of(Ecg(waves(len(codes)), codes=codes).write()) == "recording.lead"


def test_cabreras_lead_is_turned() -> None:
    recording = Ecg(waves(1), codes=[65]).read()
    assert recording.leads == ("aVR",)
    assert np.abs(recording.signal[0] + in_millivolts(waves(1))[0]).max() < 1e-6
    assert code_of(Ecg(waves(2), codes=[65, 62]).write()) == "recording.lead"


def test_leads_recorded_one_after_the_other() -> None:
    spans = [(1, 100), (1, 100), (101, 200), (151, 250)]
    recording = Ecg(waves(4, 100), codes=(1, 2, 3, 4), flags=2 << 3, ranges=spans).read()
    assert recording.leads == ("I", "II", "V1", "V2")  # no lead is computed from others
    assert recording.signal.shape == (4, 250)
    assert "same time" in recording.notes["leads"]
    for row, samples, (first, last) in zip(recording.signal, waves(4, 100), spans, strict=True):
        assert np.abs(row[first - 1 : last] - in_millivolts([samples])[0]).max() < 1e-6
        assert np.isnan(np.delete(row, np.s_[first - 1 : last])).all()
    counted = Ecg(waves(), flags=8 << 3).read()  # eight leads at once, of eight
    assert counted.leads == LEADS
    late = Ecg(waves(), ranges=[(11, 210)] * 8).read()  # all of them late: that is the beginning
    assert np.array_equal(late.signal, Ecg(waves()).read().signal)


# --- patient, measurements, words --------------------------------------------------------------------------


def patient(*tags: bytes) -> Recording:
    return Ecg(waves(1), codes=[2], patient=b"".join(tags)).read()


def test_demographics() -> None:
    born, sex = tag(5, struct.pack("<HBB", 1960, 5, 18)), tag(8, b"\2")
    names = tag(0, b"Secret\0") + tag(1, b"Name\0") + tag(3, b"Second\0")
    filters = tag(27, struct.pack("<H", 5)) + tag(28, struct.pack("<H", 150)) + tag(29, b"\2")
    recording = patient(names, PATIENT, born, sex, device(), filters)
    assert (recording.patient_id, recording.age, recording.sex) == ("P-1", 59.0, "female")
    assert recording.time == datetime(2020, 5, 17, 13, 14, 15)
    assert recording.notes == {
        "device": "Maker ABC12", "high-pass filter": "0.05 Hz", "low-pass filter": "150 Hz",
        "mains filter": "50 Hz",
    }  # fmt: skip
    assert patient(device(names=(), code=8)).notes["device"] == "Mortara ABC12"
    assert patient(device(names=(), code=255)).notes["device"] == "ABC12"


@pytest.mark.parametrize(
    ("value", "unit", "age"),
    [
        (63, 1, 63.0),
        (18, 2, 1.5),
        (52, 3, 0.997),
        (100, 4, 0.274),
        (0, 1, None),
        (63, 0, None),
        (300, 1, None),
    ],
)
def test_age_as_stated(value: int, unit: int, age: float | None) -> None:
    assert patient(tag(4, struct.pack("<HB", value, unit))).age == age


def test_fields_that_say_nothing_or_are_cut() -> None:
    empty = patient(
        tag(2, b"\0"), tag(4, b""), tag(5, bytes(4)), tag(8, b"\0"), tag(25, bytes(4)), tag(26, b"")
    )
    assert (empty.patient_id, empty.age, empty.sex, empty.time, empty.notes) == (None, None, None, None, {})
    day = patient(tag(25, struct.pack("<HBB", 2020, 5, 17)), tag(26, bytes([25, 0, 0])))
    assert (day.time, day.notes["date"]) == (None, "2020-05-17")
    assert patient(tag(2, b"first\0"), tag(2, b"second\0")).patient_id == "first"
    cut = patient(PATIENT, struct.pack("<BH", 16, 5000) + b"abc")
    assert (cut.patient_id, cut.notes["patient fields"]) == ("P-1", "cut short at field 16")


@pytest.mark.parametrize(
    ("language", "encoding", "text"),
    [(0, "utf-8", "Łó"), (0, "latin-1", "Zoë"), (1, "latin-1", "Zoë"), (5, "latin-1", "Zoë"),
     (0x03, "iso8859-2", "Łódź"), (0x13, "iso8859-5", "Ж"), (0x07, "utf-16-le", "Łó"), (0x37, "utf-8", "Łó"),
     (0x2F, "euc_kr", "한")],
)  # fmt: skip
def test_character_sets(language: int, encoding: str, text: str) -> None:
    recording = patient(tag(2, (text + "\0").encode(encoding)), device(language, names=()))
    assert recording.patient_id == text


def test_every_character_set_is_one_python_knows() -> None:
    for language in range(256):
        assert patient(tag(2, b"abcdef\0\0"), device(language)).patient_id


def measured(data: bytes, protocol: int = 20) -> dict[str, float]:
    recording = Ecg(waves(1), codes=[2], protocol=protocol, more={7: data}).read()
    assert set(recording.measured) <= set(MEASUREMENTS)
    return dict(recording.measured)


def test_measurements() -> None:
    beat = struct.pack("<5H3h", 100, 200, 260, 350, 660, 45, -30, 60)
    spikes = struct.pack("<Hh", 5, -100) + bytes(6)
    tail = struct.pack("<H3BHHHBH", 3, 0, 0, 1, 71, 29999, 430, 1, 0)
    whole = {"p_duration": 100, "pr": 160, "qrs": 90, "qt": 400, "p_axis": 45, "qrs_axis": -30, "t_axis": 60}
    assert measured(struct.pack("<BBHH", 1, 1, 800, 29999) + beat + spikes + tail) == whole | {
        "heart_rate": 71,
        "qtc": 430,
    }
    assert measured(struct.pack("<BBHH", 1, 0, 800, 29999) + beat) == whole | {"heart_rate": 75}
    assert measured(struct.pack("<BBHH", 1, 0, 29999, 29999) + beat) == whole
    unknown = struct.pack("<5H3h", 29999, 29999, 260, 350, 19999, 999, -30, 999)
    assert measured(struct.pack("<BBHH", 1, 0, 0, 0) + unknown) == {"qrs": 90, "qrs_axis": -30}
    assert (
        measured(struct.pack("<BBHH", 1, 0, 800, 0) + beat, protocol=11) == {}
    )  # out of step in known files
    for cut in (1, 8, 30):
        assert measured((struct.pack("<BBHH", 2, 3, 800, 0) + beat)[:cut]) in ({}, {"heart_rate": 75})


def test_interpretation() -> None:
    words = b"".join(
        struct.pack("<BH", k + 1, len(text)) + text for k, text in enumerate((b"Sinus rhythm\0", b"Normal\0"))
    )
    head = struct.pack("<BHBBBBBB", 1, 2020, 5, 17, 13, 0, 0, 2)
    notes = Ecg(waves(1), codes=[2], more={8: head + words}).read().notes
    assert (notes["interpretation"], notes["status"]) == ("Sinus rhythm; Normal", "confirmed")
    cut = Ecg(waves(1), codes=[2], more={8: head + words[:20]}).read().notes
    assert cut["interpretation"] == "Sinus rhythm; N"


# --- versions, checksums, damage ---------------------------------------------------------------------------


def test_version_3() -> None:
    for coding, flag in (("plain", 0), ("default", 1)):
        recording = Ecg(waves(), protocol=30, coding=coding, flag=flag).read()
        assert np.array_equal(recording.signal, Ecg(waves()).read().signal)
    assert Ecg(waves(), protocol=30, flag=1, patient=tag(2, "Łó\0".encode())).read().patient_id == "Łó"
    assert (
        code_of(Ecg(waves(), protocol=30, flag=0).write()) == "recording.version"
    )  # coded, yet says it is not
    assert code_of(Ecg(waves(), protocol=30, flag=1, flags=0x05).write()) == "recording.version"
    assert code_of(Ecg(waves(), protocol=40, flag=1).write()) == "recording.version"
    wide = Ecg(waves(), protocol=30, flag=1).data()[6] + bytes(8)
    assert code_of(Ecg(waves(), protocol=30, flag=1).write(s6=wide)) == "recording.version"
    long = record({3: section(3, Ecg(waves()).data()[3], 30), 12: section(12, bytes(100), 30)}, 30)
    assert code_of(long) == "recording.version"
    both = Ecg(waves(), protocol=30, flag=1, more={12: bytes(100)}).read()
    assert "section 12" in both.notes["skipped"]


def test_checksums_that_early_devices_leave_out() -> None:
    data = Ecg(waves()).data()
    for without, unverified in (
        ((), ()),
        (tuple(data), ("header", "samples")),
        ((6,), ("header", "samples")),
    ):
        blocks = {n: section(n, d, 10, checksum=0xFFFF if n in without else None) for n, d in data.items()}
        recording = SCP.decode(record(blocks, 10), "a.scp")
        assert recording.unverified == ()  # the record's own checksum covers them
        recording = SCP.decode(b"\xff\xff" + record(blocks, 10)[2:], "a.scp")
        assert recording.unverified == unverified
        assert np.array_equal(recording.signal, Ecg(waves()).read().signal)


def test_a_sections_checksum_is_verified_though_the_records_holds() -> None:
    data = Ecg(waves()).data()
    for wrong in data:
        blocks = {n: section(n, content, checksum=1 if n == wrong else None) for n, content in data.items()}
        assert code_of(record(blocks)) == "recording.checksum"


CONTENT = Ecg(waves(samples=50), reference=waves(samples=25), beats=zones(50, 12, BEATS, []), flags=0x05,
              patient=PATIENT + device(), more={7: bytes(40), 8: bytes(20)}).write()  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(position=st.integers(0, len(CONTENT) - 1), change=st.integers(1, 255))
def test_any_changed_byte_is_found(position: int, change: int) -> None:
    changed = bytearray(CONTENT)
    changed[position] ^= change
    assert code_of(bytes(changed)) in {
        "recording.checksum",
        "recording.truncated",
        "recording.header",
        "recording.size",
    }


@settings(max_examples=100, deadline=None)
@given(size=st.integers(0, len(CONTENT) - 1))
def test_any_truncation_is_found(size: int) -> None:
    assert code_of(CONTENT[:size]) == "recording.truncated"


def test_bytes_after_the_record_are_noted() -> None:
    recording = SCP.decode(CONTENT + b"\x1a" * 7, "a.scp")
    assert recording.notes["trailing bytes"] == "7 after the record"
    assert np.array_equal(recording.signal, SCP.decode(CONTENT, "a.scp").signal)


@settings(max_examples=200, deadline=None)
@given(
    number=st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8]),
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 300),
    coding=st.sampled_from(list(CODINGS)),
    flag=st.integers(0, 1),
    protocol=st.sampled_from([10, 13, 20, 30]),
)
def test_damage_below_right_checksums(
    number: int, edits: list[tuple[int, int]], cut: int, coding: str, flag: int, protocol: int
) -> None:
    ecg = Ecg(waves(3, 60), codes=(1, 2, 65), coding=coding, flag=flag, protocol=protocol, flags=0x05,
              patient=PATIENT + device(), beats=zones(50, 12, BEATS, [(5, 8), (13, 28), (41, 52)]),
              reference=waves(3, 25), more={7: bytes(range(60)), 8: bytes(range(60))})  # fmt: skip
    data = bytearray(ecg.data().get(number, b"\1"))
    for position, value in edits:
        data[position % len(data)] = value
    content = ecg.write(**{f"s{number}": bytes(data[: len(data) - cut % 3 * 7] or b"\0")})
    with contextlib.suppress(RecordingError):  # nothing else may leave it
        recording = SCP.decode(content, "a.scp")
        assert 50 <= recording.sampling_rate <= 20_000
        assert np.isfinite(recording.signal).any()


# --- refusals ----------------------------------------------------------------------------------------------

PLAIN = Ecg(waves(1), codes=[2])


def rhythm(
    step: int = 2500, interval: int = 2000, order: int = 0, sizes: Sequence[int] = (400,), data: int = 400
) -> bytes:
    return (
        struct.pack("<HHBB", step, interval, order, 0) + struct.pack(f"<{len(sizes)}H", *sizes) + bytes(data)
    )


def table(*lines: bytes, count: int = 1) -> bytes:
    return struct.pack("<HH", count, len(lines)) + b"".join(lines)


def one_lead(flags: int, first: int, last: int, count: int = 1) -> bytes:
    return bytes([count, flags]) + struct.pack("<IIB", first, last, 2)


REFUSED = {
    "no step": ("recording.gain", {"s6": rhythm(step=0)}),
    "step below any device's": ("recording.gain", {"s6": rhythm(step=9)}),
    "no interval": ("recording.rate", {"s6": rhythm(interval=0)}),
    "rate above any device's": ("recording.rate", {"s6": rhythm(interval=49)}),
    "rate below any ECG's": ("recording.rate", {"s6": rhythm(interval=20_001)}),
    "third differences": ("recording.header", {"s6": rhythm(order=3)}),
    "stream too short": ("recording.truncated", {"s6": rhythm(sizes=[20], data=20), "s2": b""}),
    "coded stream too short": ("recording.truncated", {"s6": rhythm(sizes=[20], data=20)}),
    "stream beyond its section": ("recording.truncated", {"s6": rhythm(sizes=[500])}),
    "no rhythm": ("recording.empty", {"s6": b""}),
    "no leads' section": ("recording.empty", {"s3": b""}),
    "no leads": ("recording.lead", {"s3": bytes([0, 4])}),
    "more leads than there are": ("recording.truncated", {"s3": one_lead(4, 1, 200, 3)}),
    "sample 0": ("recording.header", {"s3": one_lead(4, 0, 200)}),
    "end before begin": ("recording.header", {"s3": one_lead(4, 100, 99)}),
    "four billion samples": ("recording.size", {"s3": one_lead(4, 1, 0xFFFFFFFF)}),
    "more samples than bits": ("recording.truncated", {"s3": one_lead(4, 1, 1_000_000)}),
    "subtracted, no beats": ("recording.header", {"s3": one_lead(5, 1, 200)}),
    "extra bits beyond the end": (
        "recording.truncated", {"s3": one_lead(4, 1, 1), "s6": rhythm(sizes=[2], data=0) + b"\xff\xc0"},
    ),
}  # fmt: skip


TABLES_REFUSED = {
    "65 tables": ("recording.size", struct.pack("<H", 65)),
    "tables missing": ("recording.truncated", struct.pack("<HH", 2, 3)),
    "empty table": ("recording.header", table()),
    "endless table": ("recording.header", struct.pack("<HH", 1, 2000) + bytes(9 * 2000)),
    "ambiguous table": ("recording.header", table(code_line("0", 0, 1, 0), code_line("01", 0, 1, 1))),
    "code of no bits": ("recording.header", table(struct.pack("<BBBhI", 0, 0, 1, 0, 0))),
    "code shorter than its prefix": ("recording.header", table(struct.pack("<BBBhI", 3, 2, 1, 0, 0))),
    "unknown mode": ("recording.header", table(code_line("0", 0, 7, 0))),
    "change to a table that is not": ("recording.header", table(code_line("0", 0, 0, 2))),
    "value and extra bits": ("recording.header", table(code_line("0", 8, 1, 5))),
    "bits without a code": ("recording.header", table(code_line("1", 0, 1, 0))),
    "nothing but changes of tables": ("recording.truncated", table(code_line("0", 0, 0, 1))),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refusals(what: str) -> None:
    code, changed = REFUSED[what]
    assert code_of(PLAIN.write(**changed)) == code


@pytest.mark.parametrize("what", TABLES_REFUSED)
def test_tables_refused(what: str) -> None:
    code, tables = TABLES_REFUSED[what]
    sound = table(code_line("0", 0, 1, 0))
    assert SCP.decode(PLAIN.write(s2=sound, s6=rhythm()), "a.scp").signal.shape == (1, 200)
    assert code_of(PLAIN.write(s2=tables, s6=rhythm())) == code


def test_gaps_and_beats_that_cannot_be() -> None:
    assert Ecg(waves(2), codes=(1, 2), ranges=[(1, 200), (201, 400)]).read().signal.shape[1] == 400
    for begin in (202, 1_000_000):
        gap = [(1, 200), (begin, begin + 199)]
        assert code_of(Ecg(waves(2), codes=(1, 2), ranges=gap).write()) == "recording.header"
    ecg = Ecg(waves(), flags=0x05, reference=waves(samples=25), beats=zones(50, 12, BEATS, []))
    assert code_of(replace(ecg, beats=zones(0, 12, BEATS, [])).write()) == "recording.header"
    assert code_of(replace(ecg, beats=zones(500, 12, BEATS, [])).write()) == "recording.truncated"
    assert code_of(replace(ecg, reference_interval=1000).write()) == "recording.version"
    assert (
        code_of(replace(ecg, beats=zones(50, 12, [(0, 1, 12, 25)] * 100, [])).write()) == "recording.header"
    )
    assert code_of(replace(ecg, beats=struct.pack("<HHH", 50, 12, 65535)).write()) == "recording.size"


def resigned(content: bytes) -> bytes:
    return struct.pack("<H", crc(content[2:])) + content[2:]


def test_pointers_that_mislead() -> None:
    pointer = 22 + 10 * 6  # section 6
    wrong = {
        "length": (pointer + 2, "<I", 40, "recording.header"),
        "beyond the end": (pointer + 6, "<I", 1 << 31, "recording.header"),
        "no header's length": (pointer + 2, "<I", 3, "recording.header"),
        "another section": (pointer + 6, "<I", 23 + 120, "recording.header"),
        "twice": (pointer, "<H", 3, "recording.header"),
        "into the record's header": (pointer + 6, "<I", 1, "recording.header"),
    }  # fmt: skip
    for place, layout, value, code in wrong.values():
        content = bytearray(PLAIN.write())
        struct.pack_into(layout, content, place, value)
        struct.pack_into("<H", content, 6, 0xFFFF)
        assert code_of(resigned(bytes(content))) == code
    for length, code in ((1 << 30, "recording.size"), (15, "recording.header")):
        content = bytearray(PLAIN.write())
        struct.pack_into("<I", content, 10, length)
        assert code_of(resigned(bytes(content))) == code


def test_sections_that_share_bytes_or_a_number() -> None:
    inner = section(10, bytes(20))
    content = bytearray(PLAIN.write(s9=inner))
    assert SCP.decode(bytes(content), "a.scp").leads == ("II",)
    first = struct.unpack_from("<I", content, 22 + 90 + 6)[0] + 16
    struct.pack_into("<HII", content, 22 + 100, 10, len(inner), first)  # section 10 within section 9
    struct.pack_into("<H", content, 6, 0xFFFF)
    assert code_of(resigned(bytes(content))) == "recording.header"
    content = bytearray(PLAIN.write())
    content[22 + 90 : 22 + 100] = content[22 + 30 : 22 + 40]  # section 3 once more in the place of section 9
    struct.pack_into("<H", content, 6, 0xFFFF)
    assert code_of(resigned(bytes(content))) == "recording.header"


def test_a_record_larger_than_any() -> None:
    size = (1 << 25) + 1
    content = CONTENT[:2] + struct.pack("<I", size) + CONTENT[6:]
    assert code_of(content + bytes(size - len(content))) == "recording.size"


def test_recognised_by_content() -> None:
    assert SCP.recognises(CONTENT[:4096])
    unmarked = CONTENT[:16] + bytes(6) + CONTENT[22:]
    assert SCP.recognises(unmarked[:4096])
    for head in (
        b"",
        bytes(4096),
        CONTENT[:31],
        b"\0" * 8 + CONTENT[8:10] + bytes(100),
        b"<?xml " * 50,
        CONTENT[1:],
    ):
        assert not SCP.recognises(head)


def test_hostile_numbers_take_neither_time_nor_memory() -> None:
    zeros = bytes(65534)
    one = struct.pack("<HHBBH", 2500, 2000, 2, 0, len(zeros)) + zeros
    lead = one_lead(4, 1, 8 * len(zeros))
    changes = b"".join(
        struct.pack("<H", 2) + code_line("0", 0, 0, k % 64 + 1) + code_line("1", 0, 1, 0)
        for k in range(1, 65)
    )
    hostile = [
        PLAIN.write(s3=lead, s6=one),  # half a million samples: that is what the bits hold
        PLAIN.write(s3=lead, s6=one, s2=struct.pack("<H", 64) + changes),
        PLAIN.write(s3=bytes([255, 4]) + struct.pack("<IIB", 1, 0xFFFFFFFF, 2) * 255),
        PLAIN.write(
            s3=one_lead(5, 1, 200), s4=zones(50, 12, [(0, 1, 1, 0xFFFFFFFF)] * 9999, []), s5=rhythm()
        ),
    ]
    for content in hostile:
        begin = time.perf_counter()
        with contextlib.suppress(RecordingError):
            SCP.decode(content, "a.scp")
        assert time.perf_counter() - begin < 3  # on a shared machine; 0.2 s alone
    for content in (hostile[0], *hostile[2:]):
        tracemalloc.start()
        with contextlib.suppress(RecordingError):
            SCP.decode(content, "a.scp")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
        tracemalloc.stop()
