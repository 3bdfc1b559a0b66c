"""The phenotype map: patients in two dimensions, coloured and shaped by phenotype. For the eye only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cardiofusion.report.axis import MUTED, Scale, label, svg
from cardiofusion.report.palette import colour, shape

MAX_POINTS = 3_000

_SIDE, _MARGIN = 420.0, 14.0


def phenotype_map(points: Sequence[Sequence[float]], labels: Sequence[int], names: Mapping[int, str]) -> str:
    """SVG of points [patient, 2] with a label each; -1 is nobody's. Every k-th is drawn beyond MAX_POINTS."""
    place, group = np.asarray(points, np.float64).reshape(-1, 2), np.asarray(labels, np.int64)
    step = max(1, -(-len(place) // MAX_POINTS))
    place, group = place[::step], group[::step]
    finite = np.isfinite(place).all(axis=1)
    place, group = place[finite], group[finite]
    low, high = (place.min(axis=0), place.max(axis=0)) if len(place) else (np.zeros(2), np.ones(2))
    x = Scale(float(low[0]), float(high[0]), _MARGIN, _SIDE - _MARGIN)
    y = Scale(float(low[1]), float(high[1]), _SIDE - _MARGIN, _MARGIN)
    kinds = sorted(set(group.tolist()))
    parts = [_marks([(x(px), y(py)) for px, py in place[group == kind]], kind) for kind in kinds]
    box = f'<rect x=".5" y=".5" width="{_SIDE - 1:g}" height="{_SIDE - 1:g}" fill="none" stroke="{MUTED}"/>'
    legend = [
        _entry(kind, names.get(kind), row, int((group == kind).sum())) for row, kind in enumerate(kinds)
    ]
    drawn = f"{len(place):,} patients drawn" + (f", every {step}th" if step > 1 else "")
    return svg(700, _SIDE, "Phenotype map", box, *parts, *legend, label(436, _SIDE - 8, drawn, fill=MUTED))


def _marks(points: Sequence[tuple[float, float]], kind: int) -> str:
    fill, form = _look(kind)
    path = "".join(f"M{x:.1f} {y:.1f}{form}" for x, y in points)
    return f'<path fill="{fill}" fill-opacity=".75" d="{path}"/>'


def _look(kind: int) -> tuple[str, str]:
    return (MUTED, "m-1 0a1 1 0 1 0 2 0a1 1 0 1 0-2 0z") if kind < 0 else (colour(kind), shape(kind))


def _entry(kind: int, name: str | None, row: int, n: int) -> str:
    fill, form = _look(kind)
    words = "in no phenotype" if kind < 0 else name or f"phenotype {kind + 1}"
    y = 24 + 22 * row
    return f'<path fill="{fill}" d="M446 {y}{form}"/>' + label(460, y + 4, f"{words} (n = {n:,})")
