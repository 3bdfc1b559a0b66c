"""Section 4: where the beats lie, from where to where a reference beat was subtracted, and what is protected.

Sample numbers are those of section 3, counted from 1; those in the reference beat too.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT
from cardiofusion.readers.scp.leads import Lead
from cardiofusion.readers.scp.sections import Section
from cardiofusion.records import RecordingError

MAX_BEATS = 10_000

_ZONE = np.dtype([("type", "<u2"), ("first", "<u4"), ("fiducial", "<u4"), ("last", "<u4")])
_AREA = np.dtype([("first", "<u4"), ("last", "<u4")])


@dataclass(frozen=True)
class Beats:
    """length: of the reference beat, ms. fiducial: its sample that lies on a beat's fiducial.

    zones: (first, fiducial, last) of the beats from which the reference beat was subtracted.
    protected: (first, last) of the areas that keep every sample, in order; None where the section names none.
    """

    length: int
    fiducial: int
    zones: tuple[tuple[int, int, int], ...]
    protected: tuple[tuple[int, int], ...] | None
    what: str

    def samples(self, interval: int) -> int:
        """Of the reference beat, at this interval in microseconds."""
        return round(1000 * self.length / interval)

    def add(self, signal: NDArray[np.int64], lead: Lead, beat: NDArray[np.int64]) -> None:
        """Add the reference beat where it was subtracted, as far as beat and lead reach."""
        added = 0
        for first, fiducial, last in self.zones:
            offset = self.fiducial - 1 - fiducial  # from a sample's number to its place in the beat
            first = max(first, lead.first, -offset)
            last = min(last, lead.last, len(beat) - 1 - offset)
            if first <= last:
                added += last - first + 1
                self._check_added(added, lead)
                signal[first - lead.first : last - lead.first + 1] += beat[first + offset : last + offset + 1]

    def stretches(self, lead: Lead) -> list[tuple[int, bool]]:
        """(samples, protected) of the stretches that follow each other in a lead."""
        found = []
        position = lead.first
        for first, last in self.protected or ():
            first, last = max(first, position), min(last, lead.last)
            if first <= last:
                found += [(first - position, False), (last - first + 1, True)]
                position = last + 1
        return [*found, (lead.last - position + 1, False)]

    def _check_added(self, added: int, lead: Lead) -> None:
        if added > 2 * lead.samples:
            raise RecordingError(
                "recording.header", f"{self.what} has beats that lie on top of each other", HINT
            )


def read_beats(section: Section) -> Beats:
    """Section 4. Raises RecordingError."""
    cursor = section.cursor()
    length, fiducial, count = (cursor.number(2) for _ in range(3))
    if count > MAX_BEATS:
        raise RecordingError(
            "recording.size", f"{section.what} has {count} beats", f"at most {MAX_BEATS:,} are read"
        )
    zones = cursor.records(_ZONE, count).tolist()
    protected = None
    if cursor.left >= count * _AREA.itemsize:  # versions 1.0 and 1.1 have none
        protected = _areas(cursor.records(_AREA, count).tolist(), section.what)
    return Beats(
        length=length,
        fiducial=fiducial,
        zones=tuple((first, middle, last) for kind, first, middle, last in zones if kind == 0),
        protected=protected,
        what=section.what,
    )


def _areas(areas: list[tuple[int, int]], what: str) -> tuple[tuple[int, int], ...]:
    used = [(first, last) for first, last in areas if 1 <= first <= last]
    if any(before[1] >= after[0] for before, after in pairwise(used)):
        raise RecordingError("recording.header", f"{what} has protected areas that overlap", HINT)
    return tuple(used)
