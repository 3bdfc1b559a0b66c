"""HL7 aECG: real files against a parser of the test's own and against DICOM; variants, refusals, mutants."""

from __future__ import annotations

import contextlib
import tracemalloc
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from xml.dom.minidom import parseString

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.aecg import AECG, decode
from cardiofusion.records import LEADS, Recording, RecordingError

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
READ = [f"FDA_subject{subject}_{visit}" for subject in (1, 2) for visit in (0, 1, 2)] + ["ECGToolkit_Example"]

Rows = dict[str, Sequence[float]]


# A tiny writer -------------------------------------------------------------------------------------------


def lead(
    name: str,
    digits: Sequence[float],
    scale: str = "2.5",
    unit: str = "uV",
    origin: str = "0",
    code: str = "",
    between: str = " ",
) -> str:
    return (
        f'<component><sequence><code code="{code or "MDC_ECG_LEAD_" + name.upper()}"/>'
        f'<value xsi:type="SLIST_PQ"><origin value="{origin}" unit="{unit}"/>'
        f'<scale value="{scale}" unit="{unit}"/><digits>{between.join(map(str, digits))}</digits>'
        "</value></sequence></component>"
    )


def time(
    head: str = 'value="20240530163218.250"',
    step: str = 'value="0.002" unit="s"',
    code: str = "TIME_ABSOLUTE",
    kind: str = "GLIST_TS",
) -> str:
    return (
        f'<component><sequence><code code="{code}"/><value xsi:type="{kind}"><head {head}/>'
        f"<increment {step}/></value></sequence></component>"
    )


def block(rows: Rows, times: str | None = None, **how: str) -> str:
    leads = "".join(lead(name, digits, **how) for name, digits in rows.items())
    return f"<component><sequenceSet>{time() if times is None else times}{leads}</sequenceSet></component>"


def series(inside: str, code: str = "RHYTHM") -> str:
    return f'<component><series><code code="{code}"/>{inside}</series></component>'


def document(inside: str, subject: str = "") -> bytes:
    about = (
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        f"{subject}</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- a comment --><AnnotatedECG xmlns="urn:hl7-org:v3" '
        f'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">{about}{inside}</AnnotatedECG>'
    ).encode()


def ramps(names: Sequence[str] = ("I", "II"), samples: int = 500) -> Rows:
    return {name: [k * 10 + t % 7 for t in range(samples)] for k, name in enumerate(names)}


def refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        decode(content, "a.xml")
    assert caught.value.hint
    return caught.value.code


def read(*blocks: str, more: str = "") -> Recording:
    return decode(document(series("".join(blocks) + more)), "a.xml")


# Real files ----------------------------------------------------------------------------------------------


def by_dom(content: bytes) -> tuple[float, dict[str, np.ndarray]]:
    """Hz and lead -> mV of the first sequence set, by another parser and another arithmetic."""
    first = parseString(content).getElementsByTagName("sequenceSet")[0]
    rate, rows = 0.0, {}
    for sequence in first.getElementsByTagName("sequence"):
        code = sequence.getElementsByTagName("code")[0].getAttribute("code")
        if code.startswith("TIME"):
            rate = 1.0 / float(sequence.getElementsByTagName("increment")[0].getAttribute("value"))
            continue
        scale = sequence.getElementsByTagName("scale")[0]
        assert scale.getAttribute("unit") == "uV"
        digits = sequence.getElementsByTagName("digits")[0].firstChild.data  # type: ignore[union-attr]
        steps = [int(digit) for digit in digits.split()]
        rows[code.rpartition("_")[2]] = np.array(steps) * float(scale.getAttribute("value")) / 1000.0
    return rate, rows


@pytest.mark.data
@pytest.mark.parametrize("name", READ)
def test_real_files_agree_with_a_dom_parser_and_with_einthoven(data_dir: Path, name: str) -> None:
    content = (data_dir / "formats/hl7-aecg" / f"{name}.xml").read_bytes()
    assert AECG.recognises(content[:4096])
    recording = decode(content, f"{name}.xml")
    rate, rows = by_dom(content)
    assert recording.sampling_rate == rate == 500.0
    assert recording.leads == LEADS
    for lead_name, row in zip(recording.leads, recording.signal, strict=True):
        np.testing.assert_allclose(row, rows[lead_name.upper()], rtol=0, atol=1e-6)
    one, two, three, right, left, foot = recording.signal[:6]
    for residue in (one + three - two, right + left + foot):
        assert np.abs(residue).max() < 0.0076  # three steps of 2.5 uV, rounded
    assert recording.sex == "male"
    assert recording.age == 46.0  # as reported; the date of birth in these samples says 49
    assert "49" in recording.notes["age"]
    assert recording.time is not None
    assert recording.time.date().isoformat() == "2002-11-22"
    assert recording.measured == {
        "p_duration": 102, "pr": 148, "qrs": 120, "qt": 420, "qtc": 443,
        "p_axis": 44, "qrs_axis": -61, "t_axis": 86,
    }  # fmt: skip
    assert recording.notes["device"] == "Mortara Instrument, Inc.; ELI250; 5.3"
    assert recording.notes["low-pass filter"] == "150 Hz"
    assert recording.notes["mains filter"] == "Adaptive; 60 Hz"
    assert recording.unverified == ("header", "samples")
    assert "Clark" not in str(recording.notes)


