"""ECG paper: true-scale SVG, 3 x 4 leads and a rhythm strip.

One user unit is one millimetre. Traces are written in hundredths of a millimetre, relative, which keeps
ten seconds of twelve leads at 500 Hz near 100 kB. Paper speed, gain, grid and the 1 mV pulse follow the
AHA/ACCF/HRS recommendations (Kligfield et al., Circulation 2007). Nothing is filtered for display.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

from cardiofusion.records import InputError, Recording
from cardiofusion.report.wording import clean, identity, number

LAYOUT = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
MAX_SECONDS = 20.0
MAX_RATE = 500.0  # points a second drawn; denser recordings keep each bin's lowest and highest sample
MAX_TEXT = 150
MAX_OFFSET = 0.5  # mV; a lead whose median lies further out is moved onto its baseline, and the sheet says so
HEAT_LEVELS = 8
PULSE_SECONDS = 0.2

_LEFT, _RIGHT, _TOP, _FOOT = 15.0, 5.0, 10.0, 20.0
_ROW = 30.0  # mm between baselines at 10 mm/mV or less
_FINE = 100  # trace units a millimetre
_PAPER, _INK, _HEAT = "#fffaf8", "#111", "#1f4fc4"
_HALO = f'stroke="{_PAPER}" stroke-width=".7" paint-order="stroke"'


@dataclass(frozen=True)
class _Strip:
    """A stretch of one lead on paper: `row` 0-3, `left` in mm, `begin` and `length` in seconds."""

    lead: str
    row: int
    left: float
    begin: float
    length: float


@dataclass(frozen=True)
class _Paper:
    speed: float
    gain: float
    seconds: float
    start: float

    @property
    def row_height(self) -> float:
        return _ROW * max(1.0, self.gain / 10.0)

    @property
    def reach(self) -> float:
        """How far a trace may leave its baseline, in mm, before it is cut."""
        return self.row_height - 5.0

    @property
    def width(self) -> float:
        return _LEFT + self.seconds * self.speed + _RIGHT

    @property
    def height(self) -> float:
        return _TOP + 4 * self.row_height + _FOOT

    def baseline(self, row: int) -> float:
        return _TOP + (row + 0.5) * self.row_height


def ecg_paper(
    recording: Recording,
    *,
    speed: float = 25.0,
    gain: float = 10.0,
    overlay: Mapping[str, NDArray[np.floating]] | None = None,
    peaks: Sequence[str] | None = None,
    seconds: float = 10.0,
    start: float = 0.0,
) -> str:
    """An SVG sheet of ECG paper whose width and height are in mm.

    speed: mm/s. gain: mm/mV. seconds: how much is drawn, from `start` s on. overlay: lead -> heat 0..1
    [frame], frames spread evenly over these `seconds`, drawn as a band behind the trace. peaks: where the
    heat is highest, in words, printed below.

    Each column shows its own 2.5 s; where the recording is too short for that, its last 2.5 s (or all of it).
    Raises InputError for a speed, gain or length that is no positive number, or over MAX_SECONDS.
    """
    paper = _checked(_Paper(speed, gain, seconds, start), recording)
    strips = _strips(recording, paper)
    notes: list[str] = []
    traces = [_lead(recording, strip, paper, notes) for strip in strips]
    return "".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="ecg-paper" role="img" width="{paper.width:g}mm" '
            f'height="{paper.height:g}mm" viewBox="0 0 {paper.width:g} {paper.height:g}" '
            'font-family="system-ui,sans-serif" font-size="3.2">',
            f"<title>{escape(f'ECG {_short(recording.record_id)}'.strip())}</title>",
            _grid(paper),
            _heat(overlay or {}, strips, recording, paper),
            _pulses(paper),
            *traces,
            _time_marks(paper),
            _header(recording, paper),
            _footer(recording, paper, strips, notes, bool(overlay), peaks or ()),
            "</svg>",
        ]
    )


def _checked(paper: _Paper, recording: Recording) -> _Paper:
    scaled = paper.speed > 0 and paper.gain > 0 and 0 < paper.seconds <= MAX_SECONDS
    if scaled and 0 <= paper.start < recording.duration:
        return paper
    raise InputError(
        "report.scale",
        f"cannot draw {paper.seconds:g} s from {paper.start:g} s on at "
        f"{paper.speed:g} mm/s and {paper.gain:g} mm/mV",
        f"positive numbers, at most {MAX_SECONDS:g} s, starting inside the recording",
    )


def _strips(recording: Recording, paper: _Paper) -> list[_Strip]:
    column = paper.seconds / 4
    available = min(paper.seconds, recording.duration - paper.start)
    strips = []
    for row, leads in enumerate(LAYOUT):
        for position, lead in enumerate(leads):
            begin = min(position * column, max(0.0, available - column))
            left = _LEFT + position * column * paper.speed
            strips.append(_Strip(lead, row, left, paper.start + begin, column))
    rhythm = "II" if "II" in recording.leads else recording.leads[0]
    return [*strips, _Strip(rhythm, 3, _LEFT, paper.start, paper.seconds)]


def _grid(paper: _Paper) -> str:
    def lines(step: int, skip: int) -> str:
        across = [x for x in range(0, math.floor(paper.width) + 1, step) if not skip or x % skip]
        down = [y for y in range(0, math.floor(paper.height) + 1, step) if not skip or y % skip]
        return "".join(f"M{x} 0V{paper.height:g}" for x in across) + "".join(
            f"M0 {y}H{paper.width:g}" for y in down
        )

    return (
        f'<rect width="{paper.width:g}" height="{paper.height:g}" fill="{_PAPER}"/>'
        f'<path class="grid-1mm" d="{lines(1, 5)}" stroke="#f6d4cd" stroke-width=".1"/>'
        f'<path class="grid-5mm" d="{lines(5, 0)}" stroke="#eba99e" stroke-width=".18"/>'
    )


def _pulses(paper: _Paper) -> str:
    """The 1 mV, 0.2 s pulse before each row, ending where the traces begin or at the paper's edge."""
    width = PULSE_SECONDS * paper.speed
    ramp = max(0.5, (_LEFT - 5.0 - width) / 2)
    paths = "".join(
        f'<path class="calibration" d="M{_LEFT - width - 2 * ramp:g} {paper.baseline(row):g}'
        f'h{ramp:g}v{-paper.gain:g}h{width:g}v{paper.gain:g}h{ramp:g}"/>'
        for row in range(4)
    )
    return f'<g fill="none" stroke="{_INK}" stroke-width=".3">{paths}</g>'


