"""What a delineation is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Wave:
    """onset, peak, offset: samples at the recording's rate. confidence: 0 to 1, how much it is like the wave
    of the other beats of its kind (for P times how surely the rhythm has P waves).
    """

    onset: int
    peak: int
    offset: int
    confidence: float


@dataclass(frozen=True)
class Beat:
    """kind: 0 for the commonest QRS shape, 1 for the next. A wave that is not there is None."""

    kind: int
    qrs: Wave
    p: Wave | None = None
    t: Wave | None = None


@dataclass(frozen=True)
class LeadBeat:
    """One lead's own waves of a beat. A wave that does not stand out from the lead's noise is None."""

    qrs: Wave | None = None
    p: Wave | None = None
    t: Wave | None = None


@dataclass(frozen=True, eq=False)
class Delineation:
    """The beats in order; p_waves: 0 to 1, how surely the rhythm has P waves before its QRS. gaps: where all
    leads are missing, [start, stop) in samples; a beat may be hidden there.
    """

    beats: tuple[Beat, ...]
    sampling_rate: float
    p_waves: float
    gaps: tuple[tuple[int, int], ...] = ()
