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


def time_spans(
    present: Tensor, n_patches: int, longest: int, share: float, generator: torch.Generator
) -> Visible:
    """Hide 1 to `longest` patches in a row in all leads at once, and `share` of what is left at random.

    Only rhythm and the other beats tell what such a span holds: the other leads are no help.
    """
    b = present.shape[0]
    longest = max(1, min(longest, n_patches - 1))
    length = torch.randint(1, longest + 1, (b, 1), generator=generator)
    start = (torch.rand(b, 1, generator=generator) * (n_patches - length + 1)).long()
    time = torch.arange(n_patches)
    span = (time >= start) & (time < start + length)  # [b, time]
    score = torch.rand(b, N_LEADS, n_patches, generator=generator).masked_fill(span[:, None], 2.0)
    score = score.masked_fill(~present[..., None], 3.0).flatten(1)
    outside = (n_patches - length[:, 0]) * present.sum(dim=1)
    wanted = ((1.0 - share) * outside).round().clamp(min=1.0)
    width = int(wanted.max())
    return Visible(score.argsort(dim=1)[:, :width], torch.arange(width) < wanted[:, None])


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
