"""Zero-phase band-pass by the discrete Fourier transform."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.signal.resample import mirrored

# Cosine edges this wide (as a share of each corner frequency) keep the filter from ringing.
EDGE = 0.3
# The record is mirrored for so long at either end, so that its ends do not jump.
MARGIN_SECONDS = 1.0


def bandpass(signal: NDArray[np.float32], rate: float, low: float, high: float) -> NDArray[np.float32]:
    """[lead, sample] between `low` and `high` Hz, without delay."""
    n_samples = signal.shape[1]
    margin = round(MARGIN_SECONDS * rate)
    padded = signal[:, mirrored(np.arange(-margin, n_samples + margin), n_samples)]
    length = _fast_length(padded.shape[1])
    spectrum = np.fft.rfft(padded, length, axis=1)
    spectrum *= _gain(np.fft.rfftfreq(length, 1.0 / rate), low, high)
    filtered = np.fft.irfft(spectrum, length, axis=1)
    return filtered[:, margin : margin + n_samples].astype(np.float32)


def _gain(frequency: NDArray[np.floating], low: float, high: float) -> NDArray[np.float32]:
    rise = np.clip((frequency / low - 1.0) / EDGE + 0.5, 0.0, 1.0)
    fall = np.clip((1.0 - frequency / high) / EDGE + 0.5, 0.0, 1.0)
    gain = np.sin(np.pi / 2.0 * rise) ** 2 * np.sin(np.pi / 2.0 * fall) ** 2
    return np.asarray(gain, dtype=np.float32)


def _fast_length(length: int) -> int:
    """The next length whose only prime factors are 2, 3 and 5: the transform is slow on large primes."""
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1
