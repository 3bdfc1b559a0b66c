"""A measured value together with its bootstrap replicates, so that means and differences keep them paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import (
    Interval,
    Measure,
    Metric,
    average_precision,
    brier,
    expected_calibration_error,
    percentile_interval,
    replicates,
    roc_auc,
)
from cardiofusion.records import Figure

Float = NDArray[np.float64]

REPEATS = 1000
METRICS: Mapping[str, Metric] = {
    "auc": roc_auc,
    "average_precision": average_precision,
    "brier": brier,
    "ece": expected_calibration_error,
}


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value, its replicates under draws of patients [repeat], and the rows it was measured on.

    biased: resampling inflates the metric as sampling itself did (calibration error: noise counts as error),
    so the replicates lie above the value and their percentiles cannot be its interval.
    """

    value: float
    drawn: Float
    n: int
    biased: bool = False

    def figure(self, data: str) -> Figure:
        low, high = percentile_interval(self.drawn)
        if self.biased:  # reach as far below the value as the replicates reach above it
            low, high = max(0.0, 2 * self.value - high), max(self.value, high)
        return figure(self.value, (low, high), self.n, data)

    def minus(self, other: Estimate) -> Estimate:
        return Estimate(self.value - other.value, self.drawn - other.drawn, self.n)


def estimates(
    measures: Mapping[str, Measure], groups: NDArray[np.str_], rng: np.random.Generator, repeats: int
) -> dict[str, Estimate]:
    """Every measure with its replicates, all under the same draws of patients. groups: [n]."""
    drawn = replicates(list(measures.values()), groups, rng, repeats)
    return {
        key: Estimate(
            measure.value(),
            drawn[:, column],
            int(np.isfinite(measure.y).sum()),
            measure.metric is expected_calibration_error,
        )
        for column, (key, measure) in enumerate(measures.items())
    }


def macro(parts: Sequence[Estimate], n: int) -> Estimate:
    """The mean of several estimates; NaN of none, or where one is NaN. n: rows that took part in any."""
    if not parts:
        return Estimate(float("nan"), np.zeros(0), n)
    value = float(np.mean([part.value for part in parts]))
    return Estimate(value, np.mean([part.drawn for part in parts], axis=0), n)


def figure(value: float, interval: Interval, n: int, data: str) -> Figure:
    """A Figure; all three numbers NaN where any of them cannot be measured."""
    if not np.isfinite([value, *interval]).all():
        return Figure(float("nan"), float("nan"), float("nan"), n, data)
    return Figure(value, *interval, n, data)
