"""Pacing spikes: planted ones, real ones, and QRS complexes that only look sharp."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.records import Recording
from cardiofusion.signal import pacing_spikes, resample

MakeECG = Callable[..., Recording]


def paced(recording: Recording, times: np.ndarray, height: float = 2.0) -> Recording:
    """The recording with 2 ms spikes, as an amplifier of its rate would show them."""
    fine = np.zeros((1, round(recording.duration * 5000.0)), dtype=np.float32)
    for moment in times:
        at = round(moment * 5000.0)
        fine[0, at : at + 10] = height
    spikes = resample(fine, 5000.0, recording.sampling_rate)
    scale = np.linspace(0.5, 1.0, len(recording.leads), dtype=np.float32)[:, None]
    return replace(recording, signal=recording.signal + scale * spikes[:, : recording.signal.shape[1]])


@pytest.mark.parametrize("rate", [360.0, 500.0, 1000.0])
def test_planted_spikes_are_found_in_place(make_ecg: MakeECG, rate: float) -> None:
    times = 0.4 + np.arange(1, 11) * 60.0 / 72.0 - 0.25  # into the quiet before P
    found = pacing_spikes(paced(make_ecg(rate=rate), times))
    assert len(found) == len(times)
    np.testing.assert_allclose(found / rate, times, atol=0.006)


def test_a_heart_without_pacemaker_has_none(make_ecg: MakeECG) -> None:
    assert not len(pacing_spikes(make_ecg()))
    noise = np.random.default_rng(0).normal(0.0, 0.2, (12, 5000)).astype(np.float32)
    assert not len(pacing_spikes(replace(make_ecg(), signal=make_ecg().signal + noise)))


def test_one_artefact_is_no_pacemaker(make_ecg: MakeECG) -> None:
    assert not len(pacing_spikes(paced(make_ecg(), np.array([3.1, 6.6]))))


def test_low_rates_cannot_tell(make_ecg: MakeECG) -> None:
    assert not len(pacing_spikes(paced(make_ecg(rate=100.0), np.arange(1.0, 9.0))))


@pytest.mark.data
def test_ptbxl_pacemakers(data_dir: Path, ptbxl: Callable[..., Recording]) -> None:
    with (data_dir / "ptb-xl" / "ptbxl_database.csv").open(newline="") as handle:
        rows = {int(row["ecg_id"]): bool(row["pacemaker"]) for row in csv.DictReader(handle)}
    with_one = [ecg_id for ecg_id, has in rows.items() if has]
    without = [ecg_id for ecg_id, has in rows.items() if not has][::4]
    assert all(len(pacing_spikes(ptbxl(ecg_id))) for ecg_id in with_one)
    false = sum(len(pacing_spikes(ptbxl(ecg_id))) > 0 for ecg_id in without)
    assert false / len(without) < 0.01
