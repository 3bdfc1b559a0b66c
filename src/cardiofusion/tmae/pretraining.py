"""Pretraining: reconstruct what is hidden in real and virtual ECGs, and name the causes of the virtual ones.

The loss of a batch is the sum of
- the squared error on an ECG's hidden patches over their power (about 1 - masked R2); in most batches these
  are lead-time patches anywhere, in a share of them a span of time in all leads and some patches beside it;
- the cause loss of the virtual ECGs from the visible quarter, and again from the whole ECG.

Virtual ECGs may be one set for all epochs, or made afresh for each: then none is ever seen twice.

Every epoch draws its order and masks from (seed, epoch), so a run that was killed and resumes at the last
finished epoch ends with the same weights as one that was not.

A batch is dealt to as many workers as there are threads, each with one core to itself, and their gradients
are averaged in order: same seed and threads, same weights. (Sharing every small operation between two cores
makes each wait for the other a thousand times a step; beside another program it was ten times slower.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor
from torch.nn import functional

from cardiofusion.records import StorageError, write_bytes
from cardiofusion.tmae.masking import drop_leads, hidden_patches, random_patches, time_spans
from cardiofusion.tmae.model import TMAE, TMAEConfig, Visible
from cardiofusion.tmae.optimiser import AdamW, warm_cosine
from cardiofusion.tmae.threads import Workers, workers

LONGEST_SPAN = 3  # patches in a row that are hidden in all leads at once
SHARE_BESIDE_SPAN = 0.5  # of the patches outside the span, hidden too


@dataclass(frozen=True)
class PretrainingOptions:
    """How long and how: `batch` virtual and `real_batch` real ECGs a step.

    mask: share of patches hidden. spans: share of batches in which a span of all leads is hidden instead.
    """

    epochs: int = 12
    batch: int = 32
    real_batch: int = 32
    mask: float = 0.75
    spans: float = 0.25
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    lead_dropout: float = 0.25
    cause_weight: float = 1.0


@dataclass(frozen=True, eq=False)
class Unlabelled:
    """Canonical ECGs: signal float32 [n, 12, sample], present bool [n, 12]."""

    signal: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.signal)


@dataclass(frozen=True, eq=False)
class WithCauses:
    """Canonical virtual ECGs with their causes as targets.

    targets float32 [n, cause], defined bool [n, cause] (False where a cause has no meaning, such as PR in
    atrial fibrillation), is_flag bool [cause]: flags take a logistic loss, numbers a Huber one.
    """

    signal: NDArray[np.float32]
    targets: NDArray[np.float32]
    defined: NDArray[np.bool_]
    is_flag: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.signal)


Virtual = (
    WithCauses | Callable[[int], WithCauses] | None
)  # a function makes those of an epoch, always as many


@dataclass(frozen=True)
class Epoch:
    """What one epoch measured; losses are means over its batches."""

    number: int
    reconstruction: float
    causes_masked: float
    causes_full: float


def pretrain(
    real: Unlabelled,
    virtual: Virtual,
    config: TMAEConfig,
    options: PretrainingOptions,
    seed: int,
    checkpoint: Path | None = None,
    on_step: Callable[[int, int], None] | None = None,
    threads: int = 1,
) -> tuple[TMAE, list[Epoch]]:
    """Train a TMAE; with `checkpoint`, each finished epoch is saved there and a later call goes on from it.

    on_step(done, total) is called after every step. Raises StorageError where the checkpoint cannot be
    written.
    """
    torch.manual_seed(seed)
    model = TMAE(config)
    optimiser = AdamW(model.named_parameters(), options.weight_decay)
    history = _resume(checkpoint, model, optimiser)
    model.train()
    with workers(threads) as pool:
        for epoch in range(len(history), options.epochs):
            made = virtual(epoch) if callable(virtual) else virtual
            steps = _steps_per_epoch(real, made, options)
            total, sums = steps * options.epochs, np.zeros(3)
            for parts in _batches(real, made, options, seed, epoch, steps, threads):
                rate = warm_cosine(optimiser.steps, total, options.learning_rate, max(1, total // 20))
                sums += _backward(model, parts, options, pool)
                optimiser.step(rate)
                if on_step:
                    on_step(optimiser.steps, total)
            history.append(Epoch(epoch, *(float(value) for value in sums / steps)))
            _save(checkpoint, model, optimiser, history)
    return model.eval(), history


@dataclass(frozen=True, eq=False)
class _Part:
    """One worker's share of a batch; the virtual ECGs stand first."""

    signal: Tensor
    present: Tensor
    targets: Tensor | None
    defined: Tensor | None
    is_flag: Tensor | None
    generator: torch.Generator


