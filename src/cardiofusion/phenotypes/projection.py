"""The space that phenotypes live in: an embedding standardised and turned onto its principal components."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import InputError

PCA_DIMENSIONS = 30

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Projection:
    """mean, scale: [d] of the embedding; components: [d, p], orthonormal columns, largest variance first."""

    mean: Float
    scale: Float
    components: Float

    def apply(self, embedding: NDArray[np.floating]) -> Float:
        """[..., d] -> [..., p]. Raises InputError for another width or a number that is not finite."""
        width = len(self.mean)
        if embedding.ndim == 0 or embedding.shape[-1] != width:
            raise InputError(
                "phenotypes.width",
                f"the embedding is {embedding.shape}, the phenotypes are of {width} features",
                "use the encoder that the phenotypes were found with",
            )
        points: Float = (np.asarray(finite(embedding), np.float64) - self.mean) / self.scale @ self.components
        return points


def finite(embedding: NDArray[np.floating]) -> NDArray[np.floating]:
    """The embedding as it is; InputError where it holds NaN or infinity."""
    if not np.isfinite(embedding).all():
        raise InputError(
            "phenotypes.not_finite",
            "the embedding holds numbers that are not finite",
            "leave out recordings that are unfit for reading",
        )
    return embedding


def fit_projection(embedding: NDArray[np.floating]) -> Projection:
    """Standardise the columns of [n, d] and keep the leading principal components, at most PCA_DIMENSIONS.

    A constant feature is kept at zero. Directions without variance are left out.
    """
    values = np.asarray(finite(embedding), np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    # Rounding leaves a constant column a deviation of about 1e-16 of its size; that is not variance.
    scale = np.where(scale > 1e-9 * np.maximum(np.abs(mean), 1e-30), scale, 1.0)
    _, strength, directions = np.linalg.svd((values - mean) / scale, full_matrices=False)
    kept = min(PCA_DIMENSIONS, int((strength > 1e-6 * max(strength[0], 1e-30)).sum()))
    return Projection(mean, scale, _signed(directions[:kept].T))


def _signed(components: Float) -> Float:
    """The largest entry of every component is positive: an SVD's sign is the library's whim."""
    largest = np.abs(components).argmax(axis=0)
    signs = np.sign(components[largest, np.arange(components.shape[1])])
    # LAPACK's last digits differ from run to run; at single precision the same data give the same file.
    turned: Float = np.ascontiguousarray(components * signs).astype(np.float32).astype(np.float64)
    return turned
