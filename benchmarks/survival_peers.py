"""Peers of our survival model, by scikit-survival, in an environment of their own (`make peers-tabular`).

Run by tabular_survival.py: python benchmarks/survival_peers.py NAME DATA.npz CURVES.npy. The data hold rows
x [n, column], time and event [n] (cut at the horizon), fold [n], times [k], `categories` [column] (0: a
number; above: how many) and `ordered` [column]. Out come survival curves [n, k], each from the fold that held
the row out. Strengths and numbers of trees are chosen inside the training part, by Harrell's C.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedKFold
from sksurv.ensemble import GradientBoostingSurvivalAnalysis, RandomSurvivalForest
from sksurv.linear_model import CoxnetSurvivalAnalysis, CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored

Array = np.ndarray[Any, Any]
RIDGE = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
SKEWED = 1.5
LEAF, BIG = 15, 5000  # rows a leaf of the forest
INNER, SEED = 3, 7


class Encoder:
    """Gaps at the median with a flag, unordered categories apart, skewed numbers as logarithms, scale 1."""

    def __init__(self, x: Array, categories: Array, ordered: Array) -> None:
        self.apart = (categories > 2) & ~ordered
        self.categories = categories
        self.median = np.nan_to_num(np.nanmedian(x, axis=0))
        self.gaps = (np.isnan(x).mean(axis=0) > 0.03) & (np.isnan(x).mean(axis=0) < 0.97)
        filled = np.where(np.isnan(x), self.median, x)
        spread = filled.std(axis=0) + 1e-12
        skew = (((filled - filled.mean(axis=0)) / spread) ** 3).mean(axis=0)
        self.log = (categories == 0) & (filled.min(axis=0) >= 0) & (skew > SKEWED)
        raw = self._raw(x)
        self.mean, self.scale = raw.mean(axis=0), raw.std(axis=0)
        self.scale[self.scale < 0.05] = np.inf  # hardly anybody differs

    def _raw(self, x: Array) -> Array:
        filled = np.where(np.isnan(x), self.median, x)
        filled[:, self.log] = np.log1p(np.maximum(filled[:, self.log], 0.0))
        named = [filled[:, [k]] == np.arange(1, self.categories[k])[None] for k in np.flatnonzero(self.apart)]
        return np.hstack([filled[:, ~self.apart], *named, np.isnan(x[:, self.gaps])]).astype(np.float64)

    def __call__(self, x: Array) -> Array:
        return (self._raw(x) - self.mean) / self.scale


def ridge(x: Array, y: Array) -> Any:
    """Cox with a ridge."""
    best = max(RIDGE, key=lambda alpha: _inner(lambda: CoxPHSurvivalAnalysis(alpha=alpha), x, y))
    return CoxPHSurvivalAnalysis(alpha=best).fit(x, y)


def coxnet(x: Array, y: Array) -> Any:
    """Cox with an elastic net, nine tenths of it a lasso."""
    path = CoxnetSurvivalAnalysis(l1_ratio=0.9, alpha_min_ratio=0.02, n_alphas=30).fit(x, y).alphas_
    grid = path[4::3]
    best = max(grid, key=lambda a: _inner(lambda: CoxnetSurvivalAnalysis(l1_ratio=0.9, alphas=[a]), x, y))
    return CoxnetSurvivalAnalysis(l1_ratio=0.9, alphas=[best], fit_baseline_model=True).fit(x, y)


def forest(x: Array, y: Array) -> Any:
    trees, leaf = (300, LEAF) if len(x) < BIG else (100, 2 * LEAF)
    return RandomSurvivalForest(
        trees, min_samples_leaf=leaf, max_features="sqrt", n_jobs=1, random_state=SEED
    ).fit(x, y)


def boosted(x: Array, y: Array) -> Any:
    """Gradient boosted Cox: depth 2, half of the rows and the root of the columns at a time.

    A big table takes minutes, so there larger steps and one inner fold tell how many trees.
    """
    rate, most, inner = (0.05, 400, INNER) if len(x) < BIG else (0.15, 140, 1)

    def model(trees: int) -> Any:
        return GradientBoostingSurvivalAnalysis(
            n_estimators=trees,
            learning_rate=rate,
            max_depth=2,
            subsample=0.5,
            max_features="sqrt",
            random_state=SEED,
        )

    found = []
    for train, held in islice(_folds(y), inner):
        stages = model(most).fit(x[train], y[train]).staged_predict(x[held])
        found.append([_c(y[held], risk) for k, risk in enumerate(stages) if k % 20 == 19])
    return model(20 * (1 + int(np.argmax(np.mean(found, axis=0))))).fit(x, y)


def _inner(model: Callable[[], Any], x: Array, y: Array) -> float:
    """Mean C over inner folds; a model that cannot be fitted has none."""
    try:
        return float(np.mean([_c(y[b], model().fit(x[a], y[a]).predict(x[b])) for a, b in _folds(y)]))
    except (ArithmeticError, ValueError):
        return 0.0


def _folds(y: Array) -> Iterator[tuple[Array, Array]]:
    yield from StratifiedKFold(INNER, shuffle=True, random_state=SEED).split(y, y["event"])


def _c(y: Array, risk: Array) -> float:
    return float(concordance_index_censored(y["event"], y["time"], risk)[0])


MODELS: Mapping[str, Callable[[Array, Array], Any]] = {
    "ridge": ridge,
    "coxnet": coxnet,
    "forest": forest,
    "boosted": boosted,
}


def main() -> None:
    name, source, target = sys.argv[1:]
    data = np.load(source, allow_pickle=False)
    x, fold, times = data["x"], data["fold"], data["times"]
    y = np.array(
        list(zip(data["event"], data["time"], strict=True)), dtype=[("event", bool), ("time", float)]
    )
    curves = np.full((len(x), len(times)), np.nan)
    for number in np.unique(fold):
        train, held = fold != number, fold == number
        encoder = Encoder(x[train], data["categories"], data["ordered"])
        model = MODELS[name](encoder(x[train]), y[train])
        for row, curve in zip(
            np.flatnonzero(held), model.predict_survival_function(encoder(x[held])), strict=True
        ):
            last = np.clip(np.searchsorted(curve.x, times, side="right") - 1, 0, None)
            curves[row] = np.where(times < curve.x[0], 1.0, curve(curve.x[last]))
        print(f"  {name}: fold {number}", file=sys.stderr, flush=True)
    np.save(target, curves, allow_pickle=False)


if __name__ == "__main__":
    main()
