"""Teaching the decoder to copy along time, once all else is learnt and frozen.

The echo is a hundred-odd numbers and costs as much time a step as the encoder does: apart, it needs few steps
and cannot change what the encoder has learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cardiofusion.tmae.masked_r2 import as_visible, centre, masks_for, spans_for
from cardiofusion.tmae.model import N_LEADS, TMAE
from cardiofusion.tmae.optimiser import AdamW, warm_cosine
from cardiofusion.tmae.pretraining import Unlabelled

SPANS = (0.04, 0.22)  # of the ECG hidden in all leads at once: 0.4 to 2.2 s of ten
MASK = 0.75  # of the patches, in every other step
RATE = 3e-2
ECHO = ("decoder.echo.", "decoder.blend")  # what there is to learn


def teach_echo(
    model: TMAE,
    ecgs: Unlabelled,
    seed: int,
    steps: int,
    batch: int = 16,
    on_step: Callable[[int, int], None] | None = None,
) -> TMAE:
    """A copy of the TMAE with an echo that was fitted to `ecgs`; every other weight is as it was.

    By turns a span of all leads is hidden and 75 % of the patches. Same seed and threads: same weights.
    """
    taught, learning = _prepared(model)
    optimiser = AdamW(learning.items(), 0.0)
    rng = np.random.default_rng([seed, 4])
    for step in range(steps):
        rows = rng.choice(len(ecgs), min(batch, len(ecgs)), replace=False)
        part = Unlabelled(ecgs.signal[rows], ecgs.present[rows])
        hidden = _hidden(part, taught.config.n_patches, step, rng)
        _error(taught, Unlabelled(centre(part), part.present), hidden).backward()  # type: ignore[no-untyped-call]
        optimiser.step(warm_cosine(step, steps, RATE, max(1, steps // 20)))
        if on_step:
            on_step(step + 1, steps)
    return taught.requires_grad_(True).eval()


def _prepared(model: TMAE) -> tuple[TMAE, dict[str, nn.Parameter]]:
    """A copy with an echo that says nothing yet, and its weights by name, which alone can learn."""
    taught = TMAE(replace(model.config, echo=True)).requires_grad_(False)
    fresh, left = taught.load_state_dict(model.state_dict(), strict=False)
    learning = {name: p for name, p in taught.named_parameters() if name.startswith(ECHO)}
    if left or {*fresh} - {*learning}:
        raise ValueError("these are not the weights of a TMAE")
    for parameter in learning.values():
        parameter.requires_grad_(True)
    return taught, learning


def _hidden(ecgs: Unlabelled, n_patches: int, step: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    seed = int(rng.integers(2**31))
    if step % 2:
        return masks_for(ecgs, n_patches, MASK, seed)
    return spans_for(ecgs, round(rng.uniform(*SPANS) * ecgs.signal.shape[2]), seed)


def _error(model: TMAE, ecgs: Unlabelled, hidden: NDArray[np.bool_]) -> Tensor:
    signal, present = torch.from_numpy(ecgs.signal), torch.from_numpy(ecgs.present)
    gone, n = torch.from_numpy(hidden), model.config.n_patches
    patches = gone.view(len(gone), N_LEADS * n, -1).any(dim=2)
    seen = as_visible(~patches & present.repeat_interleave(n, dim=1))
    rebuilt, _ = model.reconstruct(signal.masked_fill(gone, 0.0), present, seen, ~gone & present[..., None])
    hidden_patch = gone.view_as(rebuilt)
    error = ((rebuilt - signal.view_as(rebuilt)).square() * hidden_patch).sum(dim=(1, 2, 3))
    power = (signal.square() * gone).sum(dim=(1, 2))
    return (error / (power + 1e-3 * gone.sum(dim=(1, 2)))).mean()
