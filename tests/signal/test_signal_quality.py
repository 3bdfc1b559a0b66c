"""Quality: every planted fault is named, and ordinary ECGs are left in peace."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cardiofusion.readers import read_recording
from cardiofusion.records import INDEPENDENT_LEADS, LEADS, Quality, Recording, complete_limb_leads
from cardiofusion.signal import assess_quality

MakeECG = Callable[..., Recording]
REMARKS = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")


def codes(quality: Quality, *, notes: bool = False) -> set[str]:
    return {finding.code for finding in quality.findings if notes or finding.severity != "note"}


def with_arms_swapped(signal: np.ndarray) -> np.ndarray:
    swapped = signal.copy()
    swapped[0] = -signal[0]
    swapped[[1, 2, 3, 4]] = signal[[2, 1, 4, 3]]
    return swapped


def with_lead(signal: np.ndarray, lead: str, row: np.ndarray | float) -> np.ndarray:
    changed = signal.copy()
    changed[LEADS.index(lead)] = row
    return changed


def test_a_clean_ecg_is_good(make_ecg: MakeECG) -> None:
    quality = assess_quality(make_ecg())
    assert quality.grade == "good"
    assert quality.findings == ()
    assert quality.leads == dict.fromkeys(LEADS, "good")
    assert quality.heart_rate == pytest.approx(72.0, rel=0.02)


def electrode_noise(amplitude: np.ndarray) -> np.ndarray:
    """The same disturbance on the left leg and every chest electrode: it obeys Einthoven's law."""
    share = np.array([0.0, 1.0, 1.0, -0.5, -0.5, 1.0, *[2.0 / 3.0] * 6])
    return np.outer(share, amplitude)


def loose_electrodes() -> np.ndarray:
    """Noise alone, another at each electrode."""
    noise = np.random.default_rng(3).normal(0.0, 0.1, (8, 5000)).astype(np.float32)
    signal, names = complete_limb_leads(noise, INDEPENDENT_LEADS)
    return signal[[names.index(lead) for lead in LEADS]]


TIME = np.arange(5000) / 500.0
RNG = np.random.default_rng(7)
FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "flat_lead": lambda x: with_lead(x, "V2", 0.01),
    "missing_samples": lambda x: with_lead(x, "V2", np.where(TIME < 2.0, np.nan, x[7])),
    "saturated": lambda x: with_lead(x, "V3", np.clip(10.0 * x[8], -0.4, 1.5)),
    "amplitude": lambda x: 10.0 * x,
    "einthoven": lambda x: with_lead(x, "II", 1.3 * x[1]),
    "duplicated_leads": lambda x: with_lead(x, "V5", x[9]),
    "arm_electrodes_reversed": with_arms_swapped,
    "wander": lambda x: x + electrode_noise(2.0 * np.sin(2.0 * np.pi * 0.3 * TIME)),
    "mains": lambda x: x + electrode_noise(0.1 * np.sin(2.0 * np.pi * 50.0 * TIME)),
    "muscle_noise": lambda x: x + electrode_noise(RNG.normal(0.0, 0.15, 5000)),
    "no_beats": lambda x: loose_electrodes(),
    "all_zero": np.zeros_like,
    "no_signal": np.ones_like,
}

# Faults that cannot come alone.
ALSO = {"no_beats": {"muscle_noise"}}


@pytest.mark.parametrize("code", FAULTS)
def test_planted_faults_are_named(make_ecg: MakeECG, code: str) -> None:
    recording = make_ecg()
    spoiled = FAULTS[code](recording.signal).astype(np.float32)
    quality = assess_quality(replace(recording, signal=spoiled))
    assert code in codes(quality)
    assert codes(quality) == {code} | ALSO.get(code, set())
    assert quality.grade == ("unfit" if code in {"no_beats", "all_zero", "no_signal"} else "fair")
    for finding in quality.findings:
        assert finding.message.endswith(".")
        assert finding.message[0].isupper()


@pytest.mark.parametrize(("lead", "row", "grade"), [("V2", 0.0, "unfit"), ("aVL", np.nan, "unfit")])
def test_the_lead_is_named_and_graded(make_ecg: MakeECG, lead: str, row: float, grade: str) -> None:
    recording = make_ecg()
    quality = assess_quality(replace(recording, signal=with_lead(recording.signal, lead, row)))
    assert quality.leads[lead] == grade
    assert any(finding.lead == lead and lead in finding.message for finding in quality.findings)


