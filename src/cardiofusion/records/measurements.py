"""What was measured in an ECG: intervals, axes, amplitudes and rhythm, each with how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Regularity = Literal["regular", "irregular", "irregularly irregular"]

UNSURE = 0.6  # confidence below which a value is to be read with care


@dataclass(frozen=True)
class Measurement:
    """value: the median over beats, in `unit` ("ms", "°", "/min", "mV"). spread: half the interquartile range
    over beats, in the same unit. confidence: 0 to 1. n: beats (for a rate the intervals between them).
    """

    value: float
    unit: str
    spread: float
    confidence: float
    n: int

    @property
    def sure(self) -> bool:
        """Whether it may be read without care."""
        return self.confidence >= UNSURE


@dataclass(frozen=True)
class Rhythm:
    """How the beats follow each other: words for what was counted, no diagnosis.

    rr: from beat to beat. mean_change, typical_change: mean and median change from one RR to the next, over
    the mean and the median RR. other_shapes: share of beats whose QRS is not of the commonest shape.
    p_waves: 0 to 1, how surely P waves come before the QRS. confidence: of `regularity`, 0 to 1.
    """

    regularity: Regularity
    rr: Measurement
    mean_change: float
    typical_change: float
    other_shapes: float
    p_waves: float
    confidence: float

    @property
    def sure(self) -> bool:
        """Whether it may be read without care."""
        return self.confidence >= UNSURE


@dataclass(frozen=True)
class Measurements:
    """Everything measured in one ECG. What cannot be told is not there.

    intervals: heart_rate, pr, p_duration, qrs, qt, qtc_bazett, qtc_fridericia, qtc_framingham, qtc_hodges,
    p_axis, qrs_axis, t_axis. amplitudes: lead -> p, q, r, s, r_prime, st, t in mV over the level before the
    QRS. voltages: sums of amplitudes by the name of their author, in mV. device: what the program of the
    device measured, by the names of MEASUREMENTS (/min, ms, degrees). from_leads: those that were measured.
    """

    intervals: Mapping[str, Measurement] = field(default_factory=dict)
    amplitudes: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)
    voltages: Mapping[str, Measurement] = field(default_factory=dict)
    rhythm: Rhythm | None = None
    device: Mapping[str, float] = field(default_factory=dict)
    from_leads: tuple[str, ...] = ()
