"""What can be measured on an ECG of 12 leads and 10 s at 100 Hz, by name: what virtual.py compares.

Coarse on purpose: the same ruler laid on virtual and real ECGs. It knows no cause.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import LEADS, Recording, RecordingError
from cardiofusion.signal import detect_beats, median_beat

Array = NDArray[np.float64]
RATE = 100.0
BEFORE, AFTER = 36, 56  # samples of the mean beat about R
BANDS = ((0.1, 0.5), (0.5, 1), (1, 3), (3, 6), (6, 10), (10, 15), (15, 25), (25, 35), (35, 44), (44, 50))
EIGHT = [LEADS.index(name) for name in ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")]
ONE, AVF = LEADS.index("I"), LEADS.index("aVF")


def measure(signal: NDArray[np.float32]) -> dict[str, float]:
    """name -> value of one ECG [12, 1000] in mV; {} where it has no three beats to measure."""
    peaks = detect_beats(Recording(signal, RATE, LEADS))
    if len(peaks) < 3:
        return {}
    try:
        beat = median_beat(signal, peaks, (BEFORE, AFTER)).astype(np.float64)
    except RecordingError:
        return {}
    onset, offset = _qrs(beat)
    beat -= beat[:, max(onset - 2, 0) : onset + 1].mean(axis=1, keepdims=True)
    found = _rhythm(peaks) | {"qrs": 1000 * (offset - onset) / RATE}
    found |= _waves(beat, onset, offset, float(np.diff(peaks).mean()))
    found |= _leads(beat, onset, offset)
    found |= _shape(beat, onset, offset)
    return found | _between_beats(signal, beat, peaks, onset, offset) | _noise(signal)


def _rhythm(peaks: NDArray[np.intp]) -> dict[str, float]:
    rr = np.diff(peaks) / RATE
    return {
        "rate": float(60 / rr.mean()),
        "rr_spread": float(rr.std() / rr.mean()),
        "rr_step": float(np.abs(np.diff(rr)).mean() / rr.mean()),
        "rr_shortest": float(rr.min() / np.median(rr)),
    }


def _qrs(beat: Array) -> tuple[int, int]:
    """Onset and offset: where the leads together stop moving, outwards from R."""
    speed = np.abs(np.diff(beat, axis=1)).sum(axis=0)
    still = speed < 0.12 * speed[BEFORE - 6 : BEFORE + 6].max()
    left = np.flatnonzero(still[BEFORE - 14 : BEFORE - 1])
    right = np.flatnonzero(still[BEFORE + 2 : BEFORE + 18])
    onset = BEFORE - 14 + left[-1] + 1 if len(left) else BEFORE - 14
    return int(onset), int(BEFORE + 2 + right[0] if len(right) else BEFORE + 18)


def _axis(area: Array) -> float:
    return float(np.degrees(np.arctan2(area[AVF] * 2 / np.sqrt(3), area[ONE])))


def _waves(beat: Array, onset: int, offset: int, rr: float) -> dict[str, float]:
    """Intervals from the size of all leads together; T ends by the tangent."""
    size = np.linalg.norm(beat[EIGHT], axis=0)
    p_window = size[2 : max(onset - 2, 8)]
    p = 2 + int(p_window.argmax())
    first = offset + 6
    last = max(min(first + round(0.5 * rr), len(size) - 2), first + 4)
    t = first + int(size[first:last].argmax())
    fall = size[t:] - size[t : t + 22].min()
    below = np.flatnonzero(fall < 0.5 * fall[0])
    half = int(below[0]) if len(below) else len(fall)
    before = size[offset : t + 1] - size[offset : t + 1].min()
    rise = np.flatnonzero(before[::-1] < 0.5 * before[-1])
    up = int(rise[0]) if len(rise) else t - offset
    return {
        "pr": 1000 * (onset - p) / RATE,
        "qt": 1000 * (t + 1.6 * half - onset) / RATE,
        "t_half_fall": float(half),
        "t_half_rise": float(up),
        "p_size": float(p_window.max()),
        "p_axis": _axis(beat[:, max(p - 4, 0) : p + 4].sum(axis=1)),
        "qrs_axis": _axis(beat[:, onset:offset].sum(axis=1)),
        "t_axis": _axis(beat[:, t - 4 : t + 5].sum(axis=1)),
    }


def _leads(beat: Array, onset: int, offset: int) -> dict[str, float]:
    qrs, t = beat[:, onset : offset + 1], beat[:, offset + 6 :]
    columns = {
        "R": qrs.max(axis=1),
        "S": qrs.min(axis=1),
        "J": beat[:, offset],
        "ST": beat[:, min(offset + 6, beat.shape[1] - 1)],
        "T+": t.max(axis=1),
        "T-": t.min(axis=1),
        "P+": beat[:, : onset - 2].max(axis=1),
        "P-": beat[:, : onset - 2].min(axis=1),
    }
    return {
        f"{what} {lead}": float(x)
        for what, row in columns.items()
        for lead, x in zip(LEADS, row, strict=True)
    }


def _shape(beat: Array, onset: int, offset: int) -> dict[str, float]:
    """Turns of the curve, transition, and what three dipole components leave over."""
    found: dict[str, float] = {}
    for name, part in (
        ("qrs", beat[EIGHT, onset : offset + 1]),
        ("t", beat[EIGHT, offset + 6 : offset + 36]),
    ):
        power = np.linalg.svd(part - part.mean(axis=1, keepdims=True), compute_uv=False) ** 2
        found |= {
            f"{name}_beyond_{k}": float(np.log10(power[k:].sum() / power.sum() + 1e-6)) for k in (1, 2, 3)
        }
    qrs = beat[:, max(onset - 1, 0) : offset + 2]
    speed = np.diff(qrs, axis=1)
    found["qrs_turns"] = float(((speed[:, 1:] * speed[:, :-1] < 0) & (np.abs(speed[:, 1:]) > 0.03)).sum())
    found["qrs_steepest"] = float(np.abs(speed).max())
    net = (qrs.max(axis=1) + qrs.min(axis=1))[6:]
    found["transition"] = float(np.argmax(np.append(net, 1.0) > 0))
    return found


def _between_beats(
    signal: NDArray[np.float32], beat: Array, peaks: NDArray[np.intp], onset: int, offset: int
) -> dict[str, float]:
    whole = peaks[(peaks >= BEFORE) & (peaks + AFTER <= signal.shape[1])]
    beats = signal[:, whole[:, None] + np.arange(-BEFORE, AFTER)].astype(np.float64)
    level = np.median(beats[..., max(onset - 3, 0) : onset + 1], axis=2)
    rest = beats - level[..., None] - beat[:, None]
    size = np.ptp(beat, axis=1).mean()
    parts = {"qrs": slice(onset, offset), "t": slice(offset + 8, offset + 30), "p": slice(4, onset - 2)}
    found = {
        f"{name}_varies": float(np.log10(np.sqrt((rest[..., part] ** 2).mean()) / size + 1e-4))
        for name, part in parts.items()
    }
    heights = np.ptp(beats[..., onset : offset + 1], axis=2)
    found["height_varies"] = float((heights.std(axis=1) / np.maximum(heights.mean(axis=1), 0.1)).mean())
    found["wander_limb"] = float(np.log10(level[:6].std(axis=1).mean() + 1e-4))
    found["wander_chest"] = float(np.log10(level[6:].std(axis=1).mean() + 1e-4))
    return found


def _noise(signal: NDArray[np.float32]) -> dict[str, float]:
    """Fine noise by lead (the median second difference, which QRS hardly touches) and the spectrum."""
    second = np.diff(signal, n=2, axis=1)
    quiet = np.median(np.abs(second), axis=1)
    found = {f"fine {lead}": float(np.log10(x + 1e-4)) for lead, x in zip(LEADS, quiet, strict=True)}
    power = np.abs(np.fft.rfft(signal - signal.mean(axis=1, keepdims=True), axis=1)) ** 2
    hertz = np.fft.rfftfreq(signal.shape[1], 1 / RATE)
    for name, rows in (("limb", slice(0, 6)), ("chest", slice(6, 12))):
        total = power[rows, hertz > 1].sum(axis=1) + 1e-6
        for low, high in BANDS:
            share = power[rows, :][:, (hertz >= low) & (hertz < high)].sum(axis=1) / total
            found[f"{low:g}-{high:g} Hz {name}"] = float(np.log10(np.median(share) + 1e-9))
    return found
