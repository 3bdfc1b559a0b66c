"""WFDB: a header beside a signal file of 16 bits, 1 uV a step, or 32 where those are too few.

Where a recording is not calibrated, its header says no gain, for which WFDB assumes 200 steps a mV.
Source: header(5) and signal(5), WFDB Applications Guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.wfdb.segment import DEFAULT_GAIN
from cardiofusion.records import Recording, RecordingError
from cardiofusion.writers.writer import MICROVOLT, Writer, local_time, microvolts, one_line, plain, stored

TITLE = "WFDB"

_NAME = re.compile(r"[\w-]+", re.ASCII)
_NO_NAME = re.compile(r"[^\w-]", re.ASCII)
_KEY = re.compile(r"[A-Za-z][^:<>]{0,60}")


def encode_header(recording: Recording) -> bytes:
    """NAME.hea, NAME being the record id. Raises RecordingError where that cannot name a record."""
    name = recording.record_id
    if not _NAME.fullmatch(name):
        raise RecordingError(
            "recording.name", f"{name[:80]!r} cannot name a WFDB record", "letters, digits, - and _"
        )
    samples = _samples(recording)
    gain = plain(1.0 / MICROVOLT) if recording.calibrated else "0"
    bits = 8 * samples.itemsize
    lines = [
        f"{name} {len(samples)} {plain(recording.sampling_rate, 15)} {samples.shape[1]}{_clock(recording)}"
    ]
    for lead, row in zip(recording.leads, samples, strict=True):
        layout = f"{name}.dat {bits} {gain}(0)/mV {bits} 0"
        lines.append(f"{layout} {row[0]} {_checksum(row)} 0 {lead}")
    return "".join(f"{line}\n" for line in [*lines, *_comments(recording)]).encode()


def encode_samples(recording: Recording) -> bytes:
    """NAME.dat: the leads take turns, little-endian; the lowest value marks a missing sample."""
    samples = _samples(recording)
    return samples.T.astype(samples.dtype.newbyteorder("<")).tobytes()


def stem(name: str) -> str:
    """The nearest name that a record may have: "Jones 2" is Jones_2."""
    return _NO_NAME.sub("_", name)


def quantum(recording: Recording) -> float:
    return MICROVOLT if recording.calibrated else 1.0 / DEFAULT_GAIN


def _samples(recording: Recording) -> NDArray[np.integer]:
    steps = microvolts(recording)
    if not recording.calibrated:
        steps = np.rint(recording.signal.astype(np.float64) * DEFAULT_GAIN)
    return stored(steps, TITLE)


def _checksum(row: NDArray[np.integer]) -> int:
    """The sum of the samples in 16 bits, as a signed number."""
    return (int(row.sum(dtype=np.int64)) + 0x8000) % 0x10000 - 0x8000


def _clock(recording: Recording) -> str:
    time = local_time(recording)
    if time is None:
        return ""
    return f" {time.time().isoformat()} {time.day:02}/{time.month:02}/{time.year:04}"


def _comments(recording: Recording) -> Iterator[str]:
    """What has no place of its own: the patient, what a device measured, notes."""
    if recording.age is not None:
        yield f"# Age: {plain(recording.age, 3)}"
    if recording.sex is not None:
        yield f"# Sex: {recording.sex.capitalize()}"
    if recording.patient_id is not None:
        yield f"# Patient ID: {one_line(recording.patient_id)}"
    for name, value in recording.measured.items():
        yield f"# {name}: {plain(value, 6)}"
    for key, text in recording.notes.items():
        key, text = one_line(key), one_line(text)
        yield f"# {key}: {text}" if _KEY.fullmatch(key) else f"# note: {key} {text}"


WFDB = Writer(
    name="wfdb",
    title=TITLE,
    suffix=".hea",
    encode=encode_header,
    beside=((".dat", encode_samples),),
    stem=stem,
    quantum=quantum,
)
