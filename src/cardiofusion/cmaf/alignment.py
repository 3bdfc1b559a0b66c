"""Putting an ECG beside a clinical row when they are not of the same patient.

`covariate`: each row is given an ECG of somebody of the same sex and nearly the same age. Many rows share
one ECG, so ECG patients are split before matching and resampled by patient afterwards.
`latent`: each row is given a draw from a Gaussian fitted to the encoder's tokens, which by construction
says nothing about the row. Neither can show that fusion helps; both are marked "proxy" for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOBODY = -1
CANDIDATES = 5  # the nearest partners among which chance decides, so that no single ECG serves everybody
AGE_CALIPER_YEARS = 2.0
SIDES = ("before", "after")


@dataclass(frozen=True)
class Balance:
    """How alike rows and partners are: standardised mean difference of each covariate, before and after.

    `unmatched`: rows without a partner inside the calipers, of `rows`. `partners`: distinct ECGs used.
    """

    before: dict[str, float]
    after: dict[str, float]
    unmatched: int
    partners: int
    rows: int = 0

    @property
    def words(self) -> str:
        """For whoever reads an answer that rests on this."""
        moved = [f"{name} {self.before[name]:+.2f} to {self.after[name]:+.2f}" for name in self.before]
        return (
            f"{self.rows - self.unmatched:,} of {self.rows:,} rows found one of {self.partners:,} ECGs;"
            f" standardised mean difference before and after: {', '.join(moved)}"
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; a difference that is not finite is null."""
        document = asdict(self)
        for side in SIDES:
            document[side] = {k: v if np.isfinite(v) else None for k, v in document[side].items()}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Balance:
        """The inverse of `to_json`."""
        known = dict(document)
        for side in SIDES:
            known[side] = {k: float("nan") if v is None else float(v) for k, v in document[side].items()}
        return cls(**known)


def match_covariates(
    row_age: NDArray[np.float64],
    row_sex: NDArray[np.float64],
    ecg_age: NDArray[np.float64],
    ecg_sex: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """For every row an ECG of the same sex, at most 2 years apart; NOBODY where there is none."""
    partner = np.full(len(row_age), NOBODY, dtype=np.int64)
    for sex in np.unique(row_sex[np.isfinite(row_sex)]):
        ecgs = np.flatnonzero((ecg_sex == sex) & np.isfinite(ecg_age))
        rows = np.flatnonzero((row_sex == sex) & np.isfinite(row_age))
        if not len(ecgs):
            continue
        for age in np.unique(row_age[rows]):
            same_age = rows[row_age[rows] == age]
            distance = np.abs(ecg_age[ecgs] - age)
            nearest = np.argsort(distance, kind="stable")[:CANDIDATES]
            nearest = nearest[distance[nearest] <= AGE_CALIPER_YEARS]
            if len(nearest):
                partner[same_age] = ecgs[rng.choice(nearest, size=len(same_age))]
    return partner


def balance(
    rows: dict[str, NDArray[np.float64]], ecgs: dict[str, NDArray[np.float64]], partner: NDArray[np.int64]
) -> Balance:
    """Standardised mean differences of shared covariates between rows and all ECGs, and rows and partners."""
    matched = partner != NOBODY
    before = {name: _smd(rows[name], ecgs[name]) for name in rows}
    after = {name: _smd(rows[name][matched], ecgs[name][partner[matched]]) for name in rows}
    used = len(np.unique(partner[matched]))
    return Balance(before, after, int((~matched).sum()), used, len(partner))


def _smd(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """NaN where a side knows nothing, infinite where two constants differ."""
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if not len(a) or not len(b):
        return float("nan")
    difference, spread = float(a.mean() - b.mean()), float(np.sqrt((a.var() + b.var()) / 2))
    if spread == 0.0:
        return 0.0 if difference == 0.0 else float(np.copysign(np.inf, difference))
    return difference / spread


@dataclass(frozen=True, eq=False)
class LatentDistribution:
    """A Gaussian over flattened ECG tokens: mean [d], directions [k, d] times their spread."""

    shape: tuple[int, int]
    mean: NDArray[np.float32]
    directions: NDArray[np.float32]

    @classmethod
    def fit(cls, tokens: NDArray[np.float32], components: int = 64) -> LatentDistribution:
        """From ECG tokens [n, token, width], by its leading principal components."""
        flat = tokens.reshape(len(tokens), -1)
        mean = flat.mean(axis=0)
        _, scale, axes = np.linalg.svd(flat - mean, full_matrices=False)
        scale = scale[:components] / np.sqrt(max(1, len(flat) - 1))
        directions = (axes[:components] * scale[:, None]).astype(np.float32)
        return cls((tokens.shape[1], tokens.shape[2]), mean, directions)

    def draw(self, n: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """n draws as tokens [n, token, width]."""
        scores = rng.standard_normal((n, len(self.directions)), dtype=np.float32)
        return (self.mean + scores @ self.directions).reshape(n, *self.shape).astype(np.float32)
