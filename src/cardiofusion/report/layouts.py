"""Where leads stand on ECG paper: layouts, and the geometry of a sheet in millimetres."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from cardiofusion.records import Recording

SPEEDS = (25.0, 50.0)  # mm/s
GAINS = (5.0, 10.0, 20.0)  # mm/mV
RIGHT, TOP = 5.0, 10.0  # mm around the traces; the left margin is the layout's
LINE, FOOT = 4.2, 7.4  # mm: a line of words below the traces; what is left around all of them
_LEAST_REACH = 25.0  # mm: narrow rows overlap, as on any 12 x 1 sheet, rather than cut a QRS


@dataclass(frozen=True)
class Layout:
    """rows: leads from left to right, each row from top to bottom. rhythm: a whole strip of II below.

    row_height: mm between baselines at 10 mm/mV or less. left: mm before the traces, `named` of them for
    lead names; 0 where names stand over the traces.
    """

    name: str
    rows: tuple[tuple[str, ...], ...]
    rhythm: bool
    row_height: float
    left: float
    named: float

    @property
    def columns(self) -> int:
        """Leads side by side."""
        return len(self.rows[0])

    @property
    def leads(self) -> tuple[str, ...]:
        """All that have a place of their own."""
        return tuple(lead for row in self.rows for lead in row)


_LIMBS, _CHEST = ("I", "II", "III", "aVR", "aVL", "aVF"), ("V1", "V2", "V3", "V4", "V5", "V6")
_COLUMNS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
STANDARD = "3x4+II"
LAYOUTS: Mapping[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(STANDARD, _COLUMNS, True, 30.0, 15.0, 0.0),
        Layout("6x2", tuple(zip(_LIMBS, _CHEST, strict=True)), False, 22.0, 15.0, 0.0),
        Layout("12x1", tuple((lead,) for lead in (*_LIMBS, *_CHEST)), False, 18.0, 20.0, 9.0),
    )
}


@dataclass(frozen=True)
class Strip:
    """A stretch of one lead on paper: `row` from 0, `left` in mm, `begin` and `length` in seconds."""

    lead: str
    row: int
    left: float
    begin: float
    length: float


@dataclass(frozen=True)
class Paper:
    """One sheet: speed in mm/s, gain in mm/mV, `seconds` drawn from `start` s on, rows `row_height` mm apart.

    n_lines: of words below the traces.
    """

    layout: Layout
    speed: float
    gain: float
    seconds: float
    start: float
    n_rows: int
    row_height: float
    n_lines: int

    @property
    def left(self) -> float:
        """Where traces begin."""
        return self.layout.left

    @property
    def reach(self) -> float:
        """How far a trace may leave its baseline, in mm, before it is cut."""
        return max(self.row_height - 5.0, _LEAST_REACH)

    @property
    def width(self) -> float:
        """Of the whole drawing, in mm."""
        return self.left + self.seconds * self.speed + RIGHT

    @property
    def bottom(self) -> float:
        """Where the rows end."""
        return TOP + self.n_rows * self.row_height

    @property
    def height(self) -> float:
        """Of the whole drawing, in mm."""
        return self.bottom + FOOT + self.n_lines * LINE

    def baseline(self, row: int) -> float:
        """On a line of the grid."""
        return float(math.floor(TOP + (row + 0.5) * self.row_height + 0.5))


def paper_for(
    recording: Recording,
    layout: Layout,
    speed: float,
    gain: float,
    seconds: float,
    start: float,
    row_height: float | None,
    n_lines: int,
) -> Paper:
    """row_height: of a sheet that has no room for the layout's own, else None."""
    height = layout.row_height * max(1.0, gain / 10.0) if row_height is None else row_height
    n_rows = len(layout.rows) + _below(recording, layout)
    return Paper(layout, speed, gain, seconds, start, n_rows, height, n_lines)


def strips_of(recording: Recording, paper: Paper) -> list[Strip]:
    """Each column shows its own stretch; where the recording is too short for that, its last (or all of it).

    The last row is II, or the first lead there is, in a layout with a rhythm strip, and wherever no other
    row would show anything.
    """
    length = paper.seconds / paper.layout.columns
    available = min(paper.seconds, recording.duration - paper.start)
    strips = []
    for row, leads in enumerate(paper.layout.rows):
        for position, lead in enumerate(leads):
            begin = min(position * length, max(0.0, available - length))
            left = paper.left + position * length * paper.speed
            strips.append(Strip(lead, row, left, paper.start + begin, length))
    if paper.n_rows == len(paper.layout.rows):
        return strips
    rhythm = "II" if "II" in recording.leads else recording.leads[0]
    return [*strips, Strip(rhythm, paper.n_rows - 1, paper.left, paper.start, paper.seconds)]


def _below(recording: Recording, layout: Layout) -> bool:
    return layout.rhythm or not set(layout.leads) & set(recording.leads)
