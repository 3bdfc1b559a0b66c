"""cardio70k: 70,000 rows, 5 folds by patient, 5 seeds; ours beside peers that see the same rows.

A seed deals the folds, draws what the trees draw and sets the same patients aside to stop ours and the peers.
AUC, Brier score and calibration error are of one seed's out-of-fold scores of all rows pooled; printed is
their mean over seeds, with an interval over draws of patients (each draw weighs all seeds alike). Scores are
never averaged over seeds: that would be an ensemble, which nobody deploys here.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets import load_dataset
from cardiofusion.records import ClinicalTable, patient_folds
from cardiofusion.tabular import Budget, CrossValidation, Recipe, cross_validate, repair
from cardiofusion.tabular.training import KEPT_TO_STOP, RULE, dealt_folds
from cardiofusion.tabular.tuning import NO_SEARCH
from kept import code, digest, kept

SEEDS, FOLDS = (0, 1, 2, 3, 4), 5
PEERS = Path(__file__).resolve().parents[1] / ".venv-peers-tabular" / "bin" / "python"
PEER_NAMES: Mapping[str, tuple[str, str]] = {
    "xgboost": ("XGBoost", "xgboost-cpu"),
    "catboost": ("CatBoost", "catboost"),
    "histogram": ("HistGradientBoosting", "scikit-learn"),
    "splines": ("logistic regression, splines", "scikit-learn"),
    "logistic": ("logistic regression, straight lines", "scikit-learn"),
    "ebm": ("Explainable Boosting Machine", "interpret-core"),
}
AUTOML = PEERS.parents[2] / ".venv-peers-automl" / "bin" / "python"
AUTOGLUON = ("AutoGluon, best quality, 240 s a fold on two cores", "autogluon.tabular")
ONE_SEED = ("ebm",)  # minutes a fold
SCRIPT = Path(__file__).with_name("tabular_peers.py")
TRIALS = 4
TUNED = (
    "num_leaves",
    "learning_rate",
    "min_data_in_leaf",
    "lambda_l2",
    "feature_fraction",
    "top_rate",
    "other_rate",
)
OURS = "LightGBM with GOSS (ours)"

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rows:
    """The repaired table with its outcome [n] and patients [n]."""

    table: ClinicalTable
    y: NDArray[np.float32]
    patients: NDArray[np.str_]

    @classmethod
    def read(cls) -> Rows:
        data = Path(os.environ.get("CARDIOFUSION_DATA", "../shared/data"))
        cohort = load_dataset("cardio70k", data / "cardio70k")
        assert cohort.table is not None
        return cls(repair(cohort.table)[0], cohort.outcomes["cardio"][:, 0], cohort.patient_ids)

    @property
    def digest(self) -> str:
        return digest(self.table.values, self.y, self.patients)

    def folds(self, seed: int) -> NDArray[np.int64]:
        return patient_folds(
            self.patients, [1.0] * FOLDS, np.random.default_rng(seed), self.y[:, None].astype(np.float32)
        )

    def stop(self, seed: int) -> NDArray[np.bool_]:
        """[fold, n]: the rows of each training part that `train_booster` sets aside to know when to stop."""
        fold, found = self.folds(seed), np.zeros((FOLDS, len(self.y)), bool)
        for k, number in enumerate(np.unique(fold)):
            rest = np.flatnonzero(fold != number)
            shares = (1.0 - KEPT_TO_STOP, KEPT_TO_STOP)
            aside = dealt_folds(self.patients[rest], self.y[rest], shares, seed + int(number)) == 1
            found[k, rest[aside]] = True
        return found


def ours(rows: Rows, seed: int, recipe: Recipe = RULE) -> Array:
    name = f"cardio-ours{'-monotone' if recipe.monotone else ''}-{seed}"
    return kept("tabular", name, _followed(rows, seed, recipe), lambda: _crossed(rows, seed, recipe).logits)


def tuned(rows: Rows, seed: int) -> tuple[Array, Array]:
    """Logits [n], and for each fold the chosen settings [fold, TUNED], NaN where the rule was kept."""

    def search() -> Array:
        crossed = _crossed(rows, seed, RULE, Budget(TRIALS))
        chosen = [[r.parameters.get(name, np.nan) for name in TUNED] for r in crossed.recipes]
        return np.concatenate([crossed.logits, np.ravel(chosen)])

    what = _followed(rows, seed, RULE) | {"trials": TRIALS}
    found = kept("tabular", f"cardio-ours-tuned-{seed}", what, search)
    return found[: len(rows.y)], found[len(rows.y) :].reshape(FOLDS, len(TUNED))


def _crossed(rows: Rows, seed: int, recipe: Recipe, budget: Budget = NO_SEARCH) -> CrossValidation:
    return cross_validate(
        rows.table,
        rows.y,
        rows.patients,
        seed,
        fold=rows.folds(seed),
        recipe=recipe,
        budget=budget,
        on_fold=lambda done, n: print(f"  fold {done} of {n}", file=sys.stderr, flush=True),
        on_trial=lambda done, n: print(f"  trial {done} of {n}", file=sys.stderr, flush=True),
    )


def _followed(rows: Rows, seed: int, recipe: Recipe) -> dict[str, Any]:
    chosen = recipe.lightgbm_parameters(rows.table.schema, len(rows.y), seed)
    what = {"parameters": chosen, "trees": recipe.max_trees, "seed": seed, "data": rows.digest}
    return what | {"version": importlib.metadata.version("lightgbm")}


def peer(rows: Rows, name: str, seed: int) -> Array:
    what = {
        "peer": PEER_NAMES.get(name, AUTOGLUON),
        "script": code(SCRIPT),
        "seed": seed,
        "data": rows.digest,
    }
    return kept("tabular", f"cardio-{name}-{seed}", what, lambda: _run_peer(rows, name, seed))


def _run_peer(rows: Rows, name: str, seed: int) -> Array:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "data.npz", Path(folder) / "scores.npy"
        np.savez(
            source,
            x=rows.table.values,
            y=rows.y,
            fold=rows.folds(seed),
            stop=rows.stop(seed),
            categories=np.array([len(c.categories) for c in rows.table.schema]),
            seed=np.array(seed),
        )
        python = AUTOML if name == "autogluon" else PEERS
        subprocess.run([str(python), str(SCRIPT), name, str(source), str(target)], check=True)
        return np.asarray(np.load(target, allow_pickle=False))
