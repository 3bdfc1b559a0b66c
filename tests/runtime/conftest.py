"""Recordings of one virtual patient, changed in one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cardiofusion.records import Recording
from cardiofusion.simulate import virtual_cohort

SPIKE_MV, SPIKE_SECONDS, SPIKE_EVERY = 2.5, 0.002, 0.85


@pytest.fixture(scope="session")
def recording(virtual_patient: Any) -> Recording:
    found: Recording = virtual_patient.recording
    return found


@pytest.fixture(scope="session")
def row(virtual_patient: Any) -> dict[str, Any]:
    return dict(virtual_patient.row)


@pytest.fixture(scope="session")
def changed(recording: Recording) -> Callable[..., Recording]:
    """The recording with some of its fields as given."""

    def change(**fields: Any) -> Recording:
        return replace(recording, **fields)

    return change


@pytest.fixture(scope="session")
def only(recording: Recording) -> Callable[..., Recording]:
    """The recording with these leads alone."""

    def choose(*leads: str) -> Recording:
        rows = [recording.leads.index(lead) for lead in leads]
        return replace(recording, signal=recording.signal[rows], leads=leads)

    return choose


@pytest.fixture(scope="session")
def flat(recording: Recording) -> Recording:
    return replace(recording, signal=np.zeros_like(recording.signal))


@pytest.fixture(scope="session")
def paced() -> Recording:
    """A virtual ECG at 500 Hz with 2 ms spikes out of a quiet line."""
    found = virtual_cohort(1, 20_012, sampling_rate=500.0).recordings[0].read()
    signal = found.signal.copy()
    for at in np.arange(0.3, found.duration - 0.1, SPIKE_EVERY):
        start = round(at * found.sampling_rate)
        signal[:, start - 40 : start] = signal[:, start - 41 : start - 40]
        signal[:, start : start + round(SPIKE_SECONDS * found.sampling_rate)] += SPIKE_MV
    return replace(found, signal=signal)
