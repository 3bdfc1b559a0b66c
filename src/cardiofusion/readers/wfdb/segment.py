"""An ordinary WFDB record, which may be a segment of another: opened, then read.

Opening parses the header and compares what it declares with what the files hold. Only then is memory taken,
and reading verifies every signal and turns ADC units into mV.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details
from cardiofusion.readers.wfdb.content import Content
from cardiofusion.readers.wfdb.formats import missing_marker
from cardiofusion.readers.wfdb.header import NULL, Header, SignalLine, parse_header
from cardiofusion.readers.wfdb.samples import MAX_SAMPLES, SignalFile
from cardiofusion.records import LEADS, RecordingError, lead_name

MAX_HEADER_BYTES = 1 << 18
MIN_GAIN, MAX_GAIN = 1e-3, 1e9  # ADC units a mV
DEFAULT_GAIN = 200.0  # what header(5) lets one assume for a signal that is not calibrated

_UNITS = {"mv": 1.0, "uv": 1e3, "μv": 1e3, "v": 1e-3}  # units a mV; casefold turns either µ into μ
# Channels of bedside monitors that some data sets leave without a unit, and chest leads without a place.
_NO_LEADS = frozenset({"abp", "art", "cvp", "icp", "mcl", "pap", "pleth", "resp", "v"})
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True)
class Segment:
    """A record whose lengths have been checked.

    n_signals: of any kind. leads: lead -> its line. files: of all signals. frames: its length.
    """

    n_signals: int
    leads: Mapping[str, SignalLine]
    files: Sequence[SignalFile]
    frames: int

    @property
    def covered(self) -> bool:
        """Whether any one changed byte of the samples shows in a checksum."""
        return all(file.covered for file in self.files)

    def read(self, rows: Mapping[str, NDArray[np.float32]], details: Details) -> None:
        """Fill each lead's row with its mV; samples that are not there stay as they are.

        Verifies every signal, also those that are no ECG. Raises RecordingError.
        """
        row_of = {line: rows[lead] for lead, line in self.leads.items() if lead in rows}
        for file in self.files:
            signals = [_Signal(line, row_of.get(line)) for line in file.lines]
            for chunk in file.read(self.frames):
                for signal, stored in zip(signals, chunk, strict=True):
                    signal.take(stored)
            for signal in signals:
                signal.verify()
            details.note("trailing bytes", file.trailing(self.frames))


def read_header(name: str, content: Content) -> Header:
    """The header in this file. Raises RecordingError."""
    size = content.size(name)
    if size is None:
        raise RecordingError(
            "recording.missing",
            f"the header {name!r} is missing",
            "a WFDB record is a header and its signal files, and those of its segments, side by side",
        )
    if size > MAX_HEADER_BYTES:
        raise RecordingError(
            "recording.header", f"{name} is larger than {MAX_HEADER_BYTES} bytes", "this is no WFDB header"
        )
    raw = content.read(name, 0, size).tobytes()
    if _CONTROL.search(raw):
        raise RecordingError("recording.header", f"{name} is not text", "this is no WFDB header")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")  # older records; it decodes anything, the grammar judges
    return parse_header(text, name)


def open_segment(name: str, header: Header, content: Content, details: Details, frames: int = 0) -> Segment:
    """The record of this header, in the file `name`.

    frames: where another header declares the length. Raises RecordingError where the files do not hold what
    is declared.
    """
    leads = ecg_lines(header, details)
    files = _signal_files(header, content)
    frames = frames or header.samples or min((file.frames for file in files), default=0)
    _check_length(name, frames, header)
    for file in files:
        file.check(frames)
    return Segment(len(header.signals), leads, files, frames)


def ecg_lines(header: Header, details: Details) -> dict[str, SignalLine]:
    """Lead -> its line. Other channels (pressure, breathing) are left out, and noted."""
    kept: dict[str, SignalLine] = {}
    for line in header.signals:
        if line.units.casefold() not in _UNITS or line.description.casefold() in _NO_LEADS:
            words = f"{line.description or 'a channel'} in {line.units}"
            if words not in details.notes.get("skipped", ""):  # once, however many segments have it
                details.note("skipped", words)
            continue
        lead = lead_name(line.description)
        if lead is None or lead in kept:
            what = (
                f"the lead {line.description[:40]!r}" if line.description else "a signal without a lead name"
            )
            raise RecordingError(
                "recording.lead",
                f"{header.name} has {what}{' twice' if lead else ''}",
                f"each lead once, by its standard name: {', '.join(LEADS)}, MLII, X, Y, Z, V7 ...",
            )
        kept[lead] = line
    return kept


def _signal_files(header: Header, content: Content) -> list[SignalFile]:
    names = dict.fromkeys(line.file for line in header.signals if line.file != NULL)
    groups = [tuple(line for line in header.signals if line.file == name) for name in names]
    return [SignalFile.open(content, lines) for lines in groups]


def _check_length(source: str, frames: int, header: Header) -> None:
    if frames == 0:
        raise RecordingError("recording.empty", f"{source} holds no samples", "copy it again from its source")
    width = sum(line.frame for line in header.signals)
    if frames * width > MAX_SAMPLES:
        raise RecordingError(
            "recording.size",
            f"{source} declares {frames} frames of {width} samples",
            f"at most {MAX_SAMPLES} in all are read; cut out the part you need",
        )
    if max(line.skew for line in header.signals) >= frames:
        raise RecordingError(
            "recording.header", f"{source} skews a signal by more than its length", "correct the header"
        )


class _Signal:
    """One signal while it is read, chunk after chunk, into a row of mV where it is of a lead."""

    def __init__(self, line: SignalLine, row: NDArray[np.float32] | None) -> None:
        self.line, self.row = line, row
        self.gain = 0.0 if row is None else _gain(line)
        self.position = -line.skew * line.frame  # of the next sample in the row
        self.first: int | None = None
        self.sum = 0

    def take(self, stored: NDArray[np.integer]) -> None:
        """The next ADC values."""
        if self.first is None:
            self.first = int(stored[0])
        self.sum += int(stored.sum(dtype=np.int64))
        if self.row is not None:
            kept = stored[max(-self.position, 0) :]
            end = self.position + len(stored)
            self._write(kept, self.row[end - len(kept) : end])
        self.position += len(stored)

    def _write(self, stored: NDArray[np.integer], row: NDArray[np.float32]) -> None:
        physical = np.subtract(stored, self.line.baseline, dtype=np.float64)
        physical /= self.gain
        row[:] = physical
        marker = missing_marker(self.line.format)
        if marker is not None and (missing := stored == marker).any():
            row[missing] = np.nan

    def verify(self) -> None:
        """The header's checksum (16-bit sum of the ADC values) and first value against what was stored."""
        name = f"{self.line.description} in {self.line.file}"
        if self.line.checksum is not None and (self.sum - self.line.checksum) & 0xFFFF:
            raise RecordingError(
                "recording.checksum",
                f"the samples of {name} do not add up to their checksum",
                "the file was changed or damaged, or is not this header's; copy both again from their source",
            )
        if self.line.initial is not None and self.first != self.line.initial:
            raise RecordingError(
                "recording.initial_value",
                f"{name} begins with {self.first}, its header says {self.line.initial}",
                "header and signal file do not belong together; copy both again from their source",
            )


def _gain(line: SignalLine) -> float:
    """ADC units a mV. Raises RecordingError where that cannot be."""
    gain = (line.gain or DEFAULT_GAIN) * _UNITS[line.units.casefold()]
    if not MIN_GAIN <= gain <= MAX_GAIN:
        raise RecordingError(
            "recording.gain",
            f"{line.description} in {line.file} has a gain of {line.gain:g}/{line.units}",
            f"a gain is {MIN_GAIN:g} to {MAX_GAIN:g} ADC units a mV; correct the header",
        )
    return gain
