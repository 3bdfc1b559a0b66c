"""What we write, read by libraries that are not ours, and by what the formats' standards say."""

from __future__ import annotations

import csv
import json
import re
import warnings
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pydicom
import pyedflib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, RecordingError
from cardiofusion.writers import write_recording

with warnings.catch_warnings():  # of pandas, about wfdb's own import
    warnings.simplefilter("ignore")
    import wfdb

HALF = 0.0005 + 1e-6  # mV
HL7 = "{urn:hl7-org:v3}"
GAP = slice(100, 140)


def gapped(recording):
    """The same with a gap in lead III alone."""
    recording.signal[2, GAP] = np.nan
    return recording


# --- WFDB --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "form"), [(1.0, "16"), (100.0, "32")])
def test_wfdb_reads_our_record(tmp_path: Path, make_recording, scale: float, form: str) -> None:
    recording = gapped(make_recording(scale=scale))
    header = write_recording(recording, tmp_path / "rec.hea")
    read = wfdb.rdrecord(str(header.with_suffix("")))
    assert read.fmt == [form] * 12
    assert read.sig_name == list(recording.leads)
    assert (read.fs, read.units) == (500, ["mV"] * 12)
    assert read.base_datetime == recording.time
    assert np.isnan(read.p_signal[GAP, 2]).all()
    np.testing.assert_allclose(read.p_signal.T, recording.signal, atol=HALF, rtol=2e-7)
    stored = wfdb.rdrecord(str(header.with_suffix("")), physical=False)
    assert [sum_ % 65536 for sum_ in stored.checksum] == list(stored.calc_checksum())


def test_a_wfdb_record_without_gain_is_so_for_others_too(tmp_path: Path, make_recording) -> None:
    header = write_recording(make_recording(calibrated=False), tmp_path / "rec.hea")
    assert set(wfdb.rdheader(str(header.with_suffix(""))).adc_gain) <= {0.0, 200.0}
    assert " 0(0)/mV " in header.read_text()


def test_a_wfdb_name_is_a_plain_one(tmp_path: Path, make_recording) -> None:
    with pytest.raises(RecordingError) as caught:
        write_recording(make_recording(), tmp_path / "of my patient.hea")
    assert caught.value.code == "recording.name"
    assert not list(tmp_path.iterdir())


# --- EDF+ --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_pyedflib_reads_our_file(tmp_path: Path, make_recording, scale: float) -> None:
    recording = make_recording(scale=scale)
    path = write_recording(recording, tmp_path / "rec.edf")
    with pyedflib.EdfReader(str(path)) as file:
        assert file.filetype == pyedflib.FILETYPE_EDFPLUS
        assert file.getSignalLabels() == [f"ECG {lead}" for lead in LEADS]
        assert [file.getPhysicalDimension(k) for k in range(12)] == ["uV"] * 12
        assert list(file.getSampleFrequencies()) == [500] * 12
        assert file.getPatientCode() == "P-17"
        assert file.getSex() == "Female"
        assert (file.getPatientName(), file.getBirthdate()) == ("X", "")
        assert file.getEquipment() == "Cardiograph 3"
        assert file.getStartdatetime().replace(microsecond=0) == datetime(2024, 5, 30, 16, 32, 18)
        assert (
            file.starttime_subsecond == 2_500_000
        )  # of 100 ns; getStartdatetime divides them by 100, not 10
        assert file.getPrefilter(0) == "HP:0.05Hz LP:150Hz N:50Hz"
        found = np.stack([file.readSignal(k) for k in range(12)]) / 1000.0
    step = 0.001 if scale == 1.0 else 0.001 * np.ceil(np.ptp(recording.signal, axis=1).max() / 65.535)
    np.testing.assert_allclose(found, recording.signal, atol=0.5 * step + 1e-6, rtol=2e-7)


@pytest.mark.parametrize("year", [1985, 1999, 2084, 2085, 2180])
def test_an_edf_keeps_any_year(tmp_path: Path, make_recording, year: int) -> None:
    """MIMIC's dates lie in the 22nd century."""
    recording = make_recording(time=datetime(year, 2, 3, 4, 5, 6))
    path = write_recording(recording, tmp_path / "rec.edf")
    assert read_recording(path).time == recording.time
    with pyedflib.EdfReader(str(path)) as file:
        assert file.getStartdatetime() == recording.time


