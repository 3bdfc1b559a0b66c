"""HL7 version 3 data types as they stand in XML: coded values, quantities in UCUM units, points in time.

Source: HL7 v3 Data Types, XML implementation technology specification, release 1 (types CD, PQ, TS).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

# UCUM symbols, the micro sign in both code points too. "MV" would be megavolts: cases count.
MILLIVOLTS = {"V": 1e3, "mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3, "nV": 1e-6}
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}
YEARS = {"a": 1.0, "mo": 1.0 / 12.0, "wk": 7.0 / 365.25, "d": 1.0 / 365.25}
DEGREES = {"deg": 1.0}
BEATS_A_MINUTE = dict.fromkeys(("bpm", "/min", "1/min", "{beats}/min", "{beat}/min", "beats/min"), 1.0)

# More places than details.number allows: writers print 1/360 in full.
_NUMBER = re.compile(r"[+-]?\d{1,12}(?:\.\d{0,24})?(?:[eE][+-]?\d{1,2})?", re.ASCII)
_TIME = re.compile(r"(\d{8})(?:(\d{4})(\d{2})?(\.\d{1,6})?\d*)?(?:[+-]\d{2,4})?", re.ASCII)


def attribute(parent: Element | None, path: str, key: str) -> str:
    """An attribute of the first element at `path`; "" where there is none."""
    element = None if parent is None else parent.find(path)
    return "" if element is None else (element.get(key) or "").strip()


def code(element: Element) -> str:
    """What an act or observation is: the code of its `code` element."""
    return attribute(element, "code", "code")


def number(text: str) -> float | None:
    """A plain decimal number; None for anything else."""
    return float(text) if _NUMBER.fullmatch(text) else None


def quantity(parent: Element | None, path: str, units: Mapping[str, float]) -> float | None:
    """The quantity (PQ) at `path` in the unit whose factor is 1; None without a number in one of `units`."""
    value = number(attribute(parent, path, "value"))
    factor = units.get(attribute(parent, path, "unit"))
    return None if value is None or factor is None else value * factor


def moment(text: str) -> datetime | None:
    """A point in time (TS, "YYYYMMDDHHMM[SS[.U]][+ZZzz]") as local time; None for a mere date, or no time."""
    match = _TIME.fullmatch(text)
    if not match or not match[2]:
        return None
    try:
        whole = datetime.strptime(f"{match[1]}{match[2]}{match[3] or '00'}", "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return whole + timedelta(seconds=float(match[4] or 0.0))


def day(text: str) -> datetime | None:
    """The day of a point in time, midnight; None where there is none."""
    match = _TIME.fullmatch(text)
    try:
        return datetime.strptime(match[1], "%Y%m%d") if match else None
    except ValueError:
        return None
