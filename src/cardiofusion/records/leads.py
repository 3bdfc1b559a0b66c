"""Lead names and Einthoven's algebra.

Eight of the twelve standard leads are independent (I, II, V1-V6); the limb leads follow from
Einthoven (1912) and Goldberger (1942): III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2,
aVF = II - I / 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT_LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")

# Leads that clinics record and we carry, though the models do not use them.
OTHER_LEADS = (
    "MLI", "MLII", "MLIII", "CM2", "CM4", "CM5", "CC5", "X", "Y", "Z", "ES", "AS", "AI",
    "V3R", "V4R", "V5R", "V6R", "V7", "V8", "V9", "MV1", "MV5",
)  # fmt: skip

_LIMB = {  # as weights on (I, II)
    "I": (1.0, 0.0),
    "II": (0.0, 1.0),
    "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5),
    "aVL": (1.0, -0.5),
    "aVF": (-0.5, 1.0),
}
_BY_FOLDED = {name.casefold(): name for name in LEADS + OTHER_LEADS}
_ALIASES = {"vx": "X", "vy": "Y", "vz": "Z", "d1": "I", "d2": "II", "d3": "III", "modii": "MLII"}


def lead_name(text: str) -> str | None:
    """The standard spelling of a lead name ("LEAD avr" -> "aVR"), or None for an unknown one."""
    folded = re.sub(r"^(lead|ecg|ekg|mdc_ecg_lead)[\s_:-]*", "", text.strip().casefold())
    folded = re.sub(r"[\s_]", "", folded)  # a hyphen stays: "-aVR" is aVR upside down, "I-II" is another lead
    return _BY_FOLDED.get(folded) or _ALIASES.get(folded)


def complete_limb_leads(
    signal: NDArray[np.float32], leads: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Add the limb leads that two recorded ones determine: [lead, sample] in, [more leads, sample] out.

    Nothing is added where fewer than two limb leads are present. Recorded leads are never replaced.
    """
    present = [name for name in leads if name in _LIMB]
    absent = [name for name in _LIMB if name not in leads]
    if len(present) < 2 or not absent:
        return signal, tuple(leads)
    first, second = present[:2]
    basis = np.array([_LIMB[first], _LIMB[second]])
    rows = np.stack([signal[leads.index(first)], signal[leads.index(second)]])
    weights = np.array([_LIMB[name] for name in absent]) @ np.linalg.inv(basis)
    derived = (weights @ rows).astype(np.float32)
    return np.concatenate([signal, derived]), (*leads, *absent)


def standard_leads(
    signal: NDArray[np.float32], leads: Sequence[str]
) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Limb leads completed, and the twelve in their usual order before any others."""
    signal, names = complete_limb_leads(signal, leads)
    order = sorted(
        range(len(names)), key=lambda k: LEADS.index(names[k]) if names[k] in LEADS else len(LEADS)
    )
    return signal[order], tuple(names[k] for k in order)
