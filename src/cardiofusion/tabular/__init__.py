"""The LightGBM engine: repair of tables, training by patient, models that run, and what gaps mean to them."""

from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.crossvalidation import CrossValidation, cross_validate
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.repair import Repair, RepairReport, repair
from cardiofusion.tabular.training import booster_parameters, train_booster

__all__ = [
    "Booster",
    "BoosterModel",
    "CrossValidation",
    "MissingPolicy",
    "Repair",
    "RepairReport",
    "booster_parameters",
    "cross_validate",
    "repair",
    "train_booster",
]
