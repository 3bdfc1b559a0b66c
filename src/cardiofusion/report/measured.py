"""Measured intervals, axes and rhythm in words, the device's own values beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cardiofusion.records import LEADS, Measurement, Measurements, Rhythm
from cardiofusion.report.wording import SPACE, percent

COLUMNS: Mapping[str, tuple[str, str | None]] = {  # interval -> title, its name among what devices measure
    "heart_rate": ("Rate", "heart_rate"),
    "pr": ("PR", "pr"),
    "qrs": ("QRS", "qrs"),
    "qt": ("QT", "qt"),
    "qtc_bazett": ("QTc Bazett", None),
    "qtc_fridericia": ("QTc Fridericia", None),
    "qtc": ("QTc, device's formula", "qtc"),  # devices seldom say which: it stands beside none of ours
    "p_axis": ("P axis", "p_axis"),
    "qrs_axis": ("QRS axis", "qrs_axis"),
    "t_axis": ("T axis", "t_axis"),
}
APART: Mapping[str, float] = {"ms": 30.0, "°": 30.0, "/min": 10.0}  # more is worth a look at the tracing
SURE = 0.9  # confidence from which nothing need be added
ST_MV = 0.1  # deviation that is named
VOLTAGES: Mapping[str, str] = {"sokolow_lyon": "Sokolow-Lyon", "cornell": "Cornell"}
NOT_TOLD = "–"
ALL = "All leads together"
FEW = 3  # leads: fewer do not show the first and the last of a wave


@dataclass(frozen=True)
class MeasuredColumn:
    """One value in words; `device` is empty where no device measured it."""

    title: str
    value: str
    spread: str
    sure: bool
    confidence: str
    device: str


@dataclass(frozen=True)
class MeasuredPart:
    """columns: by value. about: the leads. lines: rhythm, ST and voltages in words. apart: where the device
    says otherwise.
    """

    columns: tuple[MeasuredColumn, ...]
    has_device: bool
    about: str
    lines: tuple[str, ...]
    apart: tuple[str, ...]


def measured_part(measurements: Measurements | None) -> MeasuredPart | None:
    """None where nothing was measured."""
    if measurements is None or not measurements.intervals:
        return None
    names = (name for name in COLUMNS if name != "qtc" or name in measurements.device)
    columns = tuple(_column(name, measurements) for name in names)
    return MeasuredPart(
        columns=columns,
        has_device=any(column.device for column in columns),
        about=_about(measurements.from_leads),
        lines=tuple(_lines(measurements)),
        apart=tuple(_apart(measurements)),
    )


def measured_value(one: Measurement) -> str:
    """ "162 ms", "0.21 mV", "-12°" """
    digits = 2 if one.unit == "mV" else 0
    value = round(one.value, digits) + 0.0  # no -0
    return f"{value:.{digits}f}{'' if one.unit == '°' else SPACE}{one.unit}"


def rhythm_words(measurements: Measurements | None) -> str:
    """The rhythm in a sentence; "" where it was not measured."""
    if measurements is None or measurements.rhythm is None:
        return ""
    return _rhythm(measurements.rhythm, "pr" in measurements.intervals)


def _about(leads: Sequence[str]) -> str:
    if not leads or set(LEADS) <= set(leads):
        return ALL
    named = f"leads {', '.join(leads)}" if len(leads) > 1 else f"lead {leads[0]}"
    if len(leads) < FEW:
        return f"From {named} alone: where waves begin and end is less sure than in 12 leads"
    return f"From {named} together"


def _column(name: str, measurements: Measurements) -> MeasuredColumn:
    title, by_device = COLUMNS[name]
    one, device = measurements.intervals.get(name), measurements.device.get(by_device or "")
    said = "" if device is None else f"{device:.0f}"
    if name == "qtc":
        return MeasuredColumn(title, "", "", True, "", said)
    if one is None:
        return MeasuredColumn(title, NOT_TOLD, "", True, "cannot be told", said)
    return MeasuredColumn(title, measured_value(one), f"± {one.spread:.0f}", one.sure, _confidence(one), said)


def _confidence(one: Measurement | Rhythm) -> str:
    if one.confidence >= SURE:
        return "sure"
    return "fairly sure" if one.sure else "uncertain"


def _lines(measurements: Measurements) -> Iterator[str]:
    if rhythm := rhythm_words(measurements):
        yield rhythm
    st = {lead: found["st"] for lead, found in measurements.amplitudes.items() if "st" in found}
    if st:
        named = [
            f"{lead} {one.value:+.2f}" for lead, one in st.items() if one.sure and abs(one.value) >= ST_MV
        ]
        level = f"{ST_MV:g}{SPACE}mV or more off the level before the QRS"
        yield f"ST {level}: {', '.join(named) or 'in no lead'}"
    if measurements.voltages:
        yield ", ".join(
            f"{VOLTAGES[name]} voltage {measured_value(one)}{'' if one.sure else ' (uncertain)'}"
            for name, one in measurements.voltages.items()
        )


def _rhythm(rhythm: Rhythm, usual_p: bool) -> str:
    """usual_p: whether beats of the commonest shape have a P; those of another shape may alone."""
    shapes = f", {percent(rhythm.other_shapes)} of beats of another shape" if rhythm.other_shapes else ""
    p_waves = "P waves before the QRS"
    if not usual_p or rhythm.p_waves < 0.5:
        p_waves = "no P waves made out before the QRS" + " of most beats" * (rhythm.p_waves >= 0.5)
    rr = f"RR {measured_value(rhythm.rr)} ± {rhythm.rr.spread:.0f}"
    return f"Rhythm: {rhythm.regularity} ({_confidence(rhythm)}); {rr}{shapes}; {p_waves}"


def _apart(measurements: Measurements) -> Iterator[str]:
    for name, (title, by_device) in COLUMNS.items():
        one, device = measurements.intervals.get(name), measurements.device.get(by_device or "")
        if one is None or device is None:
            continue
        off = one.value - device
        if one.unit == "°":
            off = (off + 180.0) % 360.0 - 180.0
        if abs(off) > APART[one.unit]:
            yield f"{title}: {measured_value(one)} here, {device:.0f} by the device: look at the tracing"
