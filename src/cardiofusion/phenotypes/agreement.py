"""How well two groupings of the same patients agree. A label of -1 means noise: in no group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]

STABLE_JACCARD = 0.6  # Hennig: below, a cluster is not to be trusted


def contingency(first: Labels, second: Labels) -> NDArray[np.int64]:
    """Counts [distinct label of first, distinct label of second], labels in rising order."""
    rows, row = np.unique(first, return_inverse=True)
    columns, column = np.unique(second, return_inverse=True)
    counts = np.bincount(row * len(columns) + column, minlength=len(rows) * len(columns))
    return counts.reshape(len(rows), len(columns))


def adjusted_rand_index(first: Labels, second: Labels) -> float:
    """Hubert and Arabie's (1985) adjusted Rand index: 1 for the same grouping, about 0 by chance.

    first, second: [n]. Noise counts as one more group.
    """
    counts = contingency(first, second)
    together = _pairs(counts).sum()
    in_first, in_second = _pairs(counts.sum(axis=1)).sum(), _pairs(counts.sum(axis=0)).sum()
    ceiling = (in_first + in_second) / 2.0
    expected = in_first * in_second / max(_pairs(counts.sum()), 1.0)
    if ceiling == expected:  # all in one group, or each alone, in both
        return 1.0
    return float((together - expected) / (ceiling - expected))


def best_jaccard(labels: Labels, others: Labels, clusters: int) -> NDArray[np.float64]:
    """Of each of `clusters` groups in `labels`, the Jaccard similarity to the most similar one in `others`.

    Hennig, Computational Statistics & Data Analysis 52 (2007): |A and B| / |A or B| over the patients that
    both groupings hold. labels, others: [n]. Noise in `others` is no group: a dissolved cluster scores 0.
    A cluster without a member in `labels` is NaN.
    """
    candidates = [others == other for other in np.unique(others[others >= 0])]
    return np.array(
        [_nearest(labels == cluster, candidates) for cluster in range(clusters)], dtype=np.float64
    )


def _nearest(members: NDArray[np.bool_], candidates: list[NDArray[np.bool_]]) -> float:
    if not members.any():
        return float("nan")
    return max(((members & other).sum() / (members | other).sum() for other in candidates), default=0.0)


def _pairs(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    wide = np.asarray(counts, dtype=np.float64)
    return wide * (wide - 1.0) / 2.0
