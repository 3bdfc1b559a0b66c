"""What beats look like in ECGs recorded as they should be: Gaussians with heavy tails, learnt from examples.

Learnt by benchmarks/quality_reference.py from virtual patients and CODE-15%; no patient is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

from cardiofusion.records import INDEPENDENT_LEADS
from cardiofusion.signal.beat_shape import WINDOWS

Float = NDArray[np.float64]

FILE = "reference.safetensors"
TAILS = 20.0  # degrees of freedom of Student's t: a strange heart is no proof of a fault
SHRINKAGE = 0.1  # of the covariance towards its diagonal


@dataclass(frozen=True, eq=False)
class Density:
    """A multivariate t about `mean` [d] whose scale is `covariance` [d, d]."""

    mean: Float
    covariance: Float
    precision: Float

    @classmethod
    def of(cls, mean: Float, covariance: Float) -> Density:
        return cls(mean, covariance, np.asarray(np.linalg.inv(covariance), dtype=np.float64))

    @classmethod
    def fitted(cls, groups: Sequence[Float]) -> Density:
        """To groups of examples [n, d], each group as weighty as another."""
        mean = np.mean([group.mean(axis=0) for group in groups], axis=0)
        covariance = np.mean([(group - mean).T @ (group - mean) / len(group) for group in groups], axis=0)
        diagonal = np.diag(np.diag(covariance))
        return cls.of(mean, (1.0 - SHRINKAGE) * covariance + SHRINKAGE * diagonal)

    def among(self, kept: NDArray[np.intp]) -> Density:
        """That of some of the numbers alone."""
        return self.of(self.mean[kept], self.covariance[np.ix_(kept, kept)])

    def log_density(self, values: Float) -> Float:
        """[n, d] -> [n], up to a constant."""
        centred = values - self.mean
        distance = np.einsum("nd,nd->n", centred @ self.precision, centred)
        return np.asarray(-0.5 * (TAILS + len(self.mean)) * np.log1p(distance / TAILS))


@lru_cache(maxsize=1)
def _tensors() -> dict[str, Float]:
    stored = load(files("cardiofusion.signal").joinpath(FILE).read_bytes())
    return {name: tensor.astype(np.float64) for name, tensor in stored.items()}


@lru_cache(maxsize=8)
def usual_beats(leads: tuple[str, ...]) -> Density:
    """Of `BeatShape.waves` of these leads, one after the other."""
    tensors = _tensors()
    rows = np.array([INDEPENDENT_LEADS.index(lead) for lead in leads])
    kept = (rows[:, None] * len(WINDOWS) + np.arange(len(WINDOWS))).ravel()
    return Density.of(tensors["waves.mean"], tensors["waves.covariance"]).among(kept)


@lru_cache(maxsize=3)
def usual_times(speed: str) -> Density:
    """Of `BeatShape.times` in ECGs whose paper ran as said ("right"), or was taken for twice ("fast") or half
    ("slow") as fast as it ran.
    """
    tensors = _tensors()
    return Density.of(tensors[f"{speed}.mean"], tensors[f"{speed}.covariance"])
