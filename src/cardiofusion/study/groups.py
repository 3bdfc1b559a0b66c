"""Who teaches, who stops, who calibrates, who tests: five groups of patients, none in two of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cardiofusion.evaluate import leakage_check
from cardiofusion.records import StudyError, patient_folds
from cardiofusion.study.sections import Split

Rows = NDArray[np.intp]
# Rows up to which CMAF is cross-validated too (seconds here, hours in larger cohorts), and one thread boosts.
SMALL_COHORT = 5_000


@dataclass(frozen=True, eq=False)
class Groups:
    """Row numbers of each group.

    train: teaches. stop: says when to stop. probability: calibrates probabilities.
    conformal: sets the quantiles. test: is looked at once.
    """

    train: Rows
    stop: Rows
    probability: Rows
    conformal: Rows
    test: Rows

    def items(self) -> list[tuple[str, Rows]]:
        return list(asdict(self).items())

    @property
    def learning(self) -> Rows:
        """Rows whose ECGs the encoder may see."""
        return np.concatenate([self.train, self.stop])

    @property
    def aside(self) -> Rows:
        """Rows that taught no weight and set no quantile."""
        return np.concatenate([self.stop, self.probability])

    @property
    def measured(self) -> Rows:
        """Rows whose answers are looked at: all but the training patients'."""
        return np.concatenate([self.stop, self.probability, self.conformal, self.test])

    @property
    def choosing(self) -> Rows:
        """Rows that may say which view answers: all but the conformal and the test patients."""
        return np.sort(np.concatenate([self.train, self.stop, self.probability]))

    def patients(self, patient_ids: NDArray[np.str_]) -> dict[str, int]:
        return {name: len(np.unique(patient_ids[rows])) for name, rows in self.items()}


def split_patients(
    split: Split,
    patient_ids: NDArray[np.str_],
    labels: NDArray[np.float32] | None,
    fold: NDArray[np.int64] | None,
    seed: int,
) -> Groups:
    """The five groups of a cohort: by the publisher's folds or by shares, then each part divided by patient.

    labels: [row, target] to be spread evenly. Raises StudyError for folds that the data does not have.
    """
    rng = np.random.default_rng([seed, 1])
    part = _by_fold(split, fold) if split.folds else _by_share(split, patient_ids, labels, rng)
    train, stop = _divide(part[0], split.early_stopping, patient_ids, labels, rng)
    conformal, probability = _divide(part[1], split.probability, patient_ids, labels, rng)
    groups = Groups(train, stop, probability, conformal, part[2])
    leakage_check({name: patient_ids[rows] for name, rows in groups.items()})
    return groups


def _by_fold(split: Split, fold: NDArray[np.int64] | None) -> list[Rows]:
    if fold is None:
        raise StudyError(
            "study.folds", "the data has no folds", "give shares in [split], or name a fold column"
        )
    parts = []
    for name, numbers in (("train", split.train), ("calibrate", split.calibrate), ("test", split.test)):
        rows = np.flatnonzero(np.isin(fold, np.asarray(numbers)))
        if not len(rows):
            known = ", ".join(map(str, np.unique(fold)))
            raise StudyError("study.folds", f"no patient is in the folds of {name}", f"the data has: {known}")
        parts.append(rows)
    return parts


def _by_share(
    split: Split,
    patient_ids: NDArray[np.str_],
    labels: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> list[Rows]:
    shares = [float(np.sum(share)) for share in (split.train, split.calibrate, split.test)]
    part = patient_folds(patient_ids, shares, rng, labels)
    return [np.flatnonzero(part == k) for k in range(3)]


def _divide(
    rows: Rows,
    share: float,
    patient_ids: NDArray[np.str_],
    labels: NDArray[np.float32] | None,
    rng: np.random.Generator,
) -> tuple[Rows, Rows]:
    """(the rest, `share` of the patients)."""
    part = patient_folds(
        patient_ids[rows], [1.0 - share, share], rng, None if labels is None else labels[rows]
    )
    return rows[part == 0], rows[part == 1]


def as_shares(split: Split) -> Split:
    """The study's split, as shares where it names folds: a corpus has no folds of its own."""
    return replace(split, train=0.6, calibrate=0.25, test=0.15) if split.folds else split
