"""ECG paper: true-scale SVG of 3 x 4 leads and a rhythm strip, 6 x 2 or 12 x 1.

One user unit is one millimetre. Traces are written in hundredths of a millimetre, relative, which keeps
ten seconds of twelve leads at 500 Hz near 100 kB. Paper speed, gain, grid and the 1 mV pulse follow the
AHA/ACCF/HRS recommendations (Kligfield et al., Circulation 2007). Nothing is filtered for display.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

from cardiofusion.records import InputError, Recording
from cardiofusion.report.layouts import LAYOUTS, LINE, RIGHT, STANDARD, Paper, Strip, paper_for, strips_of
from cardiofusion.report.shading import draw_heat
from cardiofusion.report.traces import HALO, INK, PAPER, draw_lead, short
from cardiofusion.report.wording import identity, number

MAX_SECONDS = 20.0
PULSE_SECONDS = 0.2


def ecg_paper(
    recording: Recording,
    *,
    layout: str = STANDARD,
    speed: float = 25.0,
    gain: float = 10.0,
    overlay: Mapping[str, NDArray[np.floating]] | None = None,
    peaks: Sequence[str] | None = None,
    seconds: float = 10.0,
    start: float = 0.0,
    row_height: float | None = None,
) -> str:
    """An SVG sheet of ECG paper whose width and height are in mm.

    layout: one of LAYOUTS. speed: mm/s. gain: mm/mV. seconds: how much is drawn, from `start` s on. overlay:
    lead -> heat 0..1 [frame], frames spread evenly over these `seconds`, drawn as a band behind the trace.
    peaks: where the heat is highest, in words, printed below. row_height: mm between baselines, for a sheet
    with less room than the layout takes by itself.

    Each column shows its own stretch; where the recording is too short for that, its last (or all of it).
    For whoever measures on it, the SVG says its scale: data-speed, data-gain, data-calibrated.
    Raises InputError for an unknown layout, a speed, gain or length that is no positive number, or over
    MAX_SECONDS.
    """
    paper = _checked(recording, layout, (speed, gain, seconds, start, row_height), 3 if overlay else 2)
    strips = strips_of(recording, paper)
    notes: list[str] = []
    traces = [draw_lead(recording, strip, paper, notes) for strip in strips]
    return "".join(
        [
            _opening(recording, paper),
            _grid(paper),
            draw_heat(overlay or {}, strips, recording, paper),
            _pulses(paper),
            *traces,
            _time_marks(paper),
            _header(recording, paper),
            _footer(recording, paper, strips, notes, bool(overlay), peaks or ()),
            "</svg>",
        ]
    )


def _checked(
    recording: Recording, layout: str, scale: tuple[float, float, float, float, float | None], n_lines: int
) -> Paper:
    if layout not in LAYOUTS:
        raise InputError(
            "report.layout", f"there is no layout {short(layout)!r}", f"one of: {', '.join(LAYOUTS)}"
        )
    speed, gain, seconds, start, row_height = scale
    scaled = speed > 0 and gain > 0 and 0 < seconds <= MAX_SECONDS and (row_height is None or row_height > 0)
    if scaled and 0 <= start < recording.duration:
        return paper_for(recording, LAYOUTS[layout], speed, gain, seconds, start, row_height, n_lines)
    raise InputError(
        "report.scale",
        f"cannot draw {seconds:g} s from {start:g} s on at {speed:g} mm/s and {gain:g} mm/mV",
        f"positive numbers, at most {MAX_SECONDS:g} s, starting inside the recording",
    )


def _opening(recording: Recording, paper: Paper) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="ecg-paper" role="img" width="{paper.width:g}mm" '
        f'height="{paper.height:g}mm" viewBox="0 0 {paper.width:g} {paper.height:g}" '
        f'data-speed="{paper.speed:g}" data-gain="{paper.gain:g}" '
        f'data-calibrated="{"yes" if recording.calibrated else "no"}" direction="ltr" '
        'font-family="system-ui,sans-serif" font-size="3.2">'
        f"<title>{escape(f'ECG {short(recording.record_id)}'.strip())}</title>"
    )


def _grid(paper: Paper) -> str:
    def lines(step: int, skip: int) -> str:
        across = [x for x in range(0, math.floor(paper.width) + 1, step) if not skip or x % skip]
        down = [y for y in range(0, math.floor(paper.height) + 1, step) if not skip or y % skip]
        return "".join(f"M{x} 0V{paper.height:g}" for x in across) + "".join(
            f"M0 {y}H{paper.width:g}" for y in down
        )

    return (
        f'<rect width="{paper.width:g}" height="{paper.height:g}" fill="{PAPER}"/>'
        f'<path class="grid-1mm" d="{lines(1, 5)}" stroke="#f6d4cd" stroke-width=".1"/>'
        f'<path class="grid-5mm" d="{lines(5, 0)}" stroke="#eba99e" stroke-width=".18"/>'
    )


def _pulses(paper: Paper) -> str:
    """The 1 mV, 0.2 s pulse before each row, ending where the traces begin or at the paper's edge."""
    width = PULSE_SECONDS * paper.speed
    ramp = max(0.5, (paper.left - (paper.layout.named or 5.0) - width) / 2)
    paths = "".join(
        f'<path class="calibration" d="M{paper.left - width - 2 * ramp:g} {paper.baseline(row):g}'
        f'h{ramp:g}v{-paper.gain:g}h{width:g}v{paper.gain:g}h{ramp:g}"/>'
        for row in range(paper.n_rows)
    )
    return f'<g fill="none" stroke="{INK}" stroke-width=".3">{paths}</g>'


