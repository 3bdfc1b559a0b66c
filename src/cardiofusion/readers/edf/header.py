"""The header of EDF and BDF: text of fixed widths, 256 bytes for the file and 256 for each signal.

The data follow in records of equal duration, the signals one after another in each, every signal with a
number of samples of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import number
from cardiofusion.readers.format import HINT
from cardiofusion.records import RecordingError

HEADER_BYTES = 256
VERSIONS = {b"0       ": 2, b"\xffBIOSEMI": 3}  # -> bytes of a sample, little-endian and signed
UNKNOWN_RECORDS = -1  # while the recording runs, and after a crash

_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_WHOLE = re.compile(r"-?\d{1,8}", re.ASCII)
_ANNOTATIONS = frozenset({"EDF Annotations", "BDF Annotations"})


@dataclass(frozen=True)
class Signal:
    """One signal as the header has it.

    dimension: unit of `physical`. physical, digital: (minimum, maximum), as text. samples: in each record.
    offset: bytes from the start of a record.
    """

    label: str
    dimension: str
    physical: tuple[str, str]
    digital: tuple[str, str]
    prefilter: str
    samples: int
    offset: int

    @property
    def annotations(self) -> bool:
        return self.label in _ANNOTATIONS

    def scale(self, name: str) -> tuple[float, float]:
        """(a step, and the value at 0) in the signal's unit; a step is negative for an inverting amplifier.

        Raises RecordingError ("recording.gain") where the header's ranges give none.
        """
        limits = [number(text) for text in (*self.physical, *self.digital)]
        words = f"{self.label!r} of {name} has the ranges {' '.join((*self.physical, *self.digital))[:40]!r}"
        if None in limits:
            raise RecordingError("recording.header", f"{words}, which are no numbers", HINT)
        low, high, lowest, highest = (value for value in limits if value is not None)
        if lowest >= highest or low == high:
            raise RecordingError("recording.gain", f"{words}, which give no gain", HINT)
        step = (high - low) / (highest - lowest)
        return step, low - lowest * step


@dataclass(frozen=True)
class Header:
    """width: bytes of a sample. size: bytes of the header. records: as many as there are. duration: s.

    patient, recording, date, clock, reserved: the header's fields. unstated: whether it leaves open how many
    records there are. trailing: bytes after the last one, zeros or a record that was not finished.
    """

    name: str
    width: int
    patient: str
    recording: str
    date: str
    clock: str
    reserved: str
    size: int
    records: int
    duration: float
    signals: tuple[Signal, ...]
    unstated: bool
    trailing: int

    @property
    def plus(self) -> bool:
        """Whether this is EDF+ or BDF+, with its fields of patient and recording."""
        return self.reserved[:5] in {"EDF+C", "EDF+D", "BDF+C", "BDF+D"}

    @property
    def interrupted(self) -> bool:
        return self.plus and self.reserved[4] == "D"

    @cached_property
    def record_bytes(self) -> int:
        return sum(signal.samples for signal in self.signals) * self.width

    def octets(self, content: bytes, signal: Signal) -> NDArray[np.uint8]:
        """The bytes of a signal: [record, byte]."""
        data = np.frombuffer(content, np.uint8, self.records * self.record_bytes, self.size)
        records = data.reshape(self.records, self.record_bytes)
        return records[:, signal.offset : signal.offset + signal.samples * self.width]

    def digital(self, content: bytes, signal: Signal) -> NDArray[np.integer]:
        """The samples of a signal as stored, all records after one another."""
        octets = np.ascontiguousarray(self.octets(content, signal)).reshape(-1, self.width)
        if self.width == 2:
            return octets.view("<i2").ravel()
        padded = np.zeros((len(octets), 4), dtype=np.uint8)
        padded[:, 1:] = octets
        return padded.view("<i4").ravel() >> 8

    def physical(self, content: bytes, signal: Signal) -> NDArray[np.float64]:
        """The samples of a signal in its unit. Raises RecordingError where the header gives no gain."""
        step, zero = signal.scale(self.name)
        values: NDArray[np.float64] = np.multiply(self.digital(content, signal), step, dtype=np.float64)
        values += zero
        return values


def read_header(content: bytes, name: str) -> Header:
    """Raises RecordingError where the header is damaged, or is no header of this file."""
    text = content[:HEADER_BYTES].decode("latin-1")
    if len(text) < HEADER_BYTES:
        raise _truncated(f"{name} has {len(content)} bytes, its header alone has {HEADER_BYTES}")
    count, size = _whole(text[252:256], "signals", name), _whole(text[184:192], "bytes of header", name)
    if count < 1 or size != HEADER_BYTES * (count + 1):
        raise RecordingError("recording.header", f"{name} declares {count} signals in {size} bytes", HINT)
    if size > len(content):
        raise _truncated(f"{name} has {len(content)} bytes, its header alone has {size}")
    width = VERSIONS.get(content[:8], 2)
    signals = _signals(content[HEADER_BYTES:size].decode("latin-1"), count, width, name)
    declared = _whole(text[236:244], "records", name)
    records, trailing = _records(declared, len(content) - size, signals, width, name)
    if declared != UNKNOWN_RECORDS and content[len(content) - trailing :].strip(b"\0"):
        what = f"{trailing} bytes more than its records"
        raise RecordingError("recording.header", f"{name} holds {what}: samples may be shifted", HINT)
    duration = number(text[244:252].strip(" \0"))
    if duration is None:
        raise RecordingError("recording.header", f"{name} has records of {text[244:252]!r} seconds", HINT)
    return Header(
        name=name,
        width=width,
        patient=text[8:88].strip(),
        recording=text[88:168].strip(),
        date=text[168:176].strip(),
        clock=text[176:184].strip(),
        reserved=text[192:236].strip(),
        size=size,
        records=records,
        duration=duration,
        signals=signals,
        unstated=declared == UNKNOWN_RECORDS,
        trailing=trailing,
    )


def _signals(text: str, count: int, width: int, name: str) -> tuple[Signal, ...]:
    """The table of signals, which is stored column by column."""
    columns, start = [], 0
    for cells in _WIDTHS:
        ends = range(start, start + count * cells, cells)
        columns.append([text[end : end + cells].strip(" \0") for end in ends])
        start += count * cells
    label, _, dimension, low, high, lowest, highest, prefilter, samples, _ = columns
    signals, offset = [], 0
    for k in range(count):
        each = _whole(samples[k], "samples in a record", name)
        if each < 0:
            raise RecordingError("recording.header", f"{name} has {each} samples in a record", HINT)
        ranges = (low[k], high[k]), (lowest[k], highest[k])
        signals.append(Signal(label[k], dimension[k], *ranges, prefilter[k], each, offset))
        offset += each * width
    return tuple(signals)


def _records(declared: int, held: int, signals: tuple[Signal, ...], width: int, name: str) -> tuple[int, int]:
    """(records to read, bytes left over). Raises RecordingError where they are not as many as declared."""
    record_bytes = sum(signal.samples for signal in signals) * width
    if declared < UNKNOWN_RECORDS or not record_bytes:
        what = f"{declared} records of {record_bytes} bytes"
        raise RecordingError("recording.header", f"{name} declares {what}", HINT)
    present, trailing = divmod(held, record_bytes)
    if declared > present:
        raise _truncated(f"{name} holds {present} records of the {declared} that it declares")
    if declared not in {present, UNKNOWN_RECORDS}:
        what = f"{present} records, its header declares {declared}"
        raise RecordingError("recording.header", f"{name} holds {what}", HINT)
    if not present:
        raise RecordingError("recording.empty", f"{name} holds no samples", HINT)
    return present, trailing


def _whole(text: str, what: str, name: str) -> int:
    text = text.strip(" \0")
    if not _WHOLE.fullmatch(text):
        raise RecordingError(
            "recording.header", f"{name} has {text[:8]!r} in place of its number of {what}", HINT
        )
    return int(text)


def _truncated(what: str) -> RecordingError:
    return RecordingError(
        "recording.truncated", what, "the file was cut short; copy it again from its source"
    )
