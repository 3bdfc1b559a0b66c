"""Splits by patient: nobody stands on two sides, and the same waveform twice counts as one patient."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray


def waveform_hash(signal: NDArray[np.float32]) -> str:
    """A hash of an ECG's samples, rounded to 1 uV: equal for the same waveform under two names."""
    microvolts = np.rint(np.nan_to_num(signal) * 1000.0).astype(np.int32)
    return hashlib.sha256(microvolts.tobytes()).hexdigest()


def merge_duplicates(patient_ids: NDArray[np.str_], hashes: Iterable[str]) -> NDArray[np.str_]:
    """Patient ids in which patients that share a waveform (or a chain of them) carry one id."""
    parent = {patient: patient for patient in map(str, patient_ids)}

    def root(patient: str) -> str:
        while parent[patient] != patient:
            parent[patient] = parent[parent[patient]]
            patient = parent[patient]
        return patient

    owner: dict[str, str] = {}
    for patient, digest in zip(map(str, patient_ids), hashes, strict=True):
        parent[root(patient)] = root(owner.setdefault(digest, patient))
    return np.array([root(patient) for patient in map(str, patient_ids)])


def patient_folds(
    patient_ids: NDArray[np.str_],
    shares: Sequence[float],
    rng: np.random.Generator,
    labels: NDArray[np.float32] | None = None,
) -> NDArray[np.int64]:
    """A fold number for every row: folds of the given shares, whole patients, each label spread evenly.

    Iterative stratification (Sechidis et al., ECML 2011) over patients: the rarest label is dealt out
    first, each patient to the fold that lacks that label most. labels: [row, label], NaN counts as 0.
    """
    patients, inverse = np.unique(patient_ids, return_inverse=True)
    counts = _labels_by_patient(inverse, len(patients), labels)
    weights = np.asarray(shares, dtype=np.float64) / np.sum(shares)
    wanted = np.outer(weights, counts.sum(axis=0))
    fold = np.full(len(patients), -1, dtype=np.int64)
    order = rng.permutation(len(patients))
    for label in _rarest_first(counts):
        for patient in order[(counts[order, label] > 0) & (fold[order] < 0)]:
            fold[patient] = _neediest(wanted, label, rng)
            wanted[fold[patient]] -= counts[patient]
    return fold[inverse]


def _labels_by_patient(
    inverse: NDArray[np.intp], n_patients: int, labels: NDArray[np.float32] | None
) -> NDArray[np.float64]:
    """[patient, label + 2]: positives of each label, then "has none of them", then "is a patient"."""
    positive = np.zeros((len(inverse), 0)) if labels is None else np.nan_to_num(labels) > 0.5
    counts = np.zeros((n_patients, positive.shape[1]))
    np.add.at(counts, inverse, positive)
    none = (counts.sum(axis=1) == 0).astype(np.float64)
    return np.column_stack([counts, none, np.ones(n_patients)])


def _rarest_first(counts: NDArray[np.float64]) -> list[int]:
    order = np.argsort(counts[:, :-1].sum(axis=0), kind="stable")
    return [*map(int, order), counts.shape[1] - 1]


def _neediest(wanted: NDArray[np.float64], label: int, rng: np.random.Generator) -> int:
    best = np.flatnonzero(wanted[:, label] == wanted[:, label].max())
    fullest = best[wanted[best, -1] == wanted[best, -1].max()]
    return int(rng.choice(fullest))
