"""What stands behind the phenotypes: are they merely age, sex, the device or the site?"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.phenotypes.agreement import Labels, contingency
from cardiofusion.records import DatasetError

PERMUTATIONS = 999
# Cohen (1988): from here on an effect is called medium, large.
MEDIUM, LARGE = {"eta squared": 0.06, "Cramer's V": 0.3}, {"eta squared": 0.14, "Cramer's V": 0.5}

Measure = Literal["eta squared", "Cramer's V"]


@dataclass(frozen=True)
class Association:
    """One covariate against the phenotypes.

    strength: eta squared (a number's variance that the phenotypes explain) or Cramer's V (a category), NaN
    where it cannot be told. p_value: by permutation of the labels. n: patients with a phenotype and a value.
    groups: per phenotype, {"n", "median", "low", "high"} (quartiles) or {"n", category: share}.
    """

    covariate: str
    measure: Measure
    strength: float
    p_value: float
    n: int
    groups: Mapping[str, Mapping[str, float]]

    @property
    def words(self) -> str:
        if math.isnan(self.strength):
            return f"{self.covariate}: cannot be told (fewer than two phenotypes, or no difference in it)"
        size = "large" if self.strength >= LARGE[self.measure] else "medium"
        size = size if self.strength >= MEDIUM[self.measure] else "small"
        text = f"{self.covariate}: {self.measure} {self.strength:.2f} ({size}), p = {self.p_value:.3f}"
        return text + f"; the phenotypes may be merely {self.covariate}" * (size == "large")

    def to_json(self) -> dict[str, Any]:
        """As it stands in phenotypes.json; a strength that could not be measured is null."""
        return {
            "covariate": self.covariate,
            "measure": self.measure,
            "strength": None if math.isnan(self.strength) else self.strength,
            "p_value": None if math.isnan(self.p_value) else self.p_value,
            "n": self.n,
            "groups": {name: dict(group) for name, group in self.groups.items()},
            "words": self.words,
        }


def describe(
    labels: Labels,
    covariates: Mapping[str, NDArray[Any]],
    rng: np.random.Generator,
    names: Sequence[str] | None = None,
) -> tuple[Association, ...]:
    """Every covariate against the phenotypes `labels` [n]; patients in none of them (-1) are left out.

    covariates: name -> [n]; numbers (NaN: missing) are measured by eta squared, text and bool (empty or None:
    missing) by Cramer's V. names: of the phenotypes, by label. Raises DatasetError where lengths differ.
    """
    clusters = int(labels.max(initial=-1)) + 1
    names = names or [f"Phenotype {cluster + 1}" for cluster in range(clusters)]
    found = []
    for covariate, values in covariates.items():
        if len(values) != len(labels):
            raise DatasetError(
                "phenotypes.covariate",
                f"{covariate} has {len(values)} values for {len(labels)} patients",
                "give one value a patient",
            )
        found.append(_association(covariate, labels, values, names, rng))
    return tuple(found)


def eta_squared(labels: Labels, values: NDArray[np.float64]) -> float:
    """Variance of `values` [n] between the labels over all of it; NaN where there is none to explain."""
    total = float(((values - values.mean()) ** 2).sum()) if len(values) else 0.0
    if total == 0.0 or len(np.unique(labels)) < 2:
        return float("nan")
    _, group = np.unique(labels, return_inverse=True)
    sizes = np.bincount(group)
    means = np.bincount(group, weights=values) / sizes
    return float((sizes * (means - values.mean()) ** 2).sum() / total)


def cramers_v(labels: Labels, categories: NDArray[np.int64]) -> float:
    """Association of two groupings [n], 0 to 1 (Cramer 1946); NaN where either has a single group."""
    counts = contingency(labels, categories).astype(np.float64)
    if min(counts.shape) < 2:
        return float("nan")
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    return math.sqrt(chi_squared / (counts.sum() * (min(counts.shape) - 1)))


def _association(
    covariate: str, labels: Labels, values: NDArray[Any], names: Sequence[str], rng: np.random.Generator
) -> Association:
    if values.dtype.kind in "iuf":
        numbers = values.astype(np.float64)
        kept = (labels >= 0) & np.isfinite(numbers)
        groups = {name: _quartiles(numbers[kept & (labels == label)]) for label, name in enumerate(names)}
        strength, p_value = _tested(eta_squared, labels[kept], numbers[kept], rng)
        return Association(covariate, "eta squared", strength, p_value, int(kept.sum()), groups)
    text = np.array(["" if value is None else str(value) for value in values])
    kept = (labels >= 0) & (text != "")
    categories, code = np.unique(text, return_inverse=True)
    shown = [category for category in categories.tolist() if category]
    groups = {name: _shares(text[kept & (labels == label)], shown) for label, name in enumerate(names)}
    strength, p_value = _tested(cramers_v, labels[kept], code[kept], rng)
    return Association(covariate, "Cramer's V", strength, p_value, int(kept.sum()), groups)


def _tested(
    measure: Callable[[Labels, Any], float], labels: Labels, values: NDArray[Any], rng: np.random.Generator
) -> tuple[float, float]:
    """The strength, and the share of permutations that reach it."""
    strength = measure(labels, values)
    if math.isnan(strength):
        return strength, strength
    chance = [measure(rng.permutation(labels), values) for _ in range(PERMUTATIONS)]
    # A permutation that only reorders equal sums may differ in the last digit.
    reached = sum(value >= strength - 1e-12 for value in chance)
    return strength, (1 + reached) / (1 + PERMUTATIONS)


def _quartiles(values: NDArray[np.float64]) -> dict[str, float]:
    if not len(values):
        return {"n": 0}
    low, median, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    return {"n": len(values), "median": median, "low": low, "high": high}


def _shares(values: NDArray[np.str_], categories: Sequence[str]) -> dict[str, float]:
    shares = {category: float((values == category).mean()) for category in categories if len(values)}
    return {"n": len(values), **shares}
