"""From clusters to a model that places new patients.

UMAP cannot place a new patient without its training set. A linear discriminant in the space of the principal
components can, and holds no patient; how well it agrees with the clusters is measured, not assumed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import wilson_interval
from cardiofusion.phenotypes.agreement import Labels
from cardiofusion.phenotypes.discriminant import (
    QUANTILE_LEVELS,
    fit_discriminant,
    log_posterior,
    mahalanobis,
)
from cardiofusion.phenotypes.model import PhenotypeModel
from cardiofusion.phenotypes.projection import Float, fit_projection
from cardiofusion.phenotypes.storage import MAX_PHENOTYPES
from cardiofusion.records import DatasetError, Figure

FOLDS = 5
MIN_MEMBERS = 10


def fit_assignment(
    embedding: NDArray[np.floating],
    labels: Labels,
    stability: Float,
    seed: int,
    data: str = "training patients, 5 folds",
) -> PhenotypeModel:
    """A model that places new patients in the phenotypes `labels` [n] (-1: none) of an embedding [n, d].

    stability: mean Jaccard over bootstraps [phenotype]; with `labels`, usually `Discovery.stability` and
    `Discovery.phenotypes`. The distances that tell what is typical are held-out, in FOLDS folds: a member's
    distance to a centre that it helped to place is too short. data: what the agreement was measured on.
    No phenotype at all is fine: the model then answers None. Raises DatasetError for labels that do not fit.
    """
    sizes = _checked_sizes(embedding, labels, stability)
    projection = fit_projection(embedding)
    points = projection.apply(embedding)
    centres, precision = fit_discriminant(points, labels)
    distance, placed = _held_out(embedding, labels, np.random.default_rng(seed))
    quantiles = [np.quantile(distance[labels == cluster], QUANTILE_LEVELS) for cluster in range(len(sizes))]
    return PhenotypeModel(
        projection=projection,
        centres=centres,
        precision=precision,
        quantiles=np.array(quantiles).reshape(len(sizes), len(QUANTILE_LEVELS)),
        sizes=sizes,
        stability=np.asarray(stability, dtype=np.float64),
        names=tuple(f"Phenotype {cluster + 1}" for cluster in range(len(sizes))),
        agreement=_agreement(labels, placed, data),
    )


def _held_out(
    embedding: NDArray[np.floating], labels: Labels, rng: np.random.Generator
) -> tuple[Float, Labels]:
    """Each member's distance to its own phenotype, and the phenotype it is put in, by a fit without it."""
    distance, placed = np.full(len(labels), np.nan), np.full(len(labels), -1, dtype=np.int64)
    if (labels < 0).all():
        return distance, placed
    fold = _stratified(labels, rng)
    for held in range(FOLDS):
        train, test = fold != held, np.flatnonzero((fold == held) & (labels >= 0))
        projection = fit_projection(embedding[train])
        centres, precision = fit_discriminant(projection.apply(embedding[train]), labels[train])
        sizes = np.bincount(labels[train & (labels >= 0)], minlength=len(centres))
        away = mahalanobis(projection.apply(embedding[test]), centres, precision)
        distance[test] = away[np.arange(len(test)), labels[test]]
        placed[test] = log_posterior(away, sizes).argmax(axis=1)
    return distance, placed


def _stratified(labels: Labels, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for every row, each label spread evenly."""
    fold = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        fold[members] = np.arange(len(members)) % FOLDS
    return fold


def _agreement(labels: Labels, placed: Labels, data: str) -> Figure:
    members = labels >= 0
    count = int(members.sum())
    if not count:
        return Figure(float("nan"), float("nan"), float("nan"), 0, data)
    share = float((labels == placed)[members].mean())
    return Figure(share, *wilson_interval(share, count), count, data)


def _checked_sizes(embedding: NDArray[np.floating], labels: Labels, stability: Float) -> NDArray[np.int64]:
    clusters = int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels[labels >= 0], minlength=clusters).astype(np.int64)
    problem = None
    if embedding.ndim != 2 or len(embedding) != len(labels) or len(embedding) < 2:
        problem = f"an embedding {embedding.shape} with {len(labels)} labels"
    elif len(stability) != clusters:
        problem = f"{len(stability)} stabilities for {clusters} phenotypes"
    elif clusters > MAX_PHENOTYPES:
        problem = f"{clusters} phenotypes; at most {MAX_PHENOTYPES} can be carried"
    elif clusters and sizes.min() < MIN_MEMBERS:
        problem = f"a phenotype has {sizes.min()} members; {MIN_MEMBERS} are needed to say what is typical"
    if problem:
        raise DatasetError("phenotypes.labels", problem, "give the labels and stability of one discovery")
    return sizes
