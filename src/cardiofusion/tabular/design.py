"""Clinical rows as a linear model likes them: each column a number of mean 0 and spread 1, none of them wild.

A number becomes its rank among the training rows, as a normal score (van der Waerden 1952): a BNP of 40,000
then counts as a very high one, not as a hundred ordinary ones, and what is beyond the training rows as the
highest of them. A gap gets the training median or mode, and where the table has many a column that says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalTable, Column
from cardiofusion.tabular.gaps import MissingPolicy

KNOTS = 41
OUTERMOST = 0.02  # the share of the training rows that counts as lowest, and as highest

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Design:
    """Fitted to training rows. categories: of each column how many become a column each, else 0.

    knots: of each column the training quantiles, empty where the value itself is taken.
    """

    policy: MissingPolicy
    categories: tuple[int, ...]
    knots: tuple[Values, ...]
    mean: Values
    scale: Values

    @classmethod
    def fit(cls, table: ClinicalTable) -> Design:
        """Knots, categories, fillings and scales as this table has them."""
        policy = MissingPolicy.fit(table)
        categories = tuple(_unordered(column) for column in table.schema)
        knots = tuple(_knots(c, cells) for c, cells in zip(table.schema, table.values.T, strict=True))
        raw = cls(policy, categories, knots, np.zeros(1), np.ones(1))(table.values)
        spread = raw.std(axis=0)
        # A column that never varies says nothing, now and later.
        scale = np.where(spread > 1e-9, spread, np.inf)
        return cls(policy, categories, knots, raw.mean(axis=0), scale)

    def __call__(self, values: Values) -> Values:
        """Features [row, feature] of encoded rows [row, column]."""
        filled = np.where(np.isnan(values), np.nan_to_num(self.policy.fill), values)
        features = [self._features(cells, k) for k, cells in enumerate(filled.T)]
        features += [np.isnan(values[:, [k]]) for k, flagged in enumerate(self.policy.learnt) if flagged]
        return np.asarray((np.hstack(features) - self.mean) / self.scale, dtype=np.float64)

    @property
    def columns(self) -> NDArray[np.intp]:
        """[feature] which column each feature is made of."""
        made = [k for k, n in enumerate(self.categories) for _ in range(n or 1)]
        return np.array([*made, *np.flatnonzero(self.policy.learnt)], dtype=np.intp)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; an infinite scale is null."""
        return {
            "policy": self.policy.to_json(),
            "categories": list(self.categories),
            "knots": [knots.tolist() for knots in self.knots],
            "mean": self.mean.tolist(),
            "scale": [float(value) if np.isfinite(value) else None for value in self.scale],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Design:
        """The inverse of `to_json`. Raises KeyError, TypeError, ValueError and BundleError."""
        scale = [np.inf if value is None else float(value) for value in document["scale"]]
        return cls(
            MissingPolicy.from_json(document["policy"]),
            tuple(map(int, document["categories"])),
            tuple(np.asarray(knots, np.float64) for knots in document["knots"]),
            np.asarray(document["mean"], np.float64),
            np.asarray(scale),
        )

    def _features(self, cells: Values, position: int) -> Values:
        if self.categories[position]:
            return np.asarray(cells[:, None] == np.arange(self.categories[position]), dtype=np.float64)
        knots = self.knots[position]
        return (np.interp(cells, knots, normal_scores(len(knots))) if len(knots) else cells)[:, None]


@cache
def normal_scores(n: int) -> Values:
    """Quantiles [n] of the normal distribution, evenly from OUTERMOST to 1 - OUTERMOST."""
    return np.array([NormalDist().inv_cdf(p) for p in np.linspace(OUTERMOST, 1.0 - OUTERMOST, n)])


def _unordered(column: Column) -> int:
    n = len(column.categories)
    return n if column.kind == "category" and not column.ordered and n > 2 else 0


def _knots(column: Column, cells: Values) -> Values:
    known = cells[~np.isnan(cells)]
    if column.kind == "category" or len(known) == 0:
        return np.zeros(0)
    knots = np.unique(np.quantile(known, np.linspace(0.0, 1.0, KNOTS)))
    return knots if len(knots) > 2 else np.zeros(0)
