"""What faults of leads do to what is measured: spoilt leads left out, doubted values no longer sure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Finding, Measurements, Quality, Recording, Severity
from cardiofusion.signal import assess_quality, measure
from cardiofusion.signal.trust import Doubts, doubts_about

AXES = ("p_axis", "qrs_axis", "t_axis")
LIMB = LEADS[:6]
Signal = NDArray[np.float32]


@pytest.fixture(scope="module")
def real(data_dir: Path) -> Recording:
    """Without a fault, its leads in the usual order."""
    recording = read_recording(data_dir / "formats" / "dicom" / "anonymous_ecg.dcm")
    rows = [recording.leads.index(lead) for lead in LEADS]
    return replace(recording, signal=recording.signal[rows], leads=LEADS)


def measured(recording: Recording, spoil: Callable[[Signal], None] | None = None) -> Measurements:
    signal = recording.signal.copy()
    if spoil:
        spoil(signal)
    changed = replace(recording, signal=signal)
    return measure(changed, assess_quality(changed))


def clip_v5_and_v6(signal: Signal) -> None:
    for row in (10, 11):
        signal[row] = np.clip(signal[row], -0.2, 0.4 * signal[row].max())


def clip_v5(signal: Signal) -> None:
    signal[10] = np.clip(signal[10], -0.2, 0.4 * signal[10].max())


def exchange_arms(signal: Signal) -> None:
    signal[:6] = signal[[0, 2, 1, 4, 3, 5]]
    signal[0] *= -1.0


def shrink_v3(signal: Signal) -> None:
    signal[8] = np.random.default_rng(2).normal(0.0, 0.002, signal.shape[1])


def double_lead_1(signal: Signal) -> None:
    signal[0] *= 2.0


def gap_in_lead_1(signal: Signal) -> None:
    signal[0, : signal.shape[1] * 3 // 10] = np.nan


@pytest.mark.data
def test_without_a_fault_everything_is_as_it_was(real: Recording) -> None:
    assert measured(real) == measure(real)
    assert measured(real).from_leads == LEADS
    assert all(measured(real).intervals[axis].sure for axis in AXES)


@pytest.mark.data
@pytest.mark.parametrize(
    ("spoil", "leads"), [(clip_v5_and_v6, {"V5", "V6"}), (clip_v5, {"V5"}), (shrink_v3, {"V3"})]
)
def test_a_spoilt_lead_is_left_out(real: Recording, spoil: Callable[[Signal], None], leads: set[str]) -> None:
    found = measured(real, spoil)
    assert set(LEADS) - set(found.from_leads) == leads
    assert not leads & found.amplitudes.keys()
    without = [row for row, lead in enumerate(LEADS) if lead not in leads]
    alone = measure(replace(real, signal=real.signal[without], leads=tuple(LEADS[row] for row in without)))
    assert found.intervals == alone.intervals


@pytest.mark.data
def test_the_higher_of_two_leads_is_not_sure_where_one_is_spoilt(real: Recording) -> None:
    assert measured(real).voltages["sokolow_lyon"].sure
    assert not measured(real, clip_v5).voltages["sokolow_lyon"].sure
    assert "sokolow_lyon" not in measured(real, clip_v5_and_v6).voltages


@pytest.mark.data
@pytest.mark.parametrize("spoil", [exchange_arms, double_lead_1, gap_in_lead_1])
def test_no_axis_is_sure_where_limb_leads_are_at_fault(
    real: Recording, spoil: Callable[[Signal], None]
) -> None:
    found = measured(real, spoil)
    for axis in AXES:
        assert not found.intervals[axis].sure
    assert not any(one.sure for one in found.amplitudes["I"].values())
    assert found.intervals["qt"].sure
    assert found.amplitudes["V2"]["t"].sure


def test_what_each_warning_casts_doubt_on() -> None:
    def about(code: str, *leads: str, severity: Severity = "warning") -> Doubts:
        finding = Finding(code, severity, "Words.", leads=leads)
        return doubts_about(Quality("fair", (finding,)), LEADS, LEADS)

    assert about("chest_electrodes_exchanged").heights == set(LEADS[6:])
    assert about("speed").times
    assert about("missing_samples", "V2") == Doubts(heights=frozenset({"V2"}))
    assert about("missing_samples", "V2", severity="note") == Doubts()
    assert about("saturated", "I", "aVL").spoilt == {"I", "aVL"}
    assert about("wander", "V2") == Doubts()
    assert doubts_about(None, LEADS, LEADS) == Doubts()


def test_a_wrong_gain_of_all_leads_leaves_times_alone(make_ecg: Callable[..., Recording]) -> None:
    usual = make_ecg()
    loud = replace(usual, signal=30.0 * usual.signal)
    found, before = measure(loud, assess_quality(loud)), measure(usual)
    assert found.from_leads == LEADS
    for name in ("pr", "qrs", "qt", "heart_rate"):
        assert found.intervals[name].value == pytest.approx(before.intervals[name].value, abs=2.0)
        assert found.intervals[name].sure
    assert not any(one.sure for named in found.amplitudes.values() for one in named.values())


@pytest.mark.parametrize(
    ("leads", "word"), [(("II",), False), (("I", "II"), True), (("I", "II", "V2"), True)]
)
def test_one_lead_alone_measures_no_time_surely(
    make_ecg: Callable[..., Recording], leads: tuple[str, ...], word: bool
) -> None:
    usual = make_ecg()
    few = replace(usual, signal=usual.signal[[LEADS.index(lead) for lead in leads]], leads=leads)
    found = measure(few)
    assert found.from_leads == leads
    for name in ("pr", "qrs", "qt", "qtc_bazett"):
        assert found.intervals[name].sure == word
        assert (found.intervals[name].confidence < 0.9) == (len(leads) < 3)
    assert found.intervals["heart_rate"].sure


@pytest.mark.data
@pytest.mark.filterwarnings("ignore:The inplace keyword")  # pandas, inside wfdb
def test_a_qrs_that_is_called_sure_is_nearer_to_the_cardiologists(data_dir: Path) -> None:
    """On LUDB's records 101 to 200, on which no constant was chosen."""
    wfdb = pytest.importorskip("wfdb")
    rows = []
    for record in range(101, 201, 2):
        path = data_dir / "ludb" / "data" / str(record)
        widths = []
        for lead in ("i", "ii", "v2", "v5"):
            notes = wfdb.rdann(str(path), lead)
            at = [k for k, symbol in enumerate(notes.symbol) if symbol == "N"]
            widths.append(np.median([notes.sample[k + 1] - notes.sample[k - 1] for k in at]) * 2.0)
        qrs = measure(read_recording(path.with_suffix(".hea"))).intervals["qrs"]
        rows.append((qrs.confidence, abs(qrs.value - np.median(widths))))
    confidence, off = np.array(rows).T
    surest = confidence >= 0.9
    assert 10 < surest.sum() < len(rows) - 10
    assert off[surest].mean() < 0.75 * off[~surest].mean()