def _time_marks(paper: Paper) -> str:
    marks = [
        f'<path d="M{x:g} {paper.bottom:g}v-2" stroke="{INK}" stroke-width=".2"/>'
        f'<text x="{x:g}" y="{paper.bottom + 3:g}" font-size="2.6" text-anchor="middle">'
        f"{paper.start + second:g}{' s' if second == 0 else ''}</text>"
        for second in range(math.floor(paper.seconds) + 1)
        for x in [paper.left + second * paper.speed]
    ]
    return f'<g fill="{INK}">{"".join(marks)}</g>'


def _header(recording: Recording, paper: Paper) -> str:
    facts = {name: getattr(recording, name) for name in ("patient_id", "age", "sex", "record_id", "time")}
    who = f'<text x="{paper.left:g}" y="6.2" fill="{INK}" {HALO}>{escape(short(identity(facts)))}</text>'
    if recording.calibrated:
        return who
    return who + (
        f'<text x="{paper.width - RIGHT:g}" y="6.2" text-anchor="end" font-weight="700" fill="{INK}">'
        "⚠ amplitudes are not calibrated: do not measure mV on this sheet</text>"
    )


def _footer(
    recording: Recording,
    paper: Paper,
    strips: list[Strip],
    notes: list[str],
    heated: bool,
    peaks: Sequence[str],
) -> str:
    lines = [("", _scale_words(recording, paper)), ("", _drawing_words(recording, paper, strips, notes))]
    if heated:
        strongest = f" Strongest: {'; '.join(peaks)}." if peaks else ""
        shaded = f"Shaded blue: where the model looked (Grad-CAM; darker is more).{strongest}"
        lines.append(('class="heat" ', shaded))  # hidden together with the shading
    words = "".join(
        f'<text {kind}x="{paper.left:g}" y="{paper.bottom + 7.5 + LINE * i:g}" '
        f'font-weight="{400 if i else 600}">{escape(short(line))}</text>'
        for i, (kind, line) in enumerate(entry for entry in lines if entry[1])
    )
    return f'<g fill="{INK}" {HALO}>{words}</g>'


def _scale_words(recording: Recording, paper: Paper) -> str:
    shown = min(paper.seconds, recording.duration - paper.start)
    extent = f"{shown:.3g} s"
    if recording.duration > shown + 1e-6:
        extent = f"{paper.start:.4g} to {paper.start + shown:.4g} s of {recording.duration:,.1f} s"
    return (
        f"{paper.speed:g} mm/s {paper.gain:g} mm/mV · no display filter · "
        f"{number(recording.sampling_rate, 4)} Hz · {extent}"
    )


def _drawing_words(recording: Recording, paper: Paper, strips: list[Strip], notes: list[str]) -> str:
    undrawn = [lead for lead in recording.leads if lead not in {strip.lead for strip in strips}]
    parts = [
        _column_words(paper, strips),
        f"Also recorded, not drawn: {', '.join(undrawn)}." if undrawn else "",
        f"Offset taken off: {', '.join(dict.fromkeys(notes))}." if notes else "",
    ]
    return " ".join(part for part in parts if part)


def _column_words(paper: Paper, strips: list[Strip]) -> str:
    if paper.layout.columns == 1:
        return ""
    begins = list(dict.fromkeys(f"{strip.begin:.4g}" for strip in strips[: paper.layout.columns]))
    if len(begins) > 1:
        return f"Columns begin at {', '.join(begins)} s."
    return f"All columns begin at {begins[0]} s."
