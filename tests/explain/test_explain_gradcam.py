"""Grad-CAM where the answer is known, and its words."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.explain import (
    PlantedWindow,
    cam_peaks,
    directions,
    grad_cam,
    planted_cause_hit,
    upsample_map,
)
from cardiofusion.explain.gradcam import runs
from cardiofusion.records import InputError, Task

LEADS = ("I", "II", "V1", "V2")


def test_a_linear_model_whose_answer_is_known() -> None:
    # score = mean over time of the sum over (lead, channel) of weight * activation: its gradient is
    # weight / frames everywhere, so the map is relu(sum of weight * activation) up to scale.
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(4, 3))
    activation = rng.normal(size=(4, 3, 50))
    gradient = np.repeat(weight[:, :, None] / 50, 50, axis=2)
    expected = np.maximum((weight[:, :, None] * activation).sum(axis=1), 0.0)
    assert grad_cam(activation, gradient) == pytest.approx(expected / expected.max())


def test_each_lead_has_weights_of_its_own() -> None:
    activation = np.ones((2, 1, 4))
    gradient = np.stack([np.full((1, 4), 2.0), np.full((1, 4), 1.0)])
    assert grad_cam(activation, gradient).tolist() == [[1.0] * 4, [0.5] * 4]


def test_what_speaks_against_the_score_is_left_out_and_a_zero_map_stays_zero() -> None:
    activation = np.ones((2, 3, 4))
    assert not grad_cam(activation, -activation).any()
    assert not grad_cam(activation, np.zeros((2, 3, 4))).any()


def test_what_an_average_says_is_laid_where_it_is_from() -> None:
    """Six frames of time and two of a window that is the mean of what stands at 1 and at 4."""
    activation = np.zeros((1, 1, 8))
    activation[0, 0, [0, 6, 7]] = (0.25, 1.0, 0.5)
    spread = np.zeros((6, 2))
    spread[[1, 4], 0] = spread[[2, 5], 1] = 0.5
    cam = grad_cam(activation, np.ones((1, 1, 8)), spread)
    assert cam[0] == pytest.approx([0.5, 1.0, 0.5, 0.0, 1.0, 0.5])
    with pytest.raises(InputError, match="averages") as caught:
        grad_cam(activation, np.ones((1, 1, 8)), spread[:5])
    assert caught.value.hint


@given(st.integers(0, 2**31), st.floats(0.01, 100))
@settings(deadline=None, max_examples=20)
def test_the_map_is_within_bounds_and_does_not_depend_on_scale(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    activation, gradient = rng.normal(size=(2, 3, 4, 9))
    cam = grad_cam(activation, gradient)
    assert cam.min() >= 0
    assert cam.max() in (0.0, 1.0)
    assert grad_cam(activation, scale * gradient) == pytest.approx(cam)


@pytest.mark.parametrize(
    ("activation", "gradient"),
    [
        (np.ones((2, 3, 4)), np.ones((2, 3, 5))),
        (np.ones((3, 4)), np.ones((3, 4))),
        (np.ones((2, 0, 4)), np.ones((2, 0, 4))),
        (np.full((2, 3, 4), np.nan), np.ones((2, 3, 4))),
        (np.ones((2, 3, 4)), np.full((2, 3, 4), np.inf)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(activation: Any, gradient: Any) -> None:
    with pytest.raises(InputError):
        grad_cam(activation, gradient)


def test_upsampling_keeps_the_frames_where_they_were() -> None:
    cam = np.zeros((2, 25))
    cam[1, 10] = 1.0
    fine = upsample_map(cam, 1000)
    assert fine.shape == (2, 1000)
    assert not fine[0].any()
    assert abs(int(fine[1].argmax()) - 420) <= 1  # the centre of frame 10 of 25
    assert upsample_map(cam, 25) == pytest.approx(cam)


def test_peaks_are_told_in_words() -> None:
    cam = np.zeros((4, 250))
    cam[3, 80:85] = 1.0
    cam[1, 10:20] = 0.6
    cam[0, 100:120] = 0.4
    peaks = cam_peaks(cam, LEADS, duration=10.0)
    assert [peak.words for peak in peaks] == ["V2, 3.2-3.4 s", "II, 0.4-0.8 s"]
    assert [peak.weight for peak in peaks] == [1.0, 0.6]
    assert len(cam_peaks(cam, LEADS, 10.0, top=1)) == 1
    assert cam_peaks(np.zeros((4, 250)), LEADS, 10.0) == ()
    with pytest.raises(InputError):
        cam_peaks(cam, LEADS[:3], 10.0)


@given(st.lists(st.booleans(), max_size=40))
@settings(deadline=None, max_examples=50)
def test_runs_cover_exactly_the_true_frames(flags: list[bool]) -> None:
    covered = [False] * len(flags)
    for start, end in runs(np.array(flags, dtype=bool)):
        assert all(flags[start:end])
        covered[start:end] = [True] * (end - start)
    assert covered == flags


def test_the_pointing_game() -> None:
    window = PlantedWindow(frozenset({"V1", "V2"}), ((1.0, 1.2), (2.0, 2.2)))
    cam = np.zeros((4, 100))

    def hit(lead: int, frame: int, tolerance: float = 0.0) -> bool:
        pointed = cam.copy()
        pointed[lead, frame] = 1.0
        return planted_cause_hit(pointed, window, LEADS, 10.0, tolerance)

    assert hit(3, 10)
    assert hit(2, 21)
    assert not hit(0, 10)  # another lead
    assert not hit(3, 15)  # between two beats
    assert not hit(3, 22)
    assert hit(3, 22, tolerance=0.06)
    assert not planted_cause_hit(cam, window, LEADS, 10.0)
    assert window.share(LEADS, 10.0) == pytest.approx(2 / 4 * 0.4 / 10)


def test_random_peaks_hit_as_often_as_the_window_is_large() -> None:
    rng = np.random.default_rng(0)
    window = PlantedWindow(frozenset({"I", "V2"}), ((1.0, 3.0), (5.0, 7.0), (9.0, 12.0)))
    hits = [planted_cause_hit(rng.uniform(size=(4, 100)), window, LEADS, 10.0) for _ in range(2000)]
    assert window.share(LEADS, 10.0) == pytest.approx(0.25)
    assert np.mean(hits) == pytest.approx(0.25, abs=0.04)


def test_what_a_map_is_about() -> None:
    """A target is one output; a survival task's one target is all its hazards alike."""
    labels, survival = (Task("t", ("a", "b", "c"), "multi_label"), Task("t", ("a",), "survival", horizon=1.0))
    assert directions(labels, 3).tolist() == np.eye(3).tolist()
    assert directions(survival, 4).tolist() == [[0.25] * 4]
    assert directions(survival, 1).tolist() == [[1.0]]
