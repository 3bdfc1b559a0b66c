"""Pretraining an encoder by itself, for every study: what `cardiofusion pretrain` runs.

`shipped` made the weights inside the package; `laptop` is the same in a quarter of an hour. Each epoch meets
virtual patients made afresh, so none is ever seen twice; real ECGs come without labels. At the end, all else
frozen, the decoder learns to copy along time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cardiofusion import __version__
from cardiofusion.export import encoder_graph
from cardiofusion.records import Cohort, InputError, write_bytes
from cardiofusion.simulate import FINDINGS
from cardiofusion.study.data import cohort_digest
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.study.encoding import (
    HISTORY,
    VIRTUAL_SEED,
    history_of,
    load_encoder,
    save_encoder,
    save_weights,
    virtual_causes,
)
from cardiofusion.study.workspace import Reporter, Workspace, save_json
from cardiofusion.tmae import (
    TMAE,
    PretrainingOptions,
    Unlabelled,
    WithCauses,
    count_parameters,
    pretrain,
    standard_config,
    structure,
    teach_echo,
    torch_threads,
)
from cardiofusion.tmae.weights import CARD, GRAPH, WEIGHTS


@dataclass(frozen=True)
class Setting:
    """How long. An epoch has `virtual` ECGs of its own; a step takes `batch` of these, `real_batch` real.

    echo: steps at the end, in which the decoder learns to copy along time.
    """

    epochs: int
    virtual: int = 4800
    batch: int = 48
    real_batch: int = 16
    echo: int = 160

    def options(self) -> PretrainingOptions:
        return PretrainingOptions(epochs=self.epochs, batch=self.batch, real_batch=self.real_batch)


SETTINGS: Mapping[str, Setting] = {"shipped": Setting(epochs=24), "laptop": Setting(epochs=5, echo=80)}


def pretrain_alone(
    setting: Setting, corpora: Sequence[Cohort], out: Path, reporter: Reporter, seed: int, threads: int
) -> dict[str, Any]:
    """Write encoder.safetensors, encoder.onnx, history.json and card.json into `out`; the card.

    Stages are kept in OUT.work: a run that was stopped goes on at the epoch where it was. Raises InputError
    without any usable ECG, ExportError, StorageError.
    """
    workspace = Workspace(out.with_name(f"{out.name}.work"), reporter)
    with workspace.alone():
        ecgs = _read_corpora(corpora, workspace)
        made = _pretrained(setting, ecgs, workspace, seed, threads)
        taught = _taught(setting, ecgs, workspace, seed, threads, made)
        model, history = load_encoder(taught), history_of(made)
        write_bytes(out / GRAPH, encoder_graph(model))
        write_bytes(out / WEIGHTS, (taught / WEIGHTS).read_bytes())
        save_json(out / HISTORY, history)
        card = _card(model, history, setting, corpora, ecgs) | {
            "seed": seed,
            "threads": threads,
            "minutes": round((workspace.seconds["pretrain"] + workspace.seconds["echo"]) / 60, 1),
            "sha256": {
                name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in (WEIGHTS, GRAPH)
            },
        }
        save_json(out / CARD, card)
    return card


def _pretrained(setting: Setting, ecgs: EcgSet, workspace: Workspace, seed: int, threads: int) -> Path:
    mark, step = _mark(setting, ecgs, seed, threads), workspace.reporter.step
    checkpoint = workspace.scratch("pretrain", mark)

    def make(folder: Path) -> None:
        real = Unlabelled(ecgs.signal, ecgs.present)
        virtual = partial(_virtual, setting, seed)
        trained = pretrain(
            real, virtual, standard_config(), setting.options(), seed, checkpoint, step, threads
        )
        save_encoder(*trained, folder)

    return workspace.stage("pretrain", mark, make)


def _taught(
    setting: Setting, ecgs: EcgSet, workspace: Workspace, seed: int, threads: int, made: Path
) -> Path:
    """What was pretrained, with the echo."""

    def make(folder: Path) -> None:
        save_weights(_with_echo(load_encoder(made), setting, ecgs, seed, threads, workspace.reporter), folder)

    return workspace.stage("echo", f"{_mark(setting, ecgs, seed, threads)}-{setting.echo}", make)


def _read_corpora(corpora: Sequence[Cohort], workspace: Workspace) -> EcgSet:
    """The usable ECGs of all corpora; each is read once and kept."""
    sets = []
    for corpus in corpora:
        made = workspace.stage(
            f"read-{corpus.name}",
            cohort_digest(corpus),
            lambda folder, corpus=corpus: read_ecgs(  # type: ignore[misc]
                corpus.recordings, corpus.patient_ids, folder, workspace.reporter.step
            ),
        )
        found = EcgSet.load(made)
        sets.append(found.take(np.flatnonzero(found.usable)))
    if not sum(map(len, sets)):
        hint = "add --corpus code15=FOLDER, or --corpus folder=FOLDER with ECGs of your own"
        raise InputError("pretrain.corpora", "there is no real ECG to learn from", hint)
    return EcgSet.concatenated(sets)


def _virtual(setting: Setting, seed: int, epoch: int) -> WithCauses:
    made = virtual_causes(setting.virtual, seed + VIRTUAL_SEED * (epoch + 1))
    assert made is not None
    return made


def _with_echo(
    model: TMAE, setting: Setting, ecgs: EcgSet, seed: int, threads: int, reporter: Reporter
) -> TMAE:
    """Half of what it is fitted to are real ECGs, half are virtual ones of an epoch that never was."""
    n = min(len(ecgs), setting.virtual)
    virtual = _virtual(setting, seed, setting.epochs).signal[:n]
    real = ecgs.take(np.sort(np.random.default_rng([seed, 5]).choice(len(ecgs), n, replace=False)))
    present = np.concatenate([np.ones_like(real.present), real.present])
    both = Unlabelled(np.concatenate([virtual, real.signal]), present)
    with torch_threads(threads):
        return teach_echo(model, both, seed, setting.echo, on_step=reporter.step)


def _mark(setting: Setting, ecgs: EcgSet, seed: int, threads: int) -> str:
    """What the weights before the echo depend on: another run's checkpoint is not gone on from."""
    learning = {name: value for name, value in asdict(setting).items() if name != "echo"}
    parts = json.dumps([learning, ecgs.digest.tolist(), seed, threads, structure()])
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def _card(
    model: TMAE,
    history: list[dict[str, float]],
    setting: Setting,
    corpora: Sequence[Cohort],
    ecgs: EcgSet,
) -> dict[str, Any]:
    """What it learnt from. `seen`: hashes of the waveforms; a study can tell whom the encoder knows."""
    parts = {"encoder": model.encoder, "decoder": model.decoder, "causes": model.causes}
    n_virtual = setting.virtual * setting.epochs
    data = [
        {
            "name": corpus.provenance.get("name", corpus.name),
            "n_recordings": len(corpus.recordings),
            "n_patients": len(np.unique(corpus.patient_ids)),
            "n_rows": 0,
            "use": "ECGs without labels (shipped encoder)",
        }
        | {key: corpus.provenance.get(key, "") for key in ("licence", "citation", "source")}
        for corpus in corpora
    ]
    data.append(
        {
            "name": "virtual patients",
            "n_recordings": n_virtual,
            "n_patients": n_virtual,
            "n_rows": 0,
            "use": "ECGs with known causes (shipped encoder)",
            "source": "our generator",
        }
    )
    return {
        "cardiofusion": __version__,
        "setting": asdict(setting),
        "options": asdict(setting.options()),
        "findings": list(FINDINGS),
        "parameters": {name: count_parameters(part) for name, part in parts.items() if part is not None},
        "data": data,
        "usable_ecgs": len(ecgs),
        "history": history,
        "seen": sorted(set(ecgs.digest.tolist())),
    }
