"""A DICOM waveform file as a Recording: its rhythm in mV, its patient, and what the device measured."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from cardiofusion.readers.details import MAX_AGE, Details, as_sex, known, number, years_between
from cardiofusion.readers.dicom.dataset import MAGIC, PREAMBLE_BYTES, Item, has_preamble, parse, quiet
from cardiofusion.readers.dicom.waveform import note_channels, placed, rhythm
from cardiofusion.readers.format import HINT, Format
from cardiofusion.records import Recording, RecordingError, standard_leads

WAVEFORM_STORAGE = b"1.2.840.10008.5.1.4.1.1.9."  # what the UIDs of all waveform classes begin with
CLOCK = "%Y%m%d%H%M%S"
MAX_GROUPS = 64  # the standard has at most 5
MAX_ANNOTATIONS = 10_000  # of which we read statements and measurements; the rest are beats
MAX_DAYS = 366  # that a group's clock may be off the recording's

_META = b"\x02\x00\x00\x00UL\x04\x00"  # a file without its preamble
_BARE = b"\x08\x00"  # and one without its meta information

# (scheme, code) as CID 3227-3229 have them, or as files of before 2010; and what others write as meaning.
_CODED = {
    ("MDC", "2:16184"): "p_duration", ("MDC", "2:15872"): "pr", ("MDC", "2:16156"): "qrs",
    ("MDC", "2:16160"): "qt", ("MDC", "2:15876"): "qtc", ("MDC", "2:15880"): "qtc", ("MDC", "2:15892"): "qtc",
    ("MDC", "2:16128"): "p_axis", ("MDC", "2:16132"): "qrs_axis", ("MDC", "2:16136"): "t_axis",
    ("SCPECG", "5.13.5-7"): "pr", ("SCPECG", "5.13.5-9"): "qrs", ("SCPECG", "5.13.5-11"): "qt",
    ("SCPECG", "5.10.2.5-5"): "qtc", ("SCPECG", "5.10.3-11"): "p_axis", ("SCPECG", "5.10.3-13"): "qrs_axis",
    ("SCPECG", "5.10.3-15"): "t_axis",
}  # fmt: skip
_SPOKEN = {
    "heart rate": "heart_rate", "ventricular rate": "heart_rate", "ventricular heart rate": "heart_rate",
    "pr interval": "pr", "p duration": "p_duration", "qrs duration": "qrs", "qt interval": "qt",
    "qtc interval": "qtc", "p axis": "p_axis", "qrs axis": "qrs_axis", "t axis": "t_axis",
}  # fmt: skip
_UNITS = {  # of a measurement -> (code of the unit -> factor)
    "heart_rate": {"/min": 1.0, "{beats}/min": 1.0, "{H.B.}/min": 1.0, "bpm": 1.0},
    "axis": {"deg": 1.0},
    "interval": {"ms": 1.0, "s": 1000.0},
}
_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / 365.25, "D": 1 / 365.25}
_AGE = re.compile(r"(\d{3})([YMWD])", re.ASCII)
_TIME = re.compile(r"(\d{12})(\d\d)?(?:\.(\d{1,6}))?(?:[+-]\d{4})?", re.ASCII)


def recognises(head: bytes) -> bool:
    begins = has_preamble(head) or head.startswith((_META, _BARE))
    return begins and WAVEFORM_STORAGE in head


def decode(content: bytes, name: str) -> Recording:
    """The rhythm waveform in mV. Raises RecordingError."""
    if len(content) <= PREAMBLE_BYTES + len(MAGIC):
        raise RecordingError("recording.truncated", f"{name} has {len(content)} bytes only", HINT)
    with quiet():
        return _recording(parse(content, name), name)


def _recording(file: Item, name: str) -> Recording:
    items = file.items("WaveformSequence", "group")
    if not items:
        raise RecordingError(
            "recording.empty",
            f"{name} holds no waveform; its modality is {file.text('Modality')[:16]!r}",
            "export the ECG as a waveform, not as an image or a document",
        )
    if len(items) > MAX_GROUPS:
        raise RecordingError("recording.size", f"{name} has {len(items)} groups of waveforms", HINT)
    details = _details(file)
    groups = rhythm(items, details, name)
    trusted = [note_channels(group, details) for group in groups]
    pieces = [piece for group in groups for piece in group.pieces(details)]
    signal, leads, start = placed(pieces, name)
    _note_start(details, start / groups[0].rate)
    signal, leads = standard_leads(signal, leads)
    return Recording(
        signal=signal,
        sampling_rate=groups[0].rate,
        leads=leads,
        calibrated=all(trusted),
        unverified=("header", "samples"),
        **details.fields(),
    )


def _details(file: Item) -> Details:
    details = Details(
        patient_id=known(file.text("PatientID")),
        sex=as_sex(file.text("PatientSex")),
        time=_time(file),
    )
    stated = _age(file.text("PatientAge"))
    details.age = _age_at(file.text("PatientBirthDate"), details.time) if stated is None else stated
    for keyword in ("Manufacturer", "ManufacturerModelName", "SoftwareVersions"):
        details.note("device", known(file.text(keyword)) or "")
    annotations = file.items("WaveformAnnotationSequence", "annotation")
    for annotation in annotations[:MAX_ANNOTATIONS]:
        _note_annotation(annotation, details)
    if len(annotations) > MAX_ANNOTATIONS:
        details.note("annotations", f"{len(annotations)}, of which the first {MAX_ANNOTATIONS} were read")
    return details


def _note_annotation(annotation: Item, details: Details) -> None:
    """A measurement of the whole ECG, or a statement about it; those of one lead or beat are left out."""
    details.note("interpretation", annotation.text("UnformattedTextValue"))
    channels = annotation.integers("ReferencedWaveformChannels")[1::2]
    text = annotation.text("NumericValue")
    if not text or any(channels):
        return
    concept = annotation.code("ConceptNameCodeSequence")
    meaning = concept.meaning.casefold().removesuffix("global").rstrip(" ,")
    measurement = _CODED.get((concept.scheme, concept.value)) or _SPOKEN.get(meaning)
    if measurement is None or measurement in details.measured:
        return
    unit = annotation.code("MeasurementUnitsCodeSequence").value
    kind = "axis" if measurement.endswith("axis") else "interval"
    factor = _UNITS.get(measurement, _UNITS[kind]).get(unit)
    value = number(text)
    if factor is None or value is None:
        details.note("measured in other units", f"{measurement} {text[:16]} {unit[:16]}")
    else:
        details.measured[measurement] = value * factor


def _note_start(details: Details, seconds: float) -> None:
    """The time of the first sample, where that is not the time of the acquisition's start."""
    if details.time is not None and abs(seconds) < MAX_DAYS * 86_400:
        try:
            details.time += timedelta(seconds=seconds)
        except OverflowError:  # beyond the year 9999
            details.time = None


def _time(file: Item) -> datetime | None:
    """When the acquisition began, in the local time of where it was."""
    candidates = (
        file.text("AcquisitionDateTime"),
        file.text("AcquisitionDate") + file.text("AcquisitionTime"),
        file.text("ContentDate") + file.text("ContentTime"),
    )
    return next((time for time in map(_parsed_time, candidates) if time is not None), None)


def _parsed_time(text: str) -> datetime | None:
    match = _TIME.fullmatch(text)
    try:
        return (
            datetime.strptime(match[1] + (match[2] or "00"), CLOCK) + _fraction(match[3]) if match else None
        )
    except ValueError:
        return None


def _fraction(digits: str | None) -> timedelta:
    return timedelta(microseconds=int((digits or "0").ljust(6, "0")))


def _age(text: str) -> float | None:
    match = _AGE.fullmatch(text)
    years = int(match[1]) * _YEARS[match[2]] if match else MAX_AGE + 1.0
    return round(years, 2) if years <= MAX_AGE else None


def _age_at(birth: str, then: datetime | None) -> float | None:
    born = _parsed_time(birth + "0000")
    return years_between(born, then) if born and then else None


DICOM = Format(name="DICOM waveform", files=".dcm", recognises=recognises, decode=decode)
