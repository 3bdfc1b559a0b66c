"""AUC, calibration and coverage measures on plain arrays, with intervals by patient. NumPy only."""

from cardiofusion.metrics.benefit import net_benefit
from cardiofusion.metrics.bootstrap import (
    Measure,
    Metric,
    bootstrap,
    paired_bootstrap,
    replicates,
)
from cardiofusion.metrics.calibration import (
    ReliabilityCurve,
    brier,
    expected_calibration_error,
    log_loss,
    reliability_curve,
)
from cardiofusion.metrics.coverage import coverage_by_class, mean_set_size
from cardiofusion.metrics.intervals import Interval, percentile_interval, t_interval, wilson_interval
from cardiofusion.metrics.ranking import average_precision, roc_auc
from cardiofusion.metrics.survival import (
    Observed,
    Steps,
    brier_curve,
    censoring,
    concordance,
    concordances,
    integrated_brier,
    kaplan_meier,
    mean_interval,
    patient_draws,
)

__all__ = [
    "Interval",
    "Measure",
    "Metric",
    "Observed",
    "ReliabilityCurve",
    "Steps",
    "average_precision",
    "bootstrap",
    "brier",
    "brier_curve",
    "censoring",
    "concordance",
    "concordances",
    "coverage_by_class",
    "expected_calibration_error",
    "integrated_brier",
    "kaplan_meier",
    "log_loss",
    "mean_interval",
    "mean_set_size",
    "net_benefit",
    "paired_bootstrap",
    "patient_draws",
    "percentile_interval",
    "reliability_curve",
    "replicates",
    "roc_auc",
    "t_interval",
    "wilson_interval",
]
