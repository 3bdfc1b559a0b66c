"""A trained LightGBM model that runs: scores and SHAP values on NumPy arrays, loaded from text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import BundleError, ClinicalError
from cardiofusion.tabular.gaps import MissingPolicy
from cardiofusion.tabular.modeltext import checked_model_text
from cardiofusion.tabular.singlerow import SingleRow

if TYPE_CHECKING:
    import lightgbm


def text_names(names: Sequence[str]) -> list[str]:
    """Column names as a model's text may hold them: LightGBM forbids JSON characters and spaces."""
    safe = [re.sub(r"\W", "_", name, flags=re.ASCII) for name in names]
    return [name if safe.count(name) == 1 else f"{name}_{position}" for position, name in enumerate(safe)]


@dataclass(frozen=True)
class BoosterModel:
    """One target's boosted trees. text: the model in LightGBM's own text format (`*.lgb.txt`).

    feature_names: the schema's names, in the order of the columns of `values`. Raises BundleError where
    the text is no model, or one of other features.
    """

    text: str = field(repr=False)
    feature_names: tuple[str, ...]
    _booster: lightgbm.Booster = field(init=False, repr=False, compare=False)
    _single_row: SingleRow = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        booster = _loaded(self.text, self.feature_names)
        object.__setattr__(self, "_booster", booster)
        object.__setattr__(self, "_single_row", SingleRow(booster, len(self.feature_names)))

    @property
    def n_trees(self) -> int:
        return int(self._booster.num_trees())

    @property
    def n_leaves(self) -> int:
        """Leaves of all trees together: the model's fitted numbers."""
        return sum(map(int, re.findall(r"^num_leaves=(\d+)$", self.text, flags=re.MULTILINE)))

    def predict_logit(self, values: NDArray[np.float64], threads: int = 1) -> NDArray[np.float64]:
        """Log-odds [row] of encoded rows [row, column]. Gaps must have been through the MissingPolicy."""
        rows = self._checked(values)
        if len(rows) == 1:
            return np.array([self._single_row(rows)])
        raw = self._booster.predict(rows, raw_score=True, num_threads=threads)
        return np.asarray(raw, dtype=np.float64)

    def contributions(self, values: NDArray[np.float64], threads: int = 1) -> NDArray[np.float64]:
        """SHAP values [row, column + 1] (TreeSHAP, Lundberg et al. 2020); the last is the base.

        Each row adds up to `predict_logit`.
        """
        shap = self._booster.predict(self._checked(values), pred_contrib=True, num_threads=threads)
        return np.asarray(shap, dtype=np.float64)

    def _checked(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        if values.ndim != 2 or values.shape[1] != len(self.feature_names):
            raise ClinicalError(
                "clinical.shape",
                f"the rows are {values.shape}, the model has {len(self.feature_names)} columns",
                "give float64 [row, column] in the schema's order",
            )
        return np.ascontiguousarray(values, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Booster:
    """What training one target gave: the model, what gaps mean to it, and how it went.

    n_trained, n_validation: rows that grew the trees, and others that told when to stop (0: none aside).
    """

    model: BoosterModel
    policy: MissingPolicy
    n_trained: int
    n_validation: int

    def predict_logit(self, values: NDArray[np.float64], threads: int = 1) -> NDArray[np.float64]:
        """Log-odds [row] of encoded rows as they come, gaps and all."""
        return self.model.predict_logit(self.policy.fill_rows(values), threads)

    def contributions(self, values: NDArray[np.float64], threads: int = 1) -> NDArray[np.float64]:
        """SHAP values [row, column + 1] that add up to `predict_logit`; the last is the base."""
        return self.model.contributions(self.policy.fill_rows(values), threads)

    def missing(self, row: NDArray[np.float64]) -> dict[str, str]:
        """For each gap of a row [column] what it meant, in words."""
        return self.policy.apply(row)[1]

    def to_json(self) -> dict[str, Any]:
        """All but the model's text."""
        return {
            "policy": self.policy.to_json(),
            "trained": self.n_trained,
            "stopped": self.n_validation,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], text: str, names: tuple[str, ...]) -> Booster:
        """The inverse of `to_json`, with the model's text and its columns. Raises BundleError."""
        counts = int(document.get("trained", 0)), int(document.get("stopped", 0))
        return cls(BoosterModel(text, names), MissingPolicy.from_json(document["policy"]), *counts)


def _loaded(text: str, feature_names: tuple[str, ...]) -> lightgbm.Booster:
    import lightgbm

    try:
        return lightgbm.Booster(model_str=checked_model_text(text, text_names(feature_names)))
    except (ValueError, lightgbm.basic.LightGBMError) as error:
        what = str(error).splitlines()[0][:200]
        raise BundleError(
            "bundle.booster", f"the boosted trees cannot be used: {what}", "train the bundle again"
        ) from error
