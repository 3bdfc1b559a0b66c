"""Class-conditional (Mondrian) split conformal prediction for one target.

Nonconformity of an answer is 1 - its probability. For each class by itself the quantile of the
calibration patients of that class is taken, so that rare positives are covered as well as common
negatives (Vovk 2012, "Conditional validity of inductive conformal predictors"; Angelopoulos & Bates 2023,
section 4). Calibration patients must be apart from those that trained the model and its calibrator, and
one row a patient: two rows of one patient are not exchangeable with two patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.conformal import fields
from cardiofusion.records import CalibrationError

CLASSES = ("absent", "present")
COUNT_LIMIT = 10**9


@dataclass(frozen=True)
class ConformalTarget:
    """What turns a probability into a set: for (absent, present) the quantile of nonconformity and the n.

    coverage: the promised share of each class, in (0, 1).
    """

    name: str
    coverage: float
    quantile: tuple[float, float]
    n: tuple[int, int]

    def sets(self, probability: NDArray[Any]) -> NDArray[np.bool_]:
        """Which answers stay: bool [n, 2], (absent included, present included), for probabilities [n].

        Equality with the quantile is included: ties make sets larger, never invalid.
        Raises CalibrationError "conformal.probability".
        """
        kept: NDArray[np.bool_] = nonconformity(probability) <= np.array(self.quantile)
        return kept

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "coverage": self.coverage,
            "quantile": dict(zip(CLASSES, self.quantile, strict=True)),
            "n": dict(zip(CLASSES, self.n, strict=True)),
        }

    @classmethod
    def from_json(cls, document: object, where: str = "sets") -> ConformalTarget:
        """The inverse of `to_json`. Raises BundleError "bundle.conformal"."""
        found = fields.mapping(document, where, ("name", "coverage", "quantile", "n"))
        coverage = fields.share(found["coverage"], f"{where}/coverage")
        quantile = fields.mapping(found["quantile"], f"{where}/quantile", CLASSES)
        n = fields.mapping(found["n"], f"{where}/n", CLASSES)
        absent, present = (fields.number(quantile[c], f"{where}/quantile/{c}", 0.0, 1.0) for c in CLASSES)
        needed = patients_needed(coverage)
        n_absent, n_present = (fields.count(n[c], f"{where}/n/{c}", needed, COUNT_LIMIT) for c in CLASSES)
        name = fields.text(found["name"], f"{where}/name")
        return cls(name, coverage, (absent, present), (n_absent, n_present))


def nonconformity(probability: NDArray[Any]) -> NDArray[np.float64]:
    """How strange (absent, present) would be: float64 [n, 2]. Raises CalibrationError where p is no p."""
    p = np.asarray(probability, np.float64)
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise CalibrationError(
            "conformal.probability", "a probability is not in [0, 1]", "look at the model that gave it"
        )
    return np.column_stack([p, 1.0 - p])


def patients_needed(coverage: float) -> int:
    """The fewest calibration patients of a class for sets of this coverage: 9 for 0.9, 19 for 0.95.

    Raises CalibrationError "conformal.coverage" outside (0, 1).
    """
    if not 0.0 < coverage < 1.0:
        raise CalibrationError(
            "conformal.coverage", f"coverage {coverage} is not between 0 and 1", "0.9 is usual"
        )
    return _ceil(coverage / (1.0 - coverage))


def calibrate(
    name: str,
    probability: NDArray[Any],
    y: NDArray[Any],
    coverage: float = 0.9,
    weight: NDArray[Any] | None = None,
) -> ConformalTarget:
    """Quantiles for each class from held-out patients: the ceil((n + 1) coverage)-th smallest of n.

    probability: of present [n]. y: 0 absent, 1 present, NaN not known and left out [n]. weight: [n] one over
    the chance that y was observed; None for 1 each. A new patient then counts as the heaviest of these, which
    can only make sets larger (Tibshirani et al., Conformal prediction under covariate shift, NeurIPS 2019).
    Raises CalibrationError "conformal.too_few" where a class has too few patients for the coverage,
    "conformal.coverage" and "conformal.probability".
    """
    needed = patients_needed(coverage)
    outcome = np.asarray(y, np.float64)
    times = np.ones(len(outcome)) if weight is None else np.asarray(weight, np.float64)
    n_absent, n_present = (int((outcome == k).sum()) for k in (0, 1))
    for label, n in zip(CLASSES, (n_absent, n_present), strict=True):
        if n < needed:
            raise _too_few(name, label, n, needed, coverage)
    heaviest = float(times[~np.isnan(outcome)].max())
    absent, present = (
        _quantile(
            nonconformity(np.asarray(probability)[outcome == k])[:, k],
            times[outcome == k],
            heaviest,
            coverage,
        )
        for k in (0, 1)
    )
    return ConformalTarget(name, coverage, (absent, present), (n_absent, n_present))


def _quantile(
    score: NDArray[np.float64], weight: NDArray[np.float64], heaviest: float, coverage: float
) -> float:
    """The smallest score below which lies `coverage` of all weight, a new patient's counted as above all."""
    order = np.argsort(score, kind="stable")
    reached = np.cumsum(weight[order]) >= coverage * (weight.sum() + heaviest) - 1e-9
    return float(score[order][np.argmax(reached)]) if reached.any() else 1.0


def p_values(
    probability: NDArray[Any], calibration_probability: NDArray[Any], calibration_y: NDArray[Any]
) -> NDArray[np.float64]:
    """Class-conditional conformal p-values of (absent, present): float64 [n, 2].

    The share of calibration patients of the class, the new one counted among them, that are at least as
    strange. `{answer: p > 1 - coverage}` is the set that `ConformalTarget.sets` gives. Ties are counted in
    full (no randomisation), which is conservative.
    """
    new, old = nonconformity(probability), nonconformity(calibration_probability)
    outcome = np.asarray(calibration_y, np.float64)
    columns = []
    for label in (0, 1):
        known = np.sort(old[outcome == label, label])
        at_least = len(known) - np.searchsorted(known, new[:, label], side="left")
        columns.append((at_least + 1.0) / (len(known) + 1.0))
    return np.column_stack(columns)


def one_row_a_patient(patient_ids: NDArray[np.str_], rng: np.random.Generator) -> NDArray[np.intp]:
    """A random row of every patient, in rising order: calibration rows that are exchangeable."""
    shuffled = rng.permutation(len(patient_ids))
    _, first = np.unique(patient_ids[shuffled], return_index=True)
    return np.sort(shuffled[first])


def quantile_rank(n: int, coverage: float) -> int:
    """Which of n calibration scores in rising order, counted from 1, is the finite-sample quantile.

    Above n where n is below `patients_needed`. Raises CalibrationError "conformal.coverage".
    """
    patients_needed(coverage)
    return _ceil((n + 1) * coverage)


def _ceil(value: float) -> int:
    # 0.9 / (1 - 0.9) is 9.000000000000002 in floating point: that is nine, not ten.
    return max(1, math.ceil(value - 1e-9))


def _too_few(name: str, label: str, found: int, needed: int, coverage: float) -> CalibrationError:
    return CalibrationError(
        "conformal.too_few",
        f"{name}: {found} calibration patients in whom it is {label}, "
        f"{needed} needed for {100 * coverage:g} % sets",
        "give more calibration patients"
        + (f", or ask for at most {100 * found / (found + 1):.3g} % coverage" if found else ""),
    )
