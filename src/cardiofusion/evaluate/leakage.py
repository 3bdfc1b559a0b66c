"""Controls: nobody on two sides of a split, and no skill without labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.evaluate.estimate import REPEATS, figure
from cardiofusion.metrics import percentile_interval, roc_auc
from cardiofusion.records import DatasetError, Figure


def overlaps(parts: Mapping[str, NDArray[np.str_]]) -> dict[str, int]:
    """How many ids every two parts of a split share: {"train & test": 0, ...}."""
    return {
        f"{one} & {other}": len(np.intersect1d(parts[one], parts[other]))
        for one, other in combinations(parts, 2)
    }


def leakage_check(parts: Mapping[str, NDArray[np.str_]], what: str = "patients") -> dict[str, int]:
    """The overlaps of a split, all 0; DatasetError "evaluate.leakage" where they are not.

    parts: name ("train", "stop", "calibrate", "conformal", "test") -> patient ids, or waveform hashes with
    `what` = "waveforms", for the same ECG under two names.
    """
    found = overlaps(parts)
    shared = [f"{pair} ({count})" for pair, count in found.items() if count]
    if shared:
        raise DatasetError(
            "evaluate.leakage",
            f"the same {what} stand on two sides: {', '.join(shared)}",
            "split by patient, after merging patients that share a waveform",
        )
    return found


def label_shuffle_auc(
    y: NDArray[Any],
    p: NDArray[Any],
    groups: NDArray[np.str_],
    rng: np.random.Generator,
    data: str,
    repeats: int = REPEATS,
) -> Figure:
    """Mean AUC and its middle 95 % when outcomes are dealt to other patients: what chance looks like here.

    It must be about 0.5; a real AUC inside its interval shows no skill. Patients with as many rows swap all
    their outcomes, so repeated rows stay together. y: 0, 1, NaN not known. p: score. groups: patient. [n]
    """
    outcome, scores = np.asarray(y, np.float64), np.asarray(p, np.float64)
    known = np.flatnonzero(np.isfinite(outcome))
    outcome, scores = outcome[known], scores[known]
    blocks = _rows_by_patient_size(groups[known])
    drawn = np.empty(repeats)
    for repeat in range(repeats):
        shuffled = outcome.copy()
        for block in blocks:
            shuffled[block] = outcome[rng.permutation(block, axis=0)]
        drawn[repeat] = roc_auc(shuffled, scores)
    return figure(float(drawn.mean()), percentile_interval(drawn), len(known), f"{data}, labels shuffled")


def _rows_by_patient_size(groups: NDArray[np.str_]) -> list[NDArray[np.intp]]:
    """For each number of rows a patient can have: the rows of such patients, [patient, row]."""
    _, patient, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(patient, kind="stable")
    size_of_row = sizes[patient[order]]
    return [order[size_of_row == size].reshape(-1, size) for size in np.unique(sizes)]
