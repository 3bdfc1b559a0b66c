"""Which lead a channel of a DICOM waveform is: by the code of its source, and by what that is said to mean.

Source: DICOM PS3.16 CID 3001 (ISO/IEEE 11073-10101); EN 1064 (SCP-ECG) 5.6.3, for files of before 2010.
"""

from __future__ import annotations

import re

from cardiofusion.readers.dicom.dataset import Code, Item
from cardiofusion.readers.format import HINT
from cardiofusion.readers.mdc import MDC_ONLY, NUMBERED
from cardiofusion.records import RecordingError, lead_name

_COMPUTED = {  # from other leads, by the device
    31: "I", 32: "II", 33: "V1", 34: "V2", 35: "V3", 36: "V4", 37: "V5", 38: "V6", 111: "III", 112: "aVR",
    113: "aVL", 114: "aVF",
}  # fmt: skip
_LAST_SHARED = 78  # above it SCP-ECG counts otherwise

_CODES = {"MDC": re.compile(r"2:(\d{1,3})", re.ASCII), "SCPECG": re.compile(r"5\.6\.3-9-(\d{1,3})", re.ASCII)}
_QUALIFIED = re.compile(r"\s*[(,].*", re.DOTALL)  # "Lead I (Einthoven)", "aVR, augmented voltage, right"
_PREFIX = re.compile(r"^(?:derived|ecg|ekg)\s+(?=\S)", re.IGNORECASE)
_OTHER_SOURCES = frozenset({"SCT", "SRT", "SNM3"})  # vocabularies of pressures, flows, respiration


def channel_lead(channel: Item) -> tuple[str | None, bool]:
    """The lead of a channel, None where it is no ECG; and whether the device computed it from others.

    Raises RecordingError ("recording.lead"): a lead we do not know, or a code and a meaning that disagree.
    """
    code = channel.code("ChannelSourceSequence")
    number = _number(code)
    by_number = NUMBERED.get(number) or _COMPUTED.get(number)
    if _scheme(code) == "MDC":
        by_number = by_number or MDC_ONLY.get(number)
    named = {lead for lead in (by_number, _spoken(code.value), _spoken(code.meaning)) if lead}
    if len(named) > 1 or (named and number >= 0 and not by_number):
        raise _wrong(channel, f"has the code {_words(code)}, which disagree")
    lead = next(iter(named), None) or _spoken(channel.text("ChannelLabel"))
    if lead is None and (number >= 0 or (_in_volts(channel) and _scheme(code) not in _OTHER_SOURCES)):
        raise _wrong(channel, f"is {_words(code)}, which is no lead we know")
    return lead, number in _COMPUTED


def channel_words(channel: Item) -> str:
    """What a channel is called, for notes."""
    return (
        channel.code("ChannelSourceSequence").meaning[:40] or channel.text("ChannelLabel")[:40] or "unnamed"
    )


def _number(code: Code) -> int:
    """The number of the lead that a code stands for; -1 where it stands for none."""
    form = _CODES.get(_scheme(code))
    match = form.fullmatch(code.value) if form else None
    if match is None:
        return -1
    number = int(match[1])
    return number if _scheme(code) == "MDC" or number <= _LAST_SHARED else -1


def _scheme(code: Code) -> str:
    return code.scheme.upper().replace("-", "")


def _spoken(text: str) -> str | None:
    return lead_name(_PREFIX.sub("", _QUALIFIED.sub("", text.strip())))


def _in_volts(channel: Item) -> bool:
    return channel.code("ChannelSensitivityUnitsSequence").value.endswith("V")


def _words(code: Code) -> str:
    return f"{code.value[:20]!r} ({code.scheme[:16]!r}, {code.meaning[:40]!r})"


def _wrong(channel: Item, what: str) -> RecordingError:
    return RecordingError("recording.lead", f"{channel.name} {what}", HINT)
