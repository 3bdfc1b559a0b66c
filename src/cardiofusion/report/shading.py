"""Where a model looked, as a band of blue behind the traces of ECG paper."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.report.layouts import Paper, Strip

HEAT_LEVELS = 8
_HEAT = "#1f4fc4"


def heat_frames(
    gradcam: Mapping[str, Any], seconds: float, start: float = 0.0
) -> dict[str, NDArray[np.float64]]:
    """Lead -> heat 0..1 [frame] of these seconds of {"leads", "map", "rate"}; 0 where there is no map."""
    rate = float(gradcam["rate"])
    first, frames = round(start * rate), max(1, math.ceil(seconds * rate))
    heat = {}
    for lead, values in zip(gradcam["leads"], gradcam["map"], strict=True):
        kept = np.asarray(values, dtype=np.float64)[first : first + frames]
        heat[lead] = np.pad(kept, (0, frames - len(kept)))
    return heat


def draw_heat(
    overlay: Mapping[str, NDArray[np.floating]], strips: Sequence[Strip], recording: Recording, paper: Paper
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
    levels: NDArray[np.int_], strip: Strip, recording: Recording, paper: Paper
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
