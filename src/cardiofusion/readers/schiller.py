"""Schiller XML (SchillerEDI, as SEMA exports it): the rhythm; averaged beats stay apart.

Each channel is a list of whole or decimal numbers with commas between them, in steps of `unitperbit` units;
units, rate and how many samples there are stand in the file. No schema is public: what is read is what the
files themselves state, and anything else is refused. Sources: real files; the CVRG tools and BRAVEHEART
(H. Stabenau and J. Waks), which read the same elements.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.decimals import as_millivolts, decimals
from cardiofusion.readers.details import Details, as_sex, hertz, known, number, years_between
from cardiofusion.readers.format import HINT, MAX_RATE, MIN_RATE, Format, lead_of
from cardiofusion.readers.xml import number_of, parse_xml, root_name, text_of
from cardiofusion.records import Recording, RecordingError, standard_leads

RHYTHMS = ("ECG_RHYTHMS", "ECG_RHYTHM")
MILLIVOLTS = {"UV": 0.001, "MV": 1.0}  # of one unit
MIN_STEP, MAX_STEP = 1e-5, 1.0  # mV
MAX_SAMPLES = 1 << 23  # of all channels together; more than 20 minutes of twelve leads at 500 Hz
EXPONENT = 1  # of the sampling rate, in every file we know

_MEASURED = {
    "heart_rate": "HR", "pr": "PQ", "p_duration": "P", "qrs": "QRS", "qt": "QT", "qtc": "QTC",
    "p_axis": "AXIS_P", "qrs_axis": "AXIS_QRS", "t_axis": "AXIS_T",
}  # fmt: skip
_FILTERS = {
    "HIGHPASS_CUTOFF_FREQ": "high-pass filter", "LOWPASS_CUTOFF_FREQ": "low-pass filter",
    "MAINS": "mains filter", "SMOOTHING": "smoothing", "BASELINE_STABILIZER": "baseline stabilizer",
}  # fmt: skip
_FREQUENCIES = ("HIGHPASS_CUTOFF_FREQ", "LOWPASS_CUTOFF_FREQ", "MAINS")  # in Hz
_NOTED = {
    "device": "examdescript/aquiringdevice/hardware/model",
    "software": "examdescript/aquiringdevice/software/version",
    "type of recording": "examdescript/rectype",
    "pacemaker": "patdata/pacemaker/value",
}


def recognises(head: bytes) -> bool:
    return (root_name(head) or "").rpartition(".")[2] == "SchillerEDI"


def decode(content: bytes, name: str) -> Recording:
    """The rhythm waveform in mV. Raises RecordingError."""
    root = parse_xml(content, name)
    event, rhythm = _rhythm(root, name)
    signal, leads = standard_leads(*_signal(rhythm, name))
    return Recording(
        signal=signal,
        sampling_rate=_rate(rhythm, name),
        leads=leads,
        unverified=("header", "samples"),
        **_details(root, event).fields(),
    )


def _rhythm(root: Element, name: str) -> tuple[Element, Element]:
    """The one rhythm waveform, and the event that it belongs to."""
    found = [
        (event, waveform)
        for event in root.iterfind("eventdata/event")
        for waveform in event.findall("wavedata")
        if text_of(waveform, "type").upper() in RHYTHMS
    ]
    if not found:
        raise RecordingError("recording.empty", f"{name} has no rhythm waveform", HINT)
    if len(found) > 1:
        raise RecordingError(
            "recording.version", f"{name} has {len(found)} rhythm waveforms", "export one recording a file"
        )
    return found[0]


def _rate(rhythm: Element, name: str) -> float:
    rate, exponent = (
        number(text_of(rhythm, f"resolution/samplerate/{key}")) for key in ("value", "exponent")
    )
    if rate is None or not MIN_RATE <= rate <= MAX_RATE or exponent != EXPONENT:
        raise RecordingError(
            "recording.rate",
            f"{name} states no sampling rate of {MIN_RATE:g} to {MAX_RATE:g} Hz with the exponent {EXPONENT}",
            HINT,
        )
    return rate


def _signal(rhythm: Element, name: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """[stored lead, sample] in mV, and which leads."""
    step, channels = _step(rhythm, name), _channels(rhythm, name)
    if sum(len(text_of(channel, "data")) for channel in channels.values()) // 2 > MAX_SAMPLES:
        raise RecordingError(
            "recording.size", f"{name} has too many samples", f"at most {MAX_SAMPLES:,} are read"
        )
    rows = [_samples(channel, f"lead {lead} of {name}") * step for lead, channel in channels.items()]
    if len({len(row) for row in rows}) != 1 or not len(rows[0]):
        raise RecordingError(
            "recording.truncated", f"{name} has leads of different lengths, or empty ones", HINT
        )
    return np.stack([as_millivolts(row, name) for row in rows]), tuple(channels)


def _step(rhythm: Element, name: str) -> float:
    """mV of one bit."""
    units = text_of(rhythm, "resolution/yres/units").upper()
    if units not in MILLIVOLTS:
        raise RecordingError(
            "recording.units", f"{name} is in {units[:20]!r}, not in {', '.join(MILLIVOLTS)}", HINT
        )
    step = number_of(rhythm, "resolution/yres/unitperbit", name) * MILLIVOLTS[units]
    if not MIN_STEP <= step <= MAX_STEP:
        raise RecordingError(
            "recording.gain", f"{name} has steps of {step:g} mV, not of {MIN_STEP:g} to {MAX_STEP:g}", HINT
        )
    return step


def _channels(rhythm: Element, name: str) -> dict[str, Element]:
    """Lead -> its element."""
    found: dict[str, Element] = {}
    for channel in rhythm.findall("channel"):
        found[lead_of(text_of(channel, "name"), found, name)] = channel
    if not found:
        raise RecordingError("recording.empty", f"{name} has a rhythm waveform without channels", HINT)
    return found


def _samples(channel: Element, what: str) -> NDArray[np.float64]:
    """In steps. Every comma parts two samples; one after the last is allowed."""
    kind = text_of(channel, "datastype")
    if kind != "COMMASEPARATE":
        raise RecordingError(
            "recording.version", f"{what} is stored as {kind[:20]!r}", "we read COMMASEPARATE"
        )
    text = text_of(channel, "data").removesuffix(",")
    values = decimals(text.replace(",", " "), what)
    declared = number_of(channel, "samplecount", what)
    if not len(values) == text.count(",") + bool(text) == declared:
        raise RecordingError(
            "recording.truncated", f"{what} has {len(values)} samples, not {declared:g}", HINT
        )
    return values


def _details(root: Element, event: Element) -> Details:
    patient, start = root.find("patdata"), root.find("examdescript/startdatetime")
    time = _time(text_of(start, "date") + text_of(start, "time"))
    born = _time(text_of(patient, "birthdate"))
    details = Details(
        patient_id=known(text_of(patient, "id")),
        age=years_between(born, time) if born and time else None,
        sex=as_sex(text_of(patient, "gender")),
        time=time,
    )
    stated = {text_of(each, "name"): text_of(each, "value") for each in event.findall("annotation_global")}
    for measurement, key in _MEASURED.items():
        details.measure(measurement, stated.get(key))
    _note(root, event, details)
    return details


def _note(root: Element, event: Element, details: Details) -> None:
    for key, path in _NOTED.items():
        details.note(key, text_of(root, path))
    for each in event.iterfind("filters_data/filter"):
        text = text_of(each, "value")
        if text != "-":
            name = text_of(each, "name")
            details.note(_FILTERS.get(name, "filter"), hertz(text) if name in _FREQUENCIES else text)
    if any(text_of(waveform, "type").upper() == "ECG_AVERAGES" for waveform in event.findall("wavedata")):
        details.note("averaged beats", "in the file, not part of this recording")
    for each in event.findall("textdata"):
        if text_of(each, "type") == "INTERPRETATION":
            details.note("interpretation", text_of(each, "textdata"))


def _time(text: str) -> datetime | None:
    """ "20060502" or "20060502140610000", thousandths last."""
    for form, digits in (("%Y%m%d", 8), ("%Y%m%d%H%M%S", 14)):
        if len(text) in {digits, digits + 3} and text.isdigit():
            try:
                return datetime.strptime(text[:digits], form)
            except ValueError:
                return None
    return None


SCHILLER = Format(name="Schiller XML", files="XML", recognises=recognises, decode=decode)
