"""GE MUSE XML (RestingECG): the rhythm of eight stored leads, completed to twelve; median beats stay apart.

Each lead is base64 of little-endian 16-bit steps of LeadAmplitudeUnitsPerBit microvolts, with a CRC-32
(ISO 3309) of its bytes. Source: GE Healthcare, MUSE Cardiology Information System XML schema (restecg.dtd).
"""

from __future__ import annotations

import binascii
import re
import zlib
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details, as_age, as_sex, known, number
from cardiofusion.readers.format import HINT, MAX_RATE, MIN_RATE, Format, lead_of
from cardiofusion.readers.xml import number_of, parse_xml, root_name, text_of
from cardiofusion.records import Recording, RecordingError, standard_leads

MIN_STEP, MAX_STEP = 0.01, 1000.0  # microvolts
SAMPLE_BYTES = 2
NO_SPACE = dict.fromkeys(map(ord, " \t\r\n"))  # base64 stands in lines
CLOCK = "%m-%d-%Y %H:%M:%S"

_MEASURED = {
    "heart_rate": "VentricularRate", "pr": "PRInterval", "qrs": "QRSDuration", "qt": "QTInterval",
    "qtc": "QTCorrected", "p_axis": "PAxis", "qrs_axis": "RAxis", "t_axis": "TAxis",
}  # fmt: skip
_NOTED = {
    "device": "TestDemographics/AcquisitionDevice",
    "status": "TestDemographics/Status",
    # As they stand, without a unit: "16" of a high-pass filter cannot be Hz, and no source says what it is.
    "high-pass filter": "HighPassFilter",
    "low-pass filter": "LowPassFilter",
    "mains filter": "ACFilter",
}


def recognises(head: bytes) -> bool:
    return root_name(head) == "RestingECG"


def decode(content: bytes, name: str) -> Recording:
    """The rhythm waveform in mV. Raises RecordingError."""
    root = parse_xml(content, name)
    waveforms = {text_of(waveform, "WaveformType").casefold(): waveform for waveform in root.iter("Waveform")}
    rhythm = waveforms.get("rhythm")
    if rhythm is None:
        raise RecordingError("recording.empty", f"{name} has no rhythm waveform", HINT)
    details = _details(root, rhythm)
    if "median" in waveforms:
        details.note("median beats", "in the file, not part of this recording")
    signal, checked = _signal(rhythm, details, name)
    signal, leads = standard_leads(signal, tuple(_leads(rhythm, name)))
    return Recording(
        signal=signal,
        sampling_rate=_rate(rhythm, name),
        leads=leads,
        unverified=("header",) if checked else ("header", "samples"),
        **details.fields(),
    )


def _rate(rhythm: Element, name: str) -> float:
    """SampleBase times ten to the SampleExponent, Hz."""
    base, exponent = number_of(rhythm, "SampleBase", name), text_of(rhythm, "SampleExponent") or "0"
    rate = base * 10.0 ** int(exponent) if re.fullmatch(r"[+-]?\d", exponent, re.ASCII) else 0.0
    if not MIN_RATE <= rate <= MAX_RATE:
        what = f"{base:g} times ten to the {exponent[:20]}"
        raise RecordingError("recording.rate", f"{name} has {what} samples a second", HINT)
    return rate


def _signal(rhythm: Element, details: Details, name: str) -> tuple[NDArray[np.float32], bool]:
    """[stored lead, sample] in mV, and whether every lead had a checksum."""
    leads = _leads(rhythm, name)
    rows = {lead: _samples(element, f"lead {lead} of {name}") for lead, element in leads.items()}
    if len({len(row) for row in rows.values()}) != 1 or not len(next(iter(rows.values()))):
        raise RecordingError(
            "recording.truncated", f"{name} has leads of different lengths, or empty ones", HINT
        )
    for lead, element in leads.items():
        if text_of(element, "LeadOff").upper() == "TRUE":
            details.note("electrode off", lead)
    signal = np.stack([_millivolts(leads[lead], row, f"lead {lead} of {name}") for lead, row in rows.items()])
    return signal, all(text_of(element, "LeadDataCRC32") for element in leads.values())


def _leads(rhythm: Element, name: str) -> dict[str, Element]:
    """Lead -> its element."""
    found: dict[str, Element] = {}
    for element in rhythm.findall("LeadData"):
        found[lead_of(text_of(element, "LeadID"), found, name)] = element
    if not found:
        raise RecordingError("recording.empty", f"{name} has a rhythm waveform without leads", HINT)
    return found


def _samples(element: Element, what: str) -> NDArray[np.int16]:
    """The stored steps of one lead, length and checksum verified."""
    if number(text_of(element, "LeadSampleSize") or "2") != SAMPLE_BYTES:
        raise RecordingError("recording.header", f"{what} has samples of other than 2 bytes", HINT)
    try:
        content = binascii.a2b_base64(text_of(element, "WaveFormData").translate(NO_SPACE), strict_mode=True)
    except ValueError as error:
        raise RecordingError("recording.header", f"{what} is no base64", HINT) from error
    declared = number_of(element, "LeadSampleCountTotal", what)
    if len(content) != declared * SAMPLE_BYTES:
        raise RecordingError(
            "recording.truncated", f"{what} has {len(content)} bytes for {declared:g} samples", HINT
        )
    checksum = text_of(element, "LeadDataCRC32")
    if checksum and number(checksum) != zlib.crc32(content):
        raise RecordingError("recording.checksum", f"the samples of {what} do not match their checksum", HINT)
    return np.frombuffer(content, dtype="<i2")


def _millivolts(element: Element, samples: NDArray[np.int16], what: str) -> NDArray[np.float32]:
    units = text_of(element, "LeadAmplitudeUnits")
    step = number_of(element, "LeadAmplitudeUnitsPerBit", what)
    if units.upper() != "MICROVOLTS":
        raise RecordingError("recording.units", f"{what} is in {units[:20]!r}, not in microvolts", HINT)
    if not MIN_STEP <= step <= MAX_STEP:
        raise RecordingError(
            "recording.gain", f"{what} has steps of {step:g} uV, not of {MIN_STEP:g} to {MAX_STEP:g}", HINT
        )
    offsets = [number(text_of(element, key)) or 0.0 for key in ("LeadTimeOffset", "LeadOffsetFirstSample")]
    if any(offsets):
        raise RecordingError("recording.header", f"{what} begins later than others", HINT)
    return (samples * (step / 1000.0)).astype(np.float32)


def _details(root: Element, rhythm: Element) -> Details:
    patient, test = root.find("PatientDemographics"), root.find("TestDemographics")
    details = Details(
        patient_id=known(text_of(patient, "PatientID")),
        sex=as_sex(text_of(patient, "Gender")),
        time=_time(f"{text_of(test, 'AcquisitionDate')} {text_of(test, 'AcquisitionTime')}"),
    )
    if text_of(patient, "AgeUnits").upper() in {"", "YEARS"}:
        details.age = as_age(text_of(patient, "PatientAge"))
    for measurement, tag in _MEASURED.items():
        details.measure(measurement, text_of(root.find("RestingECGMeasurements"), tag))
    for key, path in _NOTED.items():
        details.note(key, text_of(rhythm if "/" not in path else root, path))
    for statement in root.iterfind("Diagnosis/DiagnosisStatement"):
        details.note("interpretation", text_of(statement, "StmtText"))
    return details


def _time(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, CLOCK)
    except ValueError:
        return None


MUSE = Format(name="GE MUSE", files="XML", recognises=recognises, decode=decode)
