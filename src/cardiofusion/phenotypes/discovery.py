"""Find phenotypes, and ask whether they exist.

The clusters are found in ten dimensions; the two-dimensional UMAP is a picture and is never clustered. UMAP
draws clumps into pure noise, so the same pipeline also runs on

- bootstraps of the patients (Hennig 2007; a patient drawn twice counts once, as in fpc's clusterboot, because
  duplicates are dense and density is what is clustered here), and
- null data sets: one Gaussian cloud with the covariance of the data, so without any cluster.

A cluster survives only if it comes back in the bootstraps, more so than the nulls' clusters do, and if the
whole grouping comes back more faithfully than the nulls' groupings. That none survives is a result too.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import percentile_interval
from cardiofusion.phenotypes.agreement import STABLE_JACCARD, Labels, adjusted_rand_index, best_jaccard
from cardiofusion.phenotypes.pipeline import Pipeline, require_libraries
from cardiofusion.phenotypes.projection import Float, fit_projection
from cardiofusion.records import DatasetError

NULLS = 19  # so that beating every one of them is p = 0.05
SIGNIFICANCE = 0.05
NULL_JACCARD_QUANTILE = 0.95
BOOTSTRAP_CAP = 2_000  # rows in one bootstrap or null data set
MIN_PATIENTS = 60
MIN_CLUSTER_SIZE = 20
MIN_CLUSTER_SHARE = 0.03

Progress = Callable[[int, int], None]
Tick = Callable[[], None]


@dataclass(frozen=True, eq=False)
class Discovery:
    """Clusters and the evidence for them. Cluster 0 is the largest.

    labels: [n], -1 noise. map: float64 [n, 2], for the eye only. jaccard: mean over bootstraps [cluster].
    ari: adjusted Rand index [bootstrap] against `labels` on the patients drawn. validity: relative
    density-based validity (Moulavi 2014). null_clusters, null_validity, null_ari: [null]. null_jaccard: of
    every cluster found in any null data set. survives: [cluster].
    """

    labels: Labels
    map: Float
    jaccard: Float
    ari: Float
    validity: float
    null_clusters: NDArray[np.int64]
    null_validity: Float
    null_ari: Float
    null_jaccard: Float
    survives: NDArray[np.bool_]

    @property
    def p_value(self) -> float:
        """How often a cloud without clusters groups itself as reproducibly: a Monte-Carlo test of the ARI."""
        return _p_value(self.ari, self.null_ari)

    @property
    def phenotypes(self) -> Labels:
        """`labels` with only the surviving clusters, numbered anew from 0; everyone else is -1."""
        renumbered = np.append(np.where(self.survives, np.cumsum(self.survives) - 1, -1), -1)
        phenotypes: Labels = renumbered[self.labels].astype(np.int64)
        return phenotypes

    @property
    def stability(self) -> Float:
        """Mean Jaccard of the surviving clusters, in the order of `phenotypes`."""
        return self.jaccard[self.survives]

    @property
    def words(self) -> str:
        """The verdict in one sentence."""
        found, kept = len(self.jaccard), int(self.survives.sum())
        verdict = f"{kept} of {found} clusters survived" if kept else "No phenotype survived"
        return (
            f"{verdict}: {found} found, adjusted Rand index {self.ari.mean():.2f} over {len(self.ari)} "
            f"bootstraps (p = {self.p_value:.2f}); data without any cluster gave "
            f"{np.median(self.null_clusters):g} clusters (median), index {self.null_ari.mean():.2f}."
        )

    def to_json(self) -> dict[str, Any]:
        """The evidence, without labels or map: no patient."""
        low, high = percentile_interval(self.ari)
        sizes = np.bincount(self.labels[self.labels >= 0], minlength=len(self.jaccard))
        return {
            "words": self.words,
            "patients": len(self.labels),
            "noise_share": float((self.labels < 0).mean()),
            "sizes": sizes.tolist(),
            "jaccard": self.jaccard.tolist(),
            "survives": self.survives.tolist(),
            "ari": {"mean": float(self.ari.mean()), "low": low, "high": high, "bootstraps": len(self.ari)},
            "p_value": self.p_value,
            "validity": self.validity,
            "null": {
                "clusters": self.null_clusters.tolist(),
                "validity": self.null_validity.tolist(),
                "ari": self.null_ari.tolist(),
                "jaccard": self.null_jaccard.tolist(),
            },
        }


def discover(
    embedding: NDArray[np.float32],
    seed: int,
    bootstraps: int = 20,
    neighbours: int = 30,
    min_cluster_size: int | None = None,
    dimensions: int = 10,
    patient_ids: NDArray[np.str_] | None = None,
    on_progress: Progress | None = None,
) -> Discovery:
    """Cluster an embedding [n, d] and gather the evidence. The same seed gives the same answer.

    neighbours: of UMAP's graph. min_cluster_size: rows a cluster needs among the n, proportionally fewer in
    a smaller sample; by default the larger of MIN_CLUSTER_SIZE and MIN_CLUSTER_SHARE of them. dimensions: of
    the space that is clustered. patient_ids: [n]; a bootstrap draws all rows of a patient or none.
    on_progress(done, total): called after every step.
    Raises ExtraMissingError without umap-learn and hdbscan, DatasetError for an embedding that is too small
    or flat, InputError for numbers that are not finite.
    """
    require_libraries()
    points = _points(embedding, bootstraps, patient_ids)
    rows = len(points)
    share = (min_cluster_size or max(MIN_CLUSTER_SIZE, MIN_CLUSTER_SHARE * rows)) / rows
    pipeline = Pipeline(neighbours, dimensions, share, np.random.default_rng(seed))
    groups = np.arange(rows) if patient_ids is None else np.unique(patient_ids, return_inverse=True)[1]
    tick = _ticker(1 + bootstraps + NULLS, on_progress)

    labels, validity = pipeline.cluster(points)
    picture = pipeline.embed(points, 2)
    tick()
    jaccard, ari = _resample(pipeline, points, labels, groups, bootstraps, tick)
    nulls = [_null(pipeline, points, tick) for _ in range(NULLS)]
    null_ari = np.array([null.ari for null in nulls])
    null_jaccard = np.concatenate([null.jaccard for null in nulls])
    return Discovery(
        labels=labels,
        map=picture,
        jaccard=jaccard,
        ari=ari,
        validity=validity,
        null_clusters=np.array([len(null.jaccard) for null in nulls], dtype=np.int64),
        null_validity=np.array([null.validity for null in nulls]),
        null_ari=null_ari,
        null_jaccard=null_jaccard,
        survives=_survives(jaccard, null_jaccard, _p_value(ari, null_ari)),
    )


class _Null(NamedTuple):
    validity: float
    ari: float
    jaccard: Float


def _null(pipeline: Pipeline, points: Float, tick: Tick) -> _Null:
    """What the pipeline finds in one Gaussian cloud of the same covariance, and again in a bootstrap of it.

    The columns of `points` are principal components, so uncorrelated: independent normals will do.
    """
    rows = min(len(points), BOOTSTRAP_CAP)
    cloud = pipeline.rng.normal(size=(rows, points.shape[1])) * points.std(axis=0)
    labels, validity = pipeline.cluster(cloud)
    jaccard, ari = _resample(pipeline, cloud, labels, np.arange(rows), 1, tick)
    return _Null(validity, float(ari[0]), jaccard)


def _resample(
    pipeline: Pipeline, points: Float, labels: Labels, groups: NDArray[np.intp], bootstraps: int, tick: Tick
) -> tuple[Float, Float]:
    """Mean Jaccard of every cluster, and the adjusted Rand index of every bootstrap."""
    clusters = int(labels.max()) + 1
    jaccard, ari = np.empty((bootstraps, clusters)), np.empty(bootstraps)
    for repeat in range(bootstraps):
        drawn = _draw(groups, pipeline.rng)
        again, _ = pipeline.cluster(points[drawn])
        jaccard[repeat] = best_jaccard(labels[drawn], again, clusters)
        # Noise found twice is no agreement about groups.
        ari[repeat] = adjusted_rand_index(labels[drawn], again) if clusters else 0.0
        tick()
    with warnings.catch_warnings():  # a cluster that no bootstrap drew has no mean: it has not come back
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.nan_to_num(np.nanmean(jaccard, axis=0)), ari


def _draw(groups: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Rows of the patients that a bootstrap draws, each once, at most BOOTSTRAP_CAP of them."""
    patients = int(groups.max()) + 1
    drawn = np.zeros(patients, dtype=bool)
    drawn[rng.integers(0, patients, patients)] = True
    rows = np.flatnonzero(drawn[groups])
    return rows if len(rows) <= BOOTSTRAP_CAP else np.sort(rng.choice(rows, BOOTSTRAP_CAP, replace=False))


