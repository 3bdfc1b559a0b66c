"""Clinical units and their conversions: one linear factor to a base unit per dimension."""

from __future__ import annotations

import re

# unit -> (dimension, factor to the dimension's base unit)
_UNITS = {
    "kg": ("mass", 1.0),
    "g": ("mass", 0.001),
    "lb": ("mass", 0.45359237),
    "lbs": ("mass", 0.45359237),
    "st": ("mass", 6.35029318),
    "cm": ("length", 1.0),
    "m": ("length", 100.0),
    "mm": ("length", 0.1),
    "in": ("length", 2.54),
    "ft": ("length", 30.48),
    "mmhg": ("pressure", 1.0),
    "kpa": ("pressure", 7.50061683),
    "years": ("age", 1.0),
    "year": ("age", 1.0),
    "y": ("age", 1.0),
    "months": ("age", 1.0 / 12.0),
    "days": ("age", 1.0 / 365.25),
    "ms": ("duration", 1.0),
    "s": ("duration", 1000.0),
    "bpm": ("rate", 1.0),
    "/min": ("rate", 1.0),
    "kg/m2": ("body mass index", 1.0),
    "mg/dl": ("mass concentration", 1.0),
    "g/l": ("mass concentration", 100.0),
    "mmol/l": ("amount concentration", 1.0),
    "umol/l": ("amount concentration", 0.001),
    "%": ("share", 1.0),
}
_QUANTITY = re.compile(r"^\s*([-+]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][-+]?\d+)?)\s*(\S.*)?$")


def split_quantity(text: str) -> tuple[float, str] | None:
    """ "82kg" -> (82.0, "kg"); "61" -> (61.0, ""); None where the text is no number."""
    match = _QUANTITY.match(text)
    if not match:
        return None
    return float(match[1].replace(",", ".")), (match[2] or "").strip()


def known_unit(unit: str) -> bool:
    return _fold(unit) in _UNITS


def conversion_factor(given: str, wanted: str, molar_mass: float | None = None) -> float | None:
    """Factor from unit `given` to unit `wanted`; None where they do not measure the same thing.

    molar_mass: of the substance, g/mol; with it mg/dL and mmol/L measure the same thing.
    """
    if _fold(given) == _fold(wanted):
        return 1.0
    source, target = _UNITS.get(_fold(given)), _UNITS.get(_fold(wanted))
    if source is None or target is None:
        return None
    scale = _between(source[0], target[0], molar_mass)
    return None if scale is None else scale * source[1] / target[1]


def _between(given: str, wanted: str, molar_mass: float | None) -> float | None:
    """Factor from the base unit of one dimension to that of another."""
    if given == wanted:
        return 1.0
    if molar_mass is None or {given, wanted} != {"mass concentration", "amount concentration"}:
        return None
    mmol_in_mg_per_dl = 10.0 / molar_mass
    return mmol_in_mg_per_dl if wanted == "amount concentration" else 1.0 / mmol_in_mg_per_dl


def _fold(unit: str) -> str:
    return unit.strip().casefold().replace("µ", "u").replace("μ", "u").replace("²", "2").replace("^", "")
