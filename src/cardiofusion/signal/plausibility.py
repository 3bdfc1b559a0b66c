"""Whether the leads agree with each other and with a body: Einthoven, copies, swapped arms, amplitude."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import RecordingError
from cardiofusion.signal.beats import median_beat

# Two leads are one where they differ by less than 1 % (root mean square); chest neighbours differ by 1.5 %.
COPY_ENERGY = 1e-4
AMPLITUDE_WINDOW_SECONDS = 2.0  # holds a beat even at 30 a minute, and little wander
# Seconds around the R peak. P may end where a short PR lets the QRS begin.
P_WAVE = (-0.26, -0.07)
QRS = (-0.05, 0.07)


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


def arms_reversed(
    signal: NDArray[np.float32], leads: Sequence[str], beats: NDArray[np.intp], rate: float
) -> bool:
    """Whether lead I stands on its head: P and QRS negative and against V6 (left and right arm exchanged).

    Dextrocardia looks alike; a right axis or a lateral infarct keeps P upright or V6 alike.
    """
    if "I" not in leads or "V6" not in leads or not len(beats):
        return False
    pair = signal[[leads.index("I"), leads.index("V6")]]
    start, end = round(P_WAVE[0] * rate), round(QRS[1] * rate) + 1
    try:
        beat = median_beat(pair, beats, (-start, end))
    except RecordingError:
        return False
    qrs = beat[:, round(QRS[0] * rate) - start :]
    p_wave = beat[0, : round(P_WAVE[1] * rate) - start]
    before_qrs = np.median(beat[0, round(-0.08 * rate) - start : round(QRS[0] * rate) - start])
    centred = qrs - qrs.mean(axis=1, keepdims=True)
    opposite = float(centred[0] @ centred[1]) < 0.0
    return opposite and _net(qrs[0] - before_qrs) < 0.0 and _net(p_wave - np.median(p_wave)) < 0.0


def amplitude(signal: NDArray[np.float32], rate: float) -> NDArray[np.float64]:
    """Peak to peak in mV of each lead, the median over 2 s windows: [lead, sample] -> [lead]."""
    width = min(signal.shape[1], round(AMPLITUDE_WINDOW_SECONDS * rate))
    n_windows = signal.shape[1] // width
    windows = signal[:, : n_windows * width].reshape(len(signal), n_windows, width)
    return np.asarray(np.median(np.ptp(windows, axis=2), axis=1), dtype=np.float64)


def _net(wave: NDArray[np.float32]) -> float:
    return float(wave.max() + wave.min())