def _backward(model: TMAE, parts: list[_Part], options: PretrainingOptions, pool: Workers) -> NDArray[Any]:
    """Put the mean gradient over the parts into the model; the mean losses."""
    parameters = list(model.parameters())

    def work(part: _Part) -> tuple[NDArray[Any], tuple[Tensor | None, ...]]:
        losses = torch.stack(_losses(model, part, options))
        weight = torch.tensor([1.0, options.cause_weight, options.cause_weight])
        gradients = torch.autograd.grad((losses * weight).sum(), parameters, allow_unused=True)
        return losses.detach().numpy(), gradients

    found = list(pool.map(work, parts))
    for k, parameter in enumerate(parameters):
        gradients = [g[k] for _, g in found if g[k] is not None]
        parameter.grad = torch.stack(gradients).mean(dim=0) if gradients else None  # type: ignore[arg-type]
    mean: NDArray[Any] = np.mean([losses for losses, _ in found], axis=0)
    return mean


def _steps_per_epoch(real: Unlabelled, virtual: WithCauses | None, options: PretrainingOptions) -> int:
    """An epoch passes once over the kind that takes more steps; the other one is seen more often."""
    virtual_steps = len(virtual) // options.batch if virtual else 0
    return max(len(real) // options.real_batch, virtual_steps) or 1


def _batches(
    real: Unlabelled,
    virtual: WithCauses | None,
    options: PretrainingOptions,
    seed: int,
    epoch: int,
    steps: int,
    n_parts: int,
) -> Iterator[list[_Part]]:
    """The batches of an epoch, each in as many parts as there are workers (and ECGs for them)."""
    rng = np.random.default_rng((seed, epoch))
    n_virtual = min(options.batch, len(virtual)) if virtual else 0
    n_real = min(options.real_batch, len(real))
    n_parts = min(n_parts, max(n_virtual, n_real))
    generators = [torch.Generator().manual_seed(int(rng.integers(2**62))) for _ in range(n_parts)]
    real_order = _order(len(real), steps * n_real, rng)
    virtual_order = _order(len(virtual) if virtual else 0, steps * n_virtual, rng)
    for step in range(steps):
        r = real_order[step * n_real : (step + 1) * n_real]
        v = virtual_order[step * n_virtual : (step + 1) * n_virtual]
        yield [
            _part(real, virtual, r[k :: len(generators)], v[k :: len(generators)], options, generator)
            for k, generator in enumerate(generators)
        ]


def _part(
    real: Unlabelled,
    virtual: WithCauses | None,
    r: NDArray[np.intp],
    v: NDArray[np.intp],
    options: PretrainingOptions,
    generator: torch.Generator,
) -> _Part:
    signals, presents = [real.signal[r]], [real.present[r]]
    targets = defined = is_flag = None
    if virtual is not None and len(v):
        signals.insert(0, virtual.signal[v])
        presents.insert(0, np.ones((len(v), 12), dtype=np.bool_))
        targets, defined = torch.from_numpy(virtual.targets[v]), torch.from_numpy(virtual.defined[v])
        is_flag = torch.from_numpy(virtual.is_flag)
    present = drop_leads(torch.from_numpy(np.concatenate(presents)), options.lead_dropout, generator)
    signal = torch.from_numpy(np.concatenate(signals)).masked_fill(~present[..., None], 0.0)
    return _Part(signal, present, targets, defined, is_flag, generator)


def _order(n: int, wanted: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """`wanted` indices below n: permutations one after another."""
    if n == 0:
        return np.zeros(0, dtype=np.intp)
    rounds = [rng.permutation(n) for _ in range(-(-wanted // n))]
    return np.concatenate(rounds)[:wanted]


def _losses(model: TMAE, part: _Part, options: PretrainingOptions) -> tuple[Tensor, Tensor, Tensor]:
    n_patches, present = model.config.n_patches, part.present
    seen = _draw_mask(present, n_patches, options, part.generator)
    rebuilt, masked_summary = model.reconstruct(part.signal, present, seen)
    hidden = hidden_patches(seen, present, n_patches)
    error = relative_error(rebuilt, part.signal.view_as(rebuilt), hidden)
    if part.targets is None or part.defined is None or part.is_flag is None:
        return error, error.new_zeros(()), error.new_zeros(())
    v = len(part.targets)
    full = model.summarise(part.signal[:v], present[:v])
    masked = cause_loss(model.name_causes(masked_summary[:v]), part.targets, part.defined, part.is_flag)
    return error, masked, cause_loss(model.name_causes(full), part.targets, part.defined, part.is_flag)


def _draw_mask(
    present: Tensor, n_patches: int, options: PretrainingOptions, generator: torch.Generator
) -> Visible:
    if float(torch.rand(1, generator=generator)) < options.spans:
        return time_spans(present, n_patches, LONGEST_SPAN, SHARE_BESIDE_SPAN, generator)
    return random_patches(present, n_patches, options.mask, generator)


def relative_error(rebuilt: Tensor, truth: Tensor, hidden: Tensor) -> Tensor:
    """Squared error over power on the hidden patches of each ECG, averaged over ECGs.

    Each ECG by its own power: otherwise a few tall or saturated ones would drown all others.
    """
    weight = hidden[..., None]
    error = ((rebuilt - truth).square() * weight).sum(dim=(1, 2, 3))
    power = (truth.square() * weight).sum(dim=(1, 2, 3))
    return (error / (power + 1e-3 * truth[0].numel())).mean()


def cause_loss(scores: Tensor, targets: Tensor, defined: Tensor, is_flag: Tensor) -> Tensor:
    """Mean over defined causes: Huber loss for numbers, cross-entropy for flags."""
    logistic = functional.binary_cross_entropy_with_logits(scores, targets.clamp(0, 1), reduction="none")
    huber = functional.smooth_l1_loss(scores, targets, reduction="none")
    loss = torch.where(is_flag, logistic, huber)
    return (loss * defined).sum() / defined.sum().clamp(min=1)


def _save(checkpoint: Path | None, model: TMAE, optimiser: AdamW, history: list[Epoch]) -> None:
    if checkpoint is None:
        return
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"optimiser.{name}": value for name, value in optimiser.state().items()}
    tensors["history"] = torch.tensor(
        [list(asdict(epoch).values()) for epoch in history], dtype=torch.float64
    )
    write_bytes(checkpoint, save({name: value.contiguous() for name, value in tensors.items()}))


def _resume(checkpoint: Path | None, model: TMAE, optimiser: AdamW) -> list[Epoch]:
    if checkpoint is None or not checkpoint.exists():
        return []
    try:
        tensors = load_file(checkpoint)
        model.load_state_dict(_under("model.", tensors))
        optimiser.restore(_under("optimiser.", tensors))
        return [Epoch(int(row[0]), *row[1:]) for row in tensors["history"].tolist()]
    except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise StorageError(
            "storage.checkpoint",
            f"the checkpoint {checkpoint.name} cannot be used",
            "delete it to pretrain from the start",
        ) from error


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
