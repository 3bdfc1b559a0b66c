"""Masked R2 and its four predictors, on signals where the right answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cardiofusion.tmae import (
    TMAE,
    TMAEConfig,
    Unlabelled,
    expected_beats,
    interpolation,
    masks_for,
    mean_beat,
    network,
    other_leads,
    pooled_r2,
    spans_for,
    squared_errors,
    true_beats,
)
from cardiofusion.tmae.masked_r2 import centre
from cardiofusion.tmae.model import Visible

TINY = TMAEConfig(
    width=16,
    layers=1,
    heads=2,
    decoder_width=16,
    decoder_layers=1,
    stem_width=4,
    samples=200,
    patch=20,
)
N = TINY.n_patches


@pytest.fixture
def ecgs() -> Unlabelled:
    rng = np.random.default_rng(0)
    signal = rng.normal(0, 0.5, (7, 12, TINY.samples)) + rng.normal(0, 3, (7, 12, 1))
    present = np.ones((7, 12), dtype=bool)
    present[1, 1:] = False
    present[4, ::2] = False
    return Unlabelled(np.where(present[:, :, None], signal, 0).astype(np.float32), present)


@pytest.fixture
def hidden(ecgs: Unlabelled) -> NDArray[np.bool_]:
    return masks_for(ecgs, N, 0.75, seed=3)


def test_masks_hide_whole_patches_of_present_leads(ecgs: Unlabelled, hidden: NDArray[np.bool_]) -> None:
    patches = hidden.reshape(7, 12, N, TINY.patch)
    assert np.array_equal(patches.all(3), patches.any(3))
    assert not hidden[~ecgs.present].any()
    share = hidden.sum((1, 2)) / (ecgs.present.sum(1) * TINY.samples)
    assert np.all(np.abs(share - 0.75) <= 0.5 / (N * ecgs.present.sum(1)) + 1e-9)
    assert np.array_equal(hidden, masks_for(ecgs, N, 0.75, seed=3))
    assert not np.array_equal(hidden, masks_for(ecgs, N, 0.75, seed=4))


def test_the_truth_scores_one_and_the_mean_zero(ecgs: Unlabelled, hidden: NDArray[np.bool_]) -> None:
    truth = centre(ecgs)
    assert pooled_r2(squared_errors(ecgs, hidden, lambda *_: truth)) == 1.0
    assert pooled_r2(squared_errors(ecgs, hidden, lambda shown, *_: np.zeros_like(shown))) == 0.0
    half = pooled_r2(squared_errors(ecgs, hidden, lambda *_: truth / 2))
    assert half == pytest.approx(0.75, abs=1e-6)


def test_an_offset_of_a_lead_changes_nothing(ecgs: Unlabelled, hidden: NDArray[np.bool_]) -> None:
    lifted = Unlabelled(ecgs.signal + np.float32(1.5) * ecgs.present[:, :, None], ecgs.present)
    for predict in (interpolation, other_leads(ecgs)):
        plain, moved = squared_errors(ecgs, hidden, predict), squared_errors(lifted, hidden, predict)
        np.testing.assert_allclose(plain, moved, rtol=1e-4)


def test_a_predictor_is_shown_nothing_that_is_hidden(ecgs: Unlabelled, hidden: NDArray[np.bool_]) -> None:
    shown: list[NDArray[np.float32]] = []

    def spy(signal: NDArray[np.float32], *_: NDArray[np.bool_]) -> NDArray[np.float32]:
        shown.append(signal)
        return signal

    squared_errors(ecgs, hidden, spy)
    assert not shown[0][hidden].any()
    assert np.array_equal(shown[0][~hidden], centre(ecgs)[~hidden])


def test_weights_count_an_ecg_as_often(ecgs: Unlabelled, hidden: NDArray[np.bool_]) -> None:
    errors = squared_errors(ecgs, hidden, interpolation)
    twice = np.repeat(errors, [2, 1, 0, 3, 1, 1, 1], axis=0)
    weights = np.array([2.0, 1, 0, 3, 1, 1, 1])
    assert pooled_r2(errors, weights) == pytest.approx(pooled_r2(twice), rel=1e-12)
    residual, power = errors.sum(0)
    assert pooled_r2(errors) == pytest.approx(1 - residual / power, rel=1e-12)


@pytest.mark.parametrize("batch", [2, 64])
def test_the_network_is_reconstruct_on_the_same_mask(
    ecgs: Unlabelled, hidden: NDArray[np.bool_], batch: int
) -> None:
    torch.manual_seed(0)
    model = TMAE(TINY).eval()
    truth = centre(ecgs)
    predicted = network(model, batch)(np.where(hidden, np.float32(0), truth), hidden, ecgs.present)
    for ecg in range(len(ecgs)):
        patches = hidden[ecg].reshape(12, N, TINY.patch)[:, :, 0]
        index = np.flatnonzero(~patches & ecgs.present[ecg][:, None])
        seen = Visible(torch.from_numpy(index)[None], torch.ones(1, len(index), dtype=torch.bool))
        leads = torch.from_numpy(ecgs.present[ecg])[None]
        with torch.no_grad():
            rebuilt = model.reconstruct(torch.from_numpy(truth[ecg])[None], leads, seen)[0].flatten(2)[0]
        np.testing.assert_allclose(predicted[ecg][hidden[ecg]], rebuilt.numpy()[hidden[ecg]], atol=1e-5)


def test_other_leads_recover_an_exact_combination() -> None:
    rng = np.random.default_rng(1)
    signal = rng.normal(0, 1, (20, 12, 100))
    signal[:, 2] = signal[:, 1] - signal[:, 0]
    signal[:, 9] = 0.5 * signal[:, 4] - 0.3 * signal[:, 6]
    ecgs = Unlabelled(signal.astype(np.float32), np.ones((20, 12), dtype=bool))
    training, held_out = (
        Unlabelled(ecgs.signal[part], ecgs.present[part]) for part in (slice(0, 12), slice(12, 20))
    )
    hidden = np.zeros((8, 12, 100), dtype=bool)
    hidden[:, 2, 20:60] = True
    hidden[:, 9, 40:90] = True
    predict = other_leads(training)
    assert pooled_r2(squared_errors(held_out, hidden, predict)) > 0.999
    gone = hidden.copy()
    gone[:, 3] = True  # nothing else tells of this one: the mean is the best guess
    error, power = squared_errors(held_out, gone & ~hidden, predict).sum(0)
    assert error / power == pytest.approx(1.0, abs=0.1)


def test_other_leads_use_present_leads_only() -> None:
    rng = np.random.default_rng(2)
    signal = rng.normal(0, 1, (20, 12, 100)).astype(np.float32)
    signal[:, 2] = signal[:, 1] - signal[:, 0]
    whole = np.ones((20, 12), dtype=bool)
    predict = other_leads(Unlabelled(signal, whole))
    present = whole.copy()
    present[:, 5:] = False
    hidden = np.zeros(signal.shape, dtype=bool)
    hidden[:, 2] = True
    spoilt = signal.copy()
    spoilt[:, 5:] = 99.0
    assert np.array_equal(predict(signal, hidden, present)[:, 2], predict(spoilt, hidden, present)[:, 2])


def test_interpolation_is_exact_on_straight_lines() -> None:
    rng = np.random.default_rng(3)
    time = np.arange(100, dtype=np.float32)
    truth = rng.normal(0, 0.1, (3, 12, 1)) * time + rng.normal(0, 1, (3, 12, 1))
    hidden = np.repeat(rng.random((3, 12, 10)) < 0.7, 10, axis=2)
    hidden[:, :, :10] = hidden[:, :, 90:] = False
    shown = np.where(hidden, 0, truth).astype(np.float32)
    filled = interpolation(shown, hidden, np.ones((3, 12), dtype=bool))
    np.testing.assert_allclose(filled, truth, atol=1e-5)
    assert not np.allclose(shown, truth, atol=0.1)


def test_interpolation_holds_the_nearest_value_at_the_ends() -> None:
    truth = np.tile(np.arange(100, dtype=np.float32), (1, 12, 1))
    hidden = np.zeros((1, 12, 100), dtype=bool)
    hidden[..., :20] = hidden[..., 70:] = True
    filled = interpolation(np.where(hidden, 0, truth), hidden, np.ones((1, 12), dtype=bool))[0, 0]
    assert np.all(filled[:20] == 20)
    assert np.all(filled[70:] == 69)


def test_mean_beat_is_exact_on_a_periodic_signal() -> None:
    rng = np.random.default_rng(4)
    beat = rng.normal(0, 1, (2, 12, 100)).astype(np.float32)
    truth = np.tile(beat, (1, 1, 10))
    hidden = np.repeat(rng.random((2, 12, 10)) < 0.6, 100, axis=2)
    hidden[:, :, 300:400] = False  # every phase is seen at least once
    peaks = [np.arange(50, 1000, 100)] * 2
    filled = mean_beat(peaks)(np.where(hidden, 0, truth), hidden, np.ones((2, 12), dtype=bool))
    inside = slice(50 - 35, 850 + 65)
    np.testing.assert_allclose(filled[..., inside], truth[..., inside], atol=1e-5)


@pytest.mark.parametrize("start", [0, 220, 560, 800])
def test_the_expected_beats_of_a_regular_rhythm_are_the_true_ones(start: int) -> None:
    peaks = np.arange(50, 1000, 90)
    hidden = np.zeros((1, 12, 1000), dtype=bool)
    hidden[:, :, start : start + 200] = True
    (found,) = expected_beats([peaks], hidden)
    assert np.array_equal(found, peaks)


def test_nothing_inside_the_span_tells_where_beats_are_expected() -> None:
    hidden = np.zeros((1, 12, 1000), dtype=bool)
    hidden[:, :, 400:600] = True
    seen = np.array([100, 200, 300, 650, 750])
    one, other = (expected_beats([np.sort(np.r_[seen, extra])], hidden)[0] for extra in ([420, 430], [590]))
    assert np.array_equal(one, other)
    assert len(one) > len(seen)


def test_a_span_is_hidden_in_all_leads_that_are_there() -> None:
    present = np.ones((30, 12), dtype=bool)
    present[:, 5] = False
    hidden = spans_for(Unlabelled(np.zeros((30, 12, 1000), np.float32), present), 150, seed=3)
    assert not hidden[:, 5].any()
    assert np.all(hidden[:, 0].sum(axis=1) == 150)
    assert np.array_equal(hidden[:, 0], hidden[:, 11])
    starts = hidden[:, 0].argmax(axis=1)
    assert all(hidden[k, 0, s : s + 150].all() for k, s in enumerate(starts))
    assert len(set(starts.tolist())) > 10


def test_mean_beat_without_beats_is_the_mean() -> None:
    signal = np.ones((1, 12, 300), dtype=np.float32)
    hidden = np.zeros_like(signal, dtype=bool)
    assert not mean_beat([np.array([], dtype=np.intp)])(signal, hidden, np.ones((1, 12), bool)).any()


def test_true_beats_are_the_r_peaks() -> None:
    peaks = np.arange(60, 980, 85)
    time = np.arange(1000)
    spikes = np.exp(-0.5 * ((time[:, None] - peaks) / 1.5) ** 2).sum(1)
    signal = (np.linspace(0.5, 1.5, 12)[:, None] * spikes).astype(np.float32)[None]
    (found,) = true_beats(Unlabelled(signal, np.ones((1, 12), dtype=bool)))
    assert len(found) == len(peaks)
    assert np.abs(found - peaks).max() <= 1
