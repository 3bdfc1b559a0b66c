"""Growing one booster: LightGBM with gradient-based one-side sampling (Ke et al., NeurIPS 2017).

How many trees: below 5,000 rows by 5-fold cross-validation, then all rows grow the model; above, 10 % of the
patients tell when to stop. 300 rows of cardio70k (mean of 4 draws): number by cross-validation .778, by rows
set aside .760, logistic regression .776. All else: see recipe.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import ClinicalSchema, ClinicalTable, DatasetError, patient_folds
from cardiofusion.tabular.booster import Booster, BoosterModel, text_names
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.recipe import Recipe

if TYPE_CHECKING:
    import lightgbm

PATIENCE = 50
SMALL_TABLE = 5000
INNER_FOLDS = 5
KEPT_TO_STOP = 0.10
MIN_OF_EACH = 2
RULE = Recipe()

Values = NDArray[np.float64]
Parts = list[tuple[NDArray[np.intp], NDArray[np.intp]]]
Outcome = NDArray[np.float32] | NDArray[np.float64]


def train_booster(
    values: Values,
    y: Outcome,
    schema: ClinicalSchema,
    seed: int,
    valid: tuple[Values, Outcome] | None = None,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
    recipe: Recipe = RULE,
) -> Booster:
    """Boosted trees for one target: encoded rows [n, column] and outcomes [n] (NaN: row left out).

    valid: rows that tell when to stop. Without them, a small table finds its number of trees by
    cross-validation and a large one sets some rows aside; whole `groups` (patients) at a time.
    recipe: what departs from the rule. The same seed and threads give the same model. Raises DatasetError
    where the rows do not have both outcomes, ClinicalError for a recipe of other columns.
    """
    patients = np.arange(len(y)).astype(np.str_) if groups is None else groups
    known = ~np.isnan(y)
    values, y, patients = values[known], y[known], patients[known]
    require_both(y)
    if valid is None and len(y) >= SMALL_TABLE:
        kept = dealt_folds(patients, y, (1.0 - KEPT_TO_STOP, KEPT_TO_STOP), seed) == 1
        valid = values[kept], y[kept]
        values, y = values[~kept], y[~kept]
    policy = MissingPolicy.fit(ClinicalTable(schema, values))
    parameters = recipe.lightgbm_parameters(schema, len(y), seed, threads)
    training = dataset(policy.fill_rows(values), y, schema, parameters)
    if valid is None:
        fold = dealt_folds(patients, y, [1.0] * INNER_FOLDS, seed)
        n_trees, _, _ = cross_grown(training, parameters, parts_of(fold), recipe.max_trees)
        text = grown(training, parameters, n_trees)
    else:
        valid = _known(*valid)
        text = grown(training, parameters, recipe.max_trees, (policy.fill_rows(valid[0]), valid[1]))
    n_validation = 0 if valid is None else len(valid[1])
    return Booster(BoosterModel(text, schema.names), policy, len(y), n_validation)


def _known(values: Values, y: Outcome) -> tuple[Values, Outcome]:
    return values[~np.isnan(y)], y[~np.isnan(y)]


def dataset(
    values: Values, y: Outcome, schema: ClinicalSchema, parameters: dict[str, Any]
) -> lightgbm.Dataset:
    """Rows [row, column] and outcomes [row] as LightGBM holds them, binned by `parameters`."""
    import lightgbm

    return lightgbm.Dataset(
        values,
        y,
        feature_name=text_names(schema.names),
        categorical_feature=_unordered(schema),
        params=parameters,
        free_raw_data=False,
    )


def grown(
    training: lightgbm.Dataset,
    parameters: dict[str, Any],
    n_trees: int,
    valid: tuple[Values, Outcome] | None = None,
) -> str:
    """The text of a model of `n_trees` trees, or of fewer where `valid` says so."""
    import lightgbm

    booster = lightgbm.train(
        parameters,
        training,
        n_trees,
        valid_sets=[] if valid is None else [training.create_valid(*valid)],
        callbacks=[] if valid is None else [lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    return str(booster.model_to_string(num_iteration=booster.best_iteration))


def parts_of(fold: NDArray[np.int64]) -> Parts:
    """(rows to learn from, rows held out) of every fold."""
    return [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]


def cross_grown(
    training: lightgbm.Dataset, parameters: dict[str, Any], parts: Parts, max_trees: int
) -> tuple[int, float, list[lightgbm.Booster]]:
    """The best number of trees over the parts, its mean log-loss, and each part's booster."""
    import lightgbm

    history = lightgbm.cv(
        parameters,
        training,
        max_trees,
        folds=parts,
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        return_cvbooster=True,
    )
    losses = history["valid binary_logloss-mean"]
    return int(np.argmin(losses)) + 1, float(np.min(losses)), history["cvbooster"].boosters


def _unordered(schema: ClinicalSchema) -> list[int]:
    """Positions of the categories whose order means nothing (with two, order is no matter)."""
    return [
        position
        for position, column in enumerate(schema)
        if column.kind == "category" and not column.ordered and len(column.categories) > 2
    ]


def dealt_folds(
    patients: NDArray[np.str_], y: Outcome, shares: Sequence[float], seed: int
) -> NDArray[np.int64]:
    """Folds of whole patients with both outcomes spread evenly."""
    return patient_folds(patients, shares, np.random.default_rng(seed), y[:, None].astype(np.float32))


def require_both(y: Outcome) -> None:
    present = int((y > 0.5).sum())
    if min(present, len(y) - present) < MIN_OF_EACH:
        raise DatasetError(
            "dataset.one_outcome",
            f"of {len(y)} rows to learn from, {present} have the outcome",
            f"boosted trees need {MIN_OF_EACH} with it and {MIN_OF_EACH} without; or leave this label out",
        )
