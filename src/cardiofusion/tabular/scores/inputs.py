"""What published risk scores ask for: names, units and codes; rows and tables in that form.

A blood lipid is in mmol/L, as in every table of this package. Equations that were fitted in mg/dL convert
with MG_PER_MMOL. The limits of INPUTS are ours, wide, and there to catch a wrong unit (a cholesterol of 213);
the ranges that a paper states stand with each score.
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

# mg/dL of cholesterol in 1 mmol/L: its molar mass is 386.7 g/mol.
MG_PER_MMOL = 38.67


def _yes_no(name: str, description: str) -> Column:
    codes = {"0": "no", "1": "yes", "False": "no", "True": "yes"}
    return Column(name, "category", categories=("no", "yes"), codes=codes, description=description)


INPUTS = ClinicalSchema(
    (
        Column("age", unit="years", low=18, high=110),
        Column("sex", "category", categories=("female", "male")),
        Column("systolic", unit="mmHg", low=60, high=260, description="blood pressure"),
        Column("total_cholesterol", unit="mmol/L", low=1.5, high=20, description="in blood"),
        Column("hdl_cholesterol", unit="mmol/L", low=0.2, high=5, description="in blood"),
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


def table_columns(table: ClinicalTable) -> dict[str, Values]:
    """The inputs that a clinical table has under their names, in the units and codes of INPUTS.

    A column of another kind, unit or with categories that are not ours is no input and left out.
    """
    columns = {column.name: _converted(column, table.values[:, i]) for i, column in enumerate(table.schema)}
    return {name: values for name, values in columns.items() if values is not None}


def _converted(column: Column, values: Values) -> Values | None:
    wanted = _WITHOUT_LIMITS.get(column.name)
    if wanted is None or wanted.kind != column.kind:
        return None
    if column.kind == "number":
        factor = conversion_factor(column.unit, wanted.unit)
        return None if factor is None else values * factor
    if not set(column.categories) <= set(wanted.categories):
        return None
    codes = np.array([*map(wanted.categories.index, column.categories), np.nan])
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
