"""What answers one target from a clinical row, whichever kind of task: trained, kept and loaded alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiofusion.metrics import Observed
from cardiofusion.records import BundleError, ClinicalSchema
from cardiofusion.tabular.booster import Booster, BoosterModel
from cardiofusion.tabular.recipe import Recipe
from cardiofusion.tabular.survival import SurvivalBooster, train_survival
from cardiofusion.tabular.training import RULE, train_booster

Values = NDArray[np.float64]
Outcome = NDArray[np.float32] | NDArray[np.float64]


class RowModel(Protocol):
    """`Booster` and `SurvivalBooster`."""

    @property
    def model(self) -> BoosterModel: ...

    def predict_logit(self, values: Values, threads: int = 1) -> Values: ...

    def contributions(self, values: Values, threads: int = 1) -> Values: ...

    def missing(self, row: Values) -> dict[str, str]: ...

    def to_json(self) -> dict[str, Any]: ...


def load_booster(document: Mapping[str, Any], text: str, names: tuple[str, ...]) -> RowModel:
    """What `to_json` of a booster of either kind gave, with the trees' text. Raises BundleError."""
    try:
        kind = SurvivalBooster if "edges" in document else Booster
        return kind.from_json(document, text, names)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"a booster's entry is damaged: {error}"
        raise BundleError("bundle.booster", what, "train again") from error


def train_row_model(
    values: Values,
    outcome: Outcome,
    schema: ClinicalSchema,
    seed: int,
    horizon: float | None = None,
    valid: tuple[Values, Outcome] | None = None,
    groups: NDArray[np.str_] | None = None,
    threads: int = 1,
    recipe: Recipe = RULE,
) -> RowModel:
    """`train_booster`, or with a horizon `train_survival`; rows whose outcome is not known are left out.

    outcome: [n], 1 present, 0 absent; with a horizon [n, 2], years and 1 or 0. valid: the same of other
    patients, who tell when to stop; a survival model finds that inside its own rows and learns from them too.
    """
    if horizon is None:
        return train_booster(values, outcome, schema, seed, valid, groups, threads, recipe)
    people = np.arange(len(values)).astype(np.str_) if groups is None else groups
    if valid is not None:
        others = np.array([f"valid {k}" for k in range(len(valid[0]))])
        values, outcome = np.concatenate([values, valid[0]]), np.concatenate([outcome, valid[1]])
        people = np.concatenate([people, others])
    known = ~np.isnan(outcome).any(axis=1)
    times = Observed.of(outcome[known])
    return train_survival(values[known], times, schema, horizon, seed, people[known], threads, recipe)
