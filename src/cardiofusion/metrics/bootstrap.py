"""Bootstrap over patients: whole patients are drawn with replacement, with all their rows.

A replicate is not a resampled array but a weight a row (how often its patient was drawn), so scores are
sorted once. Figures that are compared or averaged take their replicates from the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics.intervals import Interval, percentile_interval
from cardiofusion.metrics.ordering import Float, Vector

REPEATS = 1000


class Metric(Protocol):
    """A number from outcomes, scores and how often each row counts."""

    def __call__(self, y: Vector, score: Vector, /, *, weight: Vector | None = None) -> float: ...


class Measure(NamedTuple):
    """A metric of these outcomes (0, 1, NaN not known) and scores, both [n].

    weight: how much each row counts [n], such as one over the chance to have been observed; None: 1 each.
    """

    metric: Metric
    y: Vector
    score: Vector
    weight: Vector | None = None

    def value(self) -> float:
        return self.metric(self.y, self.score, weight=self.weight)


def replicates(
    measures: Sequence[Measure], groups: Vector, rng: np.random.Generator, repeats: int = REPEATS
) -> Float:
    """Every measure under the same `repeats` draws of patients: float64 [repeat, measure].

    groups: the patient of every row [n]; every measure has the same n rows. NaN where a draw leaves a
    measure undefined (no positive drawn).
    """
    patients, patient_of_row = np.unique(groups, return_inverse=True)
    rows = [_sorted_rows(measure, patient_of_row) for measure in measures]
    drawn = np.empty((repeats, len(measures)))
    for repeat in range(repeats):
        chosen = rng.integers(0, len(patients), len(patients))
        times = np.bincount(chosen, minlength=len(patients)).astype(np.float64)
        drawn[repeat] = [
            measure.metric(y, score, weight=times[of] * weight) for measure, (y, score, of, weight) in rows
        ]
    return drawn


def bootstrap(
    metric: Metric,
    y: Vector,
    score: Vector,
    groups: Vector,
    rng: np.random.Generator,
    repeats: int = REPEATS,
) -> Interval:
    """The 95 % percentile interval of a metric over draws of patients. y, score, groups: [n]."""
    return percentile_interval(replicates([Measure(metric, y, score)], groups, rng, repeats)[:, 0])


def paired_bootstrap(
    metric: Metric,
    y: Vector,
    score_a: Vector,
    score_b: Vector,
    groups: Vector,
    rng: np.random.Generator,
    repeats: int = REPEATS,
) -> tuple[float, float, float]:
    """metric(a) - metric(b) with its 95 % interval, both scores under the same draws of patients."""
    first, second = Measure(metric, y, score_a), Measure(metric, y, score_b)
    drawn = replicates([first, second], groups, rng, repeats)
    low, high = percentile_interval(drawn[:, 0] - drawn[:, 1])
    return first.value() - second.value(), low, high


def _sorted_rows(
    measure: Measure, patient_of_row: NDArray[np.intp]
) -> tuple[Measure, tuple[Float, Float, NDArray[np.intp], Float]]:
    y, score = np.asarray(measure.y, np.float64), np.asarray(measure.score, np.float64)
    known = np.flatnonzero(~np.isnan(y))
    order = known[np.argsort(score[known], kind="stable")]
    weight = np.ones(len(y)) if measure.weight is None else np.asarray(measure.weight, np.float64)
    return measure, (y[order], score[order], patient_of_row[order], weight[order])
