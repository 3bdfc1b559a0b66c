"""How well scores put the ill before the well. Rows whose outcome is NaN are left out."""

from __future__ import annotations

import numpy as np

from cardiofusion.metrics.ordering import Float, Labelled, Vector, ascending, scorable, tie_ends


def roc_auc(y: Vector, score: Vector, weight: Vector | None = None) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative), ties counted as half.

    y: 0 or 1 [n]. weight: how often each row counts [n]. NaN where a class is empty or a score is NaN.
    """
    rows = ascending(y, score, weight)
    if not scorable(rows):
        return float("nan")
    below_positive, below_negative = _class_sums(rows)
    pairs = below_positive[-1] * below_negative[-1]
    # The trapezoid rule over runs of equal scores is the mid-rank (Mann-Whitney) treatment of ties.
    return float(np.trapezoid(below_negative, below_positive) / pairs) if pairs > 0 else float("nan")


def average_precision(y: Vector, score: Vector, weight: Vector | None = None) -> float:
    """Area under the precision-recall steps: sum of (recall gained) x (precision there), no interpolation.

    y: 0 or 1 [n]. weight: how often each row counts [n]. NaN without a positive or where a score is NaN.
    """
    rows = ascending(y, score, weight)
    if not scorable(rows):
        return float("nan")
    below_positive, below_negative = _class_sums(rows)
    positives, negatives = below_positive[-1], below_negative[-1]
    if positives <= 0:
        return float("nan")
    true_positive = positives - below_positive[:-1]
    called = true_positive + negatives - below_negative[:-1]
    precision = np.divide(true_positive, called, out=np.zeros_like(called), where=called > 0)
    return float(np.sum(np.diff(below_positive) * precision) / positives)


def _class_sums(rows: Labelled) -> tuple[Float, Float]:
    """Weight of positives and of negatives up to the end of every run of equal scores, from 0."""
    ends = tie_ends(rows.score)
    positive = np.cumsum(rows.weight * rows.y)[ends]
    everyone = np.cumsum(rows.weight)[ends]
    return np.append(0.0, positive), np.append(0.0, everyone - positive)
