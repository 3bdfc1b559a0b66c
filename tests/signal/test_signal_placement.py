"""Exchanged electrodes and a wrong speed: what was planted is what is found, in virtual and in real ECGs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cardiofusion.records import INDEPENDENT_LEADS, LEADS, Recording, complete_limb_leads
from cardiofusion.signal import assess_quality
from cardiofusion.signal.beat_shape import TIMES, WINDOWS, beat_shape
from cardiofusion.signal.placement import (
    ARMS,
    CHEST,
    LIMBS,
    chest_evidence,
    chest_exchanges,
    exchange_words,
    limb_evidence,
)
from cardiofusion.signal.reference import Density, usual_beats, usual_times
from cardiofusion.signal.speed import speed_evidence
from cardiofusion.simulate import cause_index, draw_causes, render
from faults import FAULTS, shape_of

MISPLACED = ("dextrocardia", "arm_reversal", "chest_reversal")
CABLES = {"right arm": 0, "left arm": 1, "left leg": 2}
PLANTED = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def patients() -> list[Recording]:
    """Virtual patients whose electrodes are where they belong, of a seed that taught nobody."""
    rng = np.random.default_rng(90_001)
    causes = draw_causes(50, rng)
    causes = causes[~causes[:, [cause_index(name) for name in MISPLACED]].any(axis=1)]
    recordings = [Recording(signal, 250.0, LEADS) for signal in render(causes, rng, 250.0)]
    shapes = [shape_of(recording) for recording in recordings]
    return [r for r, shape in zip(recordings, shapes, strict=True) if shape and len(shape.leads) == 8]


def with_limbs(recording: Recording, order: list[int]) -> Recording:
    """As recorded with the cable of electrode k on the place of electrode order[k] (RA, LA, LL)."""
    right, left, leg = -(recording.signal[0] + recording.signal[1]) / 3.0, *recording.signal[:2]
    potentials = [right, right + left, right + leg]
    right, left, leg = (potentials[k] for k in order)
    eight = np.stack([left - right, leg - right, *recording.signal[6:]]).astype(np.float32)
    signal, names = complete_limb_leads(eight, INDEPENDENT_LEADS)
    return replace(recording, signal=signal[[names.index(lead) for lead in LEADS]])


@pytest.mark.parametrize("exchange", LIMBS)
def test_undoing_the_limb_exchange_that_was_planted_is_likelier(
    patients: list[Recording], exchange: tuple[str, ...]
) -> None:
    order = [0, 1, 2]
    for cable, place in zip(exchange, (*exchange[1:], exchange[0]), strict=True):
        order[CABLES[cable]] = CABLES[place]
    found = []
    for recording in patients:
        shape = shape_of(with_limbs(recording, order))
        assert shape is not None
        evidence = limb_evidence(shape)
        found.append(evidence[exchange] > 0.0)
    assert np.mean(found) >= 0.95


def test_what_is_righted_is_what_was_there(patients: list[Recording]) -> None:
    """Evidence is antisymmetric: what undoing an exchange gains, the exchange lost."""
    untouched = shape_of(patients[0])
    swapped = shape_of(with_limbs(patients[0], [1, 0, 2]))
    assert untouched is not None
    assert swapped is not None
    assert limb_evidence(swapped)[ARMS] == pytest.approx(-limb_evidence(untouched)[ARMS], rel=0.02, abs=0.5)


def test_chest_exchanges_are_told_and_named(patients: list[Recording]) -> None:
    for leads, took in chest_exchanges(CHEST):
        rows = list(range(12))
        for lead, electrode in zip(leads, took, strict=True):
            rows[LEADS.index(lead)] = LEADS.index(electrode)
        gains = []
        for recording in patients[:20]:
            shape = shape_of(replace(recording, signal=recording.signal[rows]))
            assert shape is not None
            gains.append(chest_evidence(shape)[took])
        assert np.median(gains) > 0.0, took


def test_words() -> None:
    assert exchange_words(ARMS) == "right arm and left arm"
    assert exchange_words(("V2", "V1")) == "V1 and V2 may be exchanged"
    assert exchange_words(CHEST[::-1]) == "may be in reverse order"
    assert exchange_words(CHEST[2:] + CHEST[:2]) == "may be moved on, V1 to the place of V3"


def test_fewer_leads_are_judged_by_what_is_there(patients: list[Recording]) -> None:
    def only(recording: Recording, *leads: str) -> Recording:
        rows = [LEADS.index(lead) for lead in leads]
        return replace(recording, signal=recording.signal[rows], leads=leads)

    limbs = shape_of(only(patients[0], "I", "II"))
    assert limbs is not None
    assert limb_evidence(limbs) == {}
    assert chest_evidence(limbs) == {}
    some = ("I", "III", "V1", "V2", "V4", "V6")
    right = [shape_of(only(recording, *some)) for recording in patients]
    swapped = [shape_of(only(with_limbs(recording, [1, 0, 2]), *some)) for recording in patients]
    assert np.mean([limb_evidence(shape)[ARMS] < 0.0 for shape in right if shape]) > 0.95
    assert np.mean([limb_evidence(shape)[ARMS] > 0.0 for shape in swapped if shape]) > 0.95
    assert {len(names) for names in chest_evidence(right[0])} == {2}  # type: ignore[arg-type]


@pytest.mark.parametrize(("factor", "speed"), [(2.0, "fast"), (0.5, "slow")])
def test_a_wrong_speed_is_told(patients: list[Recording], factor: float, speed: str) -> None:
    told = []
    for recording in patients:
        shape = shape_of(replace(recording, sampling_rate=factor * recording.sampling_rate))
        told.append(shape is None or speed_evidence(shape)[speed] > 0.0)
    assert np.mean(told) >= 0.9
    right = [shape_of(recording) for recording in patients]
    assert np.mean([max(speed_evidence(shape).values()) < 0.0 for shape in right if shape]) >= 0.95


def test_a_shape_does_not_depend_on_gain_or_rate(patients: list[Recording]) -> None:
    recording = patients[1]
    shape = shape_of(recording)
    larger = shape_of(replace(recording, signal=3.0 * recording.signal))
    assert shape is not None
    assert larger is not None
    np.testing.assert_allclose(larger.waves, shape.waves, atol=1e-3)
    np.testing.assert_allclose(larger.times, shape.times, atol=1e-2)
    assert shape.waves.shape == (8, len(WINDOWS))
    assert shape.times.shape == (len(TIMES),)


def test_too_few_beats_have_no_shape(patients: list[Recording]) -> None:
    signal = patients[0].signal
    assert beat_shape(signal, LEADS, np.array([500, 700]), 250.0) is None
    assert beat_shape(signal, LEADS, np.array([1, 2, 3]), 250.0) is None  # cut by the edge


def test_densities_are_those_of_their_examples() -> None:
    rng = np.random.default_rng(4)
    examples = rng.normal((5.0, 0.0, -1.0), (1.0, 2.0, 0.5), (4000, 3))
    density = Density.fitted([examples])
    at = np.array([[5.0, 0.0, -1.0], [8.0, 0.0, -1.0], [5.0, 6.0, -1.0]])
    middle, far, as_far = density.log_density(at)
    assert middle > far
    assert far == pytest.approx(as_far, rel=0.1)  # three standard deviations either way
    part = density.among(np.array([1]))
    assert part.covariance[0, 0] == pytest.approx(4.0, rel=0.1)


def test_the_reference_is_whole() -> None:
    assert len(usual_beats(INDEPENDENT_LEADS).mean) == len(INDEPENDENT_LEADS) * len(WINDOWS)
    assert len(usual_beats(("I", "V1")).mean) == 2 * len(WINDOWS)
    for speed in ("right", "fast", "slow"):
        assert np.linalg.eigvalsh(usual_times(speed).covariance).min() > 0.0
    assert usual_times("fast").mean[0] == pytest.approx(usual_times("right").mean[0] - np.log(2.0), abs=0.05)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("arm electrodes exchanged", 0.95),
        ("V1-V6 in any wrong order", 0.9),
        ("V1-V6 moved on", 0.95),
        ("read at twice its rate", 0.9),
        ("read at half its rate", 0.6),
        ("a lead cut off at 70 %", 0.95),
    ],
)
def test_planted_in_real_ecgs_they_are_found(
    ptbxl: Callable[[int], Recording], name: str, least: float
) -> None:
    rng = np.random.default_rng(6)
    fault = PLANTED[name]
    found = []
    for ecg_id in range(1, 500, 12):
        planted = assess_quality(fault.plant(ptbxl(ecg_id), rng))
        found.append(bool({finding.code for finding in planted.findings} & set(fault.codes)))
    assert np.mean(found) >= least
