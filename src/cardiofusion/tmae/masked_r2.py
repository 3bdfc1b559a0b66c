"""Masked R2: how much of what is hidden is predicted, beside three predictors that need no network.

R2 = 1 - sum (x - prediction)^2 / sum x^2 over the hidden samples of held-out ECGs, pooled, on the
canonical signal with each lead's mean removed: predicting the mean scores 0. A gain counts only over the
best of the baselines: linear interpolation in time, the lead's mean beat, and the other leads' best linear
map at the same instant (the conditional mean of a Gaussian fitted on other patients).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from cardiofusion.records import LEADS, Recording
from cardiofusion.signal import CANONICAL_RATE, detect_beats
from cardiofusion.tmae.masking import hidden_patches, random_patches
from cardiofusion.tmae.model import N_LEADS, TMAE, Visible
from cardiofusion.tmae.pretraining import Unlabelled

Signal = NDArray[np.float32]
Mask = NDArray[np.bool_]
Predictor = Callable[[Signal, Mask, Mask], Signal]  # signal, hidden samples, present leads -> prediction


def masks_for(ecgs: Unlabelled, n_patches: int, share: float, seed: int) -> Mask:
    """Hidden samples, bool [n, 12, sample], drawn once so that every predictor meets the same ones."""
    present = torch.from_numpy(ecgs.present)
    seen = random_patches(present, n_patches, share, torch.Generator().manual_seed(seed))
    hidden = hidden_patches(seen, present, n_patches).numpy()
    return np.repeat(hidden, ecgs.signal.shape[2] // n_patches, axis=2)


def spans_for(ecgs: Unlabelled, samples: int, seed: int) -> Mask:
    """Hidden samples, bool [n, 12, sample]: `samples` in a row somewhere, in all leads at once."""
    n, _, length = ecgs.signal.shape
    start = np.random.default_rng(seed).integers(0, length - samples + 1, (n, 1))
    span = (np.arange(length) >= start) & (np.arange(length) < start + samples)
    return span[:, None] & ecgs.present[:, :, None]


def squared_errors(ecgs: Unlabelled, hidden: Mask, predict: Predictor) -> NDArray[np.float64]:
    """[n, 2]: squared error and squared signal on the hidden samples of each ECG (R2 pools them)."""
    centred = centre(ecgs)
    shown = np.where(hidden, np.float32(0.0), centred)
    error = np.where(hidden, predict(shown, hidden, ecgs.present) - centred, 0.0)
    power = np.where(hidden, centred, 0.0)
    return np.stack([np.square(error).sum((1, 2)), np.square(power).sum((1, 2))], axis=1).astype(np.float64)


def pooled_r2(errors: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> float:
    """R2 over ECGs, each counted `weight` times (bootstrap counts)."""
    counts = np.ones(len(errors)) if weight is None else weight
    residual, power = counts @ errors
    return float(1.0 - residual / power)


def centre(ecgs: Unlabelled) -> Signal:
    """Each present lead's mean removed; absent leads stay zero."""
    centred = ecgs.signal - ecgs.signal.mean(axis=2, keepdims=True)
    return np.where(ecgs.present[:, :, None], centred, 0.0).astype(np.float32)


def network(model: TMAE, batch: int = 32) -> Predictor:
    """The TMAE itself: its encoder is shown the patches of which nothing is hidden, its echo all the rest."""
    n = model.config.n_patches

    def predict(signal: Signal, hidden: Mask, present: Mask) -> Signal:
        """A Predictor."""
        rebuilt = []
        for at in range(0, len(signal), batch):
            part = slice(at, at + batch)
            leads = torch.from_numpy(present[part])
            gone = torch.from_numpy(hidden[part])
            patches = gone.view(len(leads), N_LEADS * n, -1).any(dim=2)
            seen = as_visible(~patches & leads.repeat_interleave(n, dim=1))
            given = torch.from_numpy(signal[part])
            with torch.no_grad():
                found, _ = model.reconstruct(given, leads, seen, ~gone & leads[..., None])
            rebuilt.append(found.flatten(2))
        return torch.cat(rebuilt).numpy()

    return predict


def as_visible(shown: torch.Tensor) -> Visible:
    """Boolean patches [b, 12 * n_patches] as the flat list that the encoder takes."""
    count = shown.sum(dim=1)
    order = shown.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    width = int(count.max())
    return Visible(order[:, :width], torch.arange(width) < count[:, None])


