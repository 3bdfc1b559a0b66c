"""The ECG encoder: a temporal masked autoencoder, its pretraining and masked R2 (torch); the shipped one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.records.lazy import lazy_names as _lazy_names

if TYPE_CHECKING:
    from cardiofusion.tmae.echo_training import teach_echo
    from cardiofusion.tmae.loading import pretrained, read_tmae, standard_config, structure
    from cardiofusion.tmae.masked_r2 import (
        expected_beats,
        interpolation,
        masks_for,
        mean_beat,
        network,
        other_leads,
        pooled_r2,
        spans_for,
        squared_errors,
        true_beats,
    )
    from cardiofusion.tmae.model import TMAE, TMAEConfig, count_parameters, pool
    from cardiofusion.tmae.optimiser import AdamW, warm_cosine
    from cardiofusion.tmae.pretraining import Epoch, PretrainingOptions, Unlabelled, WithCauses, pretrain
    from cardiofusion.tmae.threads import Workers, set_threads, torch_threads, workers
    from cardiofusion.tmae.weights import ShippedEncoder, shipped_encoder

_PLACES = {
    "masked_r2": (
        "expected_beats",
        "interpolation",
        "masks_for",
        "mean_beat",
        "network",
        "other_leads",
        "pooled_r2",
        "spans_for",
        "squared_errors",
        "true_beats",
    ),
    "model": ("TMAE", "TMAEConfig", "count_parameters", "pool"),
    "optimiser": ("AdamW", "warm_cosine"),
    "echo_training": ("teach_echo",),
    "loading": ("pretrained", "read_tmae", "standard_config", "structure"),
    "pretraining": ("Epoch", "PretrainingOptions", "Unlabelled", "WithCauses", "pretrain"),
    "threads": ("Workers", "set_threads", "torch_threads", "workers"),
    "weights": ("ShippedEncoder", "shipped_encoder"),
}

__all__ = [
    "TMAE",
    "AdamW",
    "Epoch",
    "PretrainingOptions",
    "ShippedEncoder",
    "TMAEConfig",
    "Unlabelled",
    "WithCauses",
    "Workers",
    "count_parameters",
    "expected_beats",
    "interpolation",
    "masks_for",
    "mean_beat",
    "network",
    "other_leads",
    "pool",
    "pooled_r2",
    "pretrain",
    "pretrained",
    "read_tmae",
    "set_threads",
    "shipped_encoder",
    "spans_for",
    "squared_errors",
    "standard_config",
    "structure",
    "teach_echo",
    "torch_threads",
    "true_beats",
    "warm_cosine",
    "workers",
]

if not TYPE_CHECKING:  # or a name that is not there would pass the type check
    __getattr__ = _lazy_names(__name__, _PLACES)
