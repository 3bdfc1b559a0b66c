"""Findings of ST and T, seen on rendered ECGs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cardiofusion.records import LEADS
from cardiofusion.simulate import with_cause

V1, V2, V3, V6 = (LEADS.index(name) for name in ("V1", "V2", "V3", "V6"))


def test_brugada_lifts_st_in_v1_and_v2_only_and_turns_t_over(ruler: Any) -> None:
    causes = ruler.causes("brugada", rate=65)
    with_it, without = (ruler.render(c) for c in (causes, with_cause(causes, "brugada", 0.0)))
    for lead in ("V1", "V2"):
        rise = ruler.levels(with_it, lead, 0.07, 0.11) - ruler.levels(without, lead, 0.07, 0.11)
        assert np.median(rise) > 0.15
        assert np.mean(rise > 0.08) > 0.85
        late = ruler.levels(with_it, lead, 0.24, 0.32)
        assert np.mean(late < ruler.levels(without, lead, 0.24, 0.32)) > 0.85
    assert np.median(np.abs(with_it - without)[:, V6]) < 0.02


def test_pericarditis_lifts_st_everywhere_but_in_avr(ruler: Any) -> None:
    sore, well = (ruler.ecgs(*f, rate=65) for f in (("pericarditis",), ()))
    for lead in ("I", "II", "aVF", "V5", "V6"):
        st = ruler.levels(sore, lead, 0.09, 0.12)
        assert np.median(st) > np.median(ruler.levels(well, lead, 0.09, 0.12)) + 0.04
    assert np.median(ruler.levels(sore, "aVR", 0.09, 0.12)) < -0.08


def test_pericarditis_lowers_pr(ruler: Any) -> None:
    causes = ruler.causes("pericarditis", rate=65, pr=170.0, p_duration=100.0, p_amplitude=0.2)

    def dip(which: Any) -> float:
        """Level of II just before QRS against before P."""
        return float(np.median(-ruler.levels(ruler.render(which), "II", -0.28, -0.25)))

    assert dip(causes) < dip(with_cause(causes, "pericarditis", 0.0)) - 0.01


def test_hyperacute_t_is_taller(ruler: Any) -> None:
    tall, usual = (
        np.array([ruler.beat(e)[:, 110:].max() for e in ruler.ecgs(*f, rate=65)])
        for f in (("hyperacute_t",), ())
    )
    assert np.median(tall) > 1.6 * np.median(usual)


def test_high_potassium_peaks_t_widens_qrs_and_flattens_p(ruler: Any) -> None:
    high, usual = (ruler.ecgs(*f, rate=65, n=48) for f in (("hyperkalaemia",), ()))

    def narrowness(ecg: Any) -> float:
        """Share of the time after QRS in which T stands over half its height."""
        size = np.linalg.norm(ruler.beat(ecg)[6:, 110:], axis=0)
        return float((size > 0.5 * size.max()).mean())

    assert np.median([narrowness(e) for e in high]) < 0.85 * np.median([narrowness(e) for e in usual])
    p = [np.median([np.ptp(ruler.beat(e)[1, :50]) for e in ecgs]) for ecgs in (high, usual)]
    assert p[0] < 0.8 * p[1]


def test_low_potassium_makes_u_taller_than_t(ruler: Any) -> None:
    causes = ruler.causes("hypokalaemia", rate=55, qtc=410.0)
    other = with_cause(causes, "hypokalaemia", 0.0)
    u = ruler.levels(ruler.render(causes), "V3", 0.44, 0.5) - ruler.levels(
        ruler.render(other), "V3", 0.44, 0.5
    )
    assert np.mean(u > 0.04) > 0.9


@pytest.mark.parametrize(("name", "earlier"), [("short_qt", True), ("long_qt", False)])
def test_t_comes_when_qt_says(ruler: Any, name: str, earlier: bool) -> None:
    def top(*findings: str) -> float:
        size = [
            np.linalg.norm(ruler.beat(e, after=0.7)[:, 120:], axis=0) for e in ruler.ecgs(*findings, rate=60)
        ]
        return float(np.median([s.argmax() for s in size]))

    assert (top(name) < top() - 10) == earlier
    assert (top(name) > top() + 10) != earlier


def test_strain_of_the_right_ventricle_turns_t_over_in_v1_to_v3(ruler: Any) -> None:
    strained, plain = (ruler.ecgs("rvh", *more, rate=65) for more in (("rv_strain",), ()))
    for lead in (V1, V2, V3):
        t = [np.median([ruler.beat(e)[lead, 125:175].mean() for e in ecgs]) for ecgs in (strained, plain)]
        assert t[0] < t[1] - 0.05
