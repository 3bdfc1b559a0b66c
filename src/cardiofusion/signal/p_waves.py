"""Whether a rhythm has P waves before its QRS at all, or the line is restless everywhere (fibrillation)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from cardiofusion.signal.beats import irregularity_of
from cardiofusion.signal.marks import Beat
from cardiofusion.signal.typical import Curves, sizes

Float = NDArray[np.float64]

WEIGHTS = (1.76, -0.62, 0.83, 1.40)  # of the evidence; benchmarks/delineation.py fits them
BIAS = -2.80
BEFORE_QRS = (0.29, 0.03)  # seconds before the QRS that hold a P
GAP, SHORTEST_REST = 0.02, 0.08  # seconds left out beside waves, and least length of a resting line
FEW = 3  # beats that can be compared
MOST_IRREGULAR, RATIOS, MOST_ALIKE = 0.4, (0.2, 4.0), 0.99


def p_wave_probability(curves: Curves, beats: Sequence[Beat]) -> float:
    """0 to 1; 0 where no beat may have a P, or too few beats can be compared."""
    evidence = p_wave_evidence(curves, beats)
    if evidence is None:
        return 0.0
    return float(0.5 + 0.5 * np.tanh((evidence @ np.array(WEIGHTS) + BIAS) / 2.0))


def p_wave_evidence(curves: Curves, beats: Sequence[Beat]) -> Float | None:
    """Four numbers, None where none can be told.

    How coherent the line before QRS is; how irregular RR; the log of P over the resting line; how alike P
    waves are (-log of what is missing to 1).
    """
    before = _before_qrs(curves, beats)
    alike = [beat.p.confidence for beat in beats if beat.p]
    if len(before) < FEW or not alike:
        return None
    return np.array(
        [
            _coherence(before),
            min(irregularity_of(curves.peaks, curves.gaps) or 0.0, MOST_IRREGULAR),
            _over_rest(curves, beats),
            -float(np.log(1.0 - min(float(np.median(alike)), MOST_ALIKE))),
        ]
    )


def _before_qrs(curves: Curves, beats: Sequence[Beat]) -> Float:
    """[beat, lead, sample] of the P curve, each lead over its span and about its mean."""
    early, late = (round(seconds * curves.rate) for seconds in BEFORE_QRS)
    onsets = [beat.qrs.onset for beat in beats if beat.qrs.onset >= early]
    pieces = np.array([curves.p_curve[:, onset - early : onset - late] for onset in onsets])
    if not len(pieces):
        return pieces
    pieces = pieces / sizes(curves.signal)
    return np.asarray(pieces - pieces.mean(axis=2, keepdims=True))


def _coherence(pieces: Float) -> float:
    """The share of energy that the beats have in common, without bias by their number."""
    n, total = len(pieces), float((pieces**2).sum(axis=(1, 2)).mean())
    common = float((pieces.mean(axis=0) ** 2).sum())
    return (common * n - total) / (n - 1) / total if total > 0.0 else 0.0


def _over_rest(curves: Curves, beats: Sequence[Beat]) -> float:
    """Log of the median height of P over that of the line between T and P; 0 where there is no rest."""
    gap, shortest, waves, rests = round(GAP * curves.rate), round(SHORTEST_REST * curves.rate), [], []
    for last, beat in pairwise(beats):
        if last.t and beat.p and beat.p.onset - last.t.offset - 2 * gap >= shortest:
            waves.append(_height(curves, beat.p.onset, beat.p.offset + 1))
            rests.append(_height(curves, last.t.offset + gap, beat.p.onset - gap))
    if not waves or not np.median(rests) > 0.0:
        return 0.0
    return float(np.log(np.clip(np.median(waves) / np.median(rests), *RATIOS)))


def _height(curves: Curves, first: int, last: int) -> float:
    return float(np.ptp(curves.p_curve[:, first:last], axis=1).mean())
