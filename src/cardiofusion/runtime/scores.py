"""Published risk scores of one patient, beside the model: from the row as it was given, and the ECG file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import (
    ClinicalSchema,
    ClinicalTable,
    PublishedScores,
    Recording,
    ScoreAbsence,
    ScoreInput,
    ScoreRisk,
    Value,
)
from cardiofusion.tabular import SCORE_INPUTS, published_scores, score_inputs

Row = NDArray[np.float64]


def with_score_inputs(schema: ClinicalSchema | None) -> ClinicalSchema:
    """Every name a row may have: the bundle's columns, then what published scores ask for beside them."""
    own = () if schema is None else schema.columns
    names = {column.name for column in own}
    return ClinicalSchema((*own, *(column for column in SCORE_INPUTS if column.name not in names)))


def patient_scores(
    schema: ClinicalSchema, row: Row, recording: Recording | None = None
) -> PublishedScores | None:
    """All published scores of a row in `schema`: risks, and why the others are absent.

    Age and sex are the ECG file's where the row has none. None where the row has nothing a score asks for.
    """
    inputs = _row_inputs(schema, row)
    if not inputs:
        return None
    inputs = _ecg_inputs(recording) | inputs
    answers = published_scores({name: given.value for name, given in inputs.items()})
    return PublishedScores(
        {name: inputs[name] for name in SCORE_INPUTS.names if name in inputs},
        tuple(answer for answer in answers if isinstance(answer, ScoreRisk)),
        tuple(answer for answer in answers if isinstance(answer, ScoreAbsence)),
    )


def _row_inputs(schema: ClinicalSchema, row: Row) -> dict[str, ScoreInput]:
    """One column at a time, so that each input knows its own; an input's own name goes before a synonym."""
    found: dict[str, ScoreInput] = {}
    for column, value in zip(schema, row, strict=True):
        if np.isnan(value):
            continue
        for name, values in score_inputs(
            ClinicalTable(ClinicalSchema((column,)), np.array([[value]]))
        ).items():
            if name not in found or column.name == name:
                found[name] = _input(name, SCORE_INPUTS[name].show(float(values[0])), f"row.{column.name}")
    return found


def _ecg_inputs(recording: Recording | None) -> dict[str, ScoreInput]:
    known = {} if recording is None else {"age": recording.age, "sex": recording.sex}
    return {
        name: _input(name, value, f"ecg.{name}")
        for name, value in known.items()
        if value is not None and value == value  # an age may be NaN
    }


def _input(name: str, value: Value, source: str) -> ScoreInput:
    return ScoreInput(value, SCORE_INPUTS[name].unit, source)
