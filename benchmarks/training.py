"""How every network of the comparison learns from labels: one recipe, and a memory of what was trained.

Binary cross-entropy, AdamW, one cycle of the learning rate (linear warm-up, cosine down); an ECG is met at a
random place in time (a window of it, or all of it rolled around), a little louder or softer, with leads
missing. The weights of the last part of the run are averaged (Izmailov et al., Averaging weights leads to
wider optima, UAI 2018). The length is fixed beforehand: no test fold and no held-out part says when to stop.
"""

from __future__ import annotations

import hashlib
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cardiofusion.study.ecgs import EcgSet
from cardiofusion.tmae import AdamW, warm_cosine
from probing import Labels, Reader

SAMPLES = 1000
FULL = 400  # ECGs a training part has, about, when all labels are used
WARM = 0.1  # of the steps

Rows = NDArray[np.intp]
Build = Callable[[Labels, Rows], nn.Module]


@dataclass(frozen=True)
class Recipe:
    """epochs: over a training part of 400 ECGs; a smaller part is met more often (see `steps`).

    rate, others: peak learning rates of the head, and of all else as a share of it. window: samples of an ECG
    that are met at a time; views: windows whose logits are averaged at the test. loudness: standard
    deviation of the logarithm of the gain; missing: probability that a lead is. averaged: of the steps.
    """

    epochs: int
    rate: float
    others: float = 1.0
    batch: int = 16
    decay: float = 0.05
    window: int = SAMPLES
    views: int = 1
    loudness: float = 0.1
    missing: float = 0.1
    averaged: float = 0.25
    seeds: int = 1

    def steps(self, n: int) -> int:
        """Between as many epochs and as many steps as on 400 ECGs: their geometric mean."""
        return math.ceil(self.epochs * math.sqrt(n * FULL) / self.batch)