@pytest.mark.data
def test_the_same_ecg_as_dicom(data_dir: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    dataset = pydicom.dcmread(data_dir / "formats/dicom/Example.dcm")
    recording = decode((data_dir / "formats/hl7-aecg/ECGToolkit_Example.xml").read_bytes(), "e.xml")
    assert recording.patient_id == dataset.PatientID == "SBJ-123"
    channels = dataset.WaveformSequence[0].ChannelDefinitionSequence
    names = [channel.ChannelSourceSequence[0].CodeMeaning.removeprefix("Lead ") for channel in channels]
    assert tuple(names) == recording.leads
    np.testing.assert_allclose(recording.signal * 1000.0, dataset.waveform_array(0).T, rtol=0, atol=5e-4)


@pytest.mark.data
@pytest.mark.parametrize("name", ["FDA_empty", "FDA_minimum_aecg", "FDA_minimum_aecg_nouuid"])
def test_files_without_a_usable_waveform(data_dir: Path, name: str) -> None:
    content = (data_dir / "formats/hl7-aecg" / f"{name}.xml").read_bytes()
    assert AECG.recognises(content[:4096])
    assert refusal(content) == "recording.empty"


# Variants ------------------------------------------------------------------------------------------------


def test_recognised_by_its_root() -> None:
    content = document("")
    assert AECG.recognises(content[:4096])
    assert AECG.recognises(b"\xef\xbb\xbf" + content)
    assert AECG.recognises(b'<h:AnnotatedECG xmlns:h="urn:hl7-org:v3">')
    assert not AECG.recognises(b"<RestingECG><AnnotatedECG>")
    assert not AECG.recognises(b"AnnotatedECG")


@pytest.mark.parametrize(
    ("scale", "unit", "millivolts"),
    [("2.5", "uV", 0.0025), ("2.5", "µV", 0.0025), ("2.5", "μV", 0.0025), ("0.001", "mV", 0.001),
     ("500", "nV", 0.0005), ("1e-6", "V", 0.001), ("1", "mV", 1.0)],
)  # fmt: skip
def test_units_of_amplitude(scale: str, unit: str, millivolts: float) -> None:
    rows = ramps(("V1", "V2"))
    recording = read(block(rows, scale=scale, unit=unit, origin="3"))
    factor = millivolts / float(scale)
    np.testing.assert_allclose(
        recording.signal[1], np.array(rows["V2"]) * millivolts + 3.0 * factor, rtol=1e-6
    )


@pytest.mark.parametrize(
    ("step", "rate"),
    [('value="0.002" unit="s"', 500.0), ('value="2" unit="ms"', 500.0), ('value="1000" unit="us"', 1000.0),
     ('value="0.0027777777777777778" unit="s"', 360.0), ('value="0.00390625" unit="s"', 256.0)],
)  # fmt: skip
@pytest.mark.parametrize("relative", [False, True])
def test_units_of_time(step: str, rate: float, relative: bool) -> None:
    clock = time('value="0" unit="s"', step, "TIME_RELATIVE", "GLIST_PQ") if relative else time(step=step)
    recording = read(block(ramps(samples=1000), clock))
    assert recording.sampling_rate == pytest.approx(rate, rel=1e-15)
    assert recording.time == (None if relative else datetime(2024, 5, 30, 16, 32, 18, 250_000))


def test_eight_leads_become_twelve() -> None:
    recording = read(block(ramps(EIGHT)))
    assert recording.leads == LEADS
    np.testing.assert_allclose(recording.signal[2], recording.signal[1] - recording.signal[0], atol=1e-6)


def test_lead_codes_of_other_spelling_and_decimal_digits() -> None:
    codes = {"aVR": "MDC_ECG_LEAD_aVR", "V2": "MDC_ECG_ELEC_POTL_V2", "V3": "V3", "V4R": "MDC_ECG_LEAD_V4R"}
    leads = "".join(lead(name, [0.5, 1.25] * 250, code=code) for name, code in codes.items())
    recording = read(f"<component><sequenceSet>{time()}{leads}</sequenceSet></component>")
    assert recording.leads == ("aVR", "V2", "V3", "V4R")
    np.testing.assert_allclose(recording.signal[0, :2], [0.00125, 0.003125])


def test_channels_without_ecg_or_samples_are_left_out() -> None:
    others = lead("", [1] * 500, code="MDC_RESP_RATE", unit="ohm") + lead("V1", [])
    inside = f"<component><sequenceSet>{time()}{lead('V2', [1] * 500)}{others}</sequenceSet></component>"
    recording = read(inside)
    assert recording.leads == ("V2",)
    assert recording.notes["skipped"] == "MDC_RESP_RATE is no ECG; lead V1 has no samples"


COLUMNS = (("I", "II", "III"), ("aVR", "aVL", "aVF"), ("V1", "V2", "V3"), ("V4", "V5", "V6"))


def columns(relative: bool) -> list[str]:
    blocks = []
    for k, names in enumerate(COLUMNS):
        head = f'value="{2500 * k}" unit="ms"' if relative else f'value="202405301632{18 + 2.5 * k:06.3f}"'
        code, kind = ("TIME_RELATIVE", "GLIST_PQ") if relative else ("TIME_ABSOLUTE", "GLIST_TS")
        blocks.append(block(ramps(names, 1250), time(head, code=code, kind=kind)))
    return blocks


@pytest.mark.parametrize("relative", [False, True])
def test_leads_in_turn_are_placed_by_their_times(relative: bool) -> None:
    blocks = columns(relative)
    recording = read(*(blocks[k] for k in (2, 0, 3, 1)))
    assert recording.leads == LEADS
    assert recording.signal.shape == (12, 5000)
    for k, names in enumerate(COLUMNS):
        for j, name in enumerate(names):
            row = recording.signal[LEADS.index(name)]
            held = np.flatnonzero(~np.isnan(row))
            assert (held[0], held[-1], len(held)) == (1250 * k, 1250 * k + 1249, 1250)
            np.testing.assert_allclose(row[held], [0.0025 * (j * 10 + t % 7) for t in range(1250)], rtol=1e-6)
    assert recording.time == (None if relative else datetime(2024, 5, 30, 16, 32, 18))
    assert recording.notes["layout"] == "4 sequence sets, placed by their times"


def test_a_rhythm_strip_below_the_columns_must_agree_with_them() -> None:
    strip = {"II": [10 + t % 7 for t in range(5000)]}
    when = time('value="20240530163218.000"')
    recording = read(*columns(False), block(strip, when))
    assert not np.isnan(recording.signal[1]).any()
    strip["II"] = [*strip["II"][:100], 99, *strip["II"][101:]]
    assert refusal(document(series("".join([*columns(False), block(strip, when)])))) == "recording.lead"


def test_representative_beats_and_further_series_are_noted_only() -> None:
    beat = series(block(ramps(samples=600)), "REPRESENTATIVE_BEAT")
    derived = f"<derivation><derivedSeries>{block(ramps(samples=600))}</derivedSeries></derivation>"
    rhythm = series(block(ramps(samples=700)) + derived)
    recording = decode(document(beat + rhythm + rhythm), "a.xml")
    assert recording.signal.shape == (6, 700)
    assert recording.notes["median beats"] == "in the file, not part of this recording"
    assert recording.notes["other series"] == "2 in the file, not part of this recording"
    assert refusal(document(beat)) == "recording.empty"


def test_a_duration_that_the_samples_contradict_is_noted() -> None:
    stated = '<effectiveTime><low value="20240530163218"/><high value="202405301632{}"/></effectiveTime>'
    assert "duration" not in read(block(ramps()), more=stated.format(19)).notes
    assert (
        read(block(ramps()), more=stated.format(28)).notes["duration"]
        == "10 s by the file, 1 s by its samples"
    )


# What else it says ---------------------------------------------------------------------------------------


def annotation(code: str, value: str = "", unit: str = "", roi: str = "", inside: str = "") -> str:
    boundary = f'<component><boundary><code code="{roi}"/></boundary></component>' if roi else ""
    quantity = f'<value xsi:type="PQ" value="{value}" unit="{unit}"/>' if value else ""
    return (
        f'<component><annotation><code code="{code}"/>{quantity}<support><supportingROI>{boundary}'
        f"</supportingROI></support>{inside}</annotation></component>"
    )


def annotated(*annotations: str) -> Recording:
    return read(
        block(ramps()), more=f"<subjectOf><annotationSet>{''.join(annotations)}</annotationSet></subjectOf>"
    )


def test_global_measurements() -> None:
    recording = annotated(
        annotation("MDC_ECG_HEART_RATE", "57", "bpm"),
        annotation("MDC_ECG_TIME_PD_PR_GL", "0.192", "s"),
        annotation("MDC_ECG_TIME_PD_QRS", "88", "ms", "TIME_ABSOLUTE"),
        annotation("MDC_ECG_TIME_PD_QT", "400", "ms", "MDC_ECG_LEAD_V5"),  # of one lead
        annotation("MDC_ECG_TIME_PD_QTc", "0", "ms"),  # not measured
        annotation("MDC_ECG_ANGLE_QRS_FRONT", "0", "deg"),
        annotation("MDC_ECG_ANGLE_T_FRONT", "11", "rad"),
    )
    assert recording.measured == {"heart_rate": 57.0, "pr": 192.0, "qrs": 88.0, "qrs_axis": 0.0}


def test_measurements_of_beats_count_where_all_beats_agree() -> None:
    beats = [
        annotation("MDC_ECG_BEAT", inside=annotation("MDC_ECG_TIME_PD_QT", qt, "ms") + pr)
        for qt, pr in (("400", annotation("MDC_ECG_TIME_PD_PR", "150", "ms")), ("404", ""))
    ]
    assert annotated(*beats).measured == {"pr": 150.0}
    read_again = annotation("MDC_ECG_TIME_PD_PR", "160", "ms") + annotation("MDC_ECG_TIME_PD_PR", "170", "ms")
    assert annotated(*beats, read_again).measured == {}
    assert annotated(*beats, annotation("MDC_ECG_TIME_PD_QT", "402", "ms")).measured == {
        "pr": 150.0,
        "qt": 402.0,
    }


def test_statements_are_noted() -> None:
    words = (
        '<component><annotation><code code="MDC_ECG_INTERPRETATION_STATEMENT"/>'
        '<value xsi:type="ST">Sinus &lt;rhythm&gt;</value></annotation></component>'
    )
    nested = annotation("MDC_ECG_INTERPRETATION", inside=words)
    assert annotated(nested).notes["interpretation"] == "Sinus <rhythm>"


PERSON = (
    "<subjectDemographicPerson><name>Jane Doe</name>{id}<administrativeGenderCode code='{sex}'/>"
    "<birthTime value='{born}'/></subjectDemographicPerson>"
)
AGE = (
    '<controlVariable><relatedObservation><code code="21612-7"/><value value="{}" unit="{}"/>'
    "</relatedObservation></controlVariable>"
)


@pytest.mark.parametrize(
    ("identity", "sex", "born", "expected"),
    [
        ('<id root="1.2.3" extension="S-1"/>', "F", "19620531", ("S-1", "female", 61.0)),
        ('<id root="1.2.3"/>', "UN", "1962", (None, None, None)),
        ('<id root="61d1a24f-b47e-41aa"/>', "M", "18000101", ("61d1a24f-b47e-41aa", "male", None)),
        ("", "m", "19620530120000", ("77", "male", 62.0)),
    ],
)
def test_the_subject(
    identity: str, sex: str, born: str, expected: tuple[str | None, str | None, float | None]
) -> None:
    vendor = "" if identity else "<PatientID>77</PatientID>"
    subject = identity + PERSON.format(id=vendor, sex=sex, born=born)
    recording = decode(document(series(block(ramps())), subject), "a.xml")
    assert (recording.patient_id, recording.sex, recording.age) == expected
    assert "Doe" not in str(vars(recording))


@pytest.mark.parametrize(
    ("value", "unit", "age"),
    [("63", "a", 63.0), ("18", "mo", 1.5), ("0", "a", 0.0), ("300", "a", None), ("5", "", None)],
)
def test_a_reported_age(value: str, unit: str, age: float | None) -> None:
    assert decode(document(AGE.format(value, unit) + series(block(ramps()))), "a.xml").age == age


# Refusals ------------------------------------------------------------------------------------------------

GOOD = document(series(block(ramps(("V1", "V2")))))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('unit="uV"/><digits>', 'unit="UV"/><digits>', "recording.units"),
        ('unit="uV"/><digits>', 'unit="1"/><digits>', "recording.units"),
        ('unit="uV"/><digits>', "/><digits>", "recording.units"),
        ('value="0" unit="uV"', 'value="0"', ""),
        ('<scale value="2.5"', '<scale value="0"', "recording.gain"),
        ('<scale value="2.5"', '<scale value="-2.5"', "recording.gain"),
        ('<scale value="2.5"', '<scale value="99999999"', "recording.gain"),
        ('<scale value="2.5"', '<scale value="big"', "recording.units"),
        ('<origin value="0"', '<origin value="x"', "recording.units"),
        ('<increment value="0.002" unit="s"/>', "", "recording.rate"),
        ('"0.002"', '"0"', "recording.rate"),
        ('"0.002"', '"-0.002"', "recording.rate"),
        ('"0.002"', '"2"', "recording.rate"),
        ('"0.002" unit="s"', '"0.002"', "recording.rate"),
        ('"0.002" unit="s"', '"500" unit="Hz"', "recording.rate"),
        ('"0.002" unit="s"', '"0.2" unit="ms"', "recording.empty"),
        ("<digits>0 1 2", "<digits>0 1", "recording.truncated"),
        ("<digits>0 1 2", "<digits>0 1-2", "recording.header"),
        ("<digits>0 1 2", "<digits>0 nan 2", "recording.header"),
        ("<digits>0 1 2", "<digits>0 0x1 2", "recording.header"),
        ("<digits>0 1 2", "<digits>0 1e99 2", "recording.units"),
        ("<digits>0 1 2", "<digits>0 <b/>1 2", "recording.version"),
        ("<digits>0 1 2", "<figures/><digits>0 1 2", ""),
        ("MDC_ECG_LEAD_V1", "MDC_ECG_LEAD_V2", "recording.lead"),
        ("MDC_ECG_LEAD_V1", "MDC_ECG_LEAD_Q", "recording.lead"),
        ("MDC_ECG_LEAD_V1", "", "recording.lead"),
        ('"TIME_ABSOLUTE"', '"MDC_TIME"', "recording.rate"),
        ('"TIME_ABSOLUTE"', '"TIME"', "recording.lead"),
        ('xsi:type="GLIST_TS"', 'period="3"', "recording.version"),
        ('xsi:type="GLIST_TS"', 'denominator="2"', "recording.version"),
        ('xsi:type="GLIST_TS"', 'denominator="1"', ""),
        ('"RHYTHM"', '"REPRESENTATIVE_BEAT"', "recording.empty"),
        ("</AnnotatedECG>", "", "recording.xml"),
        ("<!-- a comment -->", '<!DOCTYPE a [<!ENTITY b "c">]>', "recording.xml"),
    ],
)
def test_refusals(old: str, new: str, code: str) -> None:
    changed = GOOD.replace(old.encode(), new.encode(), 1)
    assert changed != GOOD
    if code:
        assert refusal(changed) == code
    else:
        decode(changed, "a.xml")


