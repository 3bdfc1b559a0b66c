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
ALPHAS = (1e1, 1e2, 1e3, 1e4, 1e5)
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
OwnFeature = Mapping[str, tuple[int, float]]  # label -> the feature that says it by itself, and its sign
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

    def padded(self, n: int) -> Labels:
        """The same with n rows after them of which nothing is known."""
        y = np.concatenate([self.y, np.zeros((n, self.y.shape[1]), np.float32)])
        patients = np.concatenate([self.patients, np.full(n, "nobody")])
        return Labels(self.names, y, patients, np.concatenate([self.fold, np.full(n, -1)]))

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
    features: NDArray[np.float32],
    labels: Labels,
    train: NDArray[np.intp],
    test: NDArray[np.intp],
    own: OwnFeature | None = None,
) -> Float:
    """The linear probe's scores [test row, label]."""
    anchors = [own[name] for name in labels.names] if own else None
    inner = patient_folds(
        labels.patients[train], [1.0] * INNER, np.random.default_rng([SEED, 2]), labels.y[train]
    )
    path = np.full((len(STRENGTHS), len(train), labels.y.shape[1]), np.nan)
    for k in range(INNER):
        rest, held = np.flatnonzero(inner != k), np.flatnonzero(inner == k)
        known, asked = features[train[rest]], features[train[held]]
        path[:, held] = _path(known, labels.y[train[rest]], asked, STRENGTHS, anchors)
    found = np.empty((len(test), labels.y.shape[1]))
    best = [_best(path[:, :, c], labels.y[train, c]) for c in range(labels.y.shape[1])]
    final = _path(features[train], labels.y[train], features[test], STRENGTHS, anchors)
    for c, strength in enumerate(best):
        found[:, c] = final[strength, :, c]
    return found


def anchored(own: OwnFeature) -> Reader:
    """The linear probe beside what the encoder says of each label by itself: that one feature is penalised
    a fixed little (C = 1), so that with few labels a strong penalty on all others leaves what it says."""

    def reader(
        features: NDArray[np.float32], labels: Labels, train: NDArray[np.intp], test: NDArray[np.intp]
    ) -> Float:
        return linear(features, labels, train, test, own)

    return reader


def unlearnt(features: NDArray[np.float32], names: tuple[str, ...], own: OwnFeature) -> Float:
    """What the encoder says of each label by itself, [n, label]: no label was looked at."""
    return np.stack([sign * features[:, column] for column, sign in (own[n] for n in names)], axis=1)


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
    anchors: list[tuple[int, float]] | None = None,
) -> Float:
    """Scores [strength, test, label]. The penalty does not see a rotation: n rows span n directions."""
    mean, scale = train.mean(axis=0), train.std(axis=0)
    keep = scale > 1e-6
    a = ((train - mean)[:, keep] / scale[keep]).astype(np.float64)
    b = ((test - mean)[:, keep] / scale[keep]).astype(np.float64)
    _, _, directions = np.linalg.svd(a, full_matrices=False)
    own = [_anchor(train, test, column) for column, _ in anchors or []]
    a, b = a @ directions.T, b @ directions.T
    scores = np.zeros((len(strengths), len(b), y.shape[1]))
    for c in range(y.shape[1]):
        if y[:, c].min() == y[:, c].max():
            if own:  # nothing to learn from: what the encoder says by itself
                scores[:, :, c] = anchors[c][1] * own[c][1]
            continue
        model = LogisticRegression(max_iter=200, tol=1e-3, warm_start=True)
        for k, strength in enumerate(strengths):
            model.C = strength
            x, asked = a, b
            if own:  # so much larger that its penalty is that of C = 1
                x, asked = (np.c_[f, o * strength**-0.5] for f, o in zip((a, b), own[c], strict=True))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(x, y[:, c])
            scores[k, :, c] = model.decision_function(asked)
    return scores


def _anchor(train: NDArray[np.float32], test: NDArray[np.float32], column: int) -> tuple[Float, Float]:
    mean, scale = train[:, column].mean(), train[:, column].std() + 1e-6
    known, asked = (((f[:, column] - mean) / scale).astype(np.float64) for f in (train, test))
    return known, asked


def regression_out_of_fold(features: NDArray[np.float32], y: Float, labels: Labels) -> Float:
    """Ridge predictions [n] of a number, strength chosen inside as for `out_of_fold`."""
    found = np.full(len(y), np.nan)
    for fold in np.unique(labels.fold):
        train, test = np.flatnonzero(labels.fold != fold), np.flatnonzero(labels.fold == fold)
        alpha = _alpha(features[train], y[train], labels.patients[train])
        found[test] = _ridge(features[train], y[train], features[test], alpha)
    return found


def scores_between(
    train: NDArray[np.float32], labels: Labels, test: NDArray[np.float32], reader: Reader
) -> Float:
    """Scores [n test, label] of a reader that learnt on another population altogether."""
    both = np.concatenate([train, test])
    return reader(both, labels.padded(len(test)), np.arange(len(train)), np.arange(len(train), len(both)))


def regression_between(
    train: NDArray[np.float32], y: Float, labels: Labels, test: NDArray[np.float32]
) -> Float:
    """Ridge predictions of a number on another population; the strength is chosen where it was learnt."""
    return _ridge(train, y, test, _alpha(train, y, labels.patients))


def _alpha(features: NDArray[np.float32], y: Float, patients: NDArray[np.str_]) -> float:
    inner = patient_folds(patients, [1.0] * INNER, np.random.default_rng([SEED, 2]))
    errors = []
    for alpha in ALPHAS:
        held = np.empty(len(y))
        for k in range(INNER):
            held[inner == k] = _ridge(features[inner != k], y[inner != k], features[inner == k], alpha)
        errors.append((float(np.abs(held - y).mean()), alpha))
    return min(errors)[1]


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
