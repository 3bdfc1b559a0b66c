"""What a file says besides the samples: patient, time, device, its own measurements."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cardiofusion.records import Sex

MAX_AGE = 120.0  # years; above it the number is a code ("300": over 89), not an age
MAX_NOTE = 500  # characters of one note

_SEXES: dict[str, Sex] = {"f": "female", "female": "female", "m": "male", "male": "male"}
_AGE = re.compile(r"(\d{1,3}(?:\.\d{1,3})?)\s*(?:y|yo|yr|yrs|year|years)?", re.IGNORECASE | re.ASCII)
_UNKNOWN = frozenset({"", "nan", "na", "n/a", "none", "unknown", "?"})


@dataclass
class Details:
    """The patient's fields where the file states them plainly; everything else in `notes`, as text.

    age: years. time: local time of the recording. measured: what the file's own program measured, by the
    names of MEASUREMENTS.
    """

    patient_id: str | None = None
    age: float | None = None
    sex: Sex | None = None
    time: datetime | None = None
    notes: dict[str, str] = field(default_factory=dict)
    measured: dict[str, float] = field(default_factory=dict)

    def note(self, key: str, text: str) -> None:
        """Add to what is noted under `key`; no text, no note."""
        text = " ".join(text.split())
        if text:
            self.notes[key] = (f"{self.notes[key]}; {text}" if key in self.notes else text)[:MAX_NOTE]

    def measure(self, name: str, text: str | None) -> None:
        """Keep a measurement (one of records.MEASUREMENTS) where it is a number."""
        value = number(text)
        if value is not None:
            self.measured[name] = value

    def fields(self) -> Mapping[str, Any]:
        """As keywords of Recording."""
        return vars(self)


def known(text: str | None) -> str | None:
    """Text in single spaces; None where it says nothing ("", "unknown", "N/A").

    An id with two spaces inside is the same id in every format, and in another process.
    """
    plain = " ".join((text or "").split())
    return None if plain.casefold() in _UNKNOWN else plain


def hertz(text: str) -> str:
    """A plain number with its unit, for formats that count filters in Hz; other text as it is."""
    return text if number(text) is None else f"{text.strip()} Hz"


def as_age(text: str | None) -> float | None:
    """Years ("63", "63 y"); None where this is no plausible age."""
    match = _AGE.fullmatch((text or "").strip())
    return float(match[1]) if match and float(match[1]) <= MAX_AGE else None


def as_sex(text: str | None) -> Sex | None:
    """ "F", "female", "M" or "male" in any case; None for anything else."""
    return _SEXES.get((text or "").strip().casefold())


def years_between(born: datetime, then: datetime) -> float | None:
    """Whole years of age, None where that is no plausible age."""
    years = then.year - born.year - ((then.month, then.day) < (born.month, born.day))
    return float(years) if 0 <= years <= MAX_AGE else None


def number(text: str | None) -> float | None:
    """A plain decimal number; None for anything else, infinities and NaN among them."""
    stripped = (text or "").strip()
    if not re.fullmatch(r"[+-]?\d{1,12}(\.\d{0,12})?([eE][+-]?\d{1,2})?", stripped, re.ASCII):
        return None
    return float(stripped)
