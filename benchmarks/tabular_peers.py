"""Peers of our boosted trees, in an environment of their own (`make peers-tabular`): XGBoost, CatBoost, ...

AutoGluon has one more (`make peers-automl`).

Run by tabular_cardio.py: python benchmarks/tabular_peers.py NAME DATA.npz SCORES.npy. The data hold the rows
x [n, column], outcomes y [n], fold [n], stop [fold, n] (rows of a training part that tell when to stop, the
same that ours sets aside), `categories` [column] (how many an unordered or ordered category has, 0: a number)
and a seed. Out come log-odds [n], each from the fold that held the row out.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MAX_TREES, PATIENCE, RATE = 2000, 50, 0.05
EBM_BAGS = 8
AUTOML_SECONDS = 240  # a fold


@dataclass(frozen=True, eq=False)
class Part:
    """One fold: rows to learn from, rows that tell when to stop, rows to score."""

    x: Array
    y: Array
    stop_x: Array
    stop_y: Array
    test: Array
    categories: Array
    seed: int

    @property
    def both(self) -> tuple[Array, Array]:
        """For a model that need not be told when to stop."""
        return np.concatenate([self.x, self.stop_x]), np.concatenate([self.y, self.stop_y])


def xgboost(part: Part) -> Array:
    from xgboost import XGBClassifier

    model = XGBClassifier(
        n_estimators=MAX_TREES,
        learning_rate=RATE,
        max_depth=4,
        min_child_weight=30,
        subsample=0.7,
        colsample_bytree=0.6,
        reg_lambda=5.0,
        tree_method="hist",
        early_stopping_rounds=PATIENCE,
        n_jobs=1,
        random_state=part.seed,
    )
    model.fit(part.x, part.y, eval_set=[(part.stop_x, part.stop_y)], verbose=False)
    return np.asarray(model.predict(part.test, output_margin=True))


def catboost(part: Part) -> Array:
    from catboost import CatBoostClassifier

    model = CatBoostClassifier(
        iterations=MAX_TREES,
        learning_rate=RATE,
        depth=6,
        l2_leaf_reg=5.0,
        od_type="Iter",
        od_wait=PATIENCE,
        thread_count=1,
        random_seed=part.seed,
        allow_writing_files=False,
        verbose=False,
    )
    model.fit(part.x, part.y, eval_set=(part.stop_x, part.stop_y))
    return np.asarray(model.predict(part.test, prediction_type="RawFormulaVal"))


def histogram(part: Part) -> Array:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(
        max_iter=MAX_TREES,
        learning_rate=RATE,
        max_leaf_nodes=15,
        min_samples_leaf=130,
        l2_regularization=5.0,
        early_stopping=True,
        n_iter_no_change=PATIENCE,
        random_state=part.seed,
    )
    model.fit(part.x, part.y, X_val=part.stop_x, y_val=part.stop_y)
    return np.asarray(model.decision_function(part.test))


def logistic(part: Part) -> Array:
    """Every column standardised, gaps at the median with a column that says so."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(_imputer(), StandardScaler(), LogisticRegression(max_iter=1000))
    return np.asarray(model.fit(*part.both).decision_function(part.test))


def splines(part: Part) -> Array:
    """Cubic splines with 6 knots for numbers, a column for every category."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

    numbers, named = np.flatnonzero(part.categories == 0), np.flatnonzero(part.categories > 0)
    features = make_column_transformer(
        (make_pipeline(_imputer(), SplineTransformer(6, knots="quantile"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), named),
    )
    model = make_pipeline(features, LogisticRegression(C=1.0, max_iter=2000))
    return np.asarray(model.fit(*part.both).decision_function(part.test))


def ebm(part: Part) -> Array:
    from interpret.glassbox import ExplainableBoostingClassifier

    model = ExplainableBoostingClassifier(outer_bags=EBM_BAGS, n_jobs=1, random_state=part.seed)
    chance = model.fit(*part.both).predict_proba(part.test)[:, 1]
    return np.asarray(np.log(chance) - np.log1p(-chance))


def autogluon(part: Part) -> Array:
    """Everything AutoGluon has in its environment, bagged and stacked, for AUTOML_SECONDS on two cores."""
    import tempfile

    import pandas
    from autogluon.tabular import TabularPredictor

    x, y = part.both
    names = [str(k) for k in range(x.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        model = TabularPredictor("y", problem_type="binary", eval_metric="roc_auc", path=folder, verbosity=0)
        model.fit(
            pandas.DataFrame(x, columns=names).assign(y=y.astype(int)),
            presets="best_quality",
            time_limit=AUTOML_SECONDS,
            dynamic_stacking=False,
            num_cpus=2,
        )
        test = pandas.DataFrame(part.test, columns=names)
        chance = np.clip(model.predict_proba(test)[1].to_numpy(np.float64), 1e-9, 1.0 - 1e-9)
        print(model.leaderboard()[["model", "score_val"]].head(5), file=sys.stderr)
    return np.asarray(np.log(chance) - np.log1p(-chance))


def _imputer() -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(strategy="median", add_indicator=True)


MODELS: Mapping[str, Callable[[Part], Array]] = {
    "xgboost": xgboost,
    "catboost": catboost,
    "histogram": histogram,
    "logistic": logistic,
    "splines": splines,
    "ebm": ebm,
    "autogluon": autogluon,
}


def main() -> None:
    name, source, target = sys.argv[1:]
    data = np.load(source, allow_pickle=False)
    x, y, fold = data["x"], data["y"], data["fold"]
    logits = np.full(len(y), np.nan)
    for k, number in enumerate(np.unique(fold)):
        stop, held = data["stop"][k], fold == number
        grown = ~held & ~stop
        part = Part(
            x[grown], y[grown], x[stop], y[stop], x[held], data["categories"], int(data["seed"]) + int(number)
        )
        logits[held] = MODELS[name](part)
        print(f"  {name}: fold {k + 1} of {len(data['stop'])}", file=sys.stderr, flush=True)
    np.save(target, logits, allow_pickle=False)


if __name__ == "__main__":
    main()
