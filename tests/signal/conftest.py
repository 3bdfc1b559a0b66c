"""A synthetic 12-lead ECG that obeys Einthoven, and ways to spoil it; published ECGs as Recordings."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.readers import read_recording
from cardiofusion.records import INDEPENDENT_LEADS, LEADS, Recording, complete_limb_leads
from cardiofusion.simulate.causes import columns
from cardiofusion.simulate.ecg import render
from cardiofusion.simulate.population import draw_causes

# seconds from R, width, height: P, Q, R, S, T
WAVES = ((-0.16, 0.02, 0.12), (-0.03, 0.008, -0.1), (0.0, 0.012, 1.2), (0.03, 0.01, -0.25), (0.25, 0.05, 0.3))
BEAT_SYMBOLS = frozenset("NLRBAaJSVrFejnE/fQ?")
LEAD_SCALE = (0.7, 1.1, -0.4, 0.3, 0.8, 1.2, 1.0, 0.8)


@pytest.fixture
def make_ecg() -> Callable[..., Recording]:
    def make(rate: float = 500.0, seconds: float = 10.0, heart_rate: float = 72.0) -> Recording:
        time = np.arange(round(rate * seconds)) / rate
        beats = np.arange(0.4, seconds + 1.0, 60.0 / heart_rate)
        heart = sum(
            height * np.exp(-0.5 * ((time[:, None] - beats - centre) / width) ** 2).sum(axis=1)
            for centre, width, height in WAVES
        )
        eight = np.outer(LEAD_SCALE, heart).astype(np.float32)
        # One wave shape scaled would make every lead a copy: let each lag by another few ms.
        eight = np.stack([np.interp(time, time + 0.002 * i, lead) for i, lead in enumerate(eight)])
        signal, names = complete_limb_leads(eight.astype(np.float32), INDEPENDENT_LEADS)
        return Recording(signal[[names.index(lead) for lead in LEADS]], rate, LEADS)

    return make


@pytest.fixture(scope="session")
def ptbxl(data_dir: Path) -> Callable[[int], Recording]:
    """ecg_id -> the ECG at 500 Hz; `ptbxl(7, 100)` at 100 Hz."""

    def read(ecg_id: int, rate: int = 500) -> Recording:
        folder, suffix = ("records500", "hr") if rate == 500 else ("records100", "lr")
        return read_recording(data_dir / "ptb-xl" / folder / "00000" / f"{ecg_id:05d}_{suffix}.hea")

    return read


@pytest.fixture(scope="session")
def beat_notes() -> Callable[..., NDArray[np.intp]]:
    """Sample positions of the beats that experts marked: record without suffix, annotation file's suffix."""

    def read(record: Path, suffix: str, stop: int | None = None) -> NDArray[np.intp]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # wfdb uses what its pandas deprecates
            import wfdb

            notes = wfdb.rdann(str(record), suffix, sampto=stop)
        return np.asarray(notes.sample[[symbol in BEAT_SYMBOLS for symbol in notes.symbol]], dtype=np.intp)

    return read


@pytest.fixture(scope="session")
def match_beats() -> Callable[..., tuple[int, int, int]]:
    """(true positives, missed, false) of beats found against a reference, one to one, within a tolerance."""

    def match(reference: NDArray[np.intp], found: NDArray[np.intp], tolerance: float) -> tuple[int, int, int]:
        free = list(found)
        hits = 0
        for beat in reference:
            near = [other for other in free if abs(other - beat) <= tolerance]
            if near:
                free.remove(min(near, key=lambda other: abs(other - beat)))
                hits += 1
        return hits, len(reference) - hits, len(free)

    return match


@pytest.fixture(scope="session")
def sinus_hearts() -> Callable[..., tuple[list[Recording], dict[str, NDArray[np.float64]]]]:
    """sinus_hearts(n, noise): virtual ECGs at 500 Hz of hearts in sinus rhythm, and their causes."""
    rare = ("afib", "aflt", "junctional", "svt", "av_block_3", "paced", "pvc", "pac", "preexcitation",
            "dextrocardia", "arm_reversal", "mobitz", "wenckebach", "low_voltage", "bigeminy")  # fmt: skip

    def draw(n: int, noise: bool = False) -> tuple[list[Recording], dict[str, NDArray[np.float64]]]:
        causes = draw_causes(20 * n, np.random.default_rng(8))
        flags = columns(causes)
        chosen = np.flatnonzero(sum(flags[name] > 0 for name in rare) == 0)[:n]
        signals = render(causes[chosen], np.random.default_rng(9), 500.0, noise=noise)
        return [Recording(s, 500.0, LEADS) for s in signals], {k: v[chosen] for k, v in flags.items()}

    return draw
