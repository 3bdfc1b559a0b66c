"""EDF, EDF+ and BDF: against pyEDFlib, and files of a tiny writer that shares no code with the reader."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pyedflib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.edf import EDF
from cardiofusion.readers.edf.annotations import count_remarks, record_onsets
from cardiofusion.readers.edf.header import read_header
from cardiofusion.records import LEADS, Recording, RecordingError

SAMPLES = ["test_generator.edf", "test_subsecond.edf", "test_utf8.edf"]


@dataclass(frozen=True)
class Written:
    """A signal for the writer. values: digital, one list a record."""

    label: str
    values: list[list[int]]
    dimension: str = "uV"
    physical: tuple[str, str] = ("-3276.8", "3276.7")
    digital: tuple[str, str] = ("-32768", "32767")
    prefilter: str = ""


def cell(text: str, width: int) -> bytes:
    return text.encode("latin-1").ljust(width)


def edf_bytes(
    signals: list[Written],
    *,
    patient: str = "X X X X",
    recording: str = "Startdate X X X X",
    date: str = "05.03.21",
    clock: str = "10.20.30",
    reserved: str = "",
    records: int | None = None,
    duration: str = "1",
    version: bytes = b"0       ",
    onsets: list[str] | None = None,
    remarks: str = "",
) -> bytes:
    """A file, one number at a time; `onsets` adds an annotation signal of 20 samples."""
    width = 3 if version[:1] == b"\xff" else 2
    count = len(signals[0].values)
    tails = [b""] * count
    rows = [
        (s.label, "", s.dimension, *s.physical, *s.digital, s.prefilter, str(len(s.values[0])), "")
        for s in signals
    ]
    if onsets is not None:
        kind = "BDF" if width == 3 else "EDF"
        rows.append((f"{kind} Annotations", "", "", "-1", "1", "-32768", "32767", "", "20", ""))
        lists = [f"{onset}\x14\x14\0".encode() if onset else b"" for onset in onsets]
        tails = [
            (text + (remarks.encode() if k == 0 else b"")).ljust(20 * width, b"\0")
            for k, text in enumerate(lists)
        ]
    head = [version, cell(patient, 80), cell(recording, 80), cell(date, 8), cell(clock, 8)]
    head += [cell(str(256 * (len(rows) + 1)), 8), cell(reserved, 44)]
    head += [cell(str(count if records is None else records), 8), cell(duration, 8), cell(str(len(rows)), 4)]
    for column, size in enumerate((16, 80, 8, 8, 8, 8, 8, 80, 8, 32)):
        head += [cell(row[column], size) for row in rows]
    for k in range(count):
        head += [value.to_bytes(width, "little", signed=True) for s in signals for value in s.values[k]]
        head.append(tails[k])
    return b"".join(head)


def ramp(records: int = 3, each: int = 100, start: int = 0) -> list[list[int]]:
    return [[start + k * each + t for t in range(each)] for k in range(records)]


def lead(label: str = "ECG II", start: int = 0, **fields: object) -> Written:
    return replace(Written(label, ramp(start=start)), **fields)  # type: ignore[arg-type]


def code_of(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        EDF.decode(content, "x.edf")
    assert caught.value.hint
    return caught.value.code


def outcome(content: bytes) -> Recording | None:
    """A Recording, or None for a refusal as it should be; anything else fails the test."""
    try:
        return EDF.decode(content, "x.edf")
    except RecordingError as error:
        refusal = error
    assert refusal.code.startswith("recording.")
    assert refusal.hint
    assert "\n" not in str(refusal)
    return None


def read(content: bytes) -> Recording:
    assert EDF.recognises(content[:4096])
    return EDF.decode(content, "x.edf")


@pytest.mark.data
@pytest.mark.parametrize("name", SAMPLES)
def test_every_signal_of_real_files_equals_pyedflib(data_dir: Path, name: str) -> None:
    path = data_dir / "formats" / "edf" / name
    content = path.read_bytes()
    header = read_header(content, name)
    signals = [signal for signal in header.signals if not signal.annotations]
    with pyedflib.EdfReader(str(path)) as oracle:
        assert [signal.label for signal in signals] == oracle.getSignalLabels()
        assert count_remarks(content, header) == len(oracle.readAnnotations()[0])
        for k, signal in enumerate(signals):
            assert signal.samples / header.duration == oracle.getSampleFrequency(k)
            np.testing.assert_array_equal(header.digital(content, signal), oracle.readSignal(k, digital=True))
            np.testing.assert_allclose(
                header.physical(content, signal), oracle.readSignal(k), rtol=0, atol=1e-10
            )


@pytest.mark.data
@pytest.mark.parametrize("name", SAMPLES)
def test_real_files_without_ecg_are_refused(data_dir: Path, name: str) -> None:
    content = (data_dir / "formats" / "edf" / name).read_bytes()
    assert EDF.recognises(content[:4096])
    assert code_of(content) == "recording.empty"


@pytest.mark.data
def test_start_of_a_record_with_its_fraction_of_a_second(data_dir: Path) -> None:
    content = (data_dir / "formats" / "edf" / "test_subsecond.edf").read_bytes()
    onsets = record_onsets(content, read_header(content, "x"))
    assert onsets is not None
    assert onsets[:2].tolist() == [0.3945312, 1.3945312]
    named = content.replace(b"Fp1             ", b"ECG V2          ", 1)
    recording = read(named)
    assert recording.time == datetime(2020, 1, 24, 4, 5, 56, 394531)
    assert (recording.age, recording.sex, recording.patient_id) == (22.0, "female", None)
    assert recording.notes["annotations"] == "4"
    assert not any("X,X" in text for text in recording.notes.values())


@pytest.mark.parametrize("bdf", [False, True])
def test_files_of_pyedflib(tmp_path: Path, bdf: bool) -> None:
    """Its writer shares nothing with ours: EDF+ and BDF+, annotations, patient, inverted gain."""
    path = tmp_path / "written.edf"
    kind = pyedflib.FILETYPE_BDFPLUS if bdf else pyedflib.FILETYPE_EDFPLUS
    rng = np.random.default_rng(3)
    names = ["I", "II", "V1", "V2", "V3", "V4", "V5", "V6"]
    limits = (-(2**23), 2**23 - 1) if bdf else (-(2**15), 2**15 - 1)
    given = rng.normal(0, 0.5, size=(8, 2000))
    with pyedflib.EdfWriter(str(path), 9, file_type=kind) as writer:
        for k, name in enumerate([*names, "Resp"]):
            writer.setSignalHeader(k, {
                "label": name if name == "Resp" else f"ECG {name}", "dimension": "mV",
                "sample_frequency": 500,
                "physical_min": 5.0, "physical_max": -5.0, "digital_min": limits[0], "digital_max": limits[1],
                "prefilter": "HP:0.05Hz LP:150Hz", "transducer": "",
            })  # fmt: skip
        writer.setPatientCode("P_7")
        writer.setSex(1)
        writer.setBirthdate(datetime(1960, 5, 6))
        writer.setStartdatetime(datetime(2021, 5, 5, 1, 2, 3))
        writer.setEquipment("Holter_9")
        writer.writeSamples([*given, np.zeros(2000)])
        writer.writeAnnotation(1.0, -1, "walking")
    recording = read(path.read_bytes())
    assert recording.leads == LEADS
    assert (recording.sampling_rate, recording.signal.shape) == (500.0, (12, 2000))
    step = 10.0 / (limits[1] - limits[0])  # its writer cuts off what is below one
    for name, row in zip(names, given, strict=True):
        np.testing.assert_allclose(recording.signal[LEADS.index(name)], row, rtol=0, atol=step + 2e-7)
    with pyedflib.EdfReader(str(path)) as oracle:
        np.testing.assert_allclose(recording.signal[1], oracle.readSignal(1), rtol=0, atol=2e-7)
    assert (recording.patient_id, recording.sex, recording.age) == ("P 7", "male", 60.0)
    assert recording.time == datetime(2021, 5, 5, 1, 2, 3)
    assert recording.notes == {
        "annotations": "1", "device": "Holter 9", "high-pass filter": "0.05Hz", "low-pass filter": "150Hz",
        "skipped": "Resp",
    }  # fmt: skip
    assert recording.unverified == ("header", "samples")


@pytest.mark.parametrize("dimension", ["uV", "uv", "\xb5V", "µV".encode().decode("latin-1"), "mV", "V"])
def test_units(dimension: str) -> None:
    """Steps of 0.1 in microvolts and of 0.0001 in millivolts are the same; of 0.0001 V, 0.1 mV."""
    fine = ("-3.2768", "3.2767")
    ranges = {"mV": fine, "V": fine}.get(dimension, ("-3276.8", "3276.7"))
    signal = read(edf_bytes([lead(dimension=dimension, physical=ranges)])).signal[0]
    step = 0.1 if dimension == "V" else 0.0001
    np.testing.assert_allclose(signal, np.arange(300) * step, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("ECG I", "I"), ("EKG II", "II"), ("ECG V2-Ref", "V2"), ("V1", "V1"), ("ecg avf", "aVF"),
        ("ECG_III", "III"),
        ("ECG MLII", "MLII"), ("ECG-aVR", "aVR"), ("Lead V5", "V5"), ("ECG Lead I", "I"), ("Lead-II", "II"),
        ("ECG X", "X"), ("ECG LA-RA", "I"),
        ("EKG LL-RA", "II"), ("LL-LA", "III"), ("II", "II"),
    ],
)  # fmt: skip
def test_labels(label: str, expected: str) -> None:
    assert read(edf_bytes([lead(label)])).leads == (expected,)


@pytest.mark.parametrize(
    "label",
    [
        "ECG",
        "EKG1",
        "ECG I-II",
        "EKG1-EKG2",
        "ECG -II",
        "Lead 7",
        "ECG A-B",
        "ECG -aVR",
        "ECG RA-LA",
        "ECG V99",
    ],
)
def test_an_ecg_of_no_known_lead_is_refused(label: str) -> None:
    assert code_of(edf_bytes([lead(), lead(label)])) == "recording.lead"


def test_other_signals_are_left_out() -> None:
    other = Written("SaO2", [[1]] * 3, dimension="%", physical=("0", "0"), digital=("", ""))
    axis = lead("X", dimension="g")
    heart_rate = replace(other, label="ECG HR", dimension="bpm")
    input_ = lead("AI")
    recording = read(edf_bytes([other, lead(), axis, heart_rate, input_, lead("Status", dimension="")]))
    assert recording.leads == ("II",)
    assert recording.notes["skipped"] == "SaO2; X; ECG HR; AI; Status"
    np.testing.assert_allclose(recording.signal[0], np.arange(300) * 1e-4, rtol=0, atol=1e-7)
    assert code_of(edf_bytes([axis, other])) == "recording.empty"
    assert code_of(edf_bytes([lead(), lead("V1", dimension="g"), lead("EKG II")])) == "recording.lead"


def test_sampling_rates() -> None:
    assert read(edf_bytes([lead()], duration="0.25")).sampling_rate == 400.0
    slower = Written("Resp", [[1] * 7] * 3)
    assert read(edf_bytes([slower, lead()])).sampling_rate == 100.0
    half = Written("ECG I", ramp(each=50))
    assert code_of(edf_bytes([lead(), half])) == "recording.rate"
    for duration in ("0", "-1", "99999999", "0.000001"):
        assert code_of(edf_bytes([lead()], duration=duration)) == "recording.rate"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"dimension": ""}, "recording.units"),
        ({"label": "II", "dimension": ""}, "recording.units"),
        ({"label": "ECG II", "dimension": "MV"}, "recording.units"),
        ({"physical": ("5", "5")}, "recording.gain"),
        ({"digital": ("5", "5")}, "recording.gain"),
        ({"digital": ("32767", "-32768")}, "recording.gain"),
        ({"dimension": "V"}, "recording.gain"),
        ({"physical": ("-1e-9", "1e-9")}, "recording.gain"),
        ({"physical": ("9e8", "9.0001e8")}, "recording.gain"),
        ({"physical": ("a", "5")}, "recording.header"),
        ({"physical": ("-0,5", "0,5")}, "recording.header"),
        ({"digital": ("", "5")}, "recording.header"),
        ({"physical": ("nan", "inf")}, "recording.header"),
    ],
)
def test_units_and_ranges_that_say_nothing_are_refused(fields: dict[str, object], code: str) -> None:
    assert code_of(edf_bytes([lead(**fields)])) == code


def test_inverting_amplifier() -> None:
    signal = read(edf_bytes([lead(physical=("3276.8", "-3276.7"))])).signal[0]
    np.testing.assert_allclose(signal, -np.arange(300) * 1e-4, rtol=0, atol=1e-6)


def test_bytes_lost_or_put_in_show_in_the_times_of_the_records() -> None:
    content = edf_bytes([lead()], reserved="EDF+C", onsets=["+0", "+1", "+2"])
    read(content)
    for position in range(1024, len(content) - 241):
        assert code_of(content[:position] + b"\0\0" + content[position:-2]) == "recording.header"


def test_number_of_records() -> None:
    whole = edf_bytes([lead()])
    for cut in (1, 200, 201, 599):
        assert code_of(whole[:-cut]) == "recording.truncated"
    assert code_of(edf_bytes([lead()], records=2)) == "recording.header"
    assert code_of(edf_bytes([lead()], records=-2)) == "recording.header"
    assert code_of(edf_bytes([lead()], records=99_999_999)) == "recording.truncated"
    assert code_of(edf_bytes([lead()], records=-1)[:512]) == "recording.empty"
    assert code_of(edf_bytes([Written("ECG I", [[], [], []])])) == "recording.header"
    assert code_of(whole + b"\0" * 99 + b"1") == "recording.header"
    padded = read(whole + b"\0" * 100)
    assert padded.notes["trailing bytes"] == "100 after the last record"
    crashed = read(edf_bytes([lead()], records=-1)[:-150])
    assert crashed.signal.shape == (1, 200)
    assert crashed.notes["records"].startswith("2, by the size")


@pytest.mark.parametrize(
    ("start", "stop", "text", "code"),
    [
        (252, 256, "0", "recording.header"),
        (252, 256, "99", "recording.header"),
        (252, 256, "1.0", "recording.header"),
        (184, 192, "768", "recording.header"),
        (236, 244, "", "recording.header"),
        (244, 252, "1s", "recording.header"),
        (256 + 216, 256 + 224, "-100", "recording.header"),
        (256 + 216, 256 + 224, "99999999", "recording.truncated"),
    ],
)
def test_damaged_headers(start: int, stop: int, text: str, code: str) -> None:
    content = bytearray(edf_bytes([lead()]))
    content[start:stop] = cell(text, stop - start)
    assert code_of(bytes(content)) == code
    assert code_of(bytes(content[:100])) == "recording.truncated"
    assert code_of(edf_bytes([lead(), lead("I")])[:700]) == "recording.truncated"


def test_interruptions_become_nan() -> None:
    content = edf_bytes(
        [lead(), lead("I", start=5)],
        reserved="EDF+D",
        onsets=["+0.5", "+1.5", "+4.75"],
        recording="Startdate 05-MAR-2021 X X X",
    )
    recording = read(content)
    both = recording.signal[[recording.leads.index("II"), recording.leads.index("I")]]
    assert both.shape == (2, 300 + 225)
    assert np.isnan(both[:, 200:425]).all()
    stored = np.delete(both, slice(200, 425), axis=1)
    np.testing.assert_allclose(stored[0], np.arange(300) * 1e-4, rtol=0, atol=1e-7)
    np.testing.assert_allclose(stored[1], np.arange(5, 305) * 1e-4, rtol=0, atol=1e-7)
    assert np.isnan(recording.signal).sum() == 6 * 225  # the computed leads pause as well
    assert recording.time == datetime(2021, 3, 5, 10, 20, 30, 500_000)


def test_a_start_after_the_last_year_there_is() -> None:
    last = "Startdate 31-DEC-9999 X X X"
    content = edf_bytes(
        [lead()], reserved="EDF+C", recording=last, clock="23.59.59", onsets=["+2", "+3", "+4"]
    )
    assert read(content).time is None


def test_times_of_records_that_contradict() -> None:
    def at(*onsets: str, reserved: str = "EDF+D") -> bytes:
        return edf_bytes([lead()], reserved=reserved, onsets=list(onsets))

    assert read(at("+0", "+1", "+2")).signal.shape == (1, 300)
    assert read(at("+0", "+1.004", "+2")).signal.shape == (1, 300)  # jitter
    assert code_of(at("+0", "+0.9", "+2")) == "recording.header"
    assert code_of(at("+0", "", "+2")) == "recording.header"
    assert code_of(edf_bytes([lead()], reserved="EDF+D")) == "recording.header"
    assert code_of(at("+0", "+1", "+3", reserved="EDF+C")) == "recording.header"
    assert code_of(at("+0", "", "+9", reserved="EDF+C")) == "recording.header"
    assert read(at("", "", "", reserved="EDF+C")).signal.shape == (1, 300)
    assert code_of(at("", "", "")) == "recording.header"
    assert code_of(at("+0", "+1", "+999999999")) == "recording.size"
    assert code_of(at("+0", "+1", "+100")) == "recording.size"
    assert read(at("+0", "+1", "+40")).signal.shape == (1, 4100)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, datetime(2021, 3, 5, 10, 20, 30)),
        ({"date": "05.03.84"}, datetime(2084, 3, 5, 10, 20, 30)),
        ({"date": "05.03.91"}, datetime(1991, 3, 5, 10, 20, 30)),
        ({"date": "01.01.85"}, None),
        ({"date": "31.02.21"}, None),
        ({"date": "xx.yy.zz"}, None),
        ({"clock": "25.00.00"}, None),
        ({"reserved": "EDF+C", "recording": "Startdate 05-MAR-2021 X X X"}, datetime(2021, 3, 5, 10, 20, 30)),
        ({"reserved": "EDF+C", "recording": "Startdate 05-MAR-1921 X X X"}, datetime(1921, 3, 5, 10, 20, 30)),
        ({"reserved": "EDF+C", "recording": "Startdate X X X X"}, None),
        ({"reserved": "EDF+C", "recording": "Startdate 99-FOO-2021"}, datetime(2021, 3, 5, 10, 20, 30)),
    ],
)
def test_time(fields: dict[str, str], expected: datetime | None) -> None:
    assert read(edf_bytes([lead()], **fields)).time == expected  # type: ignore[arg-type]


def test_patient_of_plain_edf_is_free_text_and_stays_where_it_is() -> None:
    recording = read(edf_bytes([lead()], patient="Doe, Jane F 01-JAN-1950", recording="Ward 3 Dr Who"))
    assert (recording.patient_id, recording.sex, recording.age) == (None, None, None)
    assert recording.notes == {}


def test_patient_of_edf_plus() -> None:
    recording = read(
        edf_bytes(
            [lead()],
            reserved="EDF+C",
            patient="MCH-0234567 F 02-MAY-1951 Haagse_Harry",
            recording="Startdate 02-MAY-2021 EMG561 BK/JOP Sony_MNC",
            date="02.05.21",
        )
    )
    assert (recording.patient_id, recording.sex, recording.age) == ("MCH-0234567", "female", 70.0)
    assert recording.notes == {"device": "Sony MNC"}  # neither the patient's name nor the technician's


def test_bdf() -> None:
    values = [[-(2**23), -1, 0, 1, 2**23 - 1] * 20]
    signal = Written("ECG V1", values, physical=("-262144", "262143"), digital=("-8388608", "8388607"))
    recording = read(edf_bytes([signal], version=b"\xffBIOSEMI", reserved="24BIT"))
    expected = (np.array(values[0]) + 2**23) * (524287 / (2**24 - 1)) - 262144
    np.testing.assert_allclose(recording.signal[0], expected / 1e3, rtol=1e-6, atol=1e-5)


def test_what_is_recognised() -> None:
    assert not EDF.recognises(b"")
    assert not EDF.recognises(b"0       " + b"x" * 4000)
    assert not EDF.recognises(b"1       " + edf_bytes([lead()])[8:4096])


leads = st.lists(st.sampled_from(LEADS), min_size=1, max_size=12, unique=True)


@settings(max_examples=60, deadline=None)
@given(leads=leads, each=st.integers(10, 30), records=st.integers(1, 4), bdf=st.booleans(), data=st.data())
def test_round_trip(leads: list[str], each: int, records: int, bdf: bool, data: st.DataObject) -> None:
    top = 2**23 if bdf else 2**15
    numbers = st.lists(st.integers(-top, top - 1), min_size=each * records, max_size=each * records)
    written, expected = [], {}
    for name in leads:
        values = data.draw(numbers)
        low, high = data.draw(st.sampled_from([(-3000, 3000), (2000, -2500), (-100, 6000)]))
        rows = [values[k * each : (k + 1) * each] for k in range(records)]
        written.append(Written(f"ECG {name}", rows, "uV", (str(low), str(high)), (str(-top), str(top - 1))))
        expected[name] = [((value + top) * (high - low) / (2 * top - 1) + low) / 1000 for value in values]
    step = min(abs(int(s.physical[1]) - int(s.physical[0])) for s in written) / (2 * top - 1)
    content = edf_bytes(written, version=b"\xffBIOSEMI" if bdf else b"0       ")
    if step < 1e-5:
        assert code_of(content) == "recording.gain"
        return
    recording = read(content)
    for name, row in expected.items():
        np.testing.assert_allclose(recording.signal[recording.leads.index(name)], row, rtol=1e-6, atol=1e-6)


BASE = edf_bytes(
    [lead("ECG I"), lead("ECG II", start=7), Written("Resp", [[1, 2]] * 3, dimension="")],
    reserved="EDF+D", onsets=["+0", "+1", "+3"], remarks="+0.5\x14hello\x14\0",
    patient="A M 01-JAN-1950 B", recording="Startdate 05-MAR-2021 X X Y",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_damage_is_an_error_or_an_honest_recording(data: st.DataObject) -> None:
    content = bytearray(BASE)
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, 1600))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)) | st.just(len(content)))
    recording = outcome(bytes(content[:cut]))
    if recording is not None:
        assert 10 <= recording.sampling_rate <= 10_000
        assert not np.isinf(recording.signal).any()
        assert recording.signal.shape[1] <= 16 * 1000


def test_short_of_every_byte() -> None:
    read(BASE)
    for cut in range(len(BASE)):
        assert code_of(BASE[:cut]) == "recording.truncated"
