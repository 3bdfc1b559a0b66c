"""The LightGBM engine: repair of tables, training by patient, models that run, and what gaps mean to them.

Beside it the published risk scores to compare with.
"""

from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.crossvalidation import CrossValidation, cross_validate
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.monotone import sure_directions
from cardiofusion.tabular.recipe import Recipe, booster_parameters
from cardiofusion.tabular.repair import Repair, RepairReport, repair
from cardiofusion.tabular.scores import (
    MG_PER_MMOL,
    SCORE_INPUTS,
    SCORES,
    OutOfRange,
    Score,
    ScoreAbsence,
    ScoreRisk,
    published_risks,
    published_scores,
)
from cardiofusion.tabular.survival import SurvivalBooster, train_survival
from cardiofusion.tabular.training import train_booster
from cardiofusion.tabular.tuning import Budget, Trial, Tuned, tune

__all__ = [
    "MG_PER_MMOL",
    "SCORES",
    "SCORE_INPUTS",
    "Booster",
    "BoosterModel",
    "Budget",
    "CrossValidation",
    "MissingPolicy",
    "OutOfRange",
    "Recipe",
    "Repair",
    "RepairReport",
    "Score",
    "ScoreAbsence",
    "ScoreRisk",
    "SurvivalBooster",
    "Trial",
    "Tuned",
    "booster_parameters",
    "cross_validate",
    "published_risks",
    "published_scores",
    "repair",
    "sure_directions",
    "train_booster",
    "train_survival",
    "tune",
]
