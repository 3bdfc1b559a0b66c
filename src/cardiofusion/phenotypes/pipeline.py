"""From points to clusters: UMAP (McInnes 2018) to a few dimensions, HDBSCAN (Campello 2013) there.

umap-learn and hdbscan are imported only when a pipeline runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.phenotypes.agreement import Labels
from cardiofusion.phenotypes.projection import Float
from cardiofusion.records import ExtraMissingError

MIN_RESAMPLED_SIZE = 5
EPOCHS = 100
BLOCK_ENTRIES = 2**24  # distances held at once


@dataclass(frozen=True)
class Pipeline:
    """neighbours: of UMAP's graph. dimensions: that are clustered. share: of the points a cluster needs."""

    neighbours: int
    dimensions: int
    share: float
    rng: np.random.Generator

    def cluster(self, points: Float) -> tuple[Labels, float]:
        """Labels [n] of points [n, p] by falling size, -1 noise; and their relative validity.

        Density-based (Moulavi 2014), from -1 to 1; 0 for fewer than two clusters.
        """
        embedded = self.embed(points, self.dimensions)
        size = max(MIN_RESAMPLED_SIZE, round(self.share * len(points)))
        with _quiet():
            from hdbscan import HDBSCAN

            found = HDBSCAN(
                min_cluster_size=size,
                min_samples=size // 2,
                gen_min_span_tree=True,
                approx_min_span_tree=False,
                core_dist_n_jobs=1,
            ).fit(embedded)
            labels = by_size(found.labels_)
            return labels, float(found.relative_validity_) if labels.max() > 0 else 0.0

    def embed(self, points: Float, dimensions: int) -> Float:
        """UMAP to [n, dimensions], one thread. The exact neighbours come from NumPy: five times faster."""
        count = min(self.neighbours, len(points) - 1)
        with _quiet():
            from umap import UMAP

            mapper = UMAP(
                n_components=min(dimensions, points.shape[1]),
                n_neighbors=count,
                n_epochs=EPOCHS,
                min_dist=0.0,
                init="pca",
                random_state=int(self.rng.integers(2**31)),
                n_jobs=1,
                precomputed_knn=(*nearest_neighbours(points, count), None),
            )
            return np.asarray(mapper.fit_transform(points.astype(np.float32)), dtype=np.float64)


def require_libraries() -> None:
    """Raise ExtraMissingError where umap-learn or hdbscan is not installed."""
    try:
        with _quiet():
            import hdbscan
            import umap
    except ImportError as error:
        raise ExtraMissingError("phenotypes", "train") from error
    del hdbscan, umap


def nearest_neighbours(points: Float, count: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Indices and Euclidean distances [n, count] of the points nearest to each, itself first."""
    indices = np.empty((len(points), count), dtype=np.int32)
    distances = np.empty((len(points), count), dtype=np.float32)
    lengths = (points**2).sum(axis=1)
    block = max(1, BLOCK_ENTRIES // len(points))
    for start in range(0, len(points), block):
        own = np.arange(start, min(start + block, len(points)))
        squared = lengths[own, None] + lengths - 2.0 * points[own] @ points.T
        squared[np.arange(len(own)), own] = -np.inf
        near = np.argpartition(squared, count - 1, axis=1)[:, :count]
        squared = np.take_along_axis(squared, near, axis=1)
        order = np.argsort(squared, axis=1, kind="stable")
        indices[own] = np.take_along_axis(near, order, axis=1)
        distances[own] = np.sqrt(np.maximum(np.take_along_axis(squared, order, axis=1), 0.0))
    return indices, distances


def by_size(labels: NDArray[np.integer]) -> Labels:
    """The same clusters, numbered by falling size; -1 stays."""
    sizes = np.bincount(labels[labels >= 0])
    rank = np.full(len(sizes) + 1, -1, dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    ranked: Labels = rank[labels]
    return ranked


@contextmanager
def _quiet() -> Iterator[None]:
    """umap, numba and hdbscan warn about their own dependencies and about settings we chose on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
