"""Scales, round tick values and the few SVG elements every chart is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import escape

from cardiofusion.report.wording import clean

INK, MUTED, RULE = "var(--ink, #1a1a1a)", "var(--muted, #555)", "var(--rule, #ccc)"


@dataclass(frozen=True)
class Scale:
    """Maps values [low, high] to pixels [start, end]; either may run backwards."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        return self.start + (value - self.low) / span * (self.end - self.start) if span else self.start


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values (steps of 1, 2 or 5) inside [low, high], about `wanted` of them."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return [low] if math.isfinite(low) else []
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [0.0 if i == 0 else float(f"{i * step:.12g}") for i in range(first, last + 1)]


def svg(width: float, height: float, title: str, *parts: str) -> str:
    """An SVG that scales with its column; `title` is what a screen reader says."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" '
        f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" '
        'font-family="system-ui,sans-serif" font-size="12">'
        f"<title>{escape(clean(title))}</title>{''.join(parts)}</svg>"
    )


def label(
    x: float, y: float, words: object, *, anchor: str = "start", fill: str = INK, extra: str = ""
) -> str:
    """A piece of text, escaped. anchor: start, middle or end. extra: further attributes, ours only."""
    return (
        f'<text x="{x:.4g}" y="{y:.4g}" text-anchor="{anchor}" fill="{fill}"{" " if extra else ""}{extra}>'
        f"{escape(clean(words))}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, *, stroke: str = RULE, extra: str = "") -> str:
    """A straight line."""
    return f'<path d="M{x1:.5g} {y1:.5g}L{x2:.5g} {y2:.5g}" stroke="{stroke}" fill="none" {extra}/>'


def frame(x: Scale, y: Scale, x_words: str, y_words: str) -> str:
    """Grid lines, tick labels and axis titles of an x-y chart."""
    parts = []
    for value in ticks(x.low, x.high):
        parts.append(line(x(value), y.start, x(value), y.end))
        parts.append(label(x(value), y.start + 16, f"{value:g}", anchor="middle", fill=MUTED))
    for value in ticks(y.low, y.high):
        parts.append(line(x.start, y(value), x.end, y(value)))
        parts.append(label(x.start - 6, y(value) + 4, f"{value:g}", anchor="end", fill=MUTED))
    middle = (y.start + y.end) / 2
    parts.append(label((x.start + x.end) / 2, y.start + 34, x_words, anchor="middle"))
    turn = f'transform="rotate(-90 14 {middle:.4g})"'
    parts.append(label(14, middle, y_words, anchor="middle", extra=turn))
    return "".join(parts)
