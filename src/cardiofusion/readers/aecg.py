"""HL7 aECG (AnnotatedECG, release 1): the rhythm series; representative beats stay apart.

A series holds sequence sets: tables of one time sequence (head and increment) and one sequence a lead
(origin + scale x digit). Leads recorded in turn lie in several sets and are placed by their times.
Source: HL7 aECG Implementation Guide, 21 March 2005; schema PORT_MT020001 of December 2003.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.aecg_details import TIMES, describe
from cardiofusion.readers.decimals import MAX_NUMBERS, as_millivolts, decimals
from cardiofusion.readers.details import Details
from cardiofusion.readers.format import HINT, MAX_RATE, MIN_RATE, Format
from cardiofusion.readers.hl7 import MILLIVOLTS, SECONDS, attribute, code, moment, number, quantity
from cardiofusion.readers.xml import parse_xml, root_name
from cardiofusion.records import Recording, RecordingError, lead_name, standard_leads

MIN_STEP, MAX_STEP = 1e-7, 10.0  # mV a digit
MIN_SECONDS = 1.0  # less is no rhythm
MAX_SPREAD = 16  # cells of the array a stored sample: twelve leads one after the other need 12
EPOCH = datetime(1900, 1, 1)

Leads = dict[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Block:
    """One sequence set.

    clock: TIME_ABSOLUTE or TIME_RELATIVE. start: seconds on that clock, None where the file does not say.
    begin: the same as local time. rate: Hz. leads: samples in mV, equally many of each.
    """

    clock: str
    start: float | None
    begin: datetime | None
    rate: float
    leads: Leads

    @property
    def samples(self) -> int:
        return len(next(iter(self.leads.values())))


def recognises(head: bytes) -> bool:
    return root_name(head) == "AnnotatedECG"


def decode(content: bytes, name: str) -> Recording:
    """The rhythm waveform in mV, NaN where a lead was not recorded. Raises RecordingError."""
    root = parse_xml(content, name)
    series, details = _rhythm(root, name), Details()
    sets = series.iterfind("component/sequenceSet")
    blocks = [block for element in sets if (block := _block(element, details, name)) is not None]
    if not blocks:
        raise RecordingError("recording.empty", f"{name} has a rhythm series without samples", HINT)
    rate = blocks[0].rate
    signal, leads = _placed(blocks, name)
    seconds = signal.shape[1] / rate
    if seconds < MIN_SECONDS:
        raise RecordingError("recording.empty", f"{name} has {seconds:g} s, less than {MIN_SECONDS:g}", HINT)
    if len(blocks) > 1:
        details.note("layout", f"{len(blocks)} sequence sets, placed by their times")
    begins = [block.begin for block in blocks if block.begin is not None]
    describe(details, root, series, min(begins, default=None), seconds)
    signal, leads = standard_leads(signal, leads)
    return Recording(
        signal=signal,
        sampling_rate=rate,
        leads=leads,
        unverified=("header", "samples"),  # aECG carries no checksum
        **details.fields(),
    )


def _rhythm(root: Element, name: str) -> Element:
    """The first rhythm series, of those with sequence sets where there are any."""
    found = [series for series in root.iterfind("component/series") if code(series).upper() == "RHYTHM"]
    if not found:
        raise RecordingError("recording.empty", f"{name} has no rhythm series", HINT)
    return next((series for series in found if series.find("component/sequenceSet") is not None), found[0])


def _block(element: Element, details: Details, name: str) -> Block | None:
    """A sequence set; None where it has no samples."""
    sequences = element.findall("component/sequence")
    times = [sequence for sequence in sequences if code(sequence) in TIMES]
    leads: Leads = {}
    for sequence in sequences:
        if code(sequence) not in TIMES:
            _add_lead(sequence, leads, details, name)
    if not leads:
        return None
    if len({len(row) for row in leads.values()}) != 1:
        raise RecordingError("recording.truncated", f"{name} has leads of different lengths", HINT)
    if not times:
        raise RecordingError("recording.rate", f"{name} has leads without a time sequence", HINT)
    return Block(code(times[0]), *_start(times[0]), _rate(times[0], name), leads)


def _add_lead(sequence: Element, leads: Leads, details: Details, name: str) -> None:
    stored = code(sequence)
    lead = lead_name(stored.removeprefix("MDC_ECG_ELEC_POTL_"))
    if lead is None and stored.startswith("MDC_") and not stored.startswith("MDC_ECG_"):
        details.note("skipped", f"{stored[:60]} is no ECG")
        return
    if lead is None or lead in leads:
        what = "twice" if lead else "which is no lead we know"
        raise RecordingError("recording.lead", f"{name} has {stored[:40]!r} {what}", HINT)
    row = _millivolts(sequence.find("value"), f"lead {lead} of {name}")
    if len(row):
        leads[lead] = row
    else:
        details.note("skipped", f"lead {lead} has no samples")


def _millivolts(value: Element | None, what: str) -> NDArray[np.float32]:
    """One lead: origin + scale x digit."""
    digits = None if value is None else value.find("digits")
    if digits is None or len(digits):
        raise RecordingError("recording.version", f"{what} is no list of scaled digits (SLIST_PQ)", HINT)
    if not (digits.text or "").strip():
        return np.zeros(0, dtype=np.float32)
    scale, origin = (quantity(value, path, MILLIVOLTS) for path in ("scale", "origin"))
    if number(attribute(value, "origin", "value") or "0") == 0.0:
        origin = 0.0  # in any unit
    if scale is None or origin is None:
        raise RecordingError("recording.units", f"{what} has no scale or origin in uV, mV, nV or V", HINT)
    if not MIN_STEP <= scale <= MAX_STEP:
        raise RecordingError(
            "recording.gain", f"{what} has steps of {scale:g} mV, not of {MIN_STEP:g} to {MAX_STEP:g}", HINT
        )
    return as_millivolts(origin + scale * decimals(digits.text or "", what), what)


def _rate(time: Element, name: str) -> float:
    """Hz, by the time sequence's increment."""
    if attribute(time, "value", "period") or attribute(time, "value", "denominator") not in {"", "1"}:
        raise RecordingError("recording.version", f"{name} has times that repeat or pause", HINT)
    text, unit = (attribute(time, "value/increment", key) for key in ("value", "unit"))
    step = number(text)
    if not step or unit not in SECONDS:
        raise RecordingError("recording.rate", f"{name} has a time step of {text[:20]!r} {unit[:10]!r}", HINT)
    rate = round(1.0 / SECONDS[unit]) / step  # 1 / 0.002 and 1000 / 2 are 500 to the last bit
    if not MIN_RATE <= rate <= MAX_RATE:
        raise RecordingError(
            "recording.rate", f"{name} has {rate:g} Hz, not {MIN_RATE:g} to {MAX_RATE:g}", HINT
        )
    return rate