def test_a_chest_lead_left_out_is_missed(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    rows = [row for row, lead in enumerate(LEADS) if lead != "V3"]
    without = replace(recording, signal=recording.signal[rows], leads=tuple(LEADS[row] for row in rows))
    found = assess_quality(without).findings
    assert [finding.code for finding in found] == ["absent_lead"]
    assert "V3" in found[0].message
    limbs = replace(recording, signal=recording.signal[:6], leads=LEADS[:6])
    assert "absent_lead" not in codes(assess_quality(limbs))


def test_a_single_sample_out_of_range_is_seen(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    row = recording.signal[7].copy()
    row[1234] = 12.0
    quality = assess_quality(replace(recording, signal=with_lead(recording.signal, "V2", row)))
    assert "amplitude" in codes(quality)
    row[1234] = recording.signal[7, 1234] + 2.0
    quality = assess_quality(replace(recording, signal=with_lead(recording.signal, "V2", row)))
    assert quality.grade == "good"
    assert [f.message for f in quality.findings] == ["Lead V2 jumps for single samples."]


def test_leads_that_were_not_recorded_are_absent(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    quality = assess_quality(replace(recording, signal=recording.signal[:2], leads=("I", "II")))
    assert [lead for lead, grade in quality.leads.items() if grade != "absent"] == ["I", "II"]


@pytest.mark.parametrize(
    ("leads", "few"),
    [
        (("II",), True),
        (("MLII", "V5"), True),
        (LEADS[:6], True),
        (LEADS[6:], True),
        (("I", "II", "V1", "V2", "V3"), True),
        (("II", "V1", "V2", "V3", "V4", "V5"), False),
        (("aVR", "aVL", *LEADS[6:]), False),
        (("I", "II", *LEADS[6:10]), False),
        (LEADS, False),
    ],
)
def test_an_ecg_of_few_leads_is_warned_of(make_ecg: MakeECG, leads: tuple[str, ...], few: bool) -> None:
    recording = make_ecg()
    rows = [LEADS.index("II" if lead == "MLII" else lead) for lead in leads]
    quality = assess_quality(replace(recording, signal=recording.signal[rows], leads=leads))
    found = [finding for finding in quality.findings if finding.code == "few_leads"]
    assert len(found) == few
    if few:
        assert quality.grade == "fair"
        assert found[0].leads == leads
        assert all(lead in found[0].message for lead in leads)


def test_leads_that_are_flat_do_not_count(make_ecg: MakeECG) -> None:
    recording = make_ecg()
    signal = recording.signal.copy()
    signal[[0, 2, 3, 4, 5, 6, 7, 8, 9, 11]] = 0.0
    found = {f.code: f for f in assess_quality(replace(recording, signal=signal)).findings}
    assert found["few_leads"].leads == ("II", "V5")


def test_what_the_file_admits_is_said(make_ecg: MakeECG) -> None:
    recording = replace(make_ecg(), calibrated=False, unverified=("header", "samples"))
    quality = assess_quality(recording)
    assert codes(quality) == {"not_calibrated"}
    assert codes(quality, notes=True) == {"not_calibrated", "unverified"}


@pytest.mark.parametrize(
    ("rate", "seconds", "code", "severity"),
    [
        (500.0, 1.0, "short", "unfit"),
        (500.0, 5.0, "short", "note"),
        (500.0, 12.0, "long", "note"),
        (500.0, 30.0, "long", "note"),
        (250.0, 61.0, "long", "warning"),
        (30.0, 10.0, "low_rate", "unfit"),
        (80.0, 10.0, "low_rate", "warning"),
        (125.0, 10.0, "low_rate", "note"),
        (50_000.0, 2.0, "rate", "unfit"),
    ],
)
def test_length_and_rate(make_ecg: MakeECG, rate: float, seconds: float, code: str, severity: str) -> None:
    quality = assess_quality(make_ecg(rate=rate, seconds=seconds))
    assert [f.severity for f in quality.findings if f.code == code] == [severity]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 4), st.integers(1, 700)),
        elements=st.floats(-40.0, 40.0, width=32) | st.just(np.nan) | st.just(np.inf),
    ),
    st.sampled_from([0.5, 50.0, 100.0, 130.0, 257.0, 500.0]),
)
def test_never_raises(signal: np.ndarray, rate: float) -> None:
    quality = assess_quality(Recording(signal, rate, LEADS[: len(signal)]))
    assert quality.grade in {"good", "fair", "unfit"}
    assert set(quality.leads) == set(LEADS)


@pytest.mark.data
def test_ptbxl_without_remarks_is_mostly_left_in_peace(
    data_dir: Path, ptbxl: Callable[..., Recording]
) -> None:
    with (data_dir / "ptb-xl" / "ptbxl_database.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    spared = (*REMARKS, "pacemaker")
    clean = [int(row["ecg_id"]) for row in rows if not any(row[remark].strip() for remark in spared)]
    found = [codes(assess_quality(ptbxl(ecg_id))) for ecg_id in clean]
    assert np.mean([bool(each) for each in found]) <= 0.02


@pytest.mark.data
def test_faults_planted_in_real_ecgs(ptbxl: Callable[..., Recording]) -> None:
    share = {"amplitude": 0.95, "arm_electrodes_reversed": 0.95, "einthoven": 0.95}
    recordings = [ptbxl(ecg_id) for ecg_id in range(1, 41)]
    for code, least in share.items():
        spoiled = [replace(r, signal=FAULTS[code](r.signal).astype(np.float32)) for r in recordings]
        assert np.mean([code in codes(assess_quality(r)) for r in spoiled]) >= least


@pytest.mark.data
def test_ludb_is_not_in_millivolts_and_that_shows(data_dir: Path) -> None:
    folder = data_dir / "ludb" / "data"
    named = [
        "einthoven" in codes(assess_quality(read_recording(folder / f"{i}.hea"))) for i in range(1, 201, 5)
    ]
    assert np.mean(named) >= 0.97


@pytest.mark.data
def test_the_empty_record_of_code15_is_unfit(data_dir: Path) -> None:
    empty = next((data_dir / "code15" / "records").glob("*all_data_is_zero.hea"))
    quality = assess_quality(read_recording(empty))
    assert quality.grade == "unfit"
    assert "all_zero" in codes(quality)
