"""Pretraining an encoder by itself, for all studies: what `cardiofusion pretrain` runs.

`shipped` made the weights inside the package, `laptop` is the same in a quarter of an hour. Each epoch meets
virtual patients made afresh, so none is ever seen twice; real ECGs come without labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import save

from cardiofusion.records import Cohort, InputError, write_bytes
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.study.encoding import VIRTUAL_SEED, config_for, virtual_causes
from cardiofusion.tmae import TMAE, Epoch, PretrainingOptions, Unlabelled, WithCauses, pretrain

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Setting:
    """How long: every epoch has `virtual` ECGs of its own; a step takes `batch` of them and `real_batch` real ones."""

    epochs: int
    virtual: int = 4800
    batch: int = 48
    real_batch: int = 16

    def options(self) -> PretrainingOptions:
        return PretrainingOptions(epochs=self.epochs, batch=self.batch, real_batch=self.real_batch)


SETTINGS: Mapping[str, Setting] = {"shipped": Setting(epochs=36), "laptop": Setting(epochs=7)}


def read_corpora(corpora: Sequence[Cohort], folder: Path, on_step: OnStep) -> Unlabelled:
    """The usable ECGs of all corpora, read once and kept under `folder`."""
    sets = []
    for corpus in corpora:
        place = folder / corpus.name
        if not (place / "errors.json").exists():  # written last
            place.mkdir(parents=True, exist_ok=True)
            read_ecgs(corpus.recordings, corpus.patient_ids, place, on_step)
        ecgs = EcgSet.load(place)
        sets.append(ecgs.take(np.flatnonzero(ecgs.usable)))
    if not sets:
        raise InputError("pretrain.corpora", "there is no real ECG to learn from", "add --corpus code15=FOLDER")
    ecgs = EcgSet.concatenated(sets)
    return Unlabelled(ecgs.signal, ecgs.present)


def pretrain_encoder_alone(
    setting: Setting, real: Unlabelled, seed: int, threads: int, checkpoint: Path, on_step: OnStep
) -> tuple[TMAE, list[Epoch]]:
    """A TMAE from real ECGs and fresh virtual ones; goes on from `checkpoint` where that exists."""

    def virtual(epoch: int) -> WithCauses:
        made = virtual_causes(setting.virtual, seed + VIRTUAL_SEED * (epoch + 1))
        assert made is not None
        return made

    return pretrain(
        real, virtual, config_for(setting.virtual), setting.options(), seed, checkpoint, on_step, threads
    )


def save_encoder(model: TMAE, path: Path) -> None:
    write_bytes(path, save({name: value.contiguous() for name, value in model.state_dict().items()}))
