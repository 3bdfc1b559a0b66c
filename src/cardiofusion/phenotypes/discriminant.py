"""A linear discriminant: one centre a phenotype, one shrunk covariance for all of them."""

from __future__ import annotations

import numpy as np

from cardiofusion.phenotypes.agreement import Labels
from cardiofusion.phenotypes.projection import Float

UNLIKE_TYPICALITY = 0.01  # farther out than 99 % of the members
RIDGE = 1e-9  # keeps members without any spread invertible; a standardised feature has variance 1
QUANTILE_LEVELS = np.linspace(0.0, 1.0, 101)


def fit_discriminant(points: Float, labels: Labels) -> tuple[Float, Float]:
    """Centres [phenotype, p] and shared precision [p, p] of labelled points [n, p]; noise is left out."""
    clusters = int(labels.max(initial=-1)) + 1
    if not clusters:
        return np.empty((0, points.shape[1])), np.eye(points.shape[1])
    centres = np.stack([points[labels == cluster].mean(axis=0) for cluster in range(clusters)])
    members = labels >= 0
    covariance = shrunk_covariance(points[members] - centres[labels[members]])
    precision = np.asarray(np.linalg.inv(covariance + RIDGE * np.eye(len(covariance))), np.float64)
    return centres, (precision + precision.T) / 2.0


def shrunk_covariance(residuals: Float) -> Float:
    """Covariance of centred residuals [n, p], shrunk towards a sphere by the Oracle Approximating Shrinkage.

    Chen et al., IEEE Trans. Signal Processing 58 (2010), equation 23.
    """
    rows, width = residuals.shape
    covariance: Float = residuals.T @ residuals / rows
    mean_square, mean = float((covariance**2).mean()), float(np.trace(covariance)) / width
    spread = (rows + 1.0) * (mean_square - mean**2 / width)
    shrinkage = 1.0 if spread == 0 else min((mean_square + mean**2) / spread, 1.0)
    shrunk: Float = (1.0 - shrinkage) * covariance + shrinkage * mean * np.eye(width)
    return shrunk


def mahalanobis(points: Float, centres: Float, precision: Float) -> Float:
    """Distances [n, phenotype] from points [n, p] to centres [phenotype, p]."""
    difference = points[:, None, :] - centres[None, :, :]
    squared = np.einsum("nkp,pq,nkq->nk", difference, precision, difference, optimize=True)
    distances: Float = np.sqrt(np.maximum(squared, 0.0))
    return distances


def log_posterior(distance: Float, sizes: Labels) -> Float:
    """Unnormalised log probability of each phenotype [..., phenotype]: Gaussian density times its share."""
    unnormalised: Float = np.log(sizes) - distance**2 / 2.0
    return unnormalised


def typicality(distance: Float, quantiles: Float) -> Float:
    """Share of every phenotype's members that lie farther out than `distance` [n, phenotype].

    quantiles: [phenotype, level] of the members' distances at QUANTILE_LEVELS.
    """
    columns = [
        1.0 - np.interp(column, members, QUANTILE_LEVELS)
        for column, members in zip(distance.T, quantiles, strict=True)
    ]
    return np.stack(columns, axis=1)


def choose(posterior: Float, typical: Float) -> Labels:
    """The most probable phenotype that each point [n, phenotype] lies within; -1 where outside all."""
    within = typical >= UNLIKE_TYPICALITY
    best = np.where(within, posterior, -np.inf).argmax(axis=1)
    chosen: Labels = np.where(within.any(axis=1), best, -1)
    return chosen
