"""Section 3: which leads there are, and which samples of the recording each of them has.

The codes are those of the standard and, from 86, of ISO/IEEE 11073-10101, which version 3 takes over.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cardiofusion.readers.details import Details
from cardiofusion.readers.format import HINT
from cardiofusion.readers.scp.sections import Section
from cardiofusion.records import RecordingError, lead_name

_FIRST = [
    "I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "V7", "V2R", "V3R", "V4R", "V5R", "V6R", "V7R", "X", "Y",
    "Z", "CC5", "CM5", "LA", "RA", "LL", "fI", "fE", "fC", "fA", "fM", "fF", "fH",
]  # fmt: skip
_LIMB = ["III", "aVR", "aVL", "aVF", "-aVR"]
_FURTHER = ["V8", "V9", "V8R", "V9R", "D", "A", "J"]  # D, A, J: Nehb
_PADS = ["Defib", "Pace", "A1", "A2", "A3", "A4"]
_UNIPOLAR = ["Chest", "V", "VR", "VL", "VF"]
_MODIFIED = ["MCL1", "MCL2", "MCL3", "MCL4", "MCL5", "MCL6"]
_CHEST = ["CC", "CC1", "CC2", "CC3", "CC4", "CC6", "CC7", "CM", "CM1", "CM2", "CM3", "CM4", "CM6"]
_BIPOLAR = ["CM7", "CH5", "CS5", "CB5", "CR5", "ML", "AB1", "AB2", "AB3", "AB4", "ES", "AS", "AI", "S"]
_LAST = ["RL", "CV5RL", "CV6LL", "CV6LU", "V10"]


def _derived(names: list[str]) -> list[str]:
    """Leads that were computed from others; the standard writes "I-cal"."""
    return [f"derived {name}" for name in names]


LEAD_NAMES = (
    "unspecified", *_FIRST, *_derived(_FIRST), *_LIMB, *_FURTHER, *_PADS, *_derived(_FURTHER), *_UNIPOLAR,
    "MCL", *_MODIFIED, *_CHEST, *_derived(_LIMB + _UNIPOLAR), *_BIPOLAR, *_derived(_PADS + _MODIFIED), *_LAST,
    *_derived(["MCL", *_CHEST, *_BIPOLAR, *_LAST]),
)  # fmt: skip
TURNED = {"-aVR": "aVR"}  # Cabrera's order stores aVR upside down

_ALL_AT_ONCE, _SUBTRACTED = 0x04, 0x01
_LEAD = np.dtype([("first", "<u4"), ("last", "<u4"), ("code", "u1")])


@dataclass(frozen=True)
class Lead:
    """One lead. first, last: numbers of its samples, counted from 1, on the time axis all leads share."""

    code: int
    first: int
    last: int

    @property
    def name(self) -> str | None:
        """As the standard calls it; None where it does not define the code."""
        return LEAD_NAMES[self.code] if 0 < self.code < len(LEAD_NAMES) else None

    @property
    def samples(self) -> int:
        return self.last - self.first + 1


@dataclass(frozen=True)
class LeadDefinition:
    """leads: in the order of their streams. subtracted: reference beats are missing. at_once: all leads."""

    leads: tuple[Lead, ...]
    subtracted: bool
    at_once: bool


def read_leads(section: Section) -> LeadDefinition:
    """Section 3. Raises RecordingError."""
    cursor = section.cursor()
    count, flags = cursor.number(1), cursor.number(1)
    leads = tuple(Lead(code, first, last) for first, last, code in cursor.records(_LEAD, count).tolist())
    for lead in leads:
        if not 1 <= lead.first <= lead.last:
            raise RecordingError(
                "recording.header", f"{section.what} has a lead of samples {lead.first} to {lead.last}", HINT
            )
    return LeadDefinition(
        leads=leads,
        subtracted=bool(flags & _SUBTRACTED),
        at_once=bool(flags & _ALL_AT_ONCE) or flags >> 3 == count,
    )


def ecg_leads(definition: LeadDefinition, details: Details, name: str) -> dict[str, int]:
    """Standard lead name -> its place in the file. Leads that we have no name for are left out, and noted."""
    kept: dict[str, int] = {}
    for place, lead in enumerate(definition.leads):
        if lead.name is None:
            raise _error(name, f"has a lead of code {lead.code}, which the standard does not define")
        standard = TURNED.get(lead.name) or lead_name(lead.name)
        if standard is None:
            details.note("skipped", f"lead {lead.name}")
        elif standard in kept:
            raise _error(name, f"has the lead {standard} twice")
        else:
            kept[standard] = place
    if not kept:
        raise _error(name, "has no lead that we know")
    return kept


def _error(name: str, what: str) -> RecordingError:
    return RecordingError("recording.lead", f"{name} {what}", HINT)
