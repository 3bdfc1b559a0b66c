"""Sections 7 and 8: what the device measured and wrote.

Neither concerns the samples: what does not fit is left alone.
"""

from __future__ import annotations

import numpy as np

from cardiofusion.readers.details import Details
from cardiofusion.readers.scp.demographics import text_of
from cardiofusion.readers.scp.sections import Section

FIRST_COMPLETE = 13  # version 1.3; files of 1.1 are known with section 7 out of step
UNKNOWN = 19_999  # from here on, numbers say why there is none
MAX_AXIS = 360  # degrees; 999 is none

_BEAT = np.dtype(
    [(name, "<u2") for name in ("p_on", "p_off", "qrs_on", "qrs_off", "t_off")]
    + [(name, "<i2") for name in ("p_axis", "qrs_axis", "t_axis")]
)
_SPIKE_BYTES = 10
_INTERVALS = {
    "p_duration": ("p_on", "p_off"), "pr": ("p_on", "qrs_on"), "qrs": ("qrs_on", "qrs_off"),
    "qt": ("qrs_on", "t_off"),
}  # fmt: skip
_STATUS = {0: "original", 1: "confirmed", 2: "overread"}


def read_measurements(section: Section, details: Details) -> None:
    """Section 7: intervals and axes of the reference beat, heart rate, corrected QT."""
    cursor = section.cursor()
    if section.protocol < FIRST_COMPLETE or cursor.left < 6:
        return
    beats, spikes, rr, _ = (cursor.number(size) for size in (1, 1, 2, 2))
    rate = 60_000 / rr if 0 < rr < UNKNOWN else 0
    if cursor.left >= beats * _BEAT.itemsize and beats:
        _measure_beat(cursor.records(_BEAT, beats)[0], details)
        if cursor.left >= spikes * _SPIKE_BYTES + 2:
            cursor.take(spikes * _SPIKE_BYTES)
            types = cursor.number(2)
            if cursor.left >= types + 7:
                cursor.take(types)
                stated, _, qtc = (cursor.number(2) for _ in range(3))
                rate = stated if 0 < stated < UNKNOWN else rate
                _measure(details, "qtc", qtc)
    _measure(details, "heart_rate", rate)


def read_statements(section: Section, encoding: str, details: Details) -> None:
    """Section 8: the interpretation in words, and whether a physician confirmed it."""
    cursor = section.cursor()
    if cursor.left < 9:
        return
    details.note("status", _STATUS.get(cursor.number(1), ""))
    cursor.take(7)  # when it was confirmed
    for _ in range(cursor.number(1)):
        if cursor.left < 3:
            return
        cursor.take(1)
        details.note("interpretation", text_of(cursor.take(min(cursor.number(2), cursor.left)), encoding))


def _measure_beat(beat: np.void, details: Details) -> None:
    for name, (start, end) in _INTERVALS.items():
        if int(beat[end]) < UNKNOWN:
            _measure(details, name, int(beat[end]) - int(beat[start]))
    for name in ("p_axis", "qrs_axis", "t_axis"):
        if abs(int(beat[name])) <= MAX_AXIS:
            details.measure(name, str(int(beat[name])))


def _measure(details: Details, name: str, value: float) -> None:
    """Keep a time in ms or a rate that is one: 0 and the codes for "unknown" are not."""
    if 0 < value < UNKNOWN:
        details.measure(name, f"{value:.1f}")
