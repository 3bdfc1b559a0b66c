"""Predictions of a test set to figures with intervals by patient; subgroups, folds and leakage controls."""

from cardiofusion.evaluate.document import metrics_document, metrics_schema
from cardiofusion.evaluate.leakage import label_shuffle_auc, leakage_check, overlaps
from cardiofusion.evaluate.survival import survival_figures
from cardiofusion.evaluate.task import better_single, common_rows, evaluate_target, evaluate_task, macro_aucs
from cardiofusion.evaluate.validation import age_bands, cross_validated, fold_mean, subgroups

__all__ = [
    "age_bands",
    "better_single",
    "common_rows",
    "cross_validated",
    "evaluate_target",
    "evaluate_task",
    "fold_mean",
    "label_shuffle_auc",
    "leakage_check",
    "macro_aucs",
    "metrics_document",
    "metrics_schema",
    "overlaps",
    "subgroups",
    "survival_figures",
]
