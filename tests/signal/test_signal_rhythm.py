"""Regularity: planted beats, virtual hearts, PTB-XL's fibrillation against sinus rhythm."""

from __future__ import annotations

import ast
import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cardiofusion.metrics import roc_auc
from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording, Rhythm
from cardiofusion.signal import Beat, Delineation, Wave, delineate, measure_rhythm
from cardiofusion.simulate.causes import columns
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_causes

RATE = 500.0
RESTLESS = (0.6, 0.9, 0.55, 1.1, 0.7, 0.95, 0.6, 1.2, 0.8)  # seconds from beat to beat


def rhythm_of(intervals: tuple[float, ...], p_waves: float = 1.0, kinds: tuple[int, ...] = ()) -> Rhythm:
    peaks = np.round(np.cumsum((0.5, *intervals)) * RATE).astype(int)
    kinds = kinds or (0,) * len(peaks)
    beats = tuple(Beat(k, Wave(p - 20, p, p + 20, 1.0)) for k, p in zip(kinds, peaks.tolist(), strict=True))
    found = measure_rhythm(Delineation(beats, RATE, p_waves))
    assert found is not None
    return found


def test_steady_beats_are_regular() -> None:
    found = rhythm_of((0.8,) * 9)
    assert (found.regularity, found.mean_change, found.typical_change) == ("regular", 0.0, 0.0)
    assert found.confidence == pytest.approx(1.0)
    assert (found.rr.value, found.rr.spread, found.rr.n, found.rr.unit) == (800.0, 0.0, 9, "ms")


def test_one_early_beat_makes_a_rhythm_irregular_but_not_without_rule() -> None:
    found = rhythm_of(
        (0.8, 0.8, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8, 0.8), p_waves=0.1, kinds=(0, 0, 0, 0, 1, 0, 0, 0, 0, 0)
    )
    assert found.regularity == "irregular"
    assert found.other_shapes == pytest.approx(0.1)


def test_restless_beats_are_irregularly_irregular_only_without_p_waves() -> None:
    assert rhythm_of(RESTLESS, p_waves=0.05).regularity == "irregularly irregular"
    assert rhythm_of(RESTLESS, p_waves=0.95).regularity == "irregular"


def test_doubt_about_p_waves_is_doubt_about_the_words() -> None:
    sure, doubtful = rhythm_of(RESTLESS, p_waves=0.05), rhythm_of(RESTLESS, p_waves=0.45)
    assert sure.confidence > 0.9 > doubtful.confidence


@given(
    intervals=st.lists(st.floats(0.3, 2.0), min_size=3, max_size=20),
    p_waves=st.floats(0.0, 1.0),
    factor=st.sampled_from([2, 3]),
)
def test_words_do_not_depend_on_the_rate_of_the_heart(
    intervals: list[float], p_waves: float, factor: int
) -> None:
    whole = tuple(round(one * RATE) / RATE for one in intervals)
    once = rhythm_of(whole, p_waves)
    slower = rhythm_of(tuple(factor * one for one in whole), p_waves)
    assert slower.mean_change == pytest.approx(once.mean_change, abs=0.02)
    assert 0.0 <= once.confidence <= 1.0


def test_too_few_beats_tell_no_rhythm() -> None:
    beat = Beat(0, Wave(80, 100, 120, 1.0))
    assert measure_rhythm(Delineation((beat,) * 3, RATE, 1.0)) is None
    assert measure_rhythm(Delineation((), RATE, 0.0)) is None


def test_virtual_fibrillation_is_told_from_sinus_rhythm(
    sinus_hearts: Callable[..., tuple[list[Recording], object]],
) -> None:
    rng = np.random.default_rng(3)
    causes = draw_causes(4000, rng)
    chosen = np.flatnonzero(columns(causes)["afib"] > 0)[:20]
    restless = [Recording(s, RATE, LEADS) for s in render(causes[chosen], rng, RATE, noise=False)]

    def without_rule(recordings: list[Recording]) -> float:
        found = [measure_rhythm(delineate(recording)) for recording in recordings]
        return float(
            np.mean([one is not None and one.regularity == "irregularly irregular" for one in found])
        )

    assert without_rule(restless) >= 0.7
    assert without_rule(sinus_hearts(40)[0]) <= 0.05


def test_fibrillation_in_ptb_xl(data_dir: Path) -> None:
    """The 13 ECGs coded AFIB against each tenth in sinus rhythm; no constant was chosen on them."""
    with (data_dir / "ptb-xl" / "ptbxl_database.csv").open(encoding="utf-8") as table:
        rows = [(row["filename_hr"], ast.literal_eval(row["scp_codes"])) for row in csv.DictReader(table)]
    restless = [name for name, codes in rows if "AFIB" in codes]
    steady = [name for name, codes in rows if {"SR", "SARRH", "SBRAD", "STACH"} & codes.keys()][::10]
    found = [
        measure_rhythm(delineate(read_recording(data_dir / "ptb-xl" / f"{name}.hea")))
        for name in restless + steady
    ]
    score = np.array([0.0 if one is None else one.typical_change * (1.0 - one.p_waves) for one in found])
    truth = np.array([1] * len(restless) + [0] * len(steady))
    assert len(restless) == 13
    assert roc_auc(truth, score) > 0.85
