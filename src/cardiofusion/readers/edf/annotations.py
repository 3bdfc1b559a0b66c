"""The annotations of EDF+ and BDF+: when each record began, and how many remarks there are.

The first list of each record is [+-]seconds, two bytes of 20, and 0; others have remarks in between.
Source: Kemp and Olivan 2003, 2.2.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.edf.header import Header
from cardiofusion.readers.format import HINT
from cardiofusion.records import RecordingError

JITTER = 0.005  # s by which records may seem to miss each other: times are written with few digits

_ONSET = re.compile(rb"([+-]\d{1,12}(?:\.\d{0,12})?)\x14\x14")


def record_onsets(content: bytes, header: Header) -> NDArray[np.float64] | None:
    """Seconds from the header's time to each record; None where the file does not say.

    Raises RecordingError where only some records say it: in a file with bytes lost or put in, they all shift.
    """
    matches = [_ONSET.match(chunk) for chunks in _chunks(content, header)[:1] for chunk in chunks]
    onsets = [float(match[1]) for match in matches if match]
    if len(onsets) not in {0, header.records}:
        raise _wrong(header, f"has {header.records - len(onsets)} records that do not say when they began")
    return np.array(onsets) if onsets else None


def count_remarks(content: bytes, header: Header) -> int:
    """Remarks in all annotation signals."""
    lists = (part for chunks in _chunks(content, header) for chunk in chunks for part in chunk.split(b"\0"))
    return sum(len([text for text in part.split(b"\x14")[1:] if text]) for part in lists)


def pauses(onsets: NDArray[np.float64] | None, header: Header, rate: float) -> NDArray[np.int64]:
    """How many samples are missing before each record.

    Raises RecordingError: records that overlap, that miss each other in a file that is said to be
    uninterrupted, or that do not say when they began in one that is interrupted.
    """
    missing = np.zeros(header.records, dtype=np.int64)
    if onsets is None:
        if header.interrupted:
            raise _wrong(header, "is interrupted and does not say when each of its records began")
        return missing
    late = np.diff(onsets) - header.duration
    if (late < -JITTER).any():
        raise _wrong(header, "has records that begin before the one before has ended")
    missing[1:] = np.where(late > JITTER, np.rint(late * rate), 0)
    if missing.any() and not header.interrupted:
        raise _wrong(header, "is said to be uninterrupted, and its records are apart in time")
    return missing


def _chunks(content: bytes, header: Header) -> list[list[bytes]]:
    """[annotation signal][record] -> its bytes."""
    found = []
    for signal in header.signals:
        if signal.annotations and signal.samples:
            size, octets = signal.samples * header.width, header.octets(content, signal).tobytes()
            found.append([octets[start : start + size] for start in range(0, len(octets), size)])
    return found


def _wrong(header: Header, what: str) -> RecordingError:
    return RecordingError("recording.header", f"{header.name} {what}", HINT)