@settings(max_examples=40, deadline=None)
@given(
    samples=st.integers(1, 30_000),
    rate=st.sampled_from([49.0, 100.0, 128.0, 250.0, 360.0, 500.0, 977.0, 1000.0]),
)
def test_an_edf_has_the_length_and_the_rate_of_any_recording(
    scratch: Path, make_recording, samples: int, rate: float
) -> None:
    recording = make_recording(samples=samples, leads=("II",), sampling_rate=rate)
    path = write_recording(recording, scratch / "any.edf", overwrite=True)
    with pyedflib.EdfReader(str(path)) as file:
        assert file.getNSamples().tolist() == [samples]
    read = read_recording(path).sampling_rate
    assert abs(read / rate - 1.0) * samples < 0.5
    assert read == pytest.approx(rate, rel=max(1e-6, 6e-7 * rate / samples))  # six places of a short record
    if rate in {100.0, 250.0, 500.0, 1000.0}:  # each sample takes whole milliseconds
        assert read == rate


@pytest.mark.parametrize("samples", [4093, 997, 2 * 4093])
def test_an_edf_of_a_length_that_nothing_divides(tmp_path: Path, make_recording, samples: int) -> None:
    """4093 samples of twelve leads are more than a record may hold, and prime: a record a sample."""
    recording = make_recording(samples=samples, sampling_rate=400.0)
    path = write_recording(recording, tmp_path / "rec.edf")
    with pyedflib.EdfReader(str(path)) as file:
        found = np.stack([file.readSignal(k) for k in range(12)]) / 1000.0
    np.testing.assert_allclose(found, recording.signal, atol=HALF)


def test_half_an_hour_at_360_hz_drifts_by_less_than_half_a_sample(tmp_path: Path, make_recording) -> None:
    """650,000 samples, as MIT-BIH's, are no whole number of records whose seconds have eight characters."""
    recording = make_recording(samples=650_000, leads=("MLII",), sampling_rate=360.0)
    read = read_recording(write_recording(recording, tmp_path / "rec.edf"))
    assert read.signal.shape == (1, 650_000)
    assert abs(read.sampling_rate / 360.0 - 1.0) * 650_000 < 0.5


def test_an_edf_is_ascii_of_fixed_widths(tmp_path: Path, make_recording) -> None:
    content = write_recording(make_recording(samples=1234), tmp_path / "rec.edf").read_bytes()
    head = content[: 256 * 14]
    assert head.isascii()
    assert head[:8] == b"0       "
    assert head[192:197] == b"EDF+C"
    assert int(head[184:192]) == len(head)
    records = int(head[236:244])
    each = [int(head[256 + 13 * 216 + 8 * k :][:8]) for k in range(13)]
    assert len(content) - len(head) == 2 * records * sum(each)
    assert records * each[0] == 1234


# --- DICOM -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({}, "12-lead ECG Waveform Storage"),
        ({"samples": 20_000}, "General ECG Waveform Storage"),
        ({"leads": ("MLII", "V1")}, "General ECG Waveform Storage"),
        ({"sampling_rate": 100.0}, "General 32-bit ECG Waveform Storage"),
        ({"sampling_rate": 2000.0}, "General 32-bit ECG Waveform Storage"),
        ({"scale": 100.0}, "General 32-bit ECG Waveform Storage"),
    ],
)
def test_pydicom_reads_our_file(tmp_path: Path, make_recording, fields: dict, name: str) -> None:
    recording = make_recording(**fields)
    read = pydicom.dcmread(write_recording(recording, tmp_path / "rec.dcm"))
    assert read.SOPClassUID.name == name
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert all(
        str(uid).startswith("2.25.") and uid.is_valid
        for uid in (read.SOPInstanceUID, read.StudyInstanceUID, read.SeriesInstanceUID)
    )
    group = read.WaveformSequence[0]
    assert [channel.ChannelLabel for channel in group.ChannelDefinitionSequence] == list(recording.leads)
    assert float(group.SamplingFrequency) == recording.sampling_rate
    np.testing.assert_allclose(
        read.waveform_array(0).T / 1000.0, recording.signal, atol=HALF, rtol=2e-7
    )  # pydicom applies sensitivity and baseline: microvolts
    assert (read.PatientID, read.PatientSex, read.PatientAge) == ("P-17", "F", "061Y")
    assert (read.PatientName, read.PatientBirthDate) == ("", "")
    assert read.AcquisitionDateTime == "20240530163218.250000"


