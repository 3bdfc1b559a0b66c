"""EDF+ (continuous): 16 bits a sample, a step of 1 uV, or of more where a lead spans over 65 mV.

EDF has no mark for a missing sample: a recording with gaps is refused (an interrupted EDF+D file could hold
those that all leads share, not those of one lead). It knows a date of birth, not an age: the age is left out,
and no birth is made up.

Records are as long as the number of samples divides into, so that none is added or lost; their duration in
seconds has eight characters, so odd rates come with an error of 1e-7.
Source: Kemp et al., Electroenceph Clin Neurophysiol 1992;82:391; Kemp and Olivan, Clin Neurophysiol
2003;114:1755.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from math import ceil, isqrt, log

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.edf.header import HEADER_BYTES
from cardiofusion.readers.edf.reader import FILTERS
from cardiofusion.records import Recording
from cardiofusion.writers.writer import (
    MICROVOLT,
    Writer,
    cutoffs,
    local_time,
    microvolts,
    one_line,
    plain,
    refuse_gaps,
    refuse_uncalibrated,
    unwritable,
)

TITLE = "EDF+"
LOWEST, HIGHEST = -(1 << 15), (1 << 15) - 1
MAX_RECORD_BYTES = 61_440  # as the standard recommends
MAX_RECORDS = 99_999_999  # eight characters

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_PREFILTERS = {key: name for name, key in FILTERS.items()}


def encode(recording: Recording) -> bytes:
    """The file. Raises RecordingError: samples missing or not calibrated, amplitudes beyond its fields."""
    refuse_uncalibrated(recording, TITLE)
    refuse_gaps(recording, TITLE)
    steps = microvolts(recording)
    scales = [_scale(row) for row in steps]
    count, seconds = _layout(steps.shape[1], recording.sampling_rate, len(steps))
    onsets = _onsets(recording, steps.shape[1] // count, seconds)
    header = _header(recording, scales, count, seconds, onsets.shape)
    return header.encode("ascii", "replace") + _data(recording, scales, count, onsets)


def quantum(recording: Recording) -> float:
    """The largest step of a lead, in mV."""
    return max(_scale(row)[0] for row in microvolts(recording)) * MICROVOLT


def _scale(steps: NDArray[np.float64]) -> tuple[int, int]:
    """(step, value at 0) of a lead in whole microvolts: (1, 0) wherever that holds it."""
    low, high = int(steps.min()), int(steps.max())
    if low >= LOWEST and high <= HIGHEST:
        return 1, 0
    step = ceil((high - low) / (HIGHEST - LOWEST))
    return max(step, 1), low - LOWEST * max(step, 1)


def _layout(samples: int, rate: float, leads: int) -> tuple[int, str]:
    """(samples of a lead in a record, its seconds): the rate exact, then of legal size, then about 1 s."""
    small = [number for number in range(1, isqrt(samples) + 1) if samples % number == 0]
    choices = {*small, *(samples // number for number in small)}
    found = [(count, text) for count in choices if (text := _seconds(count / rate)) is not None]

    def merit(choice: tuple[int, str]) -> tuple[float, bool, bool, float]:
        count, read = choice[0], choice[0] / float(choice[1])
        drift = abs(read - rate) * samples / rate
        return round(drift, 6), 2 * leads * count > MAX_RECORD_BYTES, read != rate, abs(log(count / rate))

    possible = [choice for choice in found if samples // choice[0] <= MAX_RECORDS]
    if not possible:
        raise unwritable(TITLE, f"{samples} samples at {rate:g} Hz")
    return min(possible, key=merit)


def _seconds(duration: float) -> str | None:
    """A duration in eight characters; None where they do not hold it."""
    whole = len(str(int(duration)))
    text = plain(duration, max(7 - whole, 0))
    return text if len(text) <= 8 and float(text) > 0 else None


def _onsets(recording: Recording, records: int, seconds: str) -> NDArray[np.uint8]:
    """[record, byte]: when each record began, as EDF+ keeps it; the first has the fraction of a second."""
    time = local_time(recording)
    first = Decimal(0 if time is None else time.microsecond) / 1_000_000
    texts = [f"+{first + number * Decimal(seconds):f}".encode() + b"\x14\x14\0" for number in range(records)]
    width = max(map(len, texts))
    width += width % 2
    return np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8).reshape(-1, width)


def _header(
    recording: Recording, scales: list[tuple[int, int]], count: int, seconds: str, onsets: tuple[int, ...]
) -> str:
    time, signals = local_time(recording), len(scales) + 1
    clock = "00.00.00" if time is None else f"{time.hour:02}.{time.minute:02}.{time.second:02}"
    fixed = (
        ("0", 8), (_patient(recording), 80), (_session(recording, time), 80), (_short_date(time), 8),
        (clock, 8), (str(HEADER_BYTES * (1 + signals)), 8), ("EDF+C", 44), (str(onsets[0]), 8),
        (seconds, 8), (str(signals), 4),
    )  # fmt: skip
    return "".join(_cell(text, width) for text, width in fixed) + _signals(
        recording, scales, count, onsets[1]
    )


def _signals(recording: Recording, scales: list[tuple[int, int]], count: int, width: int) -> str:
    """The table of signals, which is stored column by column."""
    filters = " ".join(f"{_PREFILTERS[key]}:{hertz}Hz" for key, hertz in cutoffs(recording).items())
    rows = [
        ("ECG " + lead, "", "uV", *_limits(*scale), str(LOWEST), str(HIGHEST), filters, str(count), "")
        for lead, scale in zip(recording.leads, scales, strict=True)
    ]
    rows.append(("EDF Annotations", "", "", "-1", "1", str(LOWEST), str(HIGHEST), "", str(width // 2), ""))
    widths = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
    columns = zip(zip(*rows, strict=True), widths, strict=True)
    return "".join(_cell(text, cells) for column, cells in columns for text in column)


def _limits(step: int, zero: int) -> tuple[str, str]:
    """Physical minimum and maximum, in uV."""
    low, high = str(zero + LOWEST * step), str(zero + HIGHEST * step)
    if max(len(low), len(high)) > 8:
        raise unwritable(TITLE, f"amplitudes from {low} to {high} uV")
    return low, high


def _cell(text: str, width: int) -> str:
    return text[:width].ljust(width)


def _field(text: str | None) -> str:
    """A part of a field: EDF+ puts _ for each space, X for what is unknown."""
    return one_line(text or "").replace(" ", "_") or "X"


def _patient(recording: Recording) -> str:
    sex = (recording.sex or "X")[0].upper()
    return f"{_field(recording.patient_id)} {sex} X X"  # birth and name stay unknown


def _session(recording: Recording, time: datetime | None) -> str:
    date = "X" if time is None else f"{time.day:02}-{_MONTHS[time.month - 1]}-{time.year:04}"
    return f"Startdate {date} X X {_field(recording.notes.get('device'))}"


def _short_date(time: datetime | None) -> str:
    """Two digits of a year always, for readers that look at them; the start date has all four."""
    return "01.01.85" if time is None else f"{time.day:02}.{time.month:02}.{time.year % 100:02}"


def _data(
    recording: Recording, scales: list[tuple[int, int]], count: int, onsets: NDArray[np.uint8]
) -> bytes:
    """Record after record: the samples of each lead, rounded once, then when the record began."""
    exact = recording.signal.astype(np.float64) / MICROVOLT
    rows = [np.rint((row - zero) / step) for row, (step, zero) in zip(exact, scales, strict=True)]
    samples = np.stack(rows).astype("<i2").reshape(len(rows), -1, count)
    records = np.ascontiguousarray(samples.transpose(1, 0, 2)).reshape(len(onsets), -1)
    return np.concatenate([records.view(np.uint8), onsets], axis=1).tobytes()


EDF = Writer(name="edf", title=TITLE, suffix=".edf", encode=encode, quantum=quantum)
