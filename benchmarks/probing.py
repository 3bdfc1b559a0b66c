"""The linear probe: how much a straight line can read off frozen features. One protocol for every encoder.

Logistic regression with an L2 penalty on standardised features, folds by patient, the penalty chosen inside
each training part by its own folds by patient; out-of-fold scores are pooled; intervals are bootstraps over
patients, the same draws for every encoder, so that differences are paired.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from cardiofusion.metrics import percentile_interval, roc_auc
from cardiofusion.records import patient_folds

STRENGTHS = tuple(float(c) for c in np.logspace(-5, 0, 11))
OUTER, INNER = 5, 4
REPEATS = 1000
SEED = 7

BOOSTER = {
    "objective": "binary",
    "learning_rate": 0.03,
    "num_leaves": 7,
    "min_data_in_leaf": 8,
    "feature_fraction": 0.3,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "seed": SEED,
    "num_threads": 1,
    "deterministic": True,
    "verbosity": -1,
}
ROUNDS = 200

Float = NDArray[np.float64]
Reader = Callable[[NDArray[np.float32], "Labels", NDArray[np.intp], NDArray[np.intp]], Float]


@dataclass(frozen=True, eq=False)
class Labels:
    """y [n, label] 0 or 1 with their names, the patient of every row, and the folds all encoders share."""

    names: tuple[str, ...]
    y: NDArray[np.float32]
    patients: NDArray[np.str_]
    fold: NDArray[np.int64]

    @classmethod
    def dealt(cls, names: tuple[str, ...], y: NDArray[np.float32], patients: NDArray[np.str_]) -> Labels:
        rng = np.random.default_rng(SEED)
        return cls(names, y, patients, patient_folds(patients, [1.0] * OUTER, rng, y))

    def take(self, rows: NDArray[np.intp]) -> Labels:
        return Labels.dealt(self.names, self.y[rows], self.patients[rows])


def out_of_fold(
    features: NDArray[np.float32], labels: Labels, share: float = 1.0, reader: Reader | None = None
) -> Float:
    """Scores [n, label] of readers (linear probes, by default) that did not see the row's patient.

    share: of the training patients whose labels may be used, the rest having none; the test rows stay.
    """
    reader = reader or linear
    scores = np.full(labels.y.shape, np.nan)
    for fold in np.unique(labels.fold):
        train, test = np.flatnonzero(labels.fold != fold), np.flatnonzero(labels.fold == fold)
        if share < 1.0:
            rng = np.random.default_rng([SEED, 1, int(fold)])
            kept = patient_folds(labels.patients[train], [share, 1 - share], rng, labels.y[train]) == 0
            train = train[kept]
        scores[test] = reader(features, labels, train, test)
    return scores


def boosted(
    features: NDArray[np.float32], labels: Labels, train: NDArray[np.intp], test: NDArray[np.intp]
) -> Float:
    """LightGBM a label, for features that a line cannot read; rounds fixed, nothing to choose."""
    found = np.zeros((len(test), labels.y.shape[1]))
    for c in range(labels.y.shape[1]):
        y = labels.y[train, c]
        if y.min() == y.max():
            continue
        data = lightgbm.Dataset(features[train].astype(np.float64), y)
        found[:, c] = lightgbm.train(BOOSTER, data, ROUNDS).predict(features[test], raw_score=True)
    return found


def linear(
    features: NDArray[np.float32], labels: Labels, train: NDArray[np.intp], test: NDArray[np.intp]
) -> Float:
    """The linear probe's scores [test row, label]."""
    inner = patient_folds(
        labels.patients[train], [1.0] * INNER, np.random.default_rng([SEED, 2]), labels.y[train]
    )
    path = np.full((len(STRENGTHS), len(train), labels.y.shape[1]), np.nan)
    for k in range(INNER):
        rest, held = np.flatnonzero(inner != k), np.flatnonzero(inner == k)
        path[:, held] = _path(features[train[rest]], labels.y[train[rest]], features[train[held]], STRENGTHS)
    found = np.empty((len(test), labels.y.shape[1]))
    best = [_best(path[:, :, c], labels.y[train, c]) for c in range(labels.y.shape[1])]
    final = _path(features[train], labels.y[train], features[test], STRENGTHS)
    for c, strength in enumerate(best):
        found[:, c] = final[strength, :, c]
    return found


