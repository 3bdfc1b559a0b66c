"""Whether the leads agree with each other and with a body: Einthoven's law, copies, amplitude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import LEADS

# Two leads are one where they differ by less than 1 % (root mean square); chest neighbours differ by 1.5 %.
COPY_ENERGY = 1e-4
LIMB_LEADS, CHEST_LEADS, MOST_ABSENT = LEADS[:6], LEADS[6:], 2
AMPLITUDE_WINDOW_SECONDS = 2.0  # holds a beat even at 30 a minute, and little wander


def einthoven_error(signal: NDArray[np.float32], leads: Sequence[str]) -> float | None:
    """The largest break in mV of I + III = II or aVR + aVL + aVF = 0; None where neither can be formed.

    Each sum's median is removed first: devices that block DC do so lead by lead.
    """
    row = {lead: signal[i].astype(np.float64) for i, lead in enumerate(leads)}
    sums = []
    if {"I", "II", "III"} <= row.keys():
        sums.append(row["I"] + row["III"] - row["II"])
    if {"aVR", "aVL", "aVF"} <= row.keys():
        sums.append(row["aVR"] + row["aVL"] + row["aVF"])
    return max((float(np.abs(total - np.median(total)).max()) for total in sums), default=None)


def copied_leads(signal: NDArray[np.float32], leads: Sequence[str]) -> list[tuple[str, str]]:
    """Pairs of leads that carry the same curve."""
    centred = signal - np.median(signal, axis=1, keepdims=True)
    product = centred.astype(np.float64) @ centred.T
    energy = np.diag(product)
    difference = energy[:, None] + energy[None] - 2.0 * product
    same = difference < COPY_ENERGY * np.minimum(energy[:, None], energy[None])
    return [(leads[i], leads[j]) for i, j in zip(*np.nonzero(np.triu(same, k=1)), strict=True)]


def amplitude(signal: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """Peak to peak in mV of each lead, the median over 2 s windows: [lead, sample] -> [lead]."""
    width = min(signal.shape[1], round(AMPLITUDE_WINDOW_SECONDS * rate))
    n_windows = signal.shape[1] // width
    windows = signal[:, : n_windows * width].reshape(len(signal), n_windows, width)
    return np.asarray(np.median(np.ptp(windows, axis=2), axis=1), dtype=np.float64)


def farthest(signal: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far in mV each lead goes from its median, be it for one sample: [lead, sample] -> [lead]."""
    middle = np.median(signal, axis=1, keepdims=True)
    return np.asarray(np.abs(signal - middle).max(axis=1), dtype=np.float64)


def absent_chest_leads(leads: Sequence[str]) -> tuple[str, ...]:
    """The chest leads that a file leaves out though it has most of them."""
    absent = tuple(lead for lead in CHEST_LEADS if lead not in leads)
    return absent if len(absent) <= MOST_ABSENT else ()
