"""The LightGBM engine: repair of tables, training by patient, models that run, and what gaps mean to them.

Beside it the published risk scores to compare with.
"""

from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.crossvalidation import CrossValidation, cross_validate
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.repair import Repair, RepairReport, repair
from cardiofusion.tabular.scores import (
    MG_PER_MMOL,
    SCORE_INPUTS,
    SCORES,
    Score,
    published_risks,
    published_scores,
    score_inputs,
)
from cardiofusion.tabular.survival import (
    RowModel,
    SurvivalBooster,
    hazard_targets,
    load_booster,
    risk_logit,
    time_edges,
    train_row_model,
    train_survival,
)
from cardiofusion.tabular.training import booster_parameters, train_booster

__all__ = [
    "MG_PER_MMOL",
    "SCORES",
    "SCORE_INPUTS",
    "Booster",
    "BoosterModel",
    "CrossValidation",
    "MissingPolicy",
    "Repair",
    "RepairReport",
    "RowModel",
    "Score",
    "SurvivalBooster",
    "booster_parameters",
    "cross_validate",
    "hazard_targets",
    "load_booster",
    "published_risks",
    "published_scores",
    "repair",
    "risk_logit",
    "score_inputs",
    "time_edges",
    "train_booster",
    "train_row_model",
    "train_survival",
]
