"""How numbers and sets are said to people: natural frequencies, percentages, sets in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from cardiofusion.records import TaskAnswer

NOT_TOLD = "no probability"
UNLIKE = "unlike the patients it learnt from"
INTERVAL_WORDS = (
    "A 95 % interval says how closely the calibration patients pin the probability down, given the model's"
    " score; it is not how sure the model is of this patient."
)
VIEW_WORDS: Mapping[str, str] = {
    "ecg": "ECG alone",
    "row": "clinical row alone",
    "ecg+row": "ECG and clinical row",
    "cmaf_row": "fusion model given the row alone",
    "lightgbm": "LightGBM on row and embedding",
    "late": "late fusion",
}
SPACE = "\u00a0"  # keeps a number and its unit on one line


_ABBREVIATED = {
    "bmi": "BMI",
    "egfr": "eGFR",
    "hdl_cholesterol": "HDL cholesterol",
    "who_region": "WHO region",
}
_PRINTED = (("10^3", "10³"), ("10^6", "10⁶"), ("ug/", "µg/"), ("/uL", "/µL"), ("m2", "m²"))


def clean(text: object) -> str:
    """Text without control or direction-changing characters, which break XML, terminals and trust."""
    return "".join(c if c.isprintable() or c in f"\n{SPACE}" else "\ufffd" for c in str(text))


def number(value: object, digits: int = 3) -> str:
    """A number with at most `digits` significant digits ("1,234", "0.0312"); other things as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "missing" if value is None else clean(value)
    if not math.isfinite(value):
        return "missing"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.{0 if float(value).is_integer() or abs(value) >= 10**digits else 1}f}"
    return f"{value:.{digits}g}"


def quantity(value: object, unit: object = "") -> str:
    """A value with its unit: "162 mmHg"; "missing" where there is none."""
    shown = number(value)
    return f"{shown}{SPACE}{unit_words(unit)}" if unit and shown != "missing" else shown


def seconds(value: float) -> str:
    """A duration: "0.8 s", "12 s", "3 min 20 s"."""
    if value < 60:
        return f"{value:.1f}{SPACE}s" if value < 10 else f"{value:.0f}{SPACE}s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes}{SPACE}min {rest}{SPACE}s"


def percent(probability: float | None) -> str:
    """A probability in per cent, one decimal only where it matters: "23 %", "4.2 %", "<0.1 %"."""
    if probability is None or not math.isfinite(probability):
        return NOT_TOLD
    if probability < 0.001 or probability > 0.999:
        return f"{'<0.1' if probability < 0.5 else '>99.9'}{SPACE}%"
    digits = 1 if probability < 0.0995 or probability > 0.9905 else 0
    return f"{100 * probability:.{digits}f}{SPACE}%"


def share(value: float) -> str:
    """A counted share in per cent; unlike a probability it may be exactly none or all."""
    return f"{100 * value:.0f}{SPACE}%" if value in (0.0, 1.0) else percent(value)


def interval_words(answers: Iterable[TaskAnswer]) -> str:
    """What an interval of a probability is, where any of the answers has one."""
    return INTERVAL_WORDS if any(answer.interval for answer in answers) else ""


def spoken(name: str) -> str:
    """A field's name as people say it: "systolic pressure"."""
    return _ABBREVIATED.get(name, name.replace("_", " "))


def unit_words(unit: object) -> str:
    """A unit as people write it: "10^6/uL" becomes "10⁶/µL"."""
    written = clean(unit)
    for plain, printed in _PRINTED:
        written = written.replace(plain, printed)
    return written


def identity(facts: Mapping[str, object]) -> str:
    """Who and when in one line: patient_id, age, sex, record_id and time, each where present."""
    age = facts.get("age")
    parts = (
        f"patient {facts['patient_id']}" if facts.get("patient_id") else "",
        f"{number(age)} years" if isinstance(age, int | float) and math.isfinite(age) else "",
        facts.get("sex") or "",
        f"record {facts['record_id']}" if facts.get("record_id") else "",
        str(facts["time"]).replace("T", " ") if facts.get("time") else "",
    )
    return clean(" · ".join(str(part) for part in parts if part))
