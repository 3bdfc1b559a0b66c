"""Published cardiovascular risk scores, one family a file: one set of formulas for a patient and a table."""

from cardiofusion.tabular.scores.inputs import INPUTS as SCORE_INPUTS
from cardiofusion.tabular.scores.inputs import MG_PER_MMOL, score_inputs
from cardiofusion.tabular.scores.published import SCORES, published_risks, published_scores
from cardiofusion.tabular.scores.score import Need, Score

__all__ = [
    "MG_PER_MMOL",
    "SCORES",
    "SCORE_INPUTS",
    "Need",
    "Score",
    "published_risks",
    "published_scores",
    "score_inputs",
]