def test_a_dicom_marks_gaps_by_its_padding(tmp_path: Path, make_recording) -> None:
    read = pydicom.dcmread(write_recording(gapped(make_recording()), tmp_path / "rec.dcm"))
    group = read.WaveformSequence[0]
    padding = np.frombuffer(group.WaveformPaddingValue, "<i2")[0]
    stored = np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12)
    assert (stored[GAP, 2] == padding).all()
    assert (stored == padding).sum() == 40


def test_the_same_recording_has_the_same_uids_and_another_has_others(tmp_path: Path, make_recording) -> None:
    first, second = make_recording(), make_recording()
    others = [
        make_recording(**changed)
        for changed in (
            {"samples": 1001}, {"age": 62.0}, {"sex": "male"}, {"patient_id": "P-18"}, {"measured": {}},
            {"notes": {"interpretation": "atrial fibrillation"}}, {"calibrated": False}, {"time": None},
        )
    ]  # fmt: skip
    turned = make_recording(measured=dict(reversed(first.measured.items())))
    first_uid, *uids = [
        pydicom.dcmread(write_recording(recording, tmp_path / f"{k}.dcm")).SOPInstanceUID
        for k, recording in enumerate((first, second, turned, *others))
    ]
    assert uids[:2] == [first_uid, first_uid]
    assert len({first_uid, *uids[2:]}) == 1 + len(others)


def test_a_filter_without_a_unit_is_not_written_as_hertz(tmp_path: Path, make_recording) -> None:
    recording = make_recording(notes={"high-pass filter": "16", "low-pass filter": "150 Hz"})
    group = pydicom.dcmread(write_recording(recording, tmp_path / "rec.dcm")).WaveformSequence[0]
    channel = group.ChannelDefinitionSequence[0]
    assert channel.FilterHighFrequency == 150
    assert "FilterLowFrequency" not in channel


def test_an_id_that_dicom_cannot_hold(tmp_path: Path, make_recording) -> None:
    for identifier in ("x" * 65, "one\\two"):
        with pytest.raises(RecordingError, match="the patient's id"):
            write_recording(make_recording(patient_id=identifier), tmp_path / "rec.dcm")


# --- HL7 aECG ----------------------------------------------------------------------------------------------


def test_the_aecg_says_what_it_holds(tmp_path: Path, make_recording) -> None:
    """By paths of the implementation guide, with nothing of our reader."""
    recording = make_recording()
    root = ElementTree.parse(write_recording(recording, tmp_path / "rec.xml")).getroot()
    assert root.tag == f"{HL7}AnnotatedECG"

    def one(path: str) -> ElementTree.Element:
        (found,) = root.findall("/".join(f"{HL7}{tag}" for tag in path.split("/")))
        return found

    subject = "componentOf/timepointEvent/componentOf/subjectAssignment/subject/trialSubject"
    assert one(f"{subject}/id").get("extension") == "P-17"
    assert one(f"{subject}/subjectDemographicPerson/administrativeGenderCode").get("code") == "F"
    assert one("controlVariable/relatedObservation/value").attrib["value"] == "61"
    series = "component/series"
    assert one(f"{series}/code").get("code") == "RHYTHM"
    assert one(f"{series}/effectiveTime/low").get("value") == "20240530163218.250000"
    assert one(f"{series}/effectiveTime/high").get("value") == "20240530163220.250000"
    sequences = root.findall(f".//{HL7}sequenceSet/{HL7}component/{HL7}sequence")
    codes = [sequence.find(f"{HL7}code").get("code") for sequence in sequences]
    assert codes == ["TIME_ABSOLUTE", *(f"MDC_ECG_LEAD_{lead.upper()}" for lead in LEADS)]
    digits = [sequence.find(f"{HL7}value/{HL7}digits").text.split() for sequence in sequences[1:]]
    np.testing.assert_allclose(np.array(digits, float) / 1000.0, recording.signal, atol=HALF)


