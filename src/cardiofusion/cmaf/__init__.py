"""Cross-modal attention fusion: the model and its training (torch), and alignment of cohorts (NumPy)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.cmaf.alignment import NOBODY, Balance, LatentDistribution, balance, match_covariates
from cardiofusion.records.lazy import lazy_names as _lazy_names

if TYPE_CHECKING:
    from cardiofusion.cmaf.model import CMAF, NOT_TIMES, CMAFConfig, ecg_tokens, fusion_structure
    from cardiofusion.cmaf.training import (
        FusionData,
        FusionOptions,
        View,
        feature_edges,
        fusion_logits,
        train_fusion,
    )

_PLACES = {
    "model": ("CMAF", "CMAFConfig", "NOT_TIMES", "ecg_tokens", "fusion_structure"),
    "training": ("FusionData", "FusionOptions", "View", "feature_edges", "fusion_logits", "train_fusion"),
}

__all__ = [
    "CMAF",
    "NOBODY",
    "NOT_TIMES",
    "Balance",
    "CMAFConfig",
    "FusionData",
    "FusionOptions",
    "LatentDistribution",
    "View",
    "balance",
    "ecg_tokens",
    "feature_edges",
    "fusion_logits",
    "fusion_structure",
    "match_covariates",
    "train_fusion",
]

if not TYPE_CHECKING:  # or a name that is not there would pass the type check
    __getattr__ = _lazy_names(__name__, _PLACES)
