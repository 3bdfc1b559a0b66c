"""Two pictures drawn with matplotlib: an ECG hidden and rebuilt, and curves with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cardiofusion.records import LEADS
from cardiofusion.signal import CANONICAL_RATE

Float = NDArray[np.float32]
Mask = NDArray[np.bool_]
Curves = Mapping[str, Mapping[str, Sequence[float]]]  # encoder -> share of labels -> value, low, high

INK, FAINT, BLUE, SHADE, GRID = "#111", "#b9aeab", "#1f4fc4", "#e3dcd9", "#f1c4bb"
SPACE_MV, REACH_MV = 1.5, 1.1  # between baselines, and how far a trace may leave its own
# Distinct also without colour vision (Okabe and Ito), and by their markers.
NO_LABELS_AT = 6.0  # per cent, on the axis of the probe curves
LINES = (
    ("#0072b2", "o"),
    ("#d55e00", "s"),
    ("#009e73", "^"),
    ("#cc79a7", "D"),
    ("#e69f00", "v"),
    ("#555", "x"),
)


def triptych(truth: Float, hidden: Mask, rebuilt: Float, words: str, out: Path) -> None:
    """truth, hidden and rebuilt are [12, sample]; what of rebuilt is not hidden is not drawn."""
    figure, panels = pyplot.subplots(1, 3, figsize=(18, 10), sharey=True)
    visible, guessed = np.where(hidden, np.nan, truth), np.where(hidden, rebuilt, np.nan)
    titles = ("Recorded", "What the encoder sees: a quarter", "Rebuilt (blue) over what was hidden (grey)")
    for panel, title in zip(panels, titles, strict=True):
        _paper(panel, truth.shape[1] / CANONICAL_RATE)
        panel.set_title(title, loc="left", fontsize=13)
    _traces(panels[0], truth, INK)
    _shade(panels[1], hidden)
    _traces(panels[1], visible, INK)
    _traces(panels[2], np.where(hidden, truth, np.nan), FAINT)
    _traces(panels[2], visible, INK)
    _traces(panels[2], guessed, BLUE, 1.2)
    figure.text(0.012, 0.012, words, fontsize=12)
    figure.subplots_adjust(left=0.03, right=0.995, top=0.965, bottom=0.06, wspace=0.02)
    _save(figure, out)


def _paper(panel: Axes, seconds: float) -> None:
    top, bottom = 0.8 * SPACE_MV, -(len(LEADS) - 0.2) * SPACE_MV
    panel.set_xlim(0, seconds)
    panel.set_ylim(bottom, top)
    panel.vlines(np.arange(0, seconds + 0.1, 0.2), bottom, top, color=GRID, linewidth=0.5, zorder=0)
    panel.hlines(np.arange(0, bottom, -0.5), 0, seconds, color=GRID, linewidth=0.5, zorder=0)
    panel.hlines(np.arange(0, top, 0.5), 0, seconds, color=GRID, linewidth=0.5, zorder=0)
    panel.set_facecolor("#fffaf8")
    panel.set_yticks([-SPACE_MV * row for row in range(len(LEADS))], LEADS, fontsize=11)
    panel.set_xticks([])
    panel.tick_params(length=0)
    for side in panel.spines.values():
        side.set_visible(False)


def _traces(panel: Axes, leads: Float, colour: str, width: float = 0.9) -> None:
    time = np.arange(leads.shape[1]) / CANONICAL_RATE
    for row, lead in enumerate(leads):
        inside = np.clip(lead, -REACH_MV, REACH_MV)
        panel.plot(time, inside - SPACE_MV * row, color=colour, linewidth=width)


def _shade(panel: Axes, hidden: Mask) -> None:
    seconds = hidden.shape[1] / CANONICAL_RATE
    for row, gap in enumerate(hidden):
        box = (0.0, seconds, -SPACE_MV * (row + 0.47), -SPACE_MV * (row - 0.47))
        shade = np.where(gap, 1.0, np.nan)[None]
        panel.imshow(shade, extent=box, aspect="auto", cmap=mpl.colors.ListedColormap([SHADE]), zorder=1)


def probe_curves(curves: Curves, out: Path) -> None:
    """Macro AUC with its interval against the share of labels, encoders side by side at each share.

    A share of 0, which a logarithm has no place for, stands to the left of the smallest.
    """
    figure, panel = pyplot.subplots(figsize=(8.4, 5.2))
    for at, (name, curve) in enumerate(curves.items()):
        colour, marker = LINES[at % len(LINES)]
        shares = sorted(curve, key=float)
        aside = 1.0 + 0.02 * (at - (len(curves) - 1) / 2)  # intervals must not lie on each other
        x = [_place(share) * aside for share in shares]
        value, low, high = np.array([curve[share] for share in shares]).T
        reach = (value - low, high - value)
        panel.errorbar(x, value, reach, color=colour, marker=marker, capsize=2.5, linewidth=1.6, label=name)
    panel.set_xscale("log")
    ticks = {_place(share): float(share) for curve in curves.values() for share in curve}
    panel.set_xticks(sorted(ticks), [f"{100 * ticks[x]:g} %" if ticks[x] else "none" for x in sorted(ticks)])
    panel.minorticks_off()
    panel.set_xlabel("share of the training patients whose labels are used")
    panel.set_ylabel("macro AUC, 95 % interval by patient")
    panel.grid(axis="y", color="#ddd", linewidth=0.6)
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False, loc="lower right")
    figure.tight_layout()
    _save(figure, out)


def _place(share: str) -> float:
    return 100 * float(share) or NO_LABELS_AT


def _save(figure: Figure, out: Path) -> None:
    figure.savefig(out, dpi=100)
    pyplot.close(figure)
