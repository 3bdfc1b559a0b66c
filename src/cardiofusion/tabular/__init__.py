"""The LightGBM engine: repair of tables, training by patient, models that run, and what gaps mean to them.

Beside it the published risk scores to compare with.
"""

from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.crossvalidation import CrossValidation, cross_validate
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.hazards import risk_logit
from cardiofusion.tabular.monotone import sure_directions
from cardiofusion.tabular.recipe import Recipe, booster_parameters
from cardiofusion.tabular.repair import Repair, RepairReport, repair
from cardiofusion.tabular.rowmodel import RowModel, load_booster, train_row_model
from cardiofusion.tabular.scores import (
    MG_PER_MMOL,
    SCORE_INPUTS,
    SCORES,
    Score,
    published_risks,
    published_scores,
    score_inputs,
)
from cardiofusion.tabular.survival import SurvivalBooster, hazard_targets, time_edges, train_survival
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
    "Recipe",
    "Repair",
    "RepairReport",
    "RowModel",
    "Score",
    "SurvivalBooster",
    "Trial",
    "Tuned",
    "booster_parameters",
    "cross_validate",
    "hazard_targets",
    "load_booster",
    "published_risks",
    "published_scores",
    "repair",
    "risk_logit",
    "score_inputs",
    "sure_directions",
    "time_edges",
    "train_booster",
    "train_row_model",
    "train_survival",
    "tune",
]
