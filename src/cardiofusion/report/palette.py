"""Colours told apart by colour-blind readers (Okabe & Ito, 2008), each with a shape or dash of its own."""

from __future__ import annotations

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#3a9bd6", "#8f6bb0", "#757575")
DASHES = ("", "7 4", "2 3", "9 3 2 3", "12 4", "4 2 1 2", "1 2", "6 6")

# Each shape as a path around (0, 0), about 6 px wide, drawn after an absolute move to the point.
SHAPES = (
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "m-2.7-2.7h5.4v5.4h-5.4z",
    "m0-3.4l3.2 5.8h-6.4z",
    "m0-3.8l3.4 3.8l-3.4 3.8l-3.4-3.8z",
    "m-1-3.4h2v2.4h2.4v2h-2.4v2.4h-2v-2.4h-2.4v-2h2.4z",
    "m0 3.4l3.2-5.8h-6.4z",
    "m-3.3-1.4h6.6v2.8h-6.6z",
    "m-1.4-3.3h2.8v6.6h-2.8z",
)


def colour(position: int) -> str:
    """Of the series at this position, "#0072b2"."""
    return COLOURS[position % len(COLOURS)]


def dash(position: int) -> str:
    """Of the series at this position, as SVG's stroke-dasharray; "" for a plain line."""
    return DASHES[position % len(DASHES)]


def shape(position: int) -> str:
    """Of the series at this position: an SVG path, drawn from the point."""
    return SHAPES[position % len(SHAPES)]
