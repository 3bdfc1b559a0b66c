"""Pretraining the encoder, measuring its masked R2, and embedding every ECG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from cardiofusion.cmaf import ecg_tokens
from cardiofusion.metrics import percentile_interval
from cardiofusion.records import Figure, StudyError, write_bytes
from cardiofusion.signal import canonical_batch
from cardiofusion.simulate import TARGET_KINDS, scale_causes, simulate_ecgs
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.study.sections import Pretrain
from cardiofusion.study.workspace import load_json, save_json
from cardiofusion.tmae import (
    TMAE,
    Epoch,
    PretrainingOptions,
    Unlabelled,
    WithCauses,
    interpolation,
    masks_for,
    mean_beat,
    network,
    other_leads,
    pooled_r2,
    pretrain,
    read_tmae,
    shipped_encoder,
    squared_errors,
    standard_config,
    true_beats,
)
from cardiofusion.tmae.weights import WEIGHTS

HISTORY = "history.json"
EMBED_BATCH = 64
VIRTUAL_SEED = 1_000_003  # apart from the seeds of virtual cohorts, so that no virtual patient is in both
MAX_HELD_OUT = (
    200  # ECGs behind the masked R2: enough for +-.02, and the baselines take a second each hundred
)
R2_REPEATS = 1000


def virtual_causes(n: int, seed: int) -> WithCauses | None:
    """Virtual ECGs in canonical form with their causes as targets."""
    if n == 0:
        return None
    made = simulate_ecgs(n, seed + VIRTUAL_SEED)
    targets, defined = scale_causes(made.causes)
    flags = np.array([kind == "flag" for kind in TARGET_KINDS])
    return WithCauses(canonical_batch(made.signal), targets, defined.astype(np.bool_), flags)


def pretrain_encoder(
    plan: Pretrain,
    ecgs: EcgSet,
    seed: int,
    threads: int,
    folder: Path,
    checkpoint: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write encoder.safetensors and history.json into `folder`: the shipped ones, or newly trained.

    Raises StudyError without any ECG to learn from.
    """
    if plan.epochs is None:
        write_bytes(folder / WEIGHTS, shipped_encoder().bytes(WEIGHTS))
        save_json(folder / HISTORY, shipped_encoder().card["history"])
        return
    real = Unlabelled(ecgs.signal, ecgs.present)
    virtual = virtual_causes(plan.virtual, seed)
    if not len(real) and virtual is None:
        raise StudyError(
            "study.ecgs", "there is no ECG to learn from", "give corpora or virtual ECGs in [pretrain]"
        )
    options = PretrainingOptions(
        epochs=plan.epochs,
        batch=plan.batch,
        real_batch=plan.batch,
        mask=plan.mask,
        learning_rate=plan.learning_rate,
    )
    config = standard_config() if plan.virtual else standard_config(n_causes=0)
    model, history = pretrain(real, virtual, config, options, seed, checkpoint, on_step, threads)
    save_encoder(model, history, folder)


def save_encoder(model: TMAE, history: list[Epoch], folder: Path) -> None:
    """encoder.safetensors and history.json."""
    save_weights(model, folder)
    save_json(folder / HISTORY, [asdict(epoch) for epoch in history])


def save_weights(model: TMAE, folder: Path) -> None:
    tensors = {name: value.contiguous() for name, value in model.state_dict().items()}
    write_bytes(folder / WEIGHTS, save(tensors))


def load_encoder(folder: Path) -> TMAE:
    return read_tmae((folder / WEIGHTS).read_bytes())


def embed_ecgs(model: TMAE, ecgs: EcgSet) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fusion tokens [n, time + 14, width] and embeddings [n, d]."""
    tokens, embeddings = [], []
    with torch.no_grad():
        for at in range(0, len(ecgs), EMBED_BATCH):
            present = torch.from_numpy(ecgs.present[at : at + EMBED_BATCH])
            grid = model.encoder(torch.from_numpy(ecgs.signal[at : at + EMBED_BATCH]), present)
            found = ecg_tokens(model, grid, present)
            tokens.append(found.numpy())
            embeddings.append(found[:, -2:].flatten(1)[:, : model.config.n_embedding].numpy())
    return np.concatenate(tokens), np.concatenate(embeddings)


def masked_r2_figures(
    model: TMAE, training: EcgSet, held_out: EcgSet, mask: float, seed: int, data: str
) -> dict[str, Figure]:
    """ "tmae/masked_r2/<predictor>" on held-out ECGs, every predictor on the same masks."""
    held_out = held_out.take(np.arange(min(len(held_out), MAX_HELD_OUT)))
    ecgs = Unlabelled(held_out.signal, held_out.present)
    hidden = masks_for(ecgs, model.config.n_patches, mask, seed)
    predictors = {
        "tmae": network(model),
        "linear_interpolation": interpolation,
        "mean_beat": mean_beat(true_beats(ecgs)),
        "other_leads": other_leads(Unlabelled(training.signal, training.present)),
    }
    rng = np.random.default_rng([seed, 2])
    patients, inverse = np.unique(held_out.patient_ids, return_inverse=True)
    draws = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), size=R2_REPEATS)
    weights = draws[:, inverse].astype(np.float64)
    return {
        f"tmae/masked_r2/{name}": _figure(squared_errors(ecgs, hidden, predictor), weights, data)
        for name, predictor in predictors.items()
    }


def _figure(errors: NDArray[np.float64], weights: NDArray[np.float64], data: str) -> Figure:
    replicates = np.array([pooled_r2(errors, weight) for weight in weights])
    low, high = percentile_interval(replicates)
    return Figure(pooled_r2(errors), low, high, len(errors), data)


def history_of(folder: Path) -> list[dict[str, float]]:
    history: list[dict[str, float]] = load_json(folder / HISTORY)
    return history
