"""Which patches of an ECG the encoder may see."""

from __future__ import annotations

import torch
from torch import Tensor

from cardiofusion.tmae.model import N_LEADS, Visible


def random_patches(present: Tensor, n_patches: int, share: float, generator: torch.Generator) -> Visible:
    """Hide `share` of the lead-time patches of the leads that are present, [b, 12], at random.

    At least one patch of every ECG stays visible.
    """
    b = present.shape[0]
    score = torch.rand(b, N_LEADS, n_patches, generator=generator)
    score = score.masked_fill(~present[..., None], 2.0).flatten(1)
    wanted = ((1.0 - share) * n_patches * present.sum(dim=1)).round().clamp(min=1.0)
    width = int(wanted.max())
    index = score.argsort(dim=1)[:, :width]
    return Visible(index, torch.arange(width) < wanted[:, None])


def drop_leads(present: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Take leads away from a `share` of the ECGs, down to a random number of them (at least one).

    Training on subsets is what makes one model serve one lead or twelve.
    """
    b = present.shape[0]
    chosen = torch.rand(b, generator=generator) < share
    keep = torch.randint(1, N_LEADS, (b,), generator=generator)
    score = torch.rand(b, N_LEADS, generator=generator).masked_fill(~present, 2.0)
    kept = (score.argsort(dim=1).argsort(dim=1) < keep[:, None]) & present
    return torch.where(chosen[:, None], kept, present)


def hidden_patches(seen: Visible, present: Tensor, n_patches: int) -> Tensor:
    """The patches to reconstruct, bool [b, 12, n_patches]: present and not visible."""
    hidden = torch.ones(seen.index.shape[0], N_LEADS * n_patches, dtype=torch.bool)
    hidden = hidden.scatter(1, seen.index, ~seen.valid)
    return hidden.view(-1, N_LEADS, n_patches) & present[..., None]