@dataclass(frozen=True, eq=False)
class Contender:
    """How its network starts, given the training rows, and how it is trained."""

    build: Build
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class Ecgs:
    """Signals [n, 12, sample] and leads present [n, 12] as tensors."""

    signal: Tensor
    present: Tensor

    @classmethod
    def of(cls, ecgs: EcgSet) -> Ecgs:
        return cls(torch.from_numpy(ecgs.signal), torch.from_numpy(ecgs.present))

    def window(self, rows: Rows, start: Rows, length: int) -> tuple[Tensor, Tensor]:
        """`length` samples from `start` of each row on, from the end back to the beginning."""
        columns = torch.from_numpy((start[:, None] + np.arange(length)) % SAMPLES)
        chosen = torch.from_numpy(rows)
        leads = self.signal.shape[1]
        return self.signal[chosen].gather(2, columns[:, None].expand(-1, leads, -1)), self.present[chosen]

    def varied(self, rows: Rows, recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The rows at a random place, loudness and set of leads."""
        places = SAMPLES if recipe.window == SAMPLES else SAMPLES - recipe.window + 1
        signal, present = self.window(rows, rng.integers(places, size=len(rows)), recipe.window)
        gain = np.exp(recipe.loudness * rng.standard_normal((len(rows), 1, 1))).astype(np.float32)
        kept = torch.from_numpy(rng.random(present.shape) >= recipe.missing)
        kept[~(kept & present).any(dim=1)] = True  # an ECG without any lead says nothing
        present = present & kept
        return signal * torch.from_numpy(gain) * present[..., None], present


@dataclass(eq=False)
class Average:
    """The running mean of a network's numbers."""

    count: int = 0
    mean: dict[str, Tensor] = field(default_factory=dict)

    def add(self, net: nn.Module) -> None:
        self.count += 1
        for name, value in net.state_dict().items():
            if value.is_floating_point():
                self.mean.setdefault(name, torch.zeros_like(value)).lerp_(value, 1 / self.count)


def train(net: nn.Module, ecgs: Ecgs, y: Tensor, rows: Rows, recipe: Recipe, seed: int) -> None:
    """Train `net` on `rows`; y [n, label] of all ECGs."""
    rng = np.random.default_rng([seed, len(rows)])
    head = [(name, p) for name, p in net.named_parameters() if name.startswith("head.")]
    body = [(name, p) for name, p in net.named_parameters() if not name.startswith("head.")]
    optimisers = [(AdamW(head, recipe.decay), 1.0), (AdamW(body, recipe.decay), recipe.others)]
    total, average = recipe.steps(len(rows)), Average()
    net.train()
    for step, batch in zip(range(total), _batches(rows, recipe.batch, rng), strict=False):
        logits = net(*ecgs.varied(batch, recipe, rng))
        loss = functional.binary_cross_entropy_with_logits(logits, y[torch.from_numpy(batch)])
        torch.autograd.backward(loss)
        rate = warm_cosine(step, total, recipe.rate, math.ceil(WARM * total))
        for optimiser, share in optimisers:
            optimiser.step(share * rate)
        if step >= (1 - recipe.averaged) * total:
            average.add(net)
    net.load_state_dict(average.mean, strict=False)


def _batches(rows: Rows, size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Full batches without end, each ECG once before any comes again."""
    waiting = rng.permutation(rows)
    while True:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, rng.permutation(rows)])
        yield waiting[:size]
        waiting = waiting[size:]


def logits_of(net: nn.Module, ecgs: Ecgs, rows: Rows, recipe: Recipe) -> NDArray[np.float64]:
    """Logits [row, label], the mean over views spread evenly along time."""
    net.eval()
    found = []
    with torch.no_grad():
        for at in range(0, len(rows), 64):
            part = rows[at : at + 64]
            starts = [np.full(len(part), view * SAMPLES // recipe.views) for view in range(recipe.views)]
            views = [net(*ecgs.window(part, start, recipe.window)) for start in starts]
            found.append(torch.stack(views).mean(dim=0).numpy())
    return np.concatenate(found).astype(np.float64)


def reader(name: str, contender: Contender, ecgs: Ecgs, memory: Path) -> Reader:
    """A reader for `out_of_fold`: trains the contender, or remembers what it said when it was trained so.

    The memory's key is everything the answer hangs on but the code: the recipe, the network's first numbers,
    signals, labels and rows.
    """
    recipe = contender.recipe

    def read(
        features: NDArray[np.float32], labels: Labels, train_rows: Rows, test: Rows
    ) -> NDArray[np.float64]:
        y, votes = torch.from_numpy(labels.y), []
        for seed in range(recipe.seeds):
            torch.manual_seed(seed)
            net = contender.build(labels, train_rows)
            key = _digest(repr(recipe), seed, net, features, labels.y[train_rows], train_rows, test)
            path = memory / f"{name}-{key}.npz"
            if not path.exists():
                began = time.perf_counter()
                train(net, ecgs, y, train_rows, recipe, seed)
                _keep(path, logits_of(net, ecgs, test, recipe), time.perf_counter() - began)
            votes.append(_recall(name, path, len(train_rows)))
        return np.asarray(np.mean(votes, axis=0), np.float64)

    return read


def _digest(recipe: str, seed: int, net: nn.Module, *arrays: NDArray[np.generic]) -> str:
    found = hashlib.sha256(f"{recipe} {seed}".encode())
    for value in (*(v.numpy() for v in net.state_dict().values()), *arrays):
        found.update(value.tobytes())
    return found.hexdigest()[:20]


def _keep(path: Path, logits: NDArray[np.float64], seconds: float) -> None:
    """Written whole or not at all, so that an interruption leaves nothing half-trained behind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, logits=logits, seconds=np.array(seconds))
    partial.replace(path)


def _recall(name: str, path: Path, n: int) -> NDArray[np.float64]:
    with np.load(path, allow_pickle=False) as kept:
        logits: NDArray[np.float64] = kept["logits"]
        print(f"{name}: {n} ECGs, {float(kept['seconds']):.0f} s", file=sys.stderr, flush=True)
    return logits
