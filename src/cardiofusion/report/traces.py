"""The traces of ECG paper: samples to SVG paths in hundredths of a millimetre, nothing filtered."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from markupsafe import escape
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.report.layouts import Paper, Strip
from cardiofusion.report.wording import clean

MAX_RATE = 500.0  # points a second drawn; denser recordings keep each bin's lowest and highest sample
MAX_TEXT = 150
MAX_OFFSET = 0.5  # mV; a lead whose median lies further out is moved onto its baseline, and the sheet says so
PAPER, INK = "#fffaf8", "#111"
HALO = f'stroke="{PAPER}" stroke-width=".7" paint-order="stroke"'

_FINE = 100  # trace units a millimetre


def draw_lead(recording: Recording, strip: Strip, paper: Paper, notes: list[str]) -> str:
    """One strip with its name. notes: gets what was done to the trace, in words."""
    if strip.lead not in recording.leads:
        return _name(strip, paper, '<tspan dx="2" font-weight="400" fill="#5a3a34">not recorded</tspan>')
    middle = paper.baseline(strip.row)
    times, values = _samples(recording, strip, paper, notes)
    cut = bool(np.nanmax(np.abs(values), initial=0.0) * paper.gain > paper.reach)
    note = f'<tspan dx="2" font-weight="400">cut at ±{paper.reach / paper.gain:g} mV</tspan>' if cut else ""
    return (
        f'<path d="M{strip.left:g} {middle - 2.5:g}v5" stroke="{INK}" stroke-width=".2"/>'
        f'{_window(strip, paper)}<path class="trace" data-lead="{escape(short(strip.lead))}" '
        f'data-row="{strip.row}" fill="none" stroke="{INK}" stroke-width="{0.28 * _FINE:g}" '
        f'stroke-linejoin="round" stroke-linecap="round" transform="scale({1 / _FINE:g})" '
        f'd="{_path(times, values, strip, paper)}"/></svg>{_name(strip, paper, note)}'
    )


def short(text: str) -> str:
    """Cleaned, and cut where it would leave the sheet."""
    text = clean(text)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _name(strip: Strip, paper: Paper, note: str) -> str:
    """The lead's name over its trace, or in the margin of a layout that has room for names there."""
    middle = paper.baseline(strip.row)
    name = escape(short(strip.lead))
    if not paper.layout.named:
        place = f'x="{strip.left + 1.5:g}" y="{middle - paper.row_height / 2 + 5:g}"'
        return f'<text {place} font-weight="600" fill="{INK}" {HALO}>{name}{note}</text>'
    beside = f'<text x="{strip.left:g}" y="{middle - 3:g}" fill="{INK}" {HALO}>{note}</text>' if note else ""
    return f'<text x="1.5" y="{middle + 1:g}" font-weight="600" fill="{INK}" {HALO}>{name}</text>{beside}'


def _window(strip: Strip, paper: Paper) -> str:
    """A nested SVG in the sheet's own coordinates that cuts what leaves the strip, without needing an id."""
    left, top = strip.left - 0.5, max(0.0, paper.baseline(strip.row) - paper.reach)
    width, height = strip.length * paper.speed + 1, paper.baseline(strip.row) + paper.reach - top
    box = f"{left:g} {top:g} {width:g} {height:g}"
    return f'<svg x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" viewBox="{box}">'


def _samples(
    recording: Recording, strip: Strip, paper: Paper, notes: list[str]
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


def _path(times: NDArray[np.float64], values: NDArray[np.float64], strip: Strip, paper: Paper) -> str:
    """Path data in hundredths of a mm: one subpath for every unbroken run of samples."""
    limit = 4 * paper.row_height + paper.reach  # far outside the window, yet few digits
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
    """One formatting for all points: a page of three sheets has 180,000 of them."""
    steps = np.diff(np.stack([x, y], axis=1), axis=0).astype(int).ravel().tolist()
    words = " ".join(["%d%+d"] * (len(steps) // 2)) % tuple(steps)
    return f"M{int(x[0])} {int(y[0])}l{words or '0+0'}"
