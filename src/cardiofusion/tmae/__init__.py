"""The ECG encoder: a temporal masked autoencoder, its pretraining and its masked R2 (needs torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.records.lazy import lazy_names as _lazy_names

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

if not TYPE_CHECKING:  # or a name that is not there would pass the type check
    __getattr__ = _lazy_names(__name__, _PLACES)