def interpolation(signal: Signal, hidden: Mask, present: Mask) -> Signal:  # noqa: ARG001 (a Predictor)
    """Straight lines across the hidden stretches of each lead; its nearest value at the ends."""
    out = signal.copy()
    time = np.arange(signal.shape[2])
    for ecg, lead in np.argwhere(hidden.any(axis=2) & ~hidden.all(axis=2)):
        gap = hidden[ecg, lead]
        out[ecg, lead, gap] = np.interp(time[gap], time[~gap], signal[ecg, lead, ~gap])
    return out


def mean_beat(beats: list[NDArray[np.intp]], before: int = 35, after: int = 65) -> Predictor:
    """The mean of the lead's visible beats, laid at every beat. `beats` are the true R peaks, so this
    baseline knows more than the network does."""

    def predict(signal: Signal, hidden: Mask, present: Mask) -> Signal:  # noqa: ARG001
        """A Predictor."""
        out = np.zeros_like(signal)
        for ecg, peaks in enumerate(beats):
            windows = [(p - before, p + after) for p in peaks if before <= p < signal.shape[2] - after]
            if not windows:
                continue
            shown = np.stack([~hidden[ecg, :, a:b] for a, b in windows])
            values = np.stack([signal[ecg, :, a:b] for a, b in windows])
            mean = (values * shown).sum(0) / np.maximum(shown.sum(0), 1)
            for a, b in windows:
                out[ecg, :, a:b] = mean
        return out

    return predict


def true_beats(ecgs: Unlabelled) -> list[NDArray[np.intp]]:
    """R peaks of the whole, unmasked ECGs."""
    return [detect_beats(Recording(signal, CANONICAL_RATE, LEADS)) for signal in ecgs.signal]


def expected_beats(beats: list[NDArray[np.intp]], hidden: Mask) -> list[NDArray[np.intp]]:
    """Where beats are to be expected inside a span that is hidden in all leads: at the visible ones' median
    interval from the last one before it, drawn out or together so as to meet the first one after it."""
    expected = []
    gone_in_all: Mask = np.asarray(hidden.all(axis=1))
    for peaks, gone in zip(beats, gone_in_all, strict=True):
        seen = peaks[~gone[peaks]]
        interval = float(np.median(np.diff(seen))) if len(seen) > 2 else 0.0
        expected.append(_filled(seen, np.flatnonzero(gone), interval))
    return expected


def _filled(seen: NDArray[np.intp], gap: NDArray[np.intp], interval: float) -> NDArray[np.intp]:
    if not len(gap) or interval < 1.0:
        return seen
    before, after = seen[seen < gap[0]], seen[seen > gap[-1]]
    if len(before) and len(after):
        n = max(1, round((after[0] - before[-1]) / interval))
        inside = np.linspace(before[-1], after[0], n + 1)[1:-1]
    elif len(before):
        inside = np.arange(before[-1] + interval, gap[-1] + 1, interval)
    else:
        inside = np.arange(after[0] - interval, gap[0] - 1, -interval)
    return np.sort(np.concatenate([seen, np.round(inside).astype(np.intp)]))


def other_leads(training: Unlabelled, ridge: float = 1e-4) -> Predictor:
    """E[hidden leads | visible leads at the same instant] under a Gaussian fitted on `training`."""
    whole = training.present.all(axis=1)
    samples = centre(training)[whole].transpose(0, 2, 1).reshape(-1, N_LEADS).astype(np.float64)
    covariance = samples.T @ samples / max(1, len(samples))

    def predict(signal: Signal, hidden: Mask, present: Mask) -> Signal:
        """A Predictor."""
        out = np.zeros_like(signal)
        starts = np.flatnonzero(np.r_[True, (hidden[:, :, 1:] != hidden[:, :, :-1]).any(axis=(0, 1))])
        for a, b in zip(starts, [*starts[1:], signal.shape[2]], strict=True):
            for ecg in range(len(signal)):
                gone = hidden[ecg, :, a]
                shown = ~gone & present[ecg]
                if gone.any() and shown.any():
                    inner = covariance[np.ix_(shown, shown)] + ridge * np.eye(int(shown.sum()))
                    weights = np.linalg.solve(inner, covariance[np.ix_(shown, gone)])
                    out[ecg][gone, a:b] = weights.T @ signal[ecg][shown, a:b]
        return out

    return predict
