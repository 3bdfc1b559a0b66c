"""The exchangeability alarm: rarely false, quick when patients change."""

from __future__ import annotations

import os

import numpy as np
import pytest
from mapie.exchangeability_testing import OnlineMartingaleTest

from cardiofusion.conformal import ExchangeabilityAlarm
from cardiofusion.conformal.alarm import REFERENCE_LIMIT, max_log_capital
from cardiofusion.records import CalibrationError

SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"


@pytest.mark.parametrize("tied", [False, True])
def test_false_alarms_stay_under_the_level(tied):
    rng = np.random.default_rng(0)
    level, trials = 0.1, 3000 if SLOW else 400
    raised = 0
    for _ in range(trials):
        scores = rng.random(300)
        scores = np.round(scores, 1) if tied else scores
        raised += ExchangeabilityAlarm.fit(scores[:100], rng, level).watch(scores[100:], rng).raised
    assert raised / trials <= level + 3 * np.sqrt(level * (1 - level) / trials)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_shift_either_way_raises_it(shift):
    rng = np.random.default_rng(1)
    alarm = ExchangeabilityAlarm.fit(rng.normal(size=500), rng)
    readings = [alarm.watch(rng.normal(shift, 1, 200), rng) for _ in range(20)]
    assert all(reading.raised and reading.n == 200 for reading in readings)


def test_it_catches_a_change_in_the_middle_of_the_stream():
    rng = np.random.default_rng(2)
    alarm = ExchangeabilityAlarm.fit(rng.normal(size=500), rng)
    before, after = rng.normal(size=100), rng.normal(1.0, 1, 200)
    assert not alarm.watch(before, rng).raised
    assert alarm.watch(np.concatenate([before, after]), rng).raised


def test_evidence_never_falls_as_the_stream_goes_on_and_stays_bounded():
    rng = np.random.default_rng(3)
    alarm = ExchangeabilityAlarm.fit(rng.normal(size=200), rng)
    stream = rng.normal(3, 1, 3000)
    evidence = [alarm.watch(stream[:n], np.random.default_rng(0)).evidence for n in (0, 10, 50, 3000)]
    assert evidence[0] == 1.0
    assert evidence == sorted(evidence)
    assert evidence[-1] == 1e12


def test_the_capital_is_that_of_mapies_simple_jumper():
    p = np.random.default_rng(4).beta(0.7, 1.4, 300)
    peer = OnlineMartingaleTest()
    capital = []
    for value in p:
        peer.update_simple_jumper_martingale(float(value))
        capital.append(peer.current_martingale_value)
    assert np.exp(max_log_capital(p)) == pytest.approx(max(1.0, *capital))


def test_scores_that_are_all_equal_rank_by_chance_alone():
    alarm = ExchangeabilityAlarm((0.5, 0.5))
    chance = np.random.default_rng(0).random(40)
    reading = alarm.watch(np.full(40, 0.5), np.random.default_rng(0))
    assert reading.evidence == pytest.approx(np.exp(max_log_capital(chance)))


def test_a_large_reference_is_thinned_at_random_and_kept_in_order():
    scores = np.sort(np.random.default_rng(5).random(5000))
    alarm = ExchangeabilityAlarm.fit(scores, np.random.default_rng(0))
    assert len(alarm.reference) == REFERENCE_LIMIT
    assert list(alarm.reference) == sorted(set(alarm.reference) & set(scores.tolist()))
    assert np.mean(alarm.reference) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("scores", "level"), [([], 0.01), ([0.1, np.nan], 0.01), ([0.1], 0.0), ([np.inf], 0.5)]
)
def test_nonsense_is_refused(scores, level):
    with pytest.raises(CalibrationError) as caught:
        ExchangeabilityAlarm.fit(np.array(scores), np.random.default_rng(0), level)
    assert caught.value.code == "conformal.alarm"


def test_a_new_score_that_is_no_number_is_refused():
    with pytest.raises(CalibrationError, match="finite"):
        ExchangeabilityAlarm((0.1, 0.2)).watch(np.array([0.3, np.nan]), np.random.default_rng(0))
