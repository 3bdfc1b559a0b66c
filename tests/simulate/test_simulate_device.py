"""Electrodes in the wrong place, filters and steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cardiofusion.records import LEADS
from cardiofusion.simulate import with_cause
from cardiofusion.simulate.device import SWAPS, through_device


def test_exchanged_arms_turn_lead_i_over_and_leave_the_chest(ruler: Any) -> None:
    causes = ruler.causes("arm_reversal")
    wrong, right = ruler.render(causes), ruler.render(with_cause(causes, "arm_reversal", 0.0))
    lead = {name: LEADS.index(name) for name in LEADS}
    for first, second, sign in (("I", "I", -1), ("II", "III", 1), ("aVR", "aVL", 1), ("aVF", "aVF", 1)):
        assert np.allclose(wrong[:, lead[first]], sign * right[:, lead[second]], atol=1e-4)
    assert np.array_equal(wrong[:, 6:], right[:, 6:])
    assert np.abs(wrong[:, 0] + wrong[:, 2] - wrong[:, 1]).max() < 1e-4


def test_exchanged_chest_electrodes_are_an_exchange(ruler: Any) -> None:
    causes = ruler.causes("chest_reversal")
    wrong, right = ruler.render(causes), ruler.render(with_cause(causes, "chest_reversal", 0.0))
    assert np.array_equal(wrong[:, :6], right[:, :6])
    for ecg, same in zip(wrong[:, 6:], right[:, 6:], strict=True):
        assert any(np.array_equal(ecg, same[list(swap)]) for swap in SWAPS)
        assert not np.array_equal(ecg, same)


def test_a_heart_on_the_right_is_seen_in_a_mirror(ruler: Any) -> None:
    causes = ruler.causes("dextrocardia", qrs_axis=40.0, qrs_amplitude=1.4)
    right, usual = (ruler.render(c) for c in (causes, with_cause(causes, "dextrocardia", 0.0)))
    height = np.abs(right).max(axis=2)
    assert np.mean(right[:, 0].sum(axis=1) * usual[:, 0].sum(axis=1) < 0) > 0.9
    assert np.median(height[:, LEADS.index("V6")]) < 0.6 * np.median(
        np.abs(usual).max(axis=2)[:, LEADS.index("V6")]
    )
    aligned = [ruler.beat(e)[0, 60:90] for e in right]
    assert np.mean([b.sum() < 0 for b in aligned]) > 0.9


@pytest.mark.parametrize(("hertz", "kept"), [(0.01, (0.0, 0.1)), (5.0, (0.97, 1.03)), (49.0, (0.0, 0.05))])
def test_a_device_cuts_drift_and_what_the_sampling_rate_cannot_carry(
    hertz: float, kept: tuple[float, float]
) -> None:
    time = np.arange(10_000 if hertz < 1 else 1000) / 100.0
    wave = np.tile(np.sin(2 * np.pi * hertz * time).astype(np.float32), (40, 8, 1))
    seen = through_device(wave, 0.01, np.random.default_rng(0))[..., 300:-300]
    share = seen.std(axis=2)[:, 0] / wave[..., 300:-300].std(axis=2)[:, 0]
    assert kept[0] <= np.median(share) <= kept[1]


def test_a_device_counts_in_steps_of_its_own() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.05, (60, 8, 500)).astype(np.float32)
    seen = through_device(noise, 0.01, np.random.default_rng(0))
    gaps = {round(1e4 * float(np.diff(np.unique(ecg)).min())) for ecg in seen}
    assert gaps == {10, 25, 50}
