"""Philips ECG XML ("Sierra", versions 1.03 to 1.04.02): the rhythm; representative beats stay apart.

All channels lie one after another in one element, mostly as XLI, in steps of `resolution` microvolts. As XLI
the leads III, aVR, aVL and aVF are stored as differences from what Einthoven's law gives; halves are cut
towards zero there, as the law itself shows in real files. Cardiographs end every channel in a calibration
pulse of 1 mV: it is left out, and tells damaged samples and a wrong resolution. Some files have none.

Sources: Philips, SierraECGSchema_1_03.xsd and SierraECGSchema_1_04_01.xsd; C. Watford, sierra-ecg-tools
(wiki); H. Stabenau and J. Waks, BRAVEHEART, on files with the pulse and without.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.decimals import decimals
from cardiofusion.readers.details import (
    MAX_AGE,
    Details,
    as_age,
    as_sex,
    hertz,
    known,
    number,
    years_between,
)
from cardiofusion.readers.format import HINT, MAX_RATE, MIN_RATE, Format, lead_of
from cardiofusion.readers.pulse import Pulse, Steps, find_pulse, length_before
from cardiofusion.readers.xli import MAX_CHUNKS, expand
from cardiofusion.readers.xml import parse_xml, root_name, text_of
from cardiofusion.records import LEADS, Recording, RecordingError, standard_leads

TYPES = ("SierraECG", "PhilipsECG")
VERSIONS = ("1.03", "1.04", "1.04.01", "1.04.02")
MIN_STEP, MAX_STEP = 0.01, 1000.0  # microvolts
MIN_SAMPLES, MAX_SAMPLES = 3, 1 << 18  # of one channel; nearly nine minutes at 500 Hz
PULSE_MICROVOLTS = 1000.0
EINTHOVEN_STEPS = 4.0  # by which noise may break Einthoven's law, on average
TWELVE = ("STD-12", "10-WIRE")  # types of acquisition that mean the twelve leads, where none are named
LIMB_LEADS = LEADS[:6]
WHITESPACE = b" \t\r\n"
NO_LEADS = ("RESP", "PLETH", "PACE", "?")  # how labels of channels that are no ECG begin

_MEASURED = {  # in 1.04, and in 1.03
    "heart_rate": ("heartrate", "meanventrate"), "pr": ("print", "meanprint"), "p_duration": ("pdur",),
    "qrs": ("qrsdur", "meanqrsdur"), "qt": ("qtint", "meanqtint"), "qtc": ("qtcb", "meanqtc"),
    "p_axis": ("pfrontaxis",), "qrs_axis": ("qrsfrontaxis",), "t_axis": ("tfrontaxis",),
}  # fmt: skip
_NOTED = {
    "electrode placement": ("electrodeplacement", "leadset"), "derived leads": ("derivedleads",),
    "bandwidth": ("signalbandwidth",), "waveform modified by": ("modifiedby",),
}  # fmt: skip
_FILTERS = {"high-pass filter": "hipass", "low-pass filter": "lowpass", "mains filter": "notchfilterfreqs"}
_NOTHING = frozenset({"0", "None", "Unknown"})  # a filter of 0 Hz is none
_YEARS = {
    "months": 1 / 12,
    "weeks": 7 / 365.25,
    "days": 1 / 365.25,
    "hours": 1 / 8766,
    "minutes": 1 / 525_960,
}


class _Stated:
    """What the waveform says of itself; where it says nothing (1.03), what is said of its acquisition."""

    def __init__(self, root: Element, waveform: Element) -> None:
        self._waveform, self._acquired = waveform, root.find("dataacquisition/signalcharacteristics")

    def text(self, *keys: str) -> str:
        own = (self._waveform.get(key, "").strip() for key in keys)
        return next(filter(None, (*own, *(text_of(self._acquired, key) for key in keys))), "")

    def number(self, *keys: str) -> float | None:
        return number(self.text(*keys))


@dataclass(frozen=True)
class _Layout:
    """labels: one a channel, as in the file. rate: Hz. step: microvolts. samples: of each channel."""

    labels: tuple[str, ...]
    rate: float
    step: float
    samples: int


def recognises(head: bytes) -> bool:
    return root_name(head) == "restingecgdata"


def decode(content: bytes, name: str) -> Recording:
    """The rhythm waveform in mV. Raises RecordingError."""
    root = parse_xml(content, name)
    _check_version(root, name)
    waveform = root.find("waveforms/parsedwaveforms")
    if waveform is None or not text_of(waveform, "."):
        raise RecordingError("recording.empty", f"{name} holds no rhythm waveform (parsedwaveforms)", HINT)
    stated = _Stated(root, waveform)
    details, layout = _details(root, stated), _layout(stated, name)
    steps = _restored(*_stored(waveform, layout, name), layout.labels, name)
    pulse = find_pulse(steps, name)
    if pulse is not None:
        steps = steps[:, : length_before(steps, pulse)]
    steps, leads = _ecg(steps, layout.labels, details, name)
    signal, leads = standard_leads((steps * (layout.step / 1000.0)).astype(np.float32), leads)
    return Recording(
        signal=signal,
        sampling_rate=layout.rate,
        leads=leads,
        calibrated=pulse is None or _calibrated(pulse, layout.step, details),
        unverified=("header", "samples"),  # the pulse tells most damage, but it is no checksum
        **details.fields(),
    )


def _check_version(root: Element, name: str) -> None:
    kind, version = (text_of(root, f"documentinfo/document{key}") for key in ("type", "version"))
    if kind not in TYPES or version not in VERSIONS:
        raise RecordingError(
            "recording.version",
            f"{name} is of type {kind[:20]!r}, version {version[:20]!r}",
            f"we read {' and '.join(TYPES)} of versions {', '.join(VERSIONS)}",
        )


def _layout(stated: _Stated, name: str) -> _Layout:
    rate, step = (
        stated.number("samplespersecond", "samplingrate"),
        stated.number("resolution", "signalresolution"),
    )
    if rate is None or not MIN_RATE <= rate <= MAX_RATE:
        raise RecordingError(
            "recording.rate", f"{name} states no sampling rate of {MIN_RATE:g} to {MAX_RATE:g} Hz", HINT
        )
    if step is None or not MIN_STEP <= step <= MAX_STEP:
        raise RecordingError(
            "recording.gain", f"{name} states no resolution of {MIN_STEP:g} to {MAX_STEP:g} uV", HINT
        )
    if (
        stated.number("nbitspersample", "bitspersample") != 16
        or stated.text("signalsigned").casefold() != "true"
        or (stated.text("signaloffset") and stated.number("signaloffset") != 0)
    ):
        raise RecordingError(
            "recording.version", f"{name} has samples that are not signed 16-bit numbers", HINT
        )
    duration = stated.number("durationperchannel") or 0.0
    samples = round(duration * rate / 1000.0)
    if not MIN_SAMPLES <= samples <= MAX_SAMPLES:
        raise RecordingError(
            "recording.size", f"{name} declares leads of {duration:g} ms at {rate:g} Hz", HINT
        )
    return _Layout(_labels(stated, name), rate, step, samples)


def _labels(stated: _Stated, name: str) -> tuple[str, ...]:
    labels = tuple(stated.text("leadlabels").split())
    if labels and stated.number("numberofleads") == len(labels) <= MAX_CHUNKS:
        return labels
    twelve = stated.text("acquisitiontype") in TWELVE
    if labels or not twelve or (stated.number("numberchannelsallocated") or 0) < len(LEADS):
        raise RecordingError("recording.lead", f"{name} does not say which leads it holds", HINT)
    return LEADS


def _stored(waveform: Element, layout: _Layout, name: str) -> tuple[Steps, bool]:
    """[channel, sample], those with a label first; and whether limb leads are stored as differences."""
    encoding, text = waveform.get("dataencoding", ""), text_of(waveform, ".")
    compression = waveform.get("compressmethod") or waveform.get("compression") or ""
    if waveform.get("compressflag", "").casefold() == "false":
        compression = ""
    if (encoding, compression) == ("Base64", "XLI"):
        steps = expand(_base64(text, name), layout.samples, name).astype(np.int32)
    elif (encoding, compression) == ("Base64", ""):
        steps = _in_rows(_words(_base64(text, name), name), layout.samples, name)
    elif (encoding, compression) == ("Plain", ""):
        steps = _in_rows(_whole(decimals(text, f"the waveform of {name}"), name), layout.samples, name)
    else:
        raise RecordingError(
            "recording.version",
            f"{name} has a waveform encoded as {encoding[:20]!r} {compression[:20]!r}",
            "we read Base64, with XLI or without, and Plain",
        )
    if len(steps) < len(layout.labels):
        raise RecordingError(
            "recording.truncated", f"{name} has {len(steps)} channels for {len(layout.labels)} labels", HINT
        )
    return steps, bool(compression)


def _base64(text: str, name: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode("ascii").translate(None, WHITESPACE), strict_mode=True)
    except ValueError as error:
        raise RecordingError("recording.header", f"the waveform of {name} is no base64", HINT) from error


def _words(content: bytes, name: str) -> NDArray[np.int16]:
    if len(content) % 2:
        raise RecordingError("recording.truncated", f"{name} ends within a sample", HINT)
    return np.frombuffer(content, dtype="<i2")


def _whole(values: NDArray[np.float64], name: str) -> NDArray[np.int16]:
    if (np.abs(values) > np.iinfo(np.int16).max).any() or (values != np.rint(values)).any():
        raise RecordingError("recording.header", f"{name} has samples that are no 16-bit numbers", HINT)
    return values.astype(np.int16)


def _in_rows(values: NDArray[np.int16], samples: int, name: str) -> Steps:
    """All of channel 1, then all of channel 2 ..., as rows."""
    if not len(values) or len(values) % samples or len(values) > MAX_CHUNKS * samples:
        raise RecordingError(
            "recording.truncated", f"{name} has {len(values)} samples, for channels of {samples}", HINT
        )
    return values.astype(np.int32).reshape(-1, samples)


def _restored(steps: Steps, differences: bool, labels: Sequence[str], name: str) -> Steps:
    """The limb leads from their differences to Einthoven's and Goldberger's laws."""
    if not differences:
        return steps
    if tuple(labels[:6]) != LIMB_LEADS:
        raise RecordingError(
            "recording.version",
            f"{name} has compressed leads in the order {' '.join(labels)[:40]}",
            f"we know what is stored only where {' '.join(LIMB_LEADS)} come first",
        )
    one, two, three, right, left, foot = steps[:6]
    three = two - one - three
    limbs = (one, two, three, -_half(one + two) - right, _half(one - three) - left, _half(two + three) - foot)
    return np.concatenate([np.stack(limbs), steps[6:]])


def _half(values: Steps) -> Steps:
    """Half of whole numbers, cut towards zero."""
    return np.fix(values / 2).astype(np.int32)


def _calibrated(pulse: Pulse, step: float, details: Details) -> bool:
    """Whether the pulse is 1 mV by the resolution that the file states."""
    microvolts = pulse.height * step
    details.note("calibration pulse", f"{microvolts / 1000.0:g} mV at the end of every lead, left out")
    right = abs(microvolts - PULSE_MICROVOLTS) <= step / 2
    if not right:
        details.note(
            "calibration", "the calibration pulse is not the 1 mV that it should be by the resolution"
        )
    return right


def _ecg(steps: Steps, labels: Sequence[str], details: Details, name: str) -> tuple[Steps, tuple[str, ...]]:
    """The channels that are leads, and which. What is left out is noted."""
    found: dict[str, int] = {}
    for channel, label in enumerate(labels):
        if label.upper().startswith(NO_LEADS):
            details.note("skipped", label)
            continue
        # "i" is an electrode of Frank's, not I.
        found[lead_of("electrode I" if label == "i" else label, found, name)] = channel
    for channel in range(len(labels), len(steps)):
        if steps[channel].any():
            details.note("skipped", f"channel {channel + 1}, which has no label")
    if not found or not steps.shape[1]:
        raise RecordingError("recording.empty", f"{name} has a waveform without ECG", HINT)
    kept = {lead: steps[channel] for lead, channel in found.items()}
    _check_einthoven(kept, name)
    return np.stack(list(kept.values())), tuple(kept)


def _check_einthoven(steps: dict[str, NDArray[np.int32]], name: str) -> None:
    """Refuse where III itself was stored in place of its difference, or the other way round."""
    if not {"I", "II", "III"} <= steps.keys():
        return
    difference = np.abs(steps["II"] - steps["I"] - steps["III"]).mean()
    if difference > np.abs(steps["III"]).mean() + EINTHOVEN_STEPS:
        raise RecordingError(
            "recording.lead", f"lead III of {name} is far from II - I: its limb leads cannot be trusted", HINT
        )


def _details(root: Element, stated: _Stated) -> Details:
    patient, acquisition = root.find("patient/generalpatientdata"), root.find("dataacquisition")
    time = None if acquisition is None else _time(f"{acquisition.get('date')}T{acquisition.get('time')}")
    details = Details(
        patient_id=known(text_of(patient, "patientid")),
        age=_age(None if patient is None else patient.find("age"), time),
        sex=as_sex(text_of(patient, "sex")),
        time=time,
    )
    # The last one by date and time; its measurements are final, and may be edited.
    interpretations = root.findall("interpretations/interpretation")
    last = max(interpretations, key=lambda each: (each.get("date", ""), each.get("time", "")), default=None)
    _measure(root, last, details)
    _note(root, last, stated, details)
    return details


def _measure(root: Element, interpretation: Element | None, details: Details) -> None:
    sources = (
        (interpretation, "globalmeasurements"),
        (interpretation, "interpretationmeasurements"),
        (root, "internalmeasurements/crossleadmeasurements"),
        (root, "measurements/globalmeasurements"),
    )
    for measurement, tags in _MEASURED.items():
        texts = [text_of(parent, f"{path}/{tag}") for parent, path in sources for tag in tags]
        details.measure(measurement, next((text for text in texts if number(text) is not None), None))
    measured = details.measured
    if {"pr", "p_duration"} <= measured.keys() and measured["p_duration"] > measured["pr"]:
        del measured["p_duration"]  # stands in real files, though no P wave outlasts the PR interval


def _note(root: Element, interpretation: Element | None, stated: _Stated, details: Details) -> None:
    machine = root.find("dataacquisition/machine")
    if machine is not None:
        details.note("device", f"{machine.text or ''} {machine.get('detaildescription', '')}")
    details.note("status", root.get("status", ""))
    details.note("pacemaker", known(text_of(root, "patient/generalpatientdata/pacestatus")) or "")
    for key, tags in _NOTED.items():
        text = stated.text(*tags)
        details.note(key, "" if text in _NOTHING else text)
    for key, tag in _FILTERS.items():
        text = stated.text(tag)
        details.note(key, "" if text in _NOTHING else hertz(text))
    for lead in root.iter("leadmeasurement"):
        if lead.find("leadqualitystates/inops/inop") is not None:
            details.note("electrode off", lead.get("leadname", ""))
    if root.find("waveforms/repbeats") is not None:
        details.note("representative beats", "in the file, not part of this recording")
    for statement in () if interpretation is None else interpretation.findall("statement"):
        details.note("interpretation", text_of(statement, "leftstatement"))


def _age(age: Element | None, then: datetime | None) -> float | None:
    born = _time(text_of(age, "dateofbirth"))
    if born is not None and then is not None:
        return years_between(born, then)
    for unit, years in _YEARS.items():
        value = number(text_of(age, unit))
        if value is not None and 0 <= value * years <= MAX_AGE:
            return value * years
    return as_age(text_of(age, "years"))


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None


PHILIPS = Format(name="Philips ECG XML", files="XML", recognises=recognises, decode=decode)
