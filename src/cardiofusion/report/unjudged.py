"""What labels of an ECG's form do not judge, though a reader may think so: rhythm, rate, QT interval.

PTB-XL's superclasses (Wagner et al., Sci Data 2020) are diagnoses of form; NORM is none of the other four.
An ECG in atrial fibrillation or with a heart rate of 35 can carry it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cardiofusion.records import Measurements
from cardiofusion.report.measured import measured_value
from cardiofusion.report.verdicts import LABEL_NAMES, Verdict

SLOWEST, FASTEST = 40.0, 130.0  # /min, beyond which a resting rate asks for somebody at once
LONGEST_QTC = 500.0  # ms, from which torsades de pointes are feared (AHA/ACC, Drew et al., 2010)


def of_form(told: Sequence[Verdict]) -> bool:
    """Whether a task's targets are labels of form, and of nothing else."""
    return bool(told) and all(one.target in LABEL_NAMES for one in told)


def beside_normal(told: Sequence[Verdict], measurements: Measurements | None) -> tuple[tuple[str, str], ...]:
    """(what, value) of what was surely measured and is not normal, where a normal waveform is pointed to."""
    normal = any(one.target == "NORM" and one.by_set and one.leaning == "present" for one in told)
    return tuple(_abnormal(measurements)) if normal and measurements else ()


def _abnormal(measurements: Measurements) -> Iterator[tuple[str, str]]:
    rhythm, rate = measurements.rhythm, measurements.intervals.get("heart_rate")
    qtc = measurements.intervals.get("qtc_fridericia")
    if rhythm is not None and rhythm.sure and rhythm.regularity == "irregularly irregular":
        yield "rhythm", rhythm.regularity
    if rate is not None and rate.sure and not SLOWEST <= rate.value <= FASTEST:
        yield "heart rate", measured_value(rate)
    if qtc is not None and qtc.sure and qtc.value > LONGEST_QTC:
        yield "QTc Fridericia", measured_value(qtc)
