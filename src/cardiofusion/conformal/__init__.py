"""Probabilities, prediction sets with a guarantee, and an alarm for when it may not hold. NumPy only."""

from cardiofusion.conformal.alarm import AlarmReading, ExchangeabilityAlarm
from cardiofusion.conformal.document import (
    Calibrations,
    TargetCalibration,
    calibrations_from_json,
    calibrations_to_json,
)
from cardiofusion.conformal.panel import CalibrationPanel
from cardiofusion.conformal.probability import ProbabilityCalibrator, fit_probability
from cardiofusion.conformal.sets import (
    ConformalTarget,
    calibrate,
    one_row_a_patient,
    p_values,
    patients_needed,
)
from cardiofusion.conformal.surprise import chance_of_so_few
from cardiofusion.conformal.words import binary_words, describe_set, guarantee_words, set_words

__all__ = [
    "AlarmReading",
    "CalibrationPanel",
    "Calibrations",
    "ConformalTarget",
    "ExchangeabilityAlarm",
    "ProbabilityCalibrator",
    "TargetCalibration",
    "binary_words",
    "calibrate",
    "calibrations_from_json",
    "calibrations_to_json",
    "chance_of_so_few",
    "describe_set",
    "fit_probability",
    "guarantee_words",
    "one_row_a_patient",
    "p_values",
    "patients_needed",
    "set_words",
]