def _lead(recording: Recording, strip: _Strip, paper: _Paper, notes: list[str]) -> str:
    middle = paper.baseline(strip.row)
    name = escape(_short(strip.lead))
    place = (
        f'x="{strip.left + 1.5:g}" y="{middle - paper.row_height / 2 + 5:g}" font-weight="600" fill="{_INK}"'
    )
    if strip.lead not in recording.leads:
        return (
            f'<text {place}>{name}<tspan dx="2" font-weight="400" fill="#5a3a34">not recorded</tspan></text>'
        )
    times, values = _samples(recording, strip, paper, notes)
    cut = bool(np.nanmax(np.abs(values), initial=0.0) * paper.gain > paper.reach)
    note = f'<tspan dx="2" font-weight="400">cut at ±{paper.reach / paper.gain:g} mV</tspan>' if cut else ""
    tick = f'<path d="M{strip.left:g} {middle - 2.5:g}v5" stroke="{_INK}" stroke-width=".2"/>'
    return (
        f'{tick}{_window(strip, paper)}<path class="trace" data-lead="{name}" data-row="{strip.row}" '
        f'fill="none" stroke="{_INK}" stroke-width="{0.28 * _FINE:g}" stroke-linejoin="round" '
        f'stroke-linecap="round" transform="scale({1 / _FINE:g})" '
        f'd="{_path(times, values, strip, paper)}"/></svg>'
        f"<text {place} {_HALO}>{name}{note}</text>"
    )


def _window(strip: _Strip, paper: _Paper) -> str:
    """A nested SVG in the sheet's own coordinates that cuts what leaves the strip, without needing an id."""
    left, top = strip.left - 0.5, max(0.0, paper.baseline(strip.row) - paper.reach)
    width, height = strip.length * paper.speed + 1, paper.baseline(strip.row) + paper.reach - top
    box = f"{left:g} {top:g} {width:g} {height:g}"
    return f'<svg x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" viewBox="{box}">'


