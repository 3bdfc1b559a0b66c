"""Beats that are dropped, atria that march on, nodes that take over."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.records import LEADS
from cardiofusion.simulate.causes import columns
from cardiofusion.simulate.rhythm import Rhythm, draw_rhythm

II = LEADS.index("II")
Values = Mapping[str, NDArray[np.float64]]


def rhythm(ruler: Any, *findings: str, **numbers: float) -> tuple[Values, Rhythm]:
    values = columns(ruler.causes(*findings, n=64, **numbers))
    return values, draw_rhythm(values, 10.0, np.random.default_rng(0))


def runs(conducted: NDArray[np.float64]) -> list[NDArray[np.intp]]:
    """Indices of the conducted beats between two dropped ones."""
    dropped = np.flatnonzero(conducted == 0)
    return [np.arange(a + 1, b) for a, b in pairwise(dropped)]


def test_wenckebach_lengthens_pr_by_less_each_time_and_drops_the_last(ruler: Any) -> None:
    _, drawn = rhythm(ruler, "wenckebach")
    assert (drawn.atria.conducted == 0).any(axis=1).all()
    for longer, conducted in zip(drawn.atria.lengthening, drawn.atria.conducted, strict=True):
        for run in runs(conducted):
            steps = np.diff(longer[run])
            assert longer[run[0]] == 0
            assert (steps > 0.008).all()
            assert (np.diff(steps) < 0).all()


def test_mobitz_drops_beats_at_a_constant_pr(ruler: Any) -> None:
    _, drawn = rhythm(ruler, "mobitz")
    assert (drawn.atria.conducted == 0).any(axis=1).all()
    assert (drawn.atria.lengthening == 0).all()


@pytest.mark.parametrize("name", ["wenckebach", "mobitz"])
def test_dropped_beats_leave_pauses_and_the_rate_is_that_of_the_ventricles(ruler: Any, name: str) -> None:
    causes = ruler.causes(name, rr_variation=0.0)
    rates = [60 * ruler.rate / np.diff(ruler.beats(ecg)).mean() for ecg in ruler.render(causes)]
    assert np.median(np.abs(rates / columns(causes)["rate"] - 1)) < 0.06
    pauses = [
        np.diff(ruler.beats(e)).max() / np.diff(ruler.beats(e)).min() for e in ruler.ecgs(name, rate=60)
    ]
    assert np.mean(np.array(pauses) > 1.25) > 0.9
    same = ruler.render(ruler.causes(rr_variation=0.0, rate=60))
    assert max(np.diff(ruler.beats(e)).max() / np.diff(ruler.beats(e)).min() for e in same) < 1.1


def test_a_dropped_beat_still_has_its_p(ruler: Any) -> None:
    """At 2:1 there are twice as many P waves as QRS complexes."""
    causes = ruler.causes("mobitz", rate=40, rr_variation=0.0, p_amplitude=0.3, n=16)
    without = causes.copy()
    without[:, [i for i, c in enumerate(columns(causes)) if c == "p_amplitude"]] = 0.02
    p_waves = (ruler.render(causes) - ruler.render(without))[:, II]
    counted = [int((np.diff((p > 0.5 * p.max()).astype(int)) == 1).sum()) for p in p_waves]
    beats = [len(ruler.beats(ecg)) for ecg in ruler.render(causes)]
    ratio = np.array(counted) / np.array(beats)
    assert np.median(ratio) > 1.7


def test_in_complete_block_atria_and_ventricles_keep_their_own_time(ruler: Any) -> None:
    """P falls anywhere in the cycle: aligned on QRS it averages out, in the recording it stays."""

    def kept(*findings: str) -> float:
        causes = ruler.causes(*findings, rate=40, p_amplitude=0.3, rr_variation=0.0)
        without = causes.copy()
        without[:, list(columns(causes)).index("p_amplitude")] = 0.02
        found = []
        for ecg, bare in zip(ruler.render(causes), ruler.render(without), strict=True):
            p = (ecg - bare)[II]
            peaks = [b for b in ruler.beats(bare) if 100 <= b < p.size]
            found.append(np.mean([p[b - 100 : b] for b in peaks], axis=0).max() / p.max())
        return float(np.median(found))

    assert kept() > 0.8
    assert kept("av_block_3") < 0.65


def test_the_escape_is_slow_regular_and_broad_only_from_below(ruler: Any) -> None:
    narrow, broad = (ruler.causes("av_block_3", *more) for more in ((), ("ventricular_escape",)))
    spread = [np.diff(ruler.beats(e)).std() / np.diff(ruler.beats(e)).mean() for e in ruler.render(narrow)]
    assert np.median(spread) < 0.02

    def width(ecg: NDArray[np.float32]) -> int:
        speed = np.abs(np.diff(ruler.beat(ecg)[:, 40:115], axis=1)).sum(axis=0)
        return int((speed > 0.1 * speed.max()).sum())

    one, other = (np.median([width(e) for e in ruler.render(causes)]) for causes in (narrow, broad))
    assert other > 1.3 * one


def p_of(beat: NDArray[np.float32]) -> float:
    """Height of what stands between 0.24 and 0.09 s before R over the level before it."""
    return float((beat[15:52] - np.median(beat[:8])).max())


def test_a_junctional_rhythm_has_no_upright_p_before_qrs(ruler: Any) -> None:
    sinus, junction = (ruler.ecgs(*f, rate=60, p_amplitude=0.2) for f in ((), ("junctional",)))
    before = [np.array([p_of(ruler.beat(e)[II]) for e in ecgs]) for ecgs in (sinus, junction)]
    assert np.mean(before[0] > 0.08) > 0.8
    assert before[1].max() < 0.08


def test_supraventricular_tachycardia_is_fast_and_regular(ruler: Any) -> None:
    causes = ruler.causes("svt")
    for ecg in ruler.render(causes):
        rr = np.diff(ruler.beats(ecg)) / ruler.rate
        assert 60 / rr.mean() > 140
        assert rr.std() / rr.mean() < 0.03


def test_bigeminy_alternates(ruler: Any) -> None:
    _, drawn = rhythm(ruler, "pvc", "bigeminy")
    extra = drawn.origin[:, 2:] != 0
    assert (extra[:, 1:] != extra[:, :-1]).all()


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32 - 1), name=st.sampled_from(["wenckebach", "mobitz", "av_block_3", "svt", "pvc"])
)
def test_beats_follow_each_other_whatever_the_rhythm(ruler: Any, seed: int, name: str) -> None:
    values = columns(ruler.causes(name, n=8, seed=seed))
    drawn = draw_rhythm(values, 10.0, np.random.default_rng(seed))
    assert (np.diff(drawn.onset, axis=1) > 0.1).all()
    assert (drawn.onset[:, 0] < 0).all()
    assert (drawn.onset[:, -1] > 10.0).all()
    assert set(np.unique(drawn.atria.conducted)) <= {0.0, 1.0}
