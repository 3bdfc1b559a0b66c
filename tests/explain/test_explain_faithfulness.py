"""Explanations that tell the truth pass; maps that do not, do not."""

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from cardiofusion.explain import deletion_insertion, passes, pooled, randomisation_similarity
from cardiofusion.records import Figure, InputError

LEAD, START, END = 3, 400, 440


@pytest.fixture
def signal() -> Any:
    return np.random.default_rng(0).normal(1.0, 0.3, (6, 1000)).astype(np.float32)


def planted_score(batch: Any) -> Any:
    """Reads one stretch of one lead and nothing else."""
    return batch[:, LEAD, START:END].mean(axis=1)


def map_at(lead: int, start: int, end: int) -> Any:
    cam = np.zeros((6, 250))
    cam[lead, start // 4 : end // 4] = 1.0
    return cam


def test_the_true_map_beats_random_ones(signal: Any) -> None:
    found = deletion_insertion(planted_score, signal, map_at(LEAD, START, END), np.random.default_rng(1))
    assert found.better_than_random.value >= 0.95
    assert found.deletion < 0.15 < found.random_deletion
    assert found.insertion > 0.85 > found.random_insertion
    assert passes(found.better_than_random, 0.1)
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["better_than_random"]["n"] == 20


def test_a_map_of_the_wrong_place_does_not(signal: Any) -> None:
    found = deletion_insertion(planted_score, signal, map_at(LEAD, 700, 740), np.random.default_rng(1))
    assert found.better_than_random.value < 0.5
    assert not passes(found.better_than_random, 0.1)


def test_a_constant_map_beats_none(signal: Any) -> None:
    found = deletion_insertion(planted_score, signal, np.ones((6, 250)), np.random.default_rng(1))
    assert found.better_than_random.value == 0.0


def test_areas_of_a_linear_score_are_known() -> None:
    # The score is the mean: deleted at an even pace it falls in a straight line, whatever the map.
    flat = np.ones((4, 200), np.float32)
    cam = np.random.default_rng(0).uniform(size=(4, 50))
    found = deletion_insertion(lambda batch: batch.mean(axis=(1, 2)), flat, cam, np.random.default_rng(0))
    assert found.deletion == pytest.approx(0.5, abs=1e-3)
    assert found.insertion == pytest.approx(0.5, abs=1e-3)


def test_the_ecg_is_whole_first_and_gone_last(signal: Any) -> None:
    seen: list[Any] = []
    deletion_insertion(
        lambda b: seen.append(b) or b[:, 0, 0], signal, map_at(0, 0, 40), np.random.default_rng(0), steps=4
    )
    deleted, inserted = seen[0][:5], seen[0][5:]
    assert np.array_equal(deleted[0], signal)
    assert not deleted[-1].any()
    assert not inserted[0].any()
    assert np.array_equal(inserted[-1], signal)
    assert (deleted + inserted == signal).all()
    assert [int((step != 0).sum()) for step in inserted] == [0, 1500, 3000, 4500, 6000]


def test_random_maps_of_a_random_map_are_no_worse() -> None:
    rng = np.random.default_rng(3)
    signal = rng.normal(1.0, 0.3, (6, 400)).astype(np.float32)
    results = [
        deletion_insertion(lambda b: b[:, 2, 100:120].mean(axis=1), signal, rng.uniform(size=(6, 100)), rng)
        for _ in range(40)
    ]
    overall = pooled(results, "random maps")
    assert overall.low < 0.5 < overall.high
    assert overall.n == 40
    assert not passes(overall, 0.0)


def test_pooling_needs_two_ecgs_to_pass(signal: Any) -> None:
    found = deletion_insertion(planted_score, signal, map_at(LEAD, START, END), np.random.default_rng(1))
    assert passes(pooled([found] * 3, "x"), 0.1)
    assert not passes(pooled([found], "x"), 0.1)
    assert not passes(pooled([], "x"), 0.1)


def test_the_rule() -> None:
    good, poor = Figure(0.9, 0.8, 1.0, 20, "x"), Figure(0.6, 0.4, 0.8, 20, "x")
    assert passes(good, 0.2)
    assert not passes(good, 0.6)
    assert not passes(poor, 0.2)
    assert not passes(good, float("nan"))
    assert not passes(Figure(0.9, float("nan"), float("nan"), 1, "x"), 0.2)


@given(st.integers(0, 2**31), st.integers(2, 12))
@settings(deadline=None, max_examples=30)
def test_similarity_is_spearmans(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, levels, (2, 3, 20)).astype(float)
    expected = spearmanr(first.ravel(), second.ravel()).statistic
    assert randomisation_similarity(first, second) == pytest.approx(expected)


def test_similarity_of_special_maps() -> None:
    cam = np.random.default_rng(0).uniform(size=(3, 20))
    assert randomisation_similarity(cam, cam**3) == pytest.approx(1.0)
    assert randomisation_similarity(cam, 1 - cam) == pytest.approx(-1.0)
    assert randomisation_similarity(cam, np.zeros((3, 20))) == 0.0
    assert randomisation_similarity(np.zeros((3, 20)), np.ones((3, 20))) == 1.0
    with pytest.raises(InputError):
        randomisation_similarity(cam, cam[:2])


def test_what_does_not_fit_is_refused(signal: Any) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="5 leads"):
        deletion_insertion(planted_score, signal, np.ones((5, 250)), rng)
    with pytest.raises(InputError, match="scores of shape"):
        deletion_insertion(lambda batch: batch.mean(axis=1), signal, np.ones((6, 250)), rng)


def test_the_room_is_numpy_only() -> None:
    script = """
import sys, cardiofusion.explain
heavy = {"umap", "numba", "sklearn", "scipy", "torch", "pandas", "polars", "matplotlib", "shap", "lightgbm"}
print(sorted(heavy & {name.split(".")[0] for name in sys.modules}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
