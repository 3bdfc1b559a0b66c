"""Decision curves: what acting on a probability is worth."""

from __future__ import annotations

import numpy as np

from cardiofusion.metrics.ordering import Float, Vector, known


def net_benefit(y: Vector, p: Vector, thresholds: Vector, weight: Vector | None = None) -> Float:
    """Net benefit of treating where p >= threshold, for each threshold in (0, 1) (Vickers & Elkin 2006).

    True positives a patient, less false positives weighted by the odds of the threshold. Treating nobody
    is worth 0; treating everybody is `net_benefit(y, ones, thresholds)`. Returns float64 [threshold], NaN
    where nothing is known. Rows whose outcome is NaN are left out.
    """
    rows = known(y, p, weight)
    level = np.asarray(thresholds, np.float64)
    total = rows.weight.sum()
    if not total > 0 or np.isnan(rows.score).any():
        return np.full(len(level), np.nan)
    treated = rows.score[None, :] >= level[:, None]
    true_positive = treated @ (rows.weight * rows.y)
    false_positive = treated @ (rows.weight * (1.0 - rows.y))
    net: Float = (true_positive - false_positive * level / (1.0 - level)) / total
    return net