def test_an_aecg_of_leads_in_turn(tmp_path: Path, make_recording) -> None:
    """Three columns of a print, and a lead all along: as devices that print 3x4 write it."""
    recording = make_recording(samples=3000, leads=("I", "V1", "V4", "II"))
    for row in range(3):
        recording.signal[row, : 1000 * row] = np.nan
        recording.signal[row, 1000 * (row + 1) :] = np.nan
    for time in (recording.time, None):
        stated = make_recording(
            samples=3000, leads=recording.leads, signal=recording.signal, time=time, age=None
        )
        path = write_recording(stated, tmp_path / "rec.xml", overwrite=True)
        assert path.read_text().count("<sequenceSet>") == 3
        read = read_recording(path)
        rows = read.signal[[read.leads.index(lead) for lead in recording.leads]]
        np.testing.assert_allclose(rows, recording.signal, atol=HALF, equal_nan=True)


def test_an_aecg_in_shreds_is_refused(tmp_path: Path, make_recording) -> None:
    recording = make_recording(samples=5000, leads=("I", "II"))
    recording.signal[0, ::2] = np.nan
    with pytest.raises(RecordingError, match="pieces"):
        write_recording(recording, tmp_path / "rec.xml")


def test_text_of_a_device_cannot_break_the_xml(tmp_path: Path, make_recording) -> None:
    device = 'A "<b>&amp;</b>" \x07 &lol; ]]>'
    path = write_recording(make_recording(notes={"device": device}), tmp_path / "rec.xml")
    assert read_recording(path).notes["device"] == 'A "<b>&amp;</b>" &lol; ]]>'


# --- FHIR --------------------------------------------------------------------------------------------------


def test_the_observation_is_valid_r4(tmp_path: Path, make_recording) -> None:
    """By the published rules, as fhir.resources has them (R4B, whose Observation is that of R4)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fhir.resources.R4B.observation import Observation
    for recording in (
        gapped(make_recording(leads=("I", "II", "III", "MLII"))),
        make_recording(patient_id=None, sex=None, age=None, time=None, measured={}, notes={}),
    ):
        path = write_recording(recording, tmp_path / "rec.json", overwrite=True)
        read = Observation.model_validate_json(path.read_text())
        components = [part for part in read.component if part.valueSampledData]
        for part, row in zip(components, recording.signal, strict=True):
            sampled = part.valueSampledData
            assert (sampled.dimensions, float(sampled.period), sampled.origin.code) == (1, 2.0, "uV")
            tokens = np.array([np.nan if token == "E" else float(token) for token in sampled.data.split()])
            found = (float(sampled.origin.value) + float(sampled.factor) * tokens) / 1000.0
            np.testing.assert_allclose(found, row, atol=HALF, equal_nan=True)


def test_the_observation_says_leads_and_time_as_others_expect(tmp_path: Path, make_recording) -> None:
    document = json.loads(write_recording(make_recording(), tmp_path / "rec.json").read_text())
    assert document["code"]["coding"][0] == {
        "system": "http://loinc.org",
        "code": "11524-6",
        "display": "EKG study",
    }
    codes = [
        part["code"]["coding"][0]["code"] for part in document["component"] if "valueSampledData" in part
    ]
    # MDC_ECG_ELEC_POTL_I, II and III of HL7's own example (observation-example-sample-data)
    assert codes[:3] == ["131329", "131330", "131389"]
    assert document["effectiveDateTime"] == "2024-05-30T16:32:18.250000-00:00"
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", document["id"])
    data = document["component"][-1]["valueSampledData"]["data"]
    assert re.fullmatch(r"((-?\d*\.?\d+)|[EUL])( ((-?\d*\.?\d+)|[EUL]))*", data)  # R4's own pattern


def test_more_than_a_megabyte_of_a_lead_is_no_fhir(tmp_path: Path, make_recording) -> None:
    with pytest.raises(RecordingError, match="300,000 samples"):
        write_recording(make_recording(samples=300_000, leads=("II",)), tmp_path / "rec.json")


# --- CSV ---------------------------------------------------------------------------------------------------


def test_the_table_is_plain_csv_and_exact(tmp_path: Path, make_recording) -> None:
    recording = gapped(make_recording())
    lines = write_recording(recording, tmp_path / "rec.csv").read_text().splitlines()
    rows = list(csv.reader(line for line in lines if not line.startswith("#")))
    assert rows[0] == list(LEADS)
    cells = np.array([[float(cell or "nan") for cell in row] for row in rows[1:]]).astype(np.float32)
    np.testing.assert_array_equal(cells.T, recording.signal)
