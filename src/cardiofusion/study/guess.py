"""What a column of a stranger's table most likely is: name, unit and plausible range, or left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from cardiofusion.datasets import ColumnLook, TableLook
from cardiofusion.study.sections import ColumnPlan, TaskPlan


@dataclass(frozen=True)
class Known:
    """A measurement clinics name in a few ways: its unit and the range in which a value is plausible."""

    heading: str
    unit: str
    low: float
    high: float
    name: str = ""


@dataclass(frozen=True)
class Guess:
    """A clinical column as guessed, and what a person should check about it."""

    plan: ColumnPlan
    checks: tuple[str, ...] = ()


_KNOWN = (
    Known(r"(^|_)age(_|$)", "years", 0, 110, "age"),
    Known(r"^(body_)?height|^ht(_|$)|stature", "cm", 100, 230),
    Known(r"^(body_)?weight|^wt(_|$)", "kg", 25, 300),
    Known(r"^bmi(_|$)|body_mass_index", "kg/m2", 10, 80),
    Known(r"systolic|^sbp(_|$)|^ap_hi$", "mmHg", 50, 280),
    Known(r"diastolic|^dbp(_|$)|^ap_lo$", "mmHg", 20, 180),
    Known(r"heart_rate|^hr(_|$)|pulse", "bpm", 20, 250),
    Known(r"lvef|ejection_fraction", "%", 5, 90),
    Known(r"^(qrs|pr|qt|qtc)(_|$)", "ms", 20, 800),
)
_SEX_WORDS = {
    "f": "female",
    "female": "female",
    "woman": "female",
    "m": "male",
    "male": "male",
    "man": "male",
}
_YES_NO_WORDS = dict.fromkeys(TaskPlan.absent, "no") | dict.fromkeys(TaskPlan.present, "yes")
_SEX = re.compile(r"(^|_)(sex|gender)(_|$)")
_OUTCOME = re.compile(r"outcome|death|dead|died|event|target|label|diagnos|mortality|cardio(_|$)")
_AFTERWARDS = re.compile(
    r"follow_?up|surviv|time_to|days_to|_days$|^days_|years_to|_years$|exit|censor|cause|discharge"
    r"|length_of_stay|^los$|readmi|alive|vital_status"
)


def slug(heading: str) -> str:
    """A heading as a name for a study file and the command line: letters, digits and _."""
    return re.sub(r"[^a-z0-9]+", "_", heading.casefold()).strip("_")[:60]


def guess_outcome(look: TableLook) -> str | None:
    """The heading of the likeliest outcome: one that speaks of an outcome, else the last with two answers."""
    spoken = [name for name in look.outcomes if _OUTCOME.search(slug(name))]
    return (*spoken[:1], *reversed(look.outcomes), None)[0]


def leaves_out(column: ColumnLook) -> str | None:
    """Why a column should not explain an outcome, in words; None where it may."""
    if column.distinct < 2:
        return "empty, or always the same"
    if _AFTERWARDS.search(slug(column.name)):
        return "LEAK? sounds like follow-up: what is only known afterwards cannot predict"
    if column.kind in ("number", "category") and _OUTCOME.search(slug(column.name)):
        return "LEAK? sounds like an outcome itself"
    if column.kind in ("id", "text", "date"):
        return {"id": "names something", "text": "free text", "date": "a date"}[column.kind]
    return None


def guess_column(column: ColumnLook, taken: Iterable[str]) -> Guess:
    """A clinical column from a look at it; `taken`: names that stand already."""
    known = next((known for known in _KNOWN if re.search(known.heading, slug(column.name))), None)
    name = "sex" if _SEX.search(slug(column.name)) else (known.name if known else "") or slug(column.name)
    name = name or "column"
    while name in taken:
        name += "_"
    source = "" if column.name == name else column.name
    plan = ColumnPlan(name, source, may_be_missing=column.missing > 0)
    return _category(column, plan) if column.kind == "category" else _number(column, plan, known)


def _number(column: ColumnLook, plan: ColumnPlan, known: Known | None) -> Guess:
    low, high = float(column.low or 0.0), float(column.high or 0.0)
    if known is None:
        check = "which unit? low and high are the table's own: widen them to what is plausible"
        return Guess(replace(plan, low=low, high=high), (check,))
    if high < known.low or low > known.high:
        check = f"{low:g} to {high:g} does not look like {known.unit}: which unit is it?"
        return Guess(replace(plan, low=low, high=high), (check,))
    checks: tuple[str, ...] = ()
    if low < known.low or high > known.high:
        checks = (f"the table has {low:g} to {high:g}; what lies outside low and high becomes missing",)
    return Guess(replace(plan, unit=known.unit, low=known.low, high=known.high), checks)


def _category(column: ColumnLook, plan: ColumnPlan) -> Guess:
    written = tuple(sorted(column.categories, key=lambda text: (len(text), text)))
    for categories, words in ((("female", "male"), _SEX_WORDS), (("no", "yes"), _YES_NO_WORDS)):
        meant = {text: words[text.casefold()] for text in written if text.casefold() in words}
        if len(meant) == len(written) and (categories[0] == "no" or plan.name == "sex"):
            codes = {text: name for text, name in meant.items() if text.casefold() != name}
            return Guess(replace(plan, kind="category", categories=categories, codes=codes))
    guess = replace(plan, kind="category", categories=written)
    if plan.name == "sex":
        return Guess(
            guess, ('which is female? categories = ["female", "male"], codes = { 1 = ..., 2 = ... }',)
        )
    if all(re.fullmatch(r"-?\d+(\.0*)?", text) for text in written):
        return Guess(guess, ('what do these codes mean? give them names: codes = { 1 = "name" }',))
    return Guess(guess)
