"""Cross-modal attention fusion: the model and its training (torch), and alignment of cohorts (NumPy)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from cardiofusion.cmaf.alignment import NOBODY, Balance, LatentDistribution, balance, match_covariates

if TYPE_CHECKING:
    from cardiofusion.cmaf.model import CMAF, CMAFConfig, ecg_tokens
    from cardiofusion.cmaf.training import (
        FusionData,
        FusionOptions,
        feature_edges,
        fusion_logits,
        train_fusion,
    )

_PLACES = {
    "model": ("CMAF", "CMAFConfig", "ecg_tokens"),
    "training": ("FusionData", "FusionOptions", "feature_edges", "fusion_logits", "train_fusion"),
}

__all__ = [
    "CMAF",
    "NOBODY",
    "Balance",
    "CMAFConfig",
    "FusionData",
    "FusionOptions",
    "LatentDistribution",
    "balance",
    "ecg_tokens",
    "feature_edges",
    "fusion_logits",
    "match_covariates",
    "train_fusion",
]


def __getattr__(name: str) -> Any:
    # torch loads with the first name that needs it, so that the running part stays light.
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"cardiofusion.cmaf.{module}"), name)
    raise AttributeError(name)
