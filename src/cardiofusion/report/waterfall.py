"""SHAP values as a waterfall: from the average patient to this one, a bar a feature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cardiofusion.report.axis import INK, MUTED, RULE, Scale, label, line, svg, ticks
from cardiofusion.report.wording import clean, quantity, spoken

MAX_BARS = 10
TOLERANCE = 1e-3

_WIDTH, _NAMES, _ROW, _TOP = 760.0, 270.0, 24.0, 30.0
_UP, _DOWN = "var(--up, #b3261e)", "var(--down, #1a5fa8)"


@dataclass(frozen=True)
class _Step:
    words: str
    change: float


def waterfall(shap: Mapping[str, Any]) -> str:
    """SVG of {"target", "base", "total", "unit", "contributions"}, each a feature, value, unit, contribution.

    The largest MAX_BARS are drawn; the others are summed up in one bar. What base and bars together miss of
    the total gets a bar of its own, never hidden.
    """
    steps = _steps(shap)
    marks = [float(shap["base"])]
    for step in steps:
        marks.append(marks[-1] + step.change)
    scale = _scale([*marks, float(shap["total"])])
    bottom = _TOP + (len(steps) + 2) * _ROW
    unit = clean(shap.get("unit", ""))
    return svg(
        _WIDTH,
        bottom + 38,
        f"SHAP values for {shap.get('target', 'the target')}",
        _axis(scale, bottom, unit),
        _level("average patient", marks[0], 0, scale),
        *(_bar(step, marks[i], i + 1, scale) for i, step in enumerate(steps)),
        _level("this patient", float(shap["total"]), len(steps) + 1, scale),
        label(_NAMES, 16, "◀ lowers the score", fill=_DOWN),
        label(_WIDTH - 70, 16, "raises the score ▶", anchor="end", fill=_UP),
    )


def _steps(shap: Mapping[str, Any]) -> list[_Step]:
    given = sorted(shap["contributions"], key=lambda item: -abs(item["contribution"]))
    steps = [_Step(_words(item), float(item["contribution"])) for item in given[:MAX_BARS]]
    if len(given) > MAX_BARS:
        rest = sum(float(item["contribution"]) for item in given[MAX_BARS:])
        steps.append(_Step(f"{len(given) - MAX_BARS} other features", rest))
    missed = float(shap["total"]) - float(shap["base"]) - sum(step.change for step in steps)
    return [*steps, _Step("not explained by any feature", missed)] if abs(missed) > TOLERANCE else steps


def _words(item: Mapping[str, Any]) -> str:
    if item.get("value") is None and not item.get("unit"):
        return spoken(str(item["feature"]))
    return f"{spoken(str(item['feature']))} = {quantity(item.get('value'), item.get('unit') or '')}"


def _scale(marks: list[float]) -> Scale:
    low, high = min(marks), max(marks)
    room = 0.16 * (high - low) or 1.0
    return Scale(low - room, high + room, _NAMES, _WIDTH - 20)


def _axis(scale: Scale, bottom: float, unit: str) -> str:
    parts = [
        line(scale(value), _TOP, scale(value), bottom)
        + label(scale(value), bottom + 15, f"{value:g}", anchor="middle", fill=MUTED)
        for value in ticks(scale.low, scale.high)
    ]
    parts.append(
        label((_NAMES + _WIDTH) / 2, bottom + 32, f"score before calibration ({unit})", anchor="middle")
    )
    return "".join(parts)


def _level(words: str, value: float, row: int, scale: Scale) -> str:
    y = _TOP + row * _ROW
    return (
        label(_NAMES - 12, y + 16, words, anchor="end", extra='font-weight="600"')
        + f'<path d="M{scale(value):.5g} {y + 3:g}v18" stroke="{INK}" stroke-width="3"/>'
        + label(scale(value) + 7, y + 16, f"{value:.2f}".replace("-", "−"), extra='font-weight="600"')
    )


def _bar(step: _Step, begin: float, row: int, scale: Scale) -> str:
    y, start, end = _TOP + row * _ROW, scale(begin), scale(begin + step.change)
    left, width = min(start, end), max(1.0, abs(end - start))
    outward = (max(start, end) + 6, "start") if step.change >= 0 else (left - 6, "end")
    return (
        label(_NAMES - 12, y + 16, _fit(step.words), anchor="end")
        + f'<rect class="step" x="{left:.5g}" y="{y + 4:g}" width="{width:.5g}" height="16" '
        f'fill="{_UP if step.change >= 0 else _DOWN}"/>'
        + line(end, y + 4, end, y + _ROW + 4, stroke=RULE)
        + label(outward[0], y + 16, f"{step.change:+.2f}".replace("-", "−"), anchor=outward[1])
    )


def _fit(words: str, most: int = 40) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
