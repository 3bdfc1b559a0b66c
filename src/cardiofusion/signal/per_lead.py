"""Each lead's own P, QRS and T of the beats that all leads together have found.

A lead shows a wave a little earlier or later than the others do, by the same time in every beat of a kind. So
its ends are looked for once, in the median of these beats, laid on each other where all leads have the wave:
where the lead's own slope has fallen to a share of the steepest (waves.py). In a small wave that is noisy, so
it is believed in part, and all leads' ends for the rest. Constants were chosen on the first 100 of LUDB's 200
records; the other 100 are the test (benchmarks/delineation.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Recording
from cardiofusion.signal.gaps import readable
from cardiofusion.signal.marks import Delineation, LeadBeat, Wave
from cardiofusion.signal.typical import Curves
from cardiofusion.signal.waves import gone

Float = NDArray[np.float64]
Name = Literal["qrs", "p", "t"]

FEW = 3  # beats: fewer do not tell wave from noise
APART = 0.024  # seconds by which all leads and the median lead may be apart: half as sure
NORMAL = 1.483  # of a normal distribution's median absolute deviation: its standard deviation


class Search(NamedTuple):
    """How a lead's own ends are looked for. reach: seconds beyond the ends of all leads. shares: of the
    steepest slope on either side. trust: in the lead's own ends, the rest in those of all leads. shift:
    seconds by which experts mark them later.
    """

    reach: float
    shares: tuple[float, float]
    trust: tuple[float, float]
    shift: tuple[float, float]


SEARCHES: dict[Name, Search] = {
    "qrs": Search(0.02, (0.3, 0.3), (0.7, 0.3), (-0.015, 0.004)),
    "p": Search(0.02, (0.4, 0.5), (0.6, 0.5), (-0.001, -0.001)),
    "t": Search(0.04, (0.35, 0.3), (0.7, 0.5), (-0.004, -0.001)),
}


@dataclass(frozen=True, eq=False)
class _Own:
    """What the leads show of one wave: samples from the ends of all leads to each lead's own [lead, onset
    peak offset]; height over chord or level, and noise of one beat [lead]; n: beats.
    """

    moved: NDArray[np.intp]
    height: Float
    noise: Float
    n: int


def delineate_leads(recording: Recording, found: Delineation) -> dict[str, tuple[LeadBeat, ...]]:
    """Lead -> its waves of each of the beats found; leads without signal are left out.

    A wave's confidence is that of all leads times the share of what the lead shows there that is not noise.
    """
    clean = readable(recording)
    if clean is None or not found.beats:
        return {}
    curves = Curves.of(clean, np.array([beat.qrs.peak for beat in found.beats], dtype=np.intp))
    waves: dict[Name, list[list[Wave | None]]] = {name: _of_leads(curves, found, name) for name in SEARCHES}
    return {
        lead: tuple(map(LeadBeat, waves["qrs"][row], waves["p"][row], waves["t"][row]))
        for row, lead in enumerate(clean.leads)
    }


def as_sure_as_leads(found: Delineation, leads: Mapping[str, Sequence[LeadBeat]]) -> Delineation:
    """The same marks, each as sure as it is in the median of the leads that show it; 0 where none does.

    How alike a wave is from beat to beat says little of how far off its ends are; how far it stands out of
    each lead's noise says more (docs/delineation.md).
    """

    def judged(i: int, name: Name) -> Wave | None:
        wave: Wave | None = getattr(found.beats[i], name)
        shown = [own.confidence for beats in leads.values() if (own := getattr(beats[i], name)) is not None]
        return wave and replace(wave, confidence=float(np.median(shown)) if shown else 0.0)

    beats = [
        replace(beat, qrs=judged(i, "qrs") or beat.qrs, p=judged(i, "p"), t=judged(i, "t"))
        for i, beat in enumerate(found.beats)
    ]
    return replace(found, beats=tuple(beats))


def qrs_agreement(found: Delineation, leads: Mapping[str, Sequence[LeadBeat]]) -> float:
    """0 to 1: how near the QRS of all leads is to that of the median lead, in the commonest beats.

    Where one lead moves long after the others the two are apart, and nobody can say which is right: in LUDB's
    records 101 to 200 the error of the QRS is 5 ms where they are 6 ms apart at most, 15 from 14 ms on.
    """
    usual = [i for i, beat in enumerate(found.beats) if beat.kind == 0]
    own = [_widths([beats[i].qrs for i in usual]) for beats in leads.values()]
    medians = [np.median(widths) for widths in own if widths]
    if not medians:
        return 0.0
    all_leads = np.median(_widths([found.beats[i].qrs for i in usual]))
    apart = (all_leads - np.median(medians)) / (APART * found.sampling_rate)
    return float(1.0 / (1.0 + apart**2))


def _widths(waves: Iterable[Wave | None]) -> list[int]:
    return [wave.offset - wave.onset for wave in waves if wave]


def _of_leads(curves: Curves, found: Delineation, name: Name) -> list[list[Wave | None]]:
    """[lead][beat] of one kind of wave. The noise is that of the commonest beats."""
    curve = {"qrs": curves.signal, "p": curves.p_curve, "t": curves.t_curve}[name]
    leads: list[list[Wave | None]] = [[None] * len(found.beats) for _ in curve]
    noise = np.zeros(len(curve))
    for kind in sorted({beat.kind for beat in found.beats}):
        there = [
            (i, wave)
            for i, beat in enumerate(found.beats)
            if beat.kind == kind and (wave := getattr(beat, name)) is not None
        ]
        if not there:
            continue
        own = _own(curve, [wave for _, wave in there], name, noise, curves.rate)
        noise = own.noise if kind == 0 else noise
        for row, waves in enumerate(leads):
            for i, wave in there:
                waves[i] = _moved(wave, own, row, curves.length)
    return leads


def _own(curve: Float, waves: Sequence[Wave], name: Name, noise: Float, rate: float) -> _Own:
    """From the median of beats of a kind; the ends of all leads are the same in each that no edge cuts."""
    marks = np.array([(wave.onset, wave.peak, wave.offset) for wave in waves])
    onset, offset = np.median(marks[:, [0, 2]] - marks[:, [1]], axis=0).astype(int)
    search = SEARCHES[name]
    margin = round(search.reach * rate)
    places = marks[:, [1]] + np.arange(onset - margin, offset + margin + 1)
    beats = curve[:, np.clip(places, 0, curve.shape[1] - 1)]
    median, span = np.median(beats, axis=1), (margin, margin + int(offset - onset))
    if len(waves) >= FEW:
        noise = NORMAL * np.median(np.abs(beats - median[:, None]), axis=(1, 2))
    off = np.abs(median[:, span[0] : span[1] + 1] - _level(median, span, name))
    moved = []
    for row, peak in zip(median, np.argmax(off, axis=1), strict=True):
        first, last = _ends(row, margin + int(peak), span, search, rate)
        moved.append((first, peak + onset, last))
    return _Own(np.array(moved, dtype=np.intp), off.max(axis=1), noise, len(waves))


def _level(median: Float, span: tuple[int, int], name: Name) -> Float:
    """What a wave stands out from: the line before the QRS, the chord of P and T: [lead, 1 or sample]."""
    first, last = median[:, [span[0]]], median[:, [span[1]]]
    return first if name == "qrs" else first + (last - first) * np.linspace(0.0, 1.0, span[1] - span[0] + 1)


def _ends(row: Float, peak: int, span: tuple[int, int], search: Search, rate: float) -> tuple[int, int]:
    """Samples from the ends of all leads to those of this lead."""
    steepness = np.abs(np.gradient(row))
    moved = []
    for side, limit in enumerate((0, len(row))):
        end = gone(steepness, peak, limit, search.shares[side])
        moved.append(round(search.trust[side] * (end - span[side]) + search.shift[side] * rate))
    return moved[0], moved[1]


def _moved(wave: Wave, own: _Own, row: int, length: int) -> Wave | None:
    """None where the median of the beats stands out no more than its own noise."""
    height, noise = own.height[row], own.noise[row]
    if not height > noise / own.n**0.5:
        return None
    onset, peak, offset = (
        int(mark + by) for mark, by in zip((wave.onset, wave.peak, wave.offset), own.moved[row], strict=True)
    )
    peak = min(max(peak, 0), length - 1)
    sure = wave.confidence * float(height**2 / (height**2 + noise**2))
    return Wave(max(0, min(onset, peak)), peak, min(length - 1, max(offset, peak)), sure)
