"""Virtual ECGs look like their causes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cardiofusion.records import LEADS, InputError
from cardiofusion.simulate import (
    CAUSES,
    cause_index,
    draw_causes,
    render,
    simulate_ecgs,
    with_cause,
)

N = 48
RATE = 250.0


def draw(*findings: str, n: int = N, seed: int = 3) -> NDArray[np.float32]:
    return draw_causes(n, np.random.default_rng(seed), findings=findings)


def clean(causes: NDArray[np.float32], seed: int = 5, **options: float) -> NDArray[np.float32]:
    return render(causes, np.random.default_rng(seed), RATE, noise=False, **options)


def cause(causes: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return causes[:, cause_index(name)]


def beats(ecg: NDArray[np.float32], rate: float = RATE) -> NDArray[np.intp]:
    """QRS positions [beat] of one ECG by the energy of its slope: an oracle that knows no cause."""
    width = int(0.09 * rate)
    energy = np.convolve((np.diff(ecg, axis=1) ** 2).sum(axis=0), np.ones(width), "same")
    threshold, peaks = 0.12 * np.quantile(energy, 0.985), []
    for start in np.flatnonzero(np.diff((energy > threshold).astype(int)) == 1):
        window = energy[start : start + int(0.2 * rate)]
        peak = start + int(window.argmax())
        if not peaks or peak - peaks[-1] > 0.25 * rate:
            peaks.append(peak)
    return np.array(peaks, dtype=np.intp)


def mean_beat(ecg: NDArray[np.float32], before: float = 0.3, after: float = 0.5) -> NDArray[np.float32]:
    """[12, sample] the median beat, its level 0 just before P."""
    a, b = int(before * RATE), int(after * RATE)
    peaks = [p for p in beats(ecg) if a <= p < ecg.shape[1] - b]
    beat = np.median([ecg[:, p - a : p + b] for p in peaks], axis=0)
    return beat - beat[:, :1]


def qrs(ecg: NDArray[np.float32]) -> NDArray[np.float32]:
    """[12, sample] the QRS and its edges, its level 0 where it begins."""
    beat = mean_beat(ecg)[:, int(0.2 * RATE) : int(0.4 * RATE)]
    return beat - beat[:, :1]


def lead(name: str) -> int:
    return LEADS.index(name)


def share(condition: list[bool]) -> float:
    return float(np.mean(condition))


def test_the_same_seed_gives_the_same_ecgs_and_another_seed_others() -> None:
    one, two, other = simulate_ecgs(5, 1), simulate_ecgs(5, 1), simulate_ecgs(5, 2)
    assert np.array_equal(one.signal, two.signal)
    assert np.array_equal(one.causes, two.causes)
    assert not np.array_equal(one.signal, other.signal)
    assert one.signal.shape == (5, 12, 1000)
    assert one.signal.dtype == one.causes.dtype == np.float32


def test_noise_changes_no_heart() -> None:
    causes = draw_causes(140, np.random.default_rng(0))  # more than one chunk
    with_noise = render(causes, np.random.default_rng(1))
    without = render(causes, np.random.default_rng(1), noise=False)
    assert np.median(np.abs(with_noise - without)) < 0.2
    r = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(with_noise, without, strict=True)]
    assert np.median(r) > 0.9
    assert not np.array_equal(with_noise, without)


def test_the_sampling_rate_changes_no_heart() -> None:
    causes = draw(n=8)
    slow, fast = (render(causes, np.random.default_rng(1), rate, noise=False) for rate in (100.0, 500.0))
    assert np.abs(slow - fast[..., ::5]).mean() < 0.02


def test_einthoven_holds_without_noise_and_with_it() -> None:
    for noise in (False, True):
        ecg = render(draw_causes(64, np.random.default_rng(9)), np.random.default_rng(9), noise=noise)
        i, ii, iii, avr, avl, avf = np.moveaxis(ecg[:, :6], 1, 0).astype(np.float64)
        assert np.abs(i + iii - ii).max() < 1e-5
        assert np.abs(avr + avl + avf).max() < 1e-5


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), seconds=st.sampled_from([2.0, 5.0, 10.0]), noise=st.booleans())
def test_any_draw_is_finite_and_of_the_size_of_an_ecg(seed: int, seconds: float, noise: bool) -> None:
    rng = np.random.default_rng(seed)
    ecg = render(draw_causes(6, rng), rng, 100.0, seconds, noise)
    assert ecg.shape == (6, 12, round(100 * seconds))
    assert np.isfinite(ecg).all()
    assert np.abs(ecg).max() < 15
    assert (np.ptp(ecg, axis=2).max(axis=1) > 0.1).all()


@settings(deadline=None, max_examples=15)
@given(st.data())
def test_any_causes_inside_their_ranges_can_be_rendered(data: st.DataObject) -> None:
    values = [
        data.draw(st.floats(c.low, c.high) if c.kind == "number" else st.sampled_from([0.0, 1.0]))
        for c in CAUSES
    ]
    ecg = render(np.array([values], dtype=np.float32), np.random.default_rng(0), seconds=4.0)
    assert np.isfinite(ecg).all()


def test_malformed_causes_and_lengths_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="not finite"):
        render(np.zeros((2, 3), dtype=np.float32), rng)
    with pytest.raises(InputError, match="not finite"):
        render(with_cause(draw(n=2), "rate", np.nan), rng)
    with pytest.raises(InputError, match="cannot be rendered"):
        render(draw(n=1), rng, sampling_rate=1e6, seconds=1e6)
    with pytest.raises(InputError, match="no flag"):
        draw("lvbb")


def test_the_measured_rate_is_the_cause() -> None:
    causes = draw()
    for ecg, rate in zip(clean(causes), cause(causes, "rate"), strict=True):
        assert 60.0 * RATE / np.diff(beats(ecg)).mean() == pytest.approx(rate, rel=0.06)


def test_the_qrs_axis_can_be_read_from_the_limb_leads() -> None:
    causes = draw()
    error = []
    for ecg, axis in zip(clean(causes), cause(causes, "qrs_axis"), strict=True):
        complex_only = qrs(ecg)[:, int(0.04 * RATE) :]  # P may still last where qrs() begins
        area = (complex_only - complex_only[:, :1]).sum(axis=1)
        seen = np.degrees(np.arctan2(area[lead("aVF")] * 2 / np.sqrt(3), area[lead("I")]))
        error.append(abs((seen - axis + 180) % 360 - 180))
    assert np.median(error) < 10


@pytest.mark.parametrize("name", ["pr", "qrs_duration", "qtc", "t_amplitude", "p_amplitude", "qrs_amplitude"])
def test_a_number_changes_the_ecg_and_only_there(name: str) -> None:
    """The same hearts with one cause moved: the difference lies in the part of the beat it is about."""
    causes = with_cause(with_cause(draw(n=6), "rate", 60.0), "rr_variation", 0.0)
    value = cause(causes, name) * 1.3
    changed = causes.copy()
    changed[:, cause_index(name)] = value
    before, after = clean(causes), clean(changed)
    for a, b in zip(before, after, strict=True):
        first = int(0.3 * RATE)
        difference = np.abs(mean_beat(b) - mean_beat(a)).max(axis=0)
        around_p, around_t = difference[: first - int(0.07 * RATE)], difference[first + int(0.12 * RATE) :]
        assert difference.max() > 0.01
        if name in ("pr", "p_amplitude"):
            assert around_t.max() < 0.25 * around_p.max()
        if name in ("t_amplitude", "qtc"):
            assert around_p.max() < 0.25 * around_t.max()


def test_lbbb_is_wide_negative_in_v1_and_positive_without_q_in_v6() -> None:
    normal, block = (np.array([qrs(e) for e in clean(draw(*f))]) for f in ((), ("lbbb",)))
    assert np.median([width(q) for q in block]) > 1.3 * np.median([width(q) for q in normal])
    v1, v6, i = (block[:, lead(name)] for name in ("V1", "V6", "I"))
    assert share([-q.min() > 1.5 * q.max() for q in v1]) > 0.9
    assert share([q.max() > -1.5 * q.min() for q in v6]) > 0.8
    assert share([-q[: q.argmax()].min(initial=0.0) < 0.1 * q.max() for q in i]) > 0.85
    turned = [mean_beat(e) for e in clean(draw("lbbb"))]
    assert share([b[lead("V1"), int(0.5 * RATE) :].max() > 0.1 for b in turned]) > 0.85


def width(q: NDArray[np.float32]) -> float:
    """Samples in which the heart is active."""
    speed = np.abs(np.diff(q, axis=1)).sum(axis=0)
    return float((speed > 0.1 * speed.max()).sum())


def test_rbbb_ends_to_the_right_and_front() -> None:
    block = np.array([qrs(e) for e in clean(draw("rbbb"))])
    v1, v6, i = (block[:, lead(name)] for name in ("V1", "V6", "I"))
    late = [int(q.argmin()) < int(q.argmax()) or q[: q.argmin()].max() < q[q.argmin() :].max() for q in v1]
    assert share(late) > 0.8  # R' after S and taller than r
    assert share([q.max() > 0.2 for q in v1]) > 0.85
    assert share([q[q.argmax() :].min() < -0.1 for q in i]) > 0.7
    assert share([q[q.argmax() :].min() < -0.1 for q in v6]) > 0.7


def test_an_old_inferior_infarct_has_q_in_the_inferior_leads() -> None:
    causes = with_cause(with_cause(draw("infarct_inferior"), "infarct_size", 0.9), "qrs_axis", 45.0)
    healthy = with_cause(with_cause(causes, "infarct_inferior", 0.0), "infarct_size", 0.0)

    def q_depth(which: NDArray[np.float32], name: str) -> NDArray[np.float64]:
        return np.array([-q[lead(name), : q[lead(name)].argmax() + 1].min() for q in map(qrs, clean(which))])

    for name in ("II", "III", "aVF"):
        assert share(list(q_depth(causes, name) > 0.1)) > 0.8
        assert np.median(q_depth(causes, name)) > 3 * np.median(q_depth(healthy, name))
    assert np.median(q_depth(causes, "aVL")) < 0.3 * np.median(q_depth(causes, "aVF"))


def test_an_acute_inferior_infarct_lifts_st_there_and_lowers_it_in_avl() -> None:
    j = int(0.4 * RATE)
    st_level = np.array(
        [mean_beat(e)[:, j : j + 5].mean(axis=1) for e in clean(draw("infarct_inferior", "infarct_acute"))]
    )
    assert share(list(st_level[:, lead("III")] > 0.05)) > 0.9
    assert share(list(st_level[:, lead("aVL")] < -0.02)) > 0.8


def test_an_anteroseptal_infarct_takes_the_r_waves_of_v1_to_v3() -> None:
    healthy, infarct = (np.array([qrs(e) for e in clean(draw(*f))]) for f in ((), ("infarct_anteroseptal",)))

    def first_r(block: NDArray[np.float32], name: str) -> float:
        return float(np.median([q[: q.argmin() + 1].max() for q in block[:, lead(name)]]))

    for name in ("V1", "V2"):
        assert first_r(infarct, name) < 0.4 * first_r(healthy, name)


def test_fibrillation_is_irregular_and_has_no_p() -> None:
    def p_energy(findings: tuple[str, ...]) -> tuple[float, float]:
        causes = with_cause(draw(*findings), "rate", 70.0)
        ecgs = clean(causes)
        spread = [np.std(np.diff(beats(e))) / np.mean(np.diff(beats(e))) for e in ecgs]
        window = [mean_beat(e)[1, int(0.1 * RATE) : int(0.24 * RATE)] for e in ecgs]
        return float(np.median(spread)), float(np.median([np.ptp(w) for w in window]))

    (sinus_rr, sinus_p), (afib_rr, afib_p) = p_energy(()), p_energy(("afib",))
    assert afib_rr > 0.12 > 2 * sinus_rr
    assert afib_p < 0.5 * sinus_p


def test_flutter_waves_repeat_several_times_a_beat() -> None:
    causes = with_cause(with_cause(draw("aflt"), "rate", 72.5), "rr_variation", 0.0)
    spectrum = np.abs(
        np.fft.rfft(clean(causes)[:, lead("aVF")] - clean(with_cause(causes, "aflt", 0.0))[:, lead("aVF")])
    )
    hertz = np.fft.rfftfreq(int(10 * RATE), 1 / RATE)
    peak = hertz[1 + spectrum[:, 1:].argmax(axis=1)]
    assert np.median(peak) == pytest.approx(72.5 * 4 / 60, abs=0.15)


def test_lvh_meets_sokolow_lyon_more_often() -> None:
    def sokolow(findings: tuple[str, ...]) -> NDArray[np.float64]:
        block = np.array([qrs(e) for e in clean(draw(*findings))])
        return -block[:, lead("V1")].min(axis=1) + block[:, [lead("V5"), lead("V6")]].max(axis=(1, 2))

    assert np.mean(sokolow(("lvh",)) > 3.5) > 0.4
    assert np.mean(sokolow(()) > 3.5) < 0.15


def test_low_voltage_is_low() -> None:
    height = np.array([np.ptp(qrs(e), axis=1) for e in clean(draw("low_voltage"))])
    assert np.median(height[:, :6].max(axis=1)) < 0.6
    assert np.median(np.array([np.ptp(qrs(e), axis=1) for e in clean(draw())])[:, :6].max(axis=1)) > 0.8


def test_ventricular_beats_come_early_and_pause() -> None:
    causes = with_cause(with_cause(draw("pvc"), "rate", 65.0), "rr_variation", 0.01)

    def longest(which: NDArray[np.float32]) -> list[float]:
        """Over the mean interval; a low ventricular beat that `beats` overlooks lengthens it as well."""
        return [float(np.diff(beats(ecg)).max() / (RATE * 60 / 65)) for ecg in clean(which)]

    assert share([pause > 1.12 for pause in longest(causes)]) > 0.95
    assert max(longest(with_cause(causes, "pvc", 0.0))) < 1.12


def test_ventricular_beats_are_wider_than_those_around_them() -> None:
    causes = with_cause(with_cause(draw("pvc"), "rate", 65.0), "ectopic_share", 0.4)
    same_hearts = clean(with_cause(causes, "pvc", 0.0))
    ratio = []
    for ecg, own in zip(clean(causes), same_hearts, strict=True):
        slow_power = [np.abs(np.fft.rfft(e[1:2] - e[1:2].mean()))[0] ** 2 for e in (ecg, own)]
        hertz = np.fft.rfftfreq(ecg.shape[1], 1 / RATE)
        low = [power[(hertz > 0.3) & (hertz < 6)].sum() / power[hertz > 0.3].sum() for power in slow_power]
        ratio.append(low[0] / low[1])
    assert np.median(ratio) > 1.15


def test_r_grows_and_s_shrinks_from_v1_to_v5() -> None:
    block = np.array([qrs(e) for e in clean(draw(n=96))])
    r, s = np.median(block.max(axis=2), axis=0), np.median(-block.min(axis=2), axis=0)
    assert (np.diff(r[lead("V1") : lead("V4") + 1]) > 0).all()
    assert s[lead("V2")] > s[lead("V3")] > s[lead("V5")]
    assert r[lead("V1")] < s[lead("V1")]
    assert r[lead("V6")] > s[lead("V6")]
    assert np.median(block[:, lead("aVR")].sum(axis=1)) < 0


def test_the_room_needs_numpy_only() -> None:
    script = (
        "import sys, cardiofusion.simulate as s; s.simulate_ecgs(1, 0); s.virtual_truth(5, 0);"
        "heavy = ('torch', 'scipy', 'sklearn', 'polars', 'pandas', 'matplotlib');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.data
def test_normal_ecgs_are_as_high_as_those_of_ptb_xl(data_dir: Path) -> None:
    """Median R and S by lead of normal virtual and real ECGs, at 100 Hz, where they are not tiny."""
    table = data_dir / "ptb-xl" / "ptbxl_database.csv"
    rows = [r for r in csv.DictReader(table.read_text().splitlines()) if "'NORM': 100.0" in r["scp_codes"]]
    files = [data_dir / "ptb-xl" / f"{r['filename_lr']}.dat" for r in rows]
    real = np.array([np.fromfile(f, "<i2").reshape(-1, 12).T / 1000.0 for f in files[:120]])
    age = np.array([float(r["age"] or 55) for r in rows[:120]])
    man = np.array([1.0 - float(r["sex"]) for r in rows[:120]])
    rng = np.random.default_rng(0)
    virtual = render(draw_causes(len(real), rng, age, man, findings=()), rng)
    for extreme in (0.005, 0.995):
        a, b = (
            np.median(np.quantile(x - np.median(x, axis=2, keepdims=True), extreme, axis=2), axis=0)
            for x in (real, virtual)
        )
        large = np.abs(a) > 0.25
        assert large.sum() >= 5
        assert (np.abs(b[large] / a[large] - 1) < 0.35).all()
