"""All published scores for one patient or for a table, with the same formulas."""

from __future__ import annotations

from collections.abc import Mapping

from cardiofusion.records import ClinicalTable, ScoreAbsence, ScoreRisk
from cardiofusion.tabular.scores import framingham, pooled, prevent, score2, who2019
from cardiofusion.tabular.scores.inputs import Values, column_inputs, row_inputs, score_inputs

SCORES = (*framingham.SCORES, *pooled.SCORES, *score2.SCORES, *who2019.SCORES, *prevent.SCORES)


def published_scores(values: Mapping[str, object]) -> tuple[ScoreRisk | ScoreAbsence, ...]:
    """The answer of each of SCORES for one patient: a risk, or why there is none.

    values: what is known, by the names of SCORE_INPUTS and in its units; numbers, or text as people write it
    ("82kg", "male", "yes"). Other names are left alone, so a whole clinical row can be given. A score with an
    input missing or outside its published range is absent and says which. Raises ClinicalError for text that
    is no number, a unit of another kind or an unknown category.
    """
    inputs = row_inputs(values)
    return tuple(score.answer(inputs) for score in SCORES)


def published_risks(columns: Mapping[str, Values] | ClinicalTable) -> dict[str, Values]:
    """The risks [row] of each of SCORES by its name, NaN where `published_scores` would answer an absence.

    columns: a clinical table, of which `score_inputs` are taken; or those columns as arrays
    [row], categories as positions in SCORE_INPUTS, NaN for gaps. Raises ClinicalError for unequal lengths and
    unknown codes.
    """
    named = score_inputs(columns) if isinstance(columns, ClinicalTable) else columns
    inputs = column_inputs(named)
    return {score.name: score.risks(inputs) for score in SCORES}
