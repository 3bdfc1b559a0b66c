"""The ECG encoder: a temporal masked autoencoder, its pretraining and its masked R2 (needs torch)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiofusion.tmae.masked_r2 import (
        interpolation,
        masks_for,
        mean_beat,
        network,
        other_leads,
        pooled_r2,
        squared_errors,
        true_beats,
    )
    from cardiofusion.tmae.model import TMAE, TMAEConfig, count_parameters, pool
    from cardiofusion.tmae.optimiser import AdamW, warm_cosine
    from cardiofusion.tmae.pretraining import Epoch, PretrainingOptions, Unlabelled, WithCauses, pretrain
    from cardiofusion.tmae.threads import Workers, workers

_PLACES = {
    "masked_r2": (
        "interpolation",
        "masks_for",
        "mean_beat",
        "network",
        "other_leads",
        "pooled_r2",
        "squared_errors",
        "true_beats",
    ),
    "model": ("TMAE", "TMAEConfig", "count_parameters", "pool"),
    "optimiser": ("AdamW", "warm_cosine"),
    "pretraining": ("Epoch", "PretrainingOptions", "Unlabelled", "WithCauses", "pretrain"),
    "threads": ("Workers", "workers"),
}

__all__ = [
    "TMAE",
    "AdamW",
    "Epoch",
    "PretrainingOptions",
    "TMAEConfig",
    "Unlabelled",
    "WithCauses",
    "Workers",
    "count_parameters",
    "interpolation",
    "masks_for",
    "mean_beat",
    "network",
    "other_leads",
    "pool",
    "pooled_r2",
    "pretrain",
    "squared_errors",
    "true_beats",
    "warm_cosine",
    "workers",
]


def __getattr__(name: str) -> Any:
    # torch loads with the first name that needs it, so that the running part stays light.
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"cardiofusion.tmae.{module}"), name)
    raise AttributeError(name)
