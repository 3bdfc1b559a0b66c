"""The canonical model input: its promises, its words, its parity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.records import LEADS, Recording, RecordingError
from cardiofusion.signal import CANONICAL_SAMPLES, canonical, canonical_batch

MakeECG = Callable[..., Recording]
SHARED_FIXTURE = [HealthCheck.function_scoped_fixture]


def pick(recording: Recording, *leads: str) -> Recording:
    rows = [recording.leads.index(lead) for lead in leads]
    return replace(recording, signal=recording.signal[rows], leads=leads)


def test_plain_ecg_is_taken_whole(make_ecg: MakeECG) -> None:
    ecg = canonical(make_ecg(rate=100.0))
    assert ecg.signal.shape == (12, CANONICAL_SAMPLES)
    assert ecg.signal.dtype == np.float32
    assert ecg.present.all()
    assert not ecg.notes
    assert np.abs(np.median(ecg.signal, axis=1)).max() < 1e-6


@pytest.mark.parametrize("rate", [250.0, 257.0, 360.0, 400.0, 500.0, 1000.0])
def test_every_rate_gives_the_same_input(make_ecg: MakeECG, rate: float) -> None:
    reference = canonical(make_ecg(rate=1000.0)).signal
    ecg = canonical(make_ecg(rate=rate))
    assert "resampled" in ecg.notes
    # Linear interpolation inside the synthetic ECG differs a little from rate to rate.
    assert np.abs(ecg.signal - reference)[:, 20:-20].max() < 0.03


@settings(deadline=None, max_examples=25, suppress_health_check=SHARED_FIXTURE)
@given(st.floats(50.0, 2000.0), st.floats(2.0, 14.0), st.sets(st.sampled_from(LEADS), min_size=1))
def test_shape_and_zeros_hold_for_any_recording(
    make_ecg: MakeECG, rate: float, seconds: float, leads: set[str]
) -> None:
    recording = make_ecg(rate=rate, seconds=seconds + 2.0 / rate)
    ecg = canonical(pick(recording, *sorted(leads)))
    assert ecg.signal.shape == (12, CANONICAL_SAMPLES)
    assert np.isfinite(ecg.signal).all()
    assert np.abs(ecg.signal).max() <= 5.0
    assert not ecg.signal[~ecg.present].any()
    assert all(ecg.present[LEADS.index(lead)] for lead in leads)
    assert ("absent" in ecg.notes) == (not ecg.present.all())


def test_padding_is_exact_zero_and_said(make_ecg: MakeECG) -> None:
    whole = canonical(make_ecg(rate=100.0, seconds=4.0))
    assert not whole.signal[:, 400:].any()
    assert whole.signal[:, :400].any()
    assert "4.0 s" in whole.notes["padded"]


def test_longer_is_cropped_to_the_first_ten_seconds(make_ecg: MakeECG) -> None:
    recording = make_ecg(rate=500.0, seconds=30.0)
    ecg = canonical(recording)
    assert "30.0 s" in ecg.notes["cropped"]
    np.testing.assert_array_equal(
        ecg.signal, canonical(replace(recording, signal=recording.signal[:, :5000])).signal
    )


def test_offset_and_slow_wander_do_not_matter(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    time = np.arange(recording.signal.shape[1]) / 500.0
    drift = (7.0 + 0.5 * np.sin(2.0 * np.pi * 0.1 * time)).astype(np.float32)
    moved = canonical(replace(recording, signal=recording.signal + drift))
    # The mirror at either edge bends a slope, so the first and last second keep a little of it.
    assert np.abs(moved.signal - canonical(recording).signal)[:, 150:-150].max() < 0.06


def test_limb_leads_are_derived_and_said(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    eight = canonical(pick(recording, "I", "II", "V1", "V2", "V3", "V4", "V5", "V6"))
    assert eight.present.all()
    assert eight.notes["derived"].startswith("III, aVR, aVL, aVF")
    np.testing.assert_allclose(eight.signal, canonical(recording).signal, atol=1e-4)


def test_uncalibrated_leads_are_not_mixed(make_ecg: MakeECG) -> None:
    ecg = canonical(replace(pick(make_ecg(), "I", "II"), calibrated=False))
    assert ecg.present.sum() == 2


def test_modified_lead_stands_for_two_but_derives_nothing(make_ecg: MakeECG) -> None:
    recording = replace(pick(make_ecg(), "II", "I"), leads=("MLII", "I"))
    ecg = canonical(recording)
    assert [lead for lead, there in zip(LEADS, ecg.present, strict=True) if there] == ["I", "II"]
    assert "MLII" in ecg.notes["substituted"]


def test_short_gaps_are_bridged_and_long_ones_leave_the_lead_out(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    signal = recording.signal.copy()
    signal[6, 1000:1020] = np.nan
    signal[7, :2600] = np.nan
    signal[8] = 0.37
    ecg = canonical(replace(recording, signal=signal))
    assert [lead for lead, there in zip(LEADS, ecg.present, strict=True) if not there] == ["V2", "V3"]
    assert "V1" in ecg.notes["filled"]
    np.testing.assert_allclose(ecg.signal[6, 300:], canonical(recording).signal[6, 300:], atol=1e-3)


def test_artefacts_are_clipped_and_said(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    signal = recording.signal.copy()
    signal[9, 2000:2100] = 20.0
    ecg = canonical(replace(recording, signal=signal))
    assert ecg.signal.max() == 5.0
    assert "V4" in ecg.notes["clipped"]


def test_what_cannot_be_read_is_refused(make_ecg: MakeECG) -> None:
    with pytest.raises(RecordingError) as short:
        canonical(make_ecg(seconds=1.9))
    with pytest.raises(RecordingError) as slow:
        canonical(make_ecg(rate=40.0))
    with pytest.raises(RecordingError) as empty:
        canonical(Recording(np.zeros((12, 5000), dtype=np.float32), 500.0, LEADS))
    with pytest.raises(RecordingError) as unknown:
        canonical(replace(pick(make_ecg(), "I", "II"), leads=("X", "Y")))
    codes = [caught.value.code for caught in (short, slow, empty, unknown)]
    assert codes == ["recording.short", "recording.rate", "recording.no_signal", "recording.no_signal"]


def test_canonical_leaves_the_recording_alone(make_ecg: MakeECG) -> None:
    recording = make_ecg(rate=100.0)
    before = recording.signal.copy()
    ecg = canonical(recording)
    assert not np.shares_memory(ecg.signal, recording.signal)
    np.testing.assert_array_equal(recording.signal, before)


def test_batch_is_canonical_of_each(make_ecg: MakeECG) -> None:
    rng = np.random.default_rng(0)
    batch = np.stack([make_ecg(rate=100.0, heart_rate=hr).signal for hr in (45.0, 72.0, 140.0)])
    batch += rng.normal(0.0, 0.05, batch.shape).astype(np.float32) + 3.0
    batch[0, 6] = 0.0  # lost leads; chest, because `canonical` derives lost limb leads
    batch[1, 9, :700] = np.nan
    batch[2, 8, 100:130] = np.nan
    result = canonical_batch(batch)
    for signal, expected in zip(batch, result, strict=True):
        # Matrix products of other shapes round differently on some processors.
        alone = canonical(Recording(signal, 100.0, LEADS)).signal
        np.testing.assert_allclose(alone, expected, rtol=0.0, atol=1e-5)
    assert not result[0, 6].any()
    assert not result[1, 9].any()


def test_batch_of_another_shape_is_refused() -> None:
    with pytest.raises(RecordingError) as caught:
        canonical_batch(np.zeros((2, 8, 1000), dtype=np.float32))
    assert caught.value.code == "recording.shape"
    assert canonical_batch(np.zeros((0, 12, 1000), dtype=np.float32)).shape == (0, 12, 1000)


@pytest.mark.data
def test_native_rate_and_published_100_hz_agree(ptbxl: Callable[..., Recording]) -> None:
    """The published 100 Hz files lag by a constant 1.2 ms, which costs a QRS some of its correlation."""
    correlations = []
    for ecg_id in range(1, 31):
        native, published = canonical(ptbxl(ecg_id)).signal, canonical(ptbxl(ecg_id, 100)).signal
        correlations += [np.corrcoef(a, b)[0, 1] for a, b in zip(native, published, strict=True)]
    assert np.median(correlations) > 0.99
