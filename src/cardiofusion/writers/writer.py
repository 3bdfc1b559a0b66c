"""What a file format must offer to be written, and what writers share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording, RecordingError

KEEPS_MOST = "WFDB"
MICROVOLT = 0.001  # mV: the step of all formats that count in whole numbers
FILTERS = ("high-pass filter", "low-pass filter", "mains filter")  # keys of notes, as readers have them

_HERTZ = re.compile(r"(\d{1,5}(?:\.\d{1,4})?)\s*Hz", re.ASCII | re.IGNORECASE)

_SAID = (  # all of a Recording that files of ours hold, but the samples
    "leads", "sampling_rate", "patient_id", "age", "sex", "time", "calibrated", "measured", "notes",
)  # fmt: skip

Encode = Callable[[Recording], bytes]


def _one_microvolt(_: Recording) -> float:
    return MICROVOLT


@dataclass(frozen=True)
class Writer:
    """A format that recordings are written in.

    name: as `--format` takes it. title: for words. suffix: of the file that is read again.
    encode: a Recording -> the content of that file; raises RecordingError where the format cannot hold it.
    beside: (suffix, encode) of the files that belong to it.
    stem: a name -> the nearest one that the format allows a file to have.
    quantum: the step in mV in which a Recording is stored, 0 where it is stored exactly.
    """

    name: str
    title: str
    suffix: str
    encode: Encode
    beside: tuple[tuple[str, Encode], ...] = ()
    stem: Callable[[str], str] = str
    quantum: Callable[[Recording], float] = _one_microvolt


def unwritable(title: str, what: str) -> RecordingError:
    """A format that cannot keep `what`."""
    return RecordingError("recording.unwritable", f"{title} cannot keep {what}", other_format(title))


def other_format(title: str) -> str:
    """The hint where a format refuses."""
    return "choose another format" + ("" if title == KEEPS_MOST else f": {KEEPS_MOST} keeps the most")


def refuse_gaps(recording: Recording, title: str) -> None:
    """Raises RecordingError where samples are missing: for formats without a mark for them."""
    if np.isnan(recording.signal).any():
        raise unwritable(title, "missing samples")


def refuse_uncalibrated(recording: Recording, title: str) -> None:
    """Raises RecordingError where the amplitudes are not sure to be mV: for formats that cannot say so."""
    if not recording.calibrated:
        raise unwritable(title, "that the amplitudes are not calibrated")


def microvolts(recording: Recording) -> NDArray[np.float64]:
    """[lead, sample] in whole microvolts, NaN where missing. Raises RecordingError where infinite."""
    if np.isinf(recording.signal).any():
        raise RecordingError(
            "recording.range", f"{recording.record_id} has infinite samples", "check how it was made"
        )
    return np.rint(recording.signal.astype(np.float64) / MICROVOLT)


def stored(steps: NDArray[np.float64], title: str, bits: int = 16) -> NDArray[np.integer]:
    """Whole numbers in `bits` where they fit, else in 32; the lowest stands for NaN.

    Raises RecordingError where 32 bits are too few.
    """
    highest = np.nanmax(np.abs(steps), initial=0.0)
    for width in (bits, 32):
        limits = np.iinfo(f"i{width // 8}")
        if highest <= limits.max:
            return np.where(np.isnan(steps), limits.min, steps).astype(limits.dtype)
    raise unwritable(title, f"amplitudes of {highest * MICROVOLT:g} mV")


def plain(value: float, places: int | None = None) -> str:
    """A decimal number without exponent: the shortest that reads back the same, or of `places` decimals."""
    return np.format_float_positional(value, precision=places, trim="-")


def one_line(text: str) -> str:
    """Text without line breaks and control characters, which no header allows."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def local_time(recording: Recording) -> datetime | None:
    """The recording's local time, without a zone: none of the formats' readers looks at one."""
    return None if recording.time is None else recording.time.replace(tzinfo=None)


def digits_of(moment: datetime) -> str:
    """YYYYMMDDHHMMSS.UUUUUU, as DICOM (DT) and HL7 (TS) have it."""
    return re.sub("[-:T]", "", moment.isoformat(timespec="microseconds"))


def cutoffs(recording: Recording) -> dict[str, str]:
    """Of FILTERS, those that the recording notes as a plain frequency in Hz: key -> Hz."""
    found = {key: _HERTZ.fullmatch(recording.notes.get(key, "").strip()) for key in FILTERS}
    return {key: match[1] for key, match in found.items() if match}


def identity(recording: Recording, what: str) -> UUID:
    """A UUID that follows from the content: converted again, a recording keeps its identifiers.

    what: tells the identifiers of one file apart. The record id is no part of it, nor the file it came from.
    """
    said = [what, *(f"{name}={_stated(getattr(recording, name))}" for name in _SAID)]
    digest = sha256(repr(said).encode())
    digest.update(np.ascontiguousarray(recording.signal).tobytes())
    return UUID(bytes=digest.digest()[:16], version=5)


def _stated(value: object) -> str:
    """The same words for the same value, in whichever order a mapping was filled."""
    return repr(sorted(value.items()) if isinstance(value, Mapping) else value)


def step_between(rate: float, a_second: float = 1.0) -> float:
    """The time between two samples, `a_second` units being one second: the one that reads back as `rate`.

    1 / (1 / 49) is not 49 in floating point; a neighbour of 1 / 49 mends that.
    """
    step = a_second / rate
    near = (step, float(np.nextafter(step, 0.0)), float(np.nextafter(step, np.inf)))
    return next((value for value in near if a_second / value == rate), step)