def _samples(
    recording: Recording, strip: _Strip, paper: _Paper, notes: list[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times in seconds of the recording and mV of what the strip shows; NaN where nothing was measured."""
    rate = recording.sampling_rate
    first = math.ceil(strip.begin * rate - 1e-6)
    last = math.ceil((strip.begin + strip.length) * rate - 1e-6)
    whole = recording.signal[recording.leads.index(strip.lead)].astype(np.float64)
    values = np.where(np.isfinite(whole), whole, np.nan)
    shown = values[math.floor(paper.start * rate) : math.ceil((paper.start + paper.seconds) * rate)]
    offset = float(np.median(shown[np.isfinite(shown)])) if np.isfinite(shown).any() else 0.0
    if abs(offset) > MAX_OFFSET:
        values = values - offset
        notes.append(f"{strip.lead} moved by {-offset:+.3g} mV".replace("-", "−"))
    values = values[first:last]
    return (first + np.arange(len(values))) / rate, values


def _path(times: NDArray[np.float64], values: NDArray[np.float64], strip: _Strip, paper: _Paper) -> str:
    """Path data in hundredths of a mm: one subpath for every unbroken run of samples."""
    limit = 4 * paper.row_height  # far outside the window, yet few digits
    rise = np.clip(values * paper.gain, -limit, limit)
    x = np.rint((strip.left + (times - strip.begin) * paper.speed) * _FINE)
    y = np.rint((paper.baseline(strip.row) - rise) * _FINE)
    return "".join(_subpath(x[run][keep], y[run][keep]) for run, keep in _runs(times, values))


def _runs(
    times: NDArray[np.float64], values: NDArray[np.float64]
) -> Iterable[tuple[slice, NDArray[np.intp]]]:
    finite = np.isfinite(values)
    edges = np.flatnonzero(np.diff(finite.astype(np.int8), prepend=0, append=0))
    rate = 1.0 / (times[1] - times[0]) if len(times) > 1 else MAX_RATE
    for begin, end in zip(edges[::2], edges[1::2], strict=True):
        run = slice(int(begin), int(end))
        yield run, _thin(values[run], rate)


def _thin(values: NDArray[np.float64], rate: float) -> NDArray[np.intp]:
    """Indices to draw: all up to MAX_RATE; above it each bin's lowest and highest, so no spike is lost."""
    if rate <= MAX_RATE * 1.001:
        return np.arange(len(values))
    step = math.ceil(2 * rate / MAX_RATE)
    whole = len(values) // step * step
    bins = values[:whole].reshape(-1, step)
    starts = np.arange(0, whole, step)
    chosen = [starts + bins.argmin(axis=1), starts + bins.argmax(axis=1), np.arange(whole, len(values))]
    return np.unique(np.concatenate(chosen))


def _subpath(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    points = list(zip(x.astype(int).tolist(), y.astype(int).tolist(), strict=True))
    steps = " ".join(f"{x1 - x0}{y1 - y0:+d}" for (x0, y0), (x1, y1) in pairwise(points))
    return f"M{points[0][0]} {points[0][1]}l{steps or '0+0'}"


def _heat(
    overlay: Mapping[str, NDArray[np.floating]], strips: list[_Strip], recording: Recording, paper: _Paper
) -> str:
    """One path a heat level: opacity carries the level, so the grid stays readable below it."""
    boxes: dict[int, list[str]] = {}
    for strip in strips:
        if strip.lead in overlay and strip.lead in recording.leads:
            heat = np.nan_to_num(np.asarray(overlay[strip.lead], dtype=np.float64))
            levels = np.rint(np.clip(heat, 0, 1) * HEAT_LEVELS).astype(int)
            for level, left, width in _bands(levels, strip, recording, paper):
                top, tall = paper.baseline(strip.row) - paper.row_height / 2, paper.row_height
                boxes.setdefault(level, []).append(f"M{left:.2f} {top:g}h{width:.2f}v{tall:g}h{-width:.2f}z")
    paths = "".join(
        f'<path fill-opacity="{0.5 * level / HEAT_LEVELS:.3g}" d="{"".join(boxes[level])}"/>'
        for level in sorted(boxes)
    )
    return f'<g class="heat" fill="{_HEAT}">{paths}</g>' if paths else ""


def _bands(
    levels: NDArray[np.int_], strip: _Strip, recording: Recording, paper: _Paper
) -> Iterable[tuple[int, float, float]]:
    """(level, left, width) in mm of every stretch of one level above 0 that the strip shows."""
    edges = np.flatnonzero(np.diff(levels, prepend=-1, append=-1))
    frame = paper.seconds / max(1, len(levels))
    until = min(strip.begin + strip.length, recording.duration)
    for first, last in pairwise(edges.tolist()):
        begin = max(paper.start + first * frame, strip.begin)
        end = min(paper.start + last * frame, until)
        if levels[first] > 0 and end > begin:
            yield (
                int(levels[first]),
                strip.left + (begin - strip.begin) * paper.speed,
                (end - begin) * paper.speed,
            )


def _time_marks(paper: _Paper) -> str:
    y = _TOP + 4 * paper.row_height
    marks = [
        f'<path d="M{x:g} {y:g}v-2" stroke="{_INK}" stroke-width=".2"/>'
        f'<text x="{x:g}" y="{y + 3:g}" font-size="2.6" text-anchor="middle">{paper.start + second:g}'
        f"{' s' if second == 0 else ''}</text>"
        for second in range(math.floor(paper.seconds) + 1)
        for x in [_LEFT + second * paper.speed]
    ]
    return f'<g fill="{_INK}">{"".join(marks)}</g>'


def _header(recording: Recording, paper: _Paper) -> str:
    facts = {name: getattr(recording, name) for name in ("patient_id", "age", "sex", "record_id", "time")}
    who = f'<text x="{_LEFT:g}" y="6.2" fill="{_INK}" {_HALO}>{escape(_short(identity(facts)))}</text>'
    if recording.calibrated:
        return who
    return who + (
        f'<text x="{paper.width - _RIGHT:g}" y="6.2" text-anchor="end" font-weight="700" fill="{_INK}">'
        "⚠ amplitudes are not calibrated: do not measure mV on this sheet</text>"
    )


def _footer(
    recording: Recording,
    paper: _Paper,
    strips: list[_Strip],
    notes: list[str],
    heated: bool,
    peaks: Sequence[str],
) -> str:
    lines = [_scale_words(recording, paper), _drawing_words(recording, strips, notes)]
    if heated:
        strongest = f" Strongest: {'; '.join(peaks)}." if peaks else ""
        lines.append(f"Shaded blue: where the model looked (Grad-CAM; darker is more).{strongest}")
    top = _TOP + 4 * paper.row_height + 7.5
    words = "".join(
        f'<text x="{_LEFT:g}" y="{top + 4.2 * i:g}" font-weight="{400 if i else 600}">'
        f"{escape(_short(line))}</text>"
        for i, line in enumerate(lines)
    )
    return f'<g fill="{_INK}" {_HALO}>{words}</g>'


def _scale_words(recording: Recording, paper: _Paper) -> str:
    shown = min(paper.seconds, recording.duration - paper.start)
    extent = f"{shown:.3g} s"
    if recording.duration > shown + 1e-6:
        extent = f"{paper.start:.4g} to {paper.start + shown:.4g} s of {recording.duration:,.1f} s"
    return (
        f"{paper.speed:g} mm/s {paper.gain:g} mm/mV · no display filter · "
        f"{number(recording.sampling_rate, 4)} Hz · {extent}"
    )


def _drawing_words(recording: Recording, strips: list[_Strip], notes: list[str]) -> str:
    begins = list(dict.fromkeys(f"{strip.begin:.4g}" for strip in strips[:4]))
    undrawn = [lead for lead in recording.leads if lead not in {strip.lead for strip in strips}]
    parts = [
        f"Columns begin at {', '.join(begins)} s."
        if len(begins) > 1
        else f"All columns begin at {begins[0]} s.",
        f"Also recorded, not drawn: {', '.join(undrawn)}." if undrawn else "",
        f"Offset taken off: {', '.join(dict.fromkeys(notes))}." if notes else "",
    ]
    return " ".join(part for part in parts if part)


def _short(text: str) -> str:
    text = clean(text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
