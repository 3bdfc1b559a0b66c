"""Baseline wander, estimated as a smooth curve to subtract: zero phase, so ST keeps its level."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# A Hann kernel this long passes the baseline and rejects the beat: subtracting it is a high-pass with
# -3 dB at 0.43 Hz that costs a heart at 40 beats a minute 1 % of its fundamental.
SMOOTHING_SECONDS = 3.0
# The estimate moves slowly: means over a tenth of a second hold all it needs.
BLOCK_SECONDS = 0.1


def baseline(signal: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """The slow part of a signal [..., sample] at `rate` Hz: a Hann-weighted mean, mirrored at the edges."""
    n_samples = signal.shape[-1]
    starts, weights = _smoother(n_samples, max(1, round(BLOCK_SECONDS * rate)), SMOOTHING_SECONDS * rate)
    sums = np.add.reduceat(signal, starts, axis=-1)
    smooth: NDArray[np.float32] = sums @ weights
    return smooth


@lru_cache(maxsize=16)
def _smoother(n_samples: int, block: int, width: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Block starts, and weights [block, sample] that turn block sums into the smooth curve."""
    starts = np.arange(0, n_samples, block)
    counts = np.diff(np.append(starts, n_samples))
    centres = starts + (counts - 1) / 2.0
    last = n_samples - 1.0
    samples = np.arange(n_samples)
    weights = sum(
        _hann(image[:, None] - samples, width) for image in (centres, -centres, 2.0 * last - centres)
    )
    per_sum = (weights / (weights * counts[:, None]).sum(axis=0)).astype(np.float32)
    per_sum.flags.writeable = False
    return starts, per_sum


def _hann(lag: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    return np.where(np.abs(lag) < width / 2.0, 0.5 + 0.5 * np.cos(2.0 * np.pi * lag / width), 0.0)
