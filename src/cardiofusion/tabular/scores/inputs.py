"""What published risk scores ask for: names, units and codes; rows and tables in that form.

A blood lipid is in mmol/L, as in every table of this package; one given in mg/dL is converted. Equations that
were fitted in mg/dL convert with MG_PER_MMOL. The limits of INPUTS are ours, wide, and there to catch a wrong
unit (a cholesterol of 213); the ranges that a paper states stand with each score.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalError, ClinicalSchema, ClinicalTable, Column, conversion_factor

Values = NDArray[np.float64]
Inputs = Mapping[
    str, Values
]  # each input [row]: numbers in its unit, categories as positions, NaN if unknown

CHOLESTEROL_MOLAR_MASS = 386.7  # g/mol
MG_PER_MMOL = CHOLESTEROL_MOLAR_MASS / 10.0  # mg/dL of cholesterol in 1 mmol/L
WHO_REGIONS = (
    "andean latin america",
    "australasia",
    "caribbean",
    "central asia",
    "central europe",
    "central latin america",
    "central sub-saharan africa",
    "east asia",
    "eastern europe",
    "eastern sub-saharan africa",
    "high-income asia pacific",
    "high-income north america",
    "north africa and middle east",
    "oceania",
    "south asia",
    "southeast asia",
    "southern latin america",
    "southern sub-saharan africa",
    "tropical latin america",
    "western europe",
    "western sub-saharan africa",
)
# What tables call an input. "cholesterol" is the total one where it is a concentration.
SYNONYMS = {
    "gender": "sex",
    "smoker": "smoking",
    "cholesterol": "total_cholesterol",
    "hdl": "hdl_cholesterol",
    "body_mass_index": "bmi",
}


def _yes_no(name: str, description: str) -> Column:
    codes = {"0": "no", "1": "yes", "False": "no", "True": "yes"}
    return Column(name, "category", categories=("no", "yes"), codes=codes, description=description)


def _cholesterol(name: str, low: float, high: float) -> Column:
    molar_mass = CHOLESTEROL_MOLAR_MASS
    return Column(name, unit="mmol/L", low=low, high=high, description="in blood", molar_mass=molar_mass)


_SEX_CODES = {"F": "female", "f": "female", "M": "male", "m": "male"}
INPUTS = ClinicalSchema(
    (
        Column("age", unit="years", low=0, high=120),
        Column("sex", "category", categories=("female", "male"), codes=_SEX_CODES),
        Column("systolic", unit="mmHg", low=60, high=260, description="blood pressure"),
        _cholesterol("total_cholesterol", low=1.5, high=20),
        _cholesterol("hdl_cholesterol", low=0.2, high=5),
        Column("height", unit="cm", low=120, high=220),
        Column("weight", unit="kg", low=30, high=250),
        Column("bmi", unit="kg/m2", low=10, high=80, description="from height and weight if not given"),
        Column("egfr", unit="mL/min/1.73m2", low=1, high=250, description="CKD-EPI 2021, without race"),
        _yes_no("smoking", "smokes now"),
        _yes_no("diabetes", "has diabetes of either type"),
        _yes_no("pressure_treatment", "takes a drug against high blood pressure"),
        _yes_no("statin", "takes a statin"),
        _yes_no(
            "cardiovascular_disease", "had a cardiovascular event: all scores are for people without one"
        ),
        Column("race", "category", categories=("white", "black", "other"), description="as the patient says"),
        Column(
            "risk_region",
            "category",
            categories=("low", "moderate", "high", "very high"),
            description="of Europe, after the country's cardiovascular mortality (SCORE2, 2021)",
        ),
        Column(
            "who_region",
            "category",
            categories=WHO_REGIONS,
            description="of the world, as the Global Burden of Disease study draws them (WHO 2019)",
        ),
    )
)
# A score names a value outside its range; a row with such a value is no error.
_WITHOUT_LIMITS = {column.name: replace(column, low=-np.inf, high=np.inf) for column in INPUTS}


def row_inputs(values: Mapping[str, object]) -> Inputs:
    """One patient's values as given (61, "82kg", "male", True) as inputs of one row.

    Names that are no input are left alone. Raises ClinicalError for text that is no number, for a unit of
    another kind and for an unknown category.
    """
    parsed = {name: column.parse(values.get(name)) for name, column in _WITHOUT_LIMITS.items()}
    return _with_bmi({name: np.array([value]) for name, value in parsed.items()})


def column_inputs(columns: Mapping[str, Values]) -> Inputs:
    """Columns [row] by name as inputs: numbers in the units of INPUTS, categories as positions there.

    A gap is NaN. Names that are no input are left alone. Raises ClinicalError where columns differ in length
    or a category has another code.
    """
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in columns.items()}
    shapes = {values.shape for values in arrays.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ClinicalError("clinical.shape", "columns of one length are needed", "give one value a row")
    gaps = np.full(next(iter(shapes)), np.nan)
    inputs = {column.name: arrays.get(column.name, gaps) for column in INPUTS}
    for column in INPUTS:
        _check_codes(column, inputs[column.name])
    return _with_bmi(inputs)


def score_inputs(table: ClinicalTable) -> dict[str, Values]:
    """The inputs [row] that a clinical table has, by name or synonym, in the units and codes of INPUTS.

    A column of another kind, unit or with categories that are not ours is no input and left out. A column
    with the input's own name goes before a synonym.
    """
    found: dict[str, Values] = {}
    for i, column in sorted(enumerate(table.schema), key=lambda entry: entry[1].name in SYNONYMS):
        name = SYNONYMS.get(column.name, column.name)
        values = _converted(column, _WITHOUT_LIMITS.get(name), table.values[:, i])
        if values is not None:
            found.setdefault(name, values)
    return found


def _converted(column: Column, wanted: Column | None, values: Values) -> Values | None:
    if wanted is None or wanted.kind != column.kind:
        return None
    if column.kind == "number":
        factor = conversion_factor(column.unit, wanted.unit, wanted.molar_mass)
        return None if factor is None else values * factor
    try:
        codes = np.array([*map(wanted.parse, column.categories), np.nan])
    except ClinicalError:  # a category that the scores do not know
        return None
    return codes[np.where(np.isnan(values), -1, values).astype(np.intp)]


def _with_bmi(inputs: dict[str, Values]) -> Inputs:
    """Body mass index in kg/m2 from height in cm and weight in kg, where it was not given."""
    with np.errstate(divide="ignore", invalid="ignore"):
        computed = inputs["weight"] / (inputs["height"] / 100.0) ** 2
    return {**inputs, "bmi": np.where(np.isnan(inputs["bmi"]), computed, inputs["bmi"])}


def _check_codes(column: Column, values: Values) -> None:
    known = values[~np.isnan(values)]
    if column.kind == "category" and not np.isin(known, range(len(column.categories))).all():
        codes = ", ".join(f"{code} ({name})" for code, name in enumerate(column.categories))
        raise ClinicalError("clinical.category", f"{column.name} has another code", f"known: {codes}")
