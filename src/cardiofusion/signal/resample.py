"""Change of sampling rate: one linear-phase windowed-sinc low-pass, evaluated only where an output stands.

Any rational ratio repeats itself after a block of inputs, so resampling is one matrix product: windows
that hop from block to block, times a small cached matrix of kernel weights.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

# As shares of the lower of the two rates: -6 dB at 0.45, so that mains at 50 Hz is gone at 100 Hz.
CUTOFF = 0.45
TRANSITION = 0.1
STOPBAND_DB = 60.0
# Odd ratios are rounded to a block of at most so many outputs (or it grows without end): under 2 ms in 10 s.
LARGEST_BLOCK = 100
# Outputs a block: fewer waste window copies, more waste multiplications with zeros.
BLOCK_OUTPUTS = 20


def resample(signal: NDArray[np.float32], rate: float, target: float) -> NDArray[np.float32]:
    """[lead, sample] at `rate` Hz -> [lead, sample] at `target` Hz, edges mirrored, no delay.

    Output i stands at time i / target. Kaiser-windowed sinc (Oppenheim & Schafer, 7.5), 60 dB stop band.
    """
    ratio = 1 / Fraction(rate / target).limit_denominator(LARGEST_BLOCK)
    if ratio == 1:
        return signal.astype(np.float32)
    n_outputs = max(1, round(signal.shape[1] * ratio))
    weights, hop, margin = _kernel(ratio)
    n_blocks = ceil(n_outputs / weights.shape[1])
    windows = _windows(signal, n_blocks, hop, margin)
    blocks = windows @ weights
    outputs: NDArray[np.float32] = blocks.reshape(signal.shape[0], -1)[:, :n_outputs]
    return outputs


@lru_cache(maxsize=16)
def _kernel(ratio: Fraction) -> tuple[NDArray[np.float32], int, int]:
    """Weights [window, output] of one block, its length in inputs, and the window's margin on either side."""
    repeats = ceil(BLOCK_OUTPUTS / ratio.numerator)
    hop, n_outputs = ratio.denominator * repeats, ratio.numerator * repeats
    lower = min(1.0, float(ratio))  # the lower rate, in units of the input rate
    half_width = (STOPBAND_DB - 8.0) / (2.285 * 2.0 * np.pi * TRANSITION * lower) / 2.0
    margin = ceil(half_width)
    inputs = np.arange(-margin, hop + margin)
    lag = inputs[:, None] - np.arange(n_outputs) / float(ratio)
    beta = 0.1102 * (STOPBAND_DB - 8.7)
    taper = np.i0(beta * np.sqrt(np.clip(1.0 - (lag / half_width) ** 2, 0.0, None))) * (
        np.abs(lag) <= half_width
    )
    weights = np.sinc(2.0 * CUTOFF * lower * lag) * taper
    weights = (weights / weights.sum(axis=0)).astype(np.float32)
    weights.flags.writeable = False  # shared by every caller through the cache
    return weights, hop, margin


def _windows(signal: NDArray[np.float32], n_blocks: int, hop: int, margin: int) -> NDArray[np.float32]:
    """Overlapping windows [lead * block, margin + hop + margin] of the signal with mirrored edges."""
    n_leads, n_samples = signal.shape
    length = margin + n_blocks * hop + margin
    padded = np.empty((n_leads, length), dtype=np.float32)
    inside = min(n_samples, length - margin)
    padded[:, margin : margin + inside] = signal[:, :inside]
    padded[:, :margin] = signal[:, mirrored(np.arange(-margin, 0), n_samples)]
    padded[:, margin + inside :] = signal[:, mirrored(np.arange(inside, length - margin), n_samples)]
    views = np.lib.stride_tricks.sliding_window_view(padded, hop + 2 * margin, axis=1)[:, ::hop]
    return np.ascontiguousarray(views).reshape(n_leads * n_blocks, -1)


def mirrored(positions: NDArray[np.intp], n_samples: int) -> NDArray[np.intp]:
    """Positions outside [0, n_samples) folded back inside, as if a mirror stood at either edge sample."""
    period = max(1, 2 * (n_samples - 1))
    folded = np.abs(positions) % period
    return np.asarray(np.minimum(folded, period - folded))