def _start(time: Element) -> tuple[float | None, datetime | None]:
    """When a time sequence begins, in seconds and as local time."""
    begin = moment(attribute(time, "value/head", "value")) if code(time) == "TIME_ABSOLUTE" else None
    if begin is not None:
        return (begin - EPOCH).total_seconds(), begin
    return quantity(time, "value/head", SECONDS), None


def _placed(blocks: list[Block], name: str) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """[lead, sample] of all blocks by their times, NaN where a lead was not recorded; and the leads."""
    starts = _starts(blocks, name)
    leads = tuple(dict.fromkeys(lead for block in blocks for lead in block.leads))
    span = max(start + block.samples for start, block in zip(starts, blocks, strict=True))
    held = sum(block.samples * len(block.leads) for block in blocks)
    if span * len(leads) > min(MAX_SPREAD * held, MAX_NUMBERS):
        raise RecordingError(
            "recording.size",
            f"{name} has {len(leads)} leads over {span / blocks[0].rate:.0f} s",
            f"at most {MAX_NUMBERS:,} samples, and {MAX_SPREAD} times what is stored, are read",
        )
    signal = np.full((len(leads), span), np.nan, dtype=np.float32)
    for start, block in zip(starts, blocks, strict=True):
        for lead, row in block.leads.items():
            _place(signal[leads.index(lead), start : start + len(row)], row, f"lead {lead} of {name}")
    return signal, leads


def _place(slot: NDArray[np.float32], row: NDArray[np.float32], what: str) -> None:
    """Fill a slot. What two sets say of one moment must agree (a rhythm strip below four columns)."""
    taken = ~np.isnan(slot)
    if (slot[taken] != row[taken]).any():
        raise RecordingError("recording.lead", f"{what} stands twice, and differs, at one time", HINT)
    slot[:] = row


def _starts(blocks: list[Block], name: str) -> list[int]:
    """The first sample of each block, the earliest 0."""
    if len({block.rate for block in blocks}) > 1:
        raise RecordingError("recording.rate", f"{name} has leads at different rates", HINT)
    starts = [block.start for block in blocks if block.start is not None]
    if len(blocks) == 1:
        return [0]
    if len(starts) < len(blocks) or len({block.clock for block in blocks}) > 1:
        raise RecordingError("recording.header", f"{name} has sequence sets without a common clock", HINT)
    return [round((start - min(starts)) * blocks[0].rate) for start in starts]


AECG = Format(name="HL7 aECG", files="XML", recognises=recognises, decode=decode)
