"""Nothing that tells whose an ECG is comes through, by any way in and any way out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pydicom
import pyedflib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import InputError, RecordingError, StorageError
from cardiofusion.writers import (
    FORMAT_NAMES,
    convert_file,
    convert_folder,
    deidentify,
    new_key,
    read_key,
    write_recording,
)

KEY = bytes(range(32))
WHEN = datetime(2019, 3, 7, 11, 22, 33)
SUFFIXES = {"wfdb": ".hea", "edf": ".edf", "dicom": ".dcm", "aecg": ".xml", "fhir": ".json", "csv": ".csv"}

# Planted in every field that a format has; dates in the ways in which formats write them.
NAME, IDENTIFIER, OTHER = "Zebulon", "QX7731", "Wunderland"
PLANTED = (
    NAME,
    IDENTIFIER,
    OTHER,
    "20190307",
    "2019-03-07",
    "07/03/2019",
    "07.03.19",
    "07-MAR-2019",
    "19480229",
)


def planted_wfdb(folder: Path, recording: Any) -> Path:
    header = write_recording(recording, folder / f"{NAME}_{IDENTIFIER}.hea")
    words = [f"Name: {NAME}", f"<address>: {OTHER} <doctor>: {NAME}", f"{OTHER} 07/03/2019", f"Dx: {OTHER}"]
    header.write_text(header.read_text() + "".join(f"# {line}\n" for line in words))
    return header


def planted_edf(folder: Path, recording: Any) -> Path:
    path = folder / f"{NAME}.edf"
    with pyedflib.EdfWriter(str(path), len(recording.leads)) as file:
        file.setHeader(
            {
                "technician": NAME, "recording_additional": OTHER, "patientname": NAME,
                "patient_additional": OTHER, "patientcode": IDENTIFIER,
                "equipment": f"SN_{IDENTIFIER}", "admincode": IDENTIFIER, "sex": 1,
                "startdate": WHEN, "birthdate": "29 feb 1948",
            }
        )  # fmt: skip
        for k, lead in enumerate(recording.leads):
            file.setSignalHeader(
                k,
                {
                    "label": lead, "dimension": "mV", "sample_frequency": 500, "physical_max": 10.0,
                    "physical_min": -10.0, "digital_max": 32767, "digital_min": -32768, "transducer": OTHER,
                    "prefilter": f"HP:0.05Hz {NAME}",
                },
            )  # fmt: skip
        file.writeSamples([row.astype(float) for row in recording.signal])
        file.writeAnnotation(0.5, -1, f"{NAME} of {OTHER}")
    return path


def planted_dicom(folder: Path, recording: Any) -> Path:
    path = write_recording(recording, folder / f"{NAME}.dcm")
    dataset = pydicom.dcmread(path)
    for keyword in (
        "InstitutionName", "ReferringPhysicianName", "OperatorsName", "OtherPatientIDs", "StudyID",
        "PatientName",
        "AccessionNumber", "DeviceSerialNumber", "StationName", "Manufacturer", "SoftwareVersions",
        "ManufacturerModelName", "StudyDescription", "PatientComments", "PatientAddress",
    ):  # fmt: skip
        setattr(
            dataset,
            keyword,
            f"{NAME} {IDENTIFIER}"[: 16 if keyword in {"AccessionNumber", "StudyID", "StationName"} else 60],
        )
    dataset.PatientBirthDate = "19480229"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.20190307.7731"
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = "1.2.20190307.7731.1"
    dataset.WaveformSequence[0].MultiplexGroupLabel = OTHER
    dataset.WaveformSequence[0].ChannelDefinitionSequence[0].FilterLowFrequency = "7731"
    statement = Dataset()
    statement.UnformattedTextValue = f"{NAME} of {OTHER}, 2019-03-07"
    statement.ReferencedWaveformChannels = [1, 0]
    dataset.WaveformAnnotationSequence = [statement]
    dataset.save_as(path)
    return path


def planted_aecg(folder: Path, recording: Any) -> Path:
    path = write_recording(recording, folder / f"{NAME}.xml")
    text = path.read_text()
    assert "<clinicalTrial>" in text
    text = text.replace("<clinicalTrial>", f"<clinicalTrial><title>{OTHER} {NAME}</title>")
    text = text.replace(
        "<subjectDemographicPerson>",
        f'<subjectDemographicPerson><name>{NAME}</name><birthTime value="19480229"/>',
    )
    text = re.sub(r'<id root="[0-9a-f-]+" ?/>', f'<id root="{IDENTIFIER}"/>', text)
    path.write_text(text)
    assert NAME in path.read_text()
    return path


def planted_fhir(folder: Path, recording: Any) -> Path:
    path = write_recording(recording, folder / f"{NAME}.json")
    document = json.loads(path.read_text())
    patient = document["contained"][0]
    patient |= {"name": [{"text": NAME}], "birthDate": "1948-02-29", "address": [{"city": OTHER}]}
    document |= {
        "id": IDENTIFIER,
        "identifier": [{"value": IDENTIFIER}],
        "performer": [{"display": NAME}],
        "issued": "2019-03-07T11:22:33Z",
        "text": {"status": "generated", "div": f"<div>{NAME}</div>"},
        "note": [{"text": f"{NAME} of {OTHER}"}],
        "device": {"display": f"SN {IDENTIFIER}"},
    }
    path.write_text(json.dumps(document))
    return path


def planted_csv(folder: Path, recording: Any) -> Path:
    return write_recording(recording, folder / f"{NAME}.csv")


PLANT: dict[str, Callable[[Path, Any], Path]] = {
    "wfdb": planted_wfdb,
    "edf": planted_edf,
    "dicom": planted_dicom,
    "aecg": planted_aecg,
    "fhir": planted_fhir,
    "csv": planted_csv,
}


def everything_in(folder: Path) -> bytes:
    """Names and contents of all files below a folder, folded to lower case."""
    parts = []
    for path in sorted(folder.rglob("*")):
        parts.append(path.relative_to(folder).as_posix().encode())
        parts.append(path.read_bytes() if path.is_file() else b"")
    return b"\n".join(parts).lower()


def leaked(folder: Path, words: tuple[str, ...]) -> list[str]:
    content = everything_in(folder)
    return [word for word in words if word.lower().encode() in content]


@pytest.mark.parametrize("kind", FORMAT_NAMES)
@pytest.mark.parametrize("given_as", PLANT)
def test_nothing_planted_comes_through(given_as: str, kind: str, tmp_path: Path, make_recording) -> None:
    source, out = tmp_path / NAME / OTHER, tmp_path / "out"
    source.mkdir(parents=True)
    out.mkdir()
    recording = make_recording(
        patient_id=IDENTIFIER,
        time=WHEN,
        notes={
            "device": f"SN {IDENTIFIER}",
            "interpretation": f"{NAME}, {OTHER}",
            "low-pass filter": "150 Hz",
        },
    )
    path = PLANT[given_as](source, recording)
    read = read_recording(path)
    assert read.patient_id == IDENTIFIER  # it was there to be found
    assert read.time == WHEN
    written = convert_file(path, out, kind, KEY).path
    assert not leaked(out, PLANTED)
    again = read_recording(written)
    assert re.fullmatch(r"[0-9a-f]{20}", again.patient_id or "")
    assert re.fullmatch(r"[0-9a-f]{20}", again.record_id)
    assert again.time is not None
    assert again.time != WHEN
    assert again.sex == read.sex


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_a_folder_of_all_formats_leaks_nothing(kind: str, tmp_path: Path, make_recording) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    for given_as, plant in PLANT.items():
        folder = source / f"{NAME} {given_as}"
        folder.mkdir(parents=True)
        plant(folder, make_recording(patient_id=IDENTIFIER, time=WHEN))
    done = convert_folder(source, out, kind, KEY)
    assert (done.written, done.refused) == (len(PLANT), ())
    assert not leaked(out, PLANTED)
    found = [read_recording(path) for path in find_recordings(out)]
    assert len(found) == len(PLANT)
    assert len({recording.patient_id for recording in found}) == 1  # one patient still
    assert len({recording.time for recording in found}) == 1
    assert len({recording.record_id for recording in found}) == len(PLANT)


def test_what_was_refused_is_named_beside_the_folder_not_in_it(tmp_path: Path, make_recording) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    planted_csv(source, make_recording(patient_id=IDENTIFIER, time=WHEN))
    (source / f"{IDENTIFIER}.edf").write_bytes(b"0       " + b" " * 176 + b"256     " + b" " * 64)
    done = convert_folder(source, out, "dicom", KEY)
    assert (done.written, len(done.refused)) == (1, 1)
    assert IDENTIFIER in (tmp_path / "out.errors.csv").read_text()
    assert not leaked(out, PLANTED)


TELLING = re.compile(
    r"name|birth|time|date|id$|address|comment|city|street|institution|phone|technician", re.I
)
DATE = re.compile(r"(19|20)\d{6}(\d\d)*|\d{4}-\d\d-\d\d.*|\d\d-\d\d-\d{4}")
# Vocabularies (ADMIN begins a tag of ours), and the time of day, which stays.
COMMON = re.compile(
    r"MDC_\w+|TIME_\w+|CPT-4|LOINC|ADMIN|[\d.]+ ?m?s?|\d\d:\d\d:\d\d|urn:hl7-org:v3|http://www.w3.org/\S+"
)


def told(path: Path) -> set[str]:
    """What the elements and attributes of a real XML file say where it may tell whose it is."""
    found: set[str] = set()
    for element in ElementTree.parse(path).iter():
        tag = element.tag.rpartition("}")[2]
        pairs = [
            (tag, element.text or ""),
            *((f"{tag} {key}", value) for key, value in element.attrib.items()),
        ]
        found |= {value.strip() for key, value in pairs if TELLING.search(key)}
    return {text for text in found if DATE.fullmatch(text) or (len(text) >= 5 and not COMMON.fullmatch(text))}


@pytest.mark.data
@pytest.mark.parametrize("kind", FORMAT_NAMES)
@pytest.mark.parametrize(
    ("folder", "usable"), [("muse", 1), ("philips", 4), ("schiller", 1), ("hl7-aecg", 7)]
)
def test_nothing_of_real_files_comes_through(
    data_dir: Path, folder: str, usable: int, kind: str, tmp_path: Path
) -> None:
    converted = 0
    for path in sorted((data_dir / "formats" / folder).iterdir()):
        out = tmp_path / str(converted)
        out.mkdir(exist_ok=True)
        try:
            convert_file(path, out, kind, KEY)
        except RecordingError:
            continue
        converted += 1
        words = told(path)
        assert any(map(DATE.fullmatch, words)), path.name
        assert not leaked(out, tuple(words)), path.name
    assert converted == usable  # the others hold no ECG


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # pydicom, of a file that is so
@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_nothing_of_real_binary_files_comes_through(data_dir: Path, kind: str, tmp_path: Path) -> None:
    formats = data_dir / "formats"
    convert_file(formats / "scp" / "Example.scp", tmp_path, kind, KEY)
    assert all(word in (formats / "scp" / "Example.scp").read_bytes() for word in (b"Clark", b"SBJ-123"))
    assert not leaked(tmp_path, ("Clark", "SBJ-123", "ELI250"))
    for name in ("Example.dcm", "anonymous_ecg.dcm"):
        path = formats / "dicom" / name
        convert_file(path, tmp_path, kind, KEY, overwrite=True)
        elements = [
            element for element in pydicom.dcmread(path) if element.VR in {"PN", "DA", "UI", "LO", "SH"}
        ]
        words = {str(element.value) for element in elements if element.keyword != "SOPClassUID"}
        words = {word for word in words if len(word) >= 5}
        assert len(words) >= 4
        assert not leaked(tmp_path, tuple(words)), name


# --- what stays, and how it stays together -----------------------------------------------------------------


@given(days=st.integers(-3000, 3000), seconds=st.integers(0, 86_399))
def test_times_of_a_patient_move_together_by_whole_weeks(make_recording, days: int, seconds: int) -> None:
    first = make_recording(time=WHEN)
    second = make_recording(time=WHEN + timedelta(days=days, seconds=seconds), record_id="other")
    a, b = deidentify(first, KEY), deidentify(second, KEY)
    assert a.time is not None
    assert b.time is not None
    assert b.time - a.time == timedelta(days=days, seconds=seconds)
    moved = a.time - WHEN
    assert moved % timedelta(weeks=1) == timedelta(0)
    assert timedelta(0) < abs(moved) <= timedelta(weeks=156)


def test_patients_move_by_different_times_and_both_ways(make_recording) -> None:
    moved = {deidentify(make_recording(patient_id=f"P{k}", time=WHEN), KEY).time - WHEN for k in range(300)}
    assert len(moved) > 150
    assert min(moved) < timedelta(0) < max(moved)


def test_a_time_beyond_the_calendar_is_dropped(make_recording) -> None:
    times = [
        deidentify(make_recording(patient_id=f"P{k}", time=datetime(9999, 12, 31)), KEY).time
        for k in range(40)
    ]
    assert None in times
    assert any(times)


def test_ids_follow_from_the_key(make_recording) -> None:
    recording = make_recording()
    first, again, other = (
        deidentify(recording, KEY),
        deidentify(recording, KEY),
        deidentify(recording, new_key()),
    )
    assert (first.patient_id, first.record_id, first.time) == (again.patient_id, again.record_id, again.time)
    assert first.patient_id != other.patient_id
    assert first.record_id != other.record_id
    assert first.patient_id != first.record_id
    same_word = deidentify(make_recording(patient_id="rec"), KEY)
    assert same_word.patient_id != same_word.record_id  # a patient called as a record


def test_an_unknown_patient_stays_unknown(make_recording) -> None:
    assert deidentify(make_recording(patient_id=None), KEY).patient_id is None


@pytest.mark.parametrize(
    ("age", "kept"), [(89.0, 89.0), (89.5, None), (90.0, None), (0.0, 0.0), (None, None)]
)
def test_ages_over_89_are_dropped(
    make_recording, tmp_path: Path, age: float | None, kept: float | None
) -> None:
    recording = deidentify(make_recording(age=age), KEY)
    assert recording.age == kept
    assert recording.notes.get("age") == ("over 89" if age is not None and age > 89 else None)
    read = read_recording(write_recording(recording, tmp_path / "rec.hea"))
    assert read.age == kept


def test_of_the_notes_only_plain_filters_stay(make_recording) -> None:
    notes = {
        "low-pass filter": "150 Hz", "high-pass filter": f"0.05 Hz {NAME}", "mains filter": NAME,
        "device": "x", "interpretation": "x", "comment": "x", "patient conflict": "x",
    }  # fmt: skip
    assert deidentify(make_recording(notes=notes), KEY).notes == {"low-pass filter": "150 Hz"}


def test_samples_and_measurements_stay(make_recording) -> None:
    recording = make_recording()
    private = deidentify(recording, KEY)
    assert private.signal is recording.signal
    assert private.measured == recording.measured
    assert (private.sex, private.leads, private.sampling_rate) == ("female", recording.leads, 500.0)
    assert private.source == ""


def test_uncalibrated_stays_so(make_recording) -> None:
    assert not deidentify(make_recording(calibrated=False), KEY).calibrated


# --- keys and names ----------------------------------------------------------------------------------------


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = read_key(path)
    assert len(key) == 32
    assert read_key(path) == key
    assert path.stat().st_mode & 0o077 == 0
    assert read_key(tmp_path / "other") != key


@pytest.mark.parametrize("content", [b"", b"secret", b"\xff" * 64, b"0" * 63, b"g" * 64, b"0" * 66])
def test_a_file_that_holds_no_key_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_key(path)
    assert caught.value.code == "deidentify.key"
    assert path.read_bytes() == content


def test_a_key_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        read_key(tmp_path / "nowhere" / "key")
    with pytest.raises(InputError):
        read_key(tmp_path)


@pytest.mark.parametrize("name", ["rec", "REC", "ecg-of-p-17", "my-rec-1"])
def test_a_name_that_tells_is_refused(make_recording, tmp_path: Path, name: str) -> None:
    path = write_recording(make_recording(), tmp_path / "rec.hea")
    with pytest.raises(InputError) as caught:
        convert_file(path, tmp_path / f"{name}.edf", None, KEY)
    assert caught.value.code == "deidentify.name"
    assert convert_file(path, tmp_path / "study-0001.edf", None, KEY).path.exists()


@pytest.mark.parametrize("name", ["jones", "study-jones-1", "19450312", "x19450312", "MARY"])
def test_a_name_that_tells_a_part_of_the_original_is_refused(
    make_recording, tmp_path: Path, name: str
) -> None:
    path = write_recording(make_recording(), tmp_path / "ECG_Jones_Mary_19450312.dcm")
    with pytest.raises(InputError) as caught:
        convert_file(path, tmp_path / f"{name}.csv", None, KEY)
    assert caught.value.code == "deidentify.name"
    assert convert_file(path, tmp_path / "ecg-0001.csv", None, KEY).path.exists()
