"""Recordings to write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardiofusion.records import LEADS, Recording

Make = Callable[..., Recording]


def make(samples: int = 1000, leads: tuple[str, ...] = LEADS, scale: float = 1.0, **fields: Any) -> Recording:
    """A recording in which every field says something. scale: mV."""
    rng = np.random.default_rng(samples + len(leads))
    stated: dict[str, Any] = {
        "record_id": "rec",
        "patient_id": "P-17",
        "age": 61.0,
        "sex": "female",
        "time": datetime(2024, 5, 30, 16, 32, 18, 250_000),
        "source": "rec.hea",
        "measured": {"heart_rate": 72.0, "pr": 160.0, "qrs": 92.0, "qt": 388.0, "qrs_axis": -31.0},
        "notes": {
            "device": "Cardiograph 3",
            "high-pass filter": "0.05 Hz",
            "low-pass filter": "150 Hz",
            "mains filter": "50 Hz",
            "interpretation": "sinus rhythm; normal ECG",
        },
        "signal": (scale * rng.standard_normal((len(leads), samples))).astype(np.float32),
        "sampling_rate": 500.0,
        "leads": leads,
    }
    return Recording(**(stated | fields))


@pytest.fixture(scope="session")
def make_recording() -> Make:
    return make


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for property tests."""
    return tmp_path_factory.mktemp("written")