def _survives(jaccard: Float, null_jaccard: Float, p_value: float) -> NDArray[np.bool_]:
    chance = float(np.quantile(null_jaccard, NULL_JACCARD_QUANTILE)) if len(null_jaccard) else 0.0
    return (jaccard >= max(STABLE_JACCARD, chance)) & (p_value <= SIGNIFICANCE)


def _p_value(ari: Float, null_ari: Float) -> float:
    return float((1 + (null_ari >= ari.mean()).sum()) / (1 + len(null_ari)))


def _points(embedding: NDArray[np.float32], bootstraps: int, patient_ids: NDArray[np.str_] | None) -> Float:
    """The projected embedding; DatasetError where it, or what was asked of it, will not do."""
    problem, points = None, np.empty((0, 2))
    if embedding.ndim != 2 or embedding.shape[1] < 2:
        problem = f"the embedding is {embedding.shape}, not [patient, feature] with two features or more"
    elif len(embedding) < MIN_PATIENTS:
        problem = f"{len(embedding)} patients are too few to look for phenotypes"
    elif patient_ids is not None and len(patient_ids) != len(embedding):
        problem = f"{len(patient_ids)} patient ids for {len(embedding)} rows"
    elif bootstraps < 1:
        problem = f"{bootstraps} bootstraps cannot show stability"
    else:
        points = fit_projection(embedding).apply(embedding)
    if problem is None and points.shape[1] < 2:
        problem = "the embedding does not vary in two directions"
    if problem:
        raise DatasetError("phenotypes.embedding", problem, f"give {MIN_PATIENTS} patients or more")
    return points


def _ticker(total: int, on_progress: Progress | None) -> Tick:
    done = iter(range(1, total + 1))

    def tick() -> None:
        if on_progress is not None:
            on_progress(next(done), total)

    return tick