def test_sequence_sets_that_cannot_be_placed() -> None:
    first, second = ramps(("V1",)), ramps(("V2",))
    unknown = time('value="20240530"')
    other_rate = time(step='value="0.004" unit="s"')
    other_clock = time('value="0" unit="s"', code="TIME_RELATIVE")
    for times, code in (
        (unknown, "recording.header"), (other_rate, "recording.rate"), (other_clock, "recording.header"),
        (time('value="20990530163218"'), "recording.size"), ("", "recording.rate"),
    ):  # fmt: skip
        assert refusal(document(series(block(first) + block(second, times)))) == code
    assert read(block(first, unknown)).signal.shape == (1, 500)  # alone, it need not be placed


def test_memory_follows_the_file() -> None:
    sets = [block(ramps(("V1",)), time(f'value="2024053016{minute:02d}00"')) for minute in (0, 59)]
    tracemalloc.start()
    assert refusal(document(series("".join(sets)))) == "recording.size"
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


# Properties ----------------------------------------------------------------------------------------------


@given(
    rows=st.lists(st.lists(st.integers(-9999, 9999), min_size=120, max_size=120), min_size=1, max_size=3),
    scale=st.sampled_from(["1", "2.5", "0.5", "4.88"]),
    between=st.sampled_from([" ", "\n", " \t\r\n"]),
)
@settings(max_examples=30, deadline=None)
def test_what_is_written_is_read(rows: list[list[int]], scale: str, between: str) -> None:
    names = ("V1", "V2", "V3")[: len(rows)]
    clock = time(step='value="10" unit="ms"')
    recording = read(block(dict(zip(names, rows, strict=True)), clock, scale=scale, between=between))
    np.testing.assert_allclose(recording.signal, np.array(rows) * float(scale) / 1000.0, rtol=1e-6, atol=1e-9)


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_no_mutant_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    mutant = bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(RecordingError):
        recording = decode(mutant, "a.xml")
        assert np.isfinite(recording.signal).all()
        assert 10.0 <= recording.sampling_rate <= 10_000.0