def held_out(
    features: NDArray[np.float32],
    labels: Labels,
    train: NDArray[np.intp],
    choose: NDArray[np.intp],
    test: NDArray[np.intp],
) -> Float:
    """Scores [test row, label] of the linear probe on `train`, each label's strength the best on `choose`."""
    path = _path(features[train], labels.y[train], features[np.append(choose, test)], STRENGTHS)
    chosen, tested = np.split(path, [len(choose)], axis=1)
    best = [_best(chosen[:, :, c], labels.y[choose, c]) for c in range(labels.y.shape[1])]
    return np.stack([tested[k, :, c] for c, k in enumerate(best)], axis=1)


def _best(path: Float, y: NDArray[np.float32]) -> int:
    if y.min() == y.max():
        return 0
    return int(np.argmax([roc_auc(y.astype(np.float64), scores) for scores in path]))


def _path(
    train: NDArray[np.float32],
    y: NDArray[np.float32],
    test: NDArray[np.float32],
    strengths: tuple[float, ...],
) -> Float:
    """Scores [strength, test, label]. The penalty does not see a rotation: n rows span n directions."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    keep = scale > 1e-6
    a = ((train - mean)[:, keep] / scale[keep]).astype(np.float64)
    b = ((test - mean)[:, keep] / scale[keep]).astype(np.float64)
    _, _, directions = np.linalg.svd(a, full_matrices=False)
    a, b = a @ directions.T, b @ directions.T
    scores = np.zeros((len(strengths), len(b), y.shape[1]))
    for c in range(y.shape[1]):
        if y[:, c].min() == y[:, c].max():
            continue
        model = LogisticRegression(max_iter=200, tol=1e-3, warm_start=True)
        for k, strength in enumerate(strengths):
            model.C = strength
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(a, y[:, c])
            scores[k, :, c] = model.decision_function(b)
    return scores


def regression_out_of_fold(features: NDArray[np.float32], y: Float, labels: Labels) -> Float:
    """Ridge predictions [n] of a number, strength chosen inside as for `out_of_fold`."""
    found = np.full(len(y), np.nan)
    for fold in np.unique(labels.fold):
        train, test = np.flatnonzero(labels.fold != fold), np.flatnonzero(labels.fold == fold)
        inner = patient_folds(labels.patients[train], [1.0] * INNER, np.random.default_rng([SEED, 2]))
        errors = []
        for alpha in (1e1, 1e2, 1e3, 1e4, 1e5):
            held = np.empty(len(train))
            for k in range(INNER):
                rest = train[inner != k]
                held[inner == k] = _ridge(features[rest], y[rest], features[train[inner == k]], alpha)
            errors.append((float(np.abs(held - y[train]).mean()), alpha))
        found[test] = _ridge(features[train], y[train], features[test], min(errors)[1])
    return found


def _ridge(train: NDArray[np.float32], y: Float, test: NDArray[np.float32], alpha: float) -> Float:
    mean, scale = train.mean(axis=0), train.std(axis=0) + 1e-6
    model = Ridge(alpha=alpha, solver="cholesky").fit((train - mean) / scale, y)
    predicted: Float = np.asarray(model.predict((test - mean) / scale), np.float64)
    return predicted


@dataclass(frozen=True, eq=False)
class Scored:
    """Macro AUC of one encoder with its replicates under the shared draws of patients."""

    value: float
    drawn: Float
    by_label: tuple[float, ...]

    def words(self) -> str:
        low, high = percentile_interval(self.drawn)
        return f"{self.value:.3f} [{low:.3f}-{high:.3f}]"

    def minus(self, other: Scored) -> str:
        low, high = percentile_interval(self.drawn - other.drawn)
        return f"{self.value - other.value:+.3f} [{low:+.3f} to {high:+.3f}]"


def score(labels: Labels, scores: Mapping[str, Float]) -> dict[str, Scored]:
    """Encoder -> its macro AUC; every encoder under the same draws of patients."""
    rng = np.random.default_rng([SEED, 3])
    patients, inverse = np.unique(labels.patients, return_inverse=True)
    draws = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), size=REPEATS)
    weights = draws[:, inverse].astype(np.float64)
    y = labels.y.astype(np.float64)
    found = {}
    for name, values in scores.items():
        by_label = tuple(roc_auc(y[:, c], values[:, c]) for c in range(y.shape[1]))
        drawn = np.array(
            [
                np.nanmean([roc_auc(y[:, c], values[:, c], weight=w) for c in range(y.shape[1])])
                for w in weights
            ]
        )
        found[name] = Scored(float(np.nanmean(by_label)), drawn, by_label)
    return found
