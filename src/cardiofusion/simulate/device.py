"""From the skin to the file: electrodes in the wrong place, filters, and steps of the converter.

What a recorder does differs from clinic to clinic and is no target; what was connected wrongly is (CABLES in
causes.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cardiofusion.simulate.body import N_LIMB

Array = NDArray[np.float64]

LOW_PASS_HZ, LOW_PASS_SHARE = (25.0, 35.0, 40.0, 75.0, 100.0, 150.0), (0.02, 0.05, 0.08, 0.15, 0.3, 0.4)
HIGH_PASS_HZ, HIGH_PASS_SHARE = (0.05, 0.15, 0.5), (0.86, 0.10, 0.04)  # AHA 2007 asks for 0.05
STEPS_MV, STEPS_SHARE = (0.001, 0.0025, 0.005), (0.9, 0.06, 0.04)
ANTI_ALIAS = 0.444  # of the sampling rate: where resampling to it begins to cut
MIRROR = 100  # samples mirrored at both ends, so that filters do not join the end to the start
# Pairs of chest electrodes mistaken for each other, as rows among V1..V6; the last turns all six round.
SWAPS: tuple[tuple[int, ...], ...] = (
    (1, 0, 2, 3, 4, 5),
    (0, 2, 1, 3, 4, 5),
    (2, 1, 0, 3, 4, 5),
    (0, 1, 3, 2, 4, 5),
    (0, 1, 4, 3, 2, 5),
    (5, 4, 3, 2, 1, 0),
)


def misplace(
    leads: NDArray[np.float32], causes: Mapping[str, Array], rng: np.random.Generator
) -> NDArray[np.float32]:
    """`leads` [n, 8, sample] (I, II, V1..V6) as recorded with arm or chest electrodes in each other's place.

    The right and left arm exchanged turn I over and exchange II with III; Wilson's terminal stays.
    """
    swap = rng.choice(len(SWAPS), len(leads))
    for patient in np.flatnonzero(causes["chest_reversal"]):
        leads[patient, N_LIMB:] = leads[patient, N_LIMB:][list(SWAPS[swap[patient]])]
    arms = np.flatnonzero(causes["arm_reversal"])
    leads[arms, 1] -= leads[arms, 0]
    leads[arms, 0] *= -1.0
    return leads


def through_device(leads: NDArray[np.float32], step: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """`leads` [n, 8, sample] mV, a sample each `step` s, filtered and rounded as one recorder each does."""
    n, _, samples = leads.shape
    low = rng.choice(LOW_PASS_HZ, n, p=LOW_PASS_SHARE)[:, None]
    high = rng.choice(HIGH_PASS_HZ, n, p=HIGH_PASS_SHARE)[:, None]
    unit = rng.choice(STEPS_MV, n, p=STEPS_SHARE).astype(np.float32)[:, None, None]
    alias = rng.normal(ANTI_ALIAS, 0.005, (n, 1)) / step
    edge = min(MIRROR, samples - 1)
    padded = np.pad(leads, ((0, 0), (0, 0), (edge, edge)), mode="reflect")
    hertz = np.fft.rfftfreq(padded.shape[-1], step)
    gain = 1.0 / np.sqrt((1.0 + (hertz / low) ** 4) * (1.0 + (hertz / alias) ** 90))
    gain = gain * np.where(hertz > 0, hertz**2 / (hertz**2 + high**2), 1.0)
    spectrum = np.fft.rfft(padded, axis=-1) * gain[:, None].astype(np.float32)
    filtered = np.fft.irfft(spectrum, padded.shape[-1], axis=-1)[..., edge : edge + samples]
    return np.asarray(np.rint(filtered / unit) * unit, dtype=np.float32)
