"""Line charts: how a loss fell, and how far probabilities can be taken at their word."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cardiofusion.report.axis import MUTED, Scale, frame, label, line, svg
from cardiofusion.report.palette import colour, dash, shape

_LEFT, _TOP = 60.0, 14.0


def training_curve(losses: Mapping[str, Sequence[float]]) -> str:
    """SVG of losses by epoch, one line a name; epochs count from 1, gaps stay gaps."""
    finite = [value for values in losses.values() for value in values if math.isfinite(value)]
    epochs = max((len(values) for values in losses.values()), default=0)
    low, high = min([0.0, *finite]), max([1e-9, *finite])
    x = Scale(1.0, float(max(2, epochs)), _LEFT, 560.0)
    y = Scale(low, high * 1.05, 270.0, _TOP)
    lines = [
        _polyline(
            [(x(i + 1.0), y(value)) for i, value in enumerate(values) if math.isfinite(value)], position
        )
        for position, values in enumerate(losses.values())
    ]
    title = "Loss by epoch: " + ", ".join(losses)
    return svg(760, 312, title, frame(x, y, "epoch", "loss"), *lines, _legend(list(losses), 580.0))


def reliability_curve(curves: Mapping[str, Mapping[str, Any]]) -> str:
    """SVG of predicted against observed share, a curve a target: {"predicted", "observed", "n" of each bin}.

    A point's area grows with the patients behind it; the diagonal is what perfect calibration looks like.
    """
    x, y = Scale(0.0, 1.0, _LEFT, _LEFT + 300.0), Scale(0.0, 1.0, _TOP + 300.0, _TOP)
    diagonal = line(x(0), y(0), x(1), y(1), stroke=MUTED, extra='stroke-dasharray="4 4"')
    drawn = [_calibration(curve, x, y, position) for position, curve in enumerate(curves.values())]
    axes = frame(x, y, "predicted probability", "observed share")
    legend = _legend(list(curves), _LEFT + 320.0, marked=True)
    return svg(620, 356, "Calibration: " + ", ".join(curves), axes, diagonal, *drawn, legend)


def _calibration(curve: Mapping[str, Any], x: Scale, y: Scale, position: int) -> str:
    bins = list(zip(curve["predicted"], curve["observed"], strict=True))
    sizes = [float(n) for n in curve.get("n") or [1.0] * len(bins)]
    largest = max(sizes, default=1.0) or 1.0
    points = [(x(float(predicted)), y(float(observed))) for predicted, observed in bins]
    marks = "".join(
        f'<path fill="{colour(position)}" transform="translate({px:.1f} {py:.1f}) '
        f'scale({0.6 + 1.1 * math.sqrt(size / largest):.2f})" d="M0 0{shape(position)}"/>'
        for (px, py), size in zip(points, sizes, strict=True)
    )
    return _polyline(points, position) + marks


def _polyline(points: Sequence[tuple[float, float]], position: int) -> str:
    if not points:
        return ""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashes = f' stroke-dasharray="{dash(position)}"' if dash(position) else ""
    return (
        f'<path class="curve" d="M{path}" fill="none" stroke="{colour(position)}" stroke-width="2"{dashes}/>'
    )


def _legend(names: Sequence[str], left: float, *, marked: bool = False) -> str:
    parts = []
    for position, name in enumerate(names):
        y = _TOP + 10 + 20 * position
        parts.append(_polyline([(left, y), (left + 30, y)], position))
        if marked:
            parts.append(f'<path fill="{colour(position)}" d="M{left + 15:g} {y:g}{shape(position)}"/>')
        parts.append(label(left + 38, y + 4, name))
    return "".join(parts)
