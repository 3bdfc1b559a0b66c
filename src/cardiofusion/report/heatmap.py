"""Cross-modal attention as a heat map: clinical features down, ECG tokens across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import escape

from cardiofusion.report.axis import INK, MUTED, RULE, label, svg
from cardiofusion.report.wording import clean, percent, spoken

MAX_FEATURES = 40
MAX_TOKENS = 120

_WIDTH, _NAMES, _ROW, _HEAD, _GAP = 760.0, 190.0, 20.0, 66.0, 8.0
_HEAT = "var(--heat, #1f4fc4)"


def attention_map(attention: Mapping[str, Any]) -> str:
    """SVG of {"features": [...], "tokens": [...], "weights": [[...]]}, rows of weights adding up to 1.

    Stretches of time and leads stand apart. Opacity is the weight over the largest one; the scale is printed.
    """
    features, tokens = list(attention["features"])[:MAX_FEATURES], list(attention["tokens"])[:MAX_TOKENS]
    weights = [
        [float(weight) for weight in row[: len(tokens)]] for row in attention["weights"][: len(features)]
    ]
    largest = max((weight for row in weights for weight in row), default=0.0) or 1.0
    left, cell = _columns(tokens)
    bottom = _HEAD + len(features) * _ROW
    return svg(
        _WIDTH,
        bottom + 40,
        "How strongly each clinical feature attends to each part of the ECG",
        "".join(
            label(x + cell / 2 + 3, _HEAD - 6, token, extra=_turned(x + cell / 2 + 3))
            for x, token in zip(left, tokens, strict=True)
        ),
        *(
            _row(name, row, _HEAD + i * _ROW, left, cell, largest, tokens)
            for i, (name, row) in enumerate(zip(features, weights, strict=True))
        ),
        _legend(largest, len(tokens), bottom + 14),
    )


def _columns(tokens: Sequence[str]) -> tuple[list[float], float]:
    """Left edge of every column and the columns' width; a gap where times end and leads begin."""
    breaks = [0]
    for before, after in pairwise(tokens):
        breaks.append(breaks[-1] + (_is_time(before) != _is_time(after)))
    cell = (_WIDTH - _NAMES - 34 - _GAP * breaks[-1]) / max(1, len(tokens))
    cell = min(cell, 46.0)
    return [_NAMES + i * cell + _GAP * gaps for i, gaps in enumerate(breaks[: len(tokens)])], cell


def _is_time(token: str) -> bool:
    return token.rstrip().endswith(" s")


def _turned(x: float) -> str:
    return f'transform="rotate(-60 {x:.4g} {_HEAD - 6:g})" font-size="10.5"'


def _row(
    name: str,
    row: list[float],
    y: float,
    left: list[float],
    cell: float,
    largest: float,
    tokens: Sequence[str],
) -> str:
    boxes = "".join(
        f'<rect x="{x:.4g}" y="{y + 1:g}" width="{max(1.0, cell - 1):.4g}" height="{_ROW - 2:g}" '
        f'fill="{_HEAT}" fill-opacity="{weight / largest:.3f}" stroke="{RULE}" stroke-width=".5">'
        f"<title>{escape(clean(f'{name}, {token}: {percent(weight)}'))}</title></rect>"
        for x, weight, token in zip(left, row, tokens, strict=True)
    )
    return label(_NAMES - 10, y + 14, spoken(name), anchor="end") + boxes


def _legend(largest: float, n_tokens: int, y: float) -> str:
    shades = "".join(
        f'<rect x="{_NAMES + 24 * i:g}" y="{y:g}" width="24" height="12" fill="{_HEAT}" '
        f'fill-opacity="{i / 5:.1f}" stroke="{RULE}" stroke-width=".5"/>'
        for i in range(6)
    )
    even = f"evenly spread, each would be {percent(1 / max(1, n_tokens))}"
    return (
        label(_NAMES - 10, y + 10, "share of attention", anchor="end", fill=MUTED)
        + shades
        + label(_NAMES + 152, y + 10, f"0 to {percent(largest)}; {even}", fill=INK)
    )
