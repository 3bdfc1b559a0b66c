"""TMAE: a temporal masked autoencoder that treats an ECG as a grid of leads by time.

The file reads like a method section. The design in short:

- A patch is 1 s of one lead. A convolutional stem, the same for every patch, gives features every 40 ms
  (the resolution of Grad-CAM); one linear map turns a patch of them into a token. The stem never looks
  beyond its patch, so nothing leaks into hidden ones and hidden ones cost nothing.
- Axis-wise attention: a token attends to the other leads at the same time (inter-lead attention), then to
  the other times of the same lead. One set of weights serves 1 or 12 leads: an absent lead is no token.
- Time is a fixed sinusoid, so that positions carry over to other lengths; the lead is a learnt vector.
- One more column of tokens is no time: each lead's mean beat, found without learning (beats.py), with the
  rhythm of the beats added to it. What becomes of it is added to every token of its lead.
- Masking hides 75 % of the lead-time patches, and the encoder runs on the visible quarter alone: the
  attention pattern of the grid is kept by masks over the flat list of visible tokens.
- The summary: one token made from each lead's mean token. A line on it names the causes of virtual patients,
  from full and masked views, and the decoder sees it too, so real ECGs teach it as well.
- A light decoder of the same axis-wise kind reconstructs the samples of every patch. What the visible leads
  show at that very moment is copied, with weights that attention finds; the decoder's own samples are added.
  (A patch of 100 samples does not pass whole through a token of 80 numbers, and leads are nearly linear in
  each other: without the copy the network learns slowly what a 12 x 12 matrix knows.) Where no lead shows
  anything, beats before and after are copied (echo.py), as much as the token says.
- Findings: what readers of ECGs code, such as infarction, is any one of several causes. Their log-odds follow
  from those of the causes; nothing of them is learnt from a real patient's label.
- The embedding is the summary and the findings, [width + finding]. A linear probe reads more off the summary
  than off the lead tokens it is made of, or off all causes that a line makes of it (docs/encoder-log.md).

Sources: He et al., Masked autoencoders are scalable vision learners, CVPR 2022; Ho et al., Axial attention
in multidimensional transformers, 2019; Vaswani et al., Attention is all you need, NeurIPS 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiofusion.tmae.axial import AxisStack
from cardiofusion.tmae.beats import LAGS, Beats, average_beats
from cardiofusion.tmae.echo import Echo

N_LEADS = 12
COPY_RANK = 16  # of the copies between leads: 12 leads, and some room
FRAME = 4  # samples a stem feature: 40 ms at 100 Hz
TYPICAL_MV = 0.25
RHYTHM_WIDTH = 32
LANES = 16  # of a vector register: rows of as many numbers leave no rest that is computed in another way, so
# that findings of an ECG are the same to the last bit whoever is beside it in the batch


@dataclass(frozen=True)
class TMAEConfig:
    """The sizes, all following from `width` and `layers`.

    samples: length of the canonical signal; patch: samples a token; n_causes: targets of the cause head;
    findings: the causes that make each finding; echo: whether the decoder copies along time.
    """

    width: int = 80
    layers: int = 3
    heads: int = 4
    decoder_width: int = 48
    decoder_layers: int = 2
    stem_width: int = 16
    samples: int = 1000
    patch: int = 100
    n_causes: int = 0
    findings: tuple[tuple[int, ...], ...] = ()
    echo: bool = False

    @property
    def n_embedding(self) -> int:
        return self.width + len(self.findings)

    @property
    def n_patches(self) -> int:
        return self.samples // self.patch

    @property
    def n_frames(self) -> int:
        """Stem features along time."""
        return self.samples // FRAME


@dataclass(frozen=True, eq=False)
class Visible:
    """The tokens the encoder may see, as a flat list: `index` [b, k] into lead * n_patches + time.

    `valid` [b, k] is False for padding, where an ECG has fewer leads than its neighbours in the batch;
    padding names tokens that the ECG does not show otherwise.
    """

    index: Tensor
    valid: Tensor


def time_code(n_patches: int, width: int) -> Tensor:
    """Fixed sinusoidal positions [n_patches, width] (Vaswani et al., 2017)."""
    position = torch.arange(n_patches, dtype=torch.float32)[:, None]
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * (-math.log(100.0) / width))
    return torch.cat([torch.sin(position * rate), torch.cos(position * rate)], dim=1)


class Encoder(nn.Module):
    """ECG [b, 12, sample] and the leads present [b, 12] -> tokens [b, 12, time, width]."""

    time: Tensor

    def __init__(self, config: TMAEConfig) -> None:
        super().__init__()
        self.config = config
        c = config.stem_width
        # Patches are the rows of an image: convolved along time, one beside the other, in one go.
        first = nn.Conv2d(1, c, (1, 9), stride=(1, 2), padding=(0, 4))
        second = nn.Conv2d(c, c, (1, 5), stride=(1, 2), padding=(0, 2))
        self.stem = nn.Sequential(first, nn.ReLU(), second, nn.ReLU())
        self.tokenise = nn.Linear(c * config.patch // FRAME, config.width)
        self.lead = nn.Parameter(torch.randn(N_LEADS, config.width) * 0.5)
        self.beat = nn.Parameter(torch.randn(1, config.width) * 0.5)  # where a time has its code
        rhythm = nn.Linear(LAGS, RHYTHM_WIDTH), nn.Linear(RHYTHM_WIDTH, config.width)
        self.rhythm = nn.Sequential(rhythm[0], nn.GELU(), rhythm[1])
        self.blocks = AxisStack(config.width, config.heads, config.layers)
        self.norm = nn.LayerNorm(config.width)
        self.summary = nn.Linear(N_LEADS * config.width, config.width)
        self.register_buffer("time", time_code(config.n_patches, config.width), persistent=False)
        self._start_loud(first, second)

    def _start_loud(self, first: nn.Conv2d, second: nn.Conv2d) -> None:
        """Tokens of an ordinary ECG (0.25 mV RMS) start as large as the position codes.

        With torch's own start they would be a hundredth of them, and a thousand steps go by before the
        network notices the signal.
        """
        for layer in (first, second):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            first.weight.mul_(1.0 / TYPICAL_MV)
        nn.init.normal_(self.tokenise.weight, std=self.tokenise.in_features**-0.5)
        nn.init.normal_(cast(nn.Linear, self.rhythm[0]).weight, std=0.5)  # of 100 lags a few are not 0

    def beats(self, signal: Tensor, present: Tensor) -> Beats:
        """Of whole ECGs."""
        return average_beats(signal, present[..., None].to(signal.dtype), self.config.patch)

    def frames(self, signal: Tensor, beats: Beats) -> Tensor:
        """Stem features [b, 12, time + 1, channel, frame], 40 ms a frame: what Grad-CAM looks at.

        The last of the times is the mean beat.
        """
        b, n, patch = signal.shape[0], self.config.n_patches, self.config.patch
        patches = torch.cat([signal.reshape(b, N_LEADS, n, patch), beats.mean[:, :, None]], dim=2)
        features = self._features(patches.flatten(1, 2))
        return features.reshape(b, N_LEADS, n + 1, *features.shape[2:])

    def _features(self, patches: Tensor) -> Tensor:
        """Stem features of patches [b, k, sample]: [b, k, channel, frame]."""
        features: Tensor = self.stem(patches[:, None])
        return features.transpose(1, 2)

    def place(self) -> Tensor:
        """The codes of lead and time [12, time + 1, width]."""
        return torch.cat([self.time, self.beat]) + self.lead[:, None]

    def tokens_from(self, frames: Tensor, beats: Beats) -> Tensor:
        """Tokens before attention, positions added: [b, 12, time + 1, width]."""
        tokens: Tensor = self.tokenise(frames.flatten(3)) + self.place()
        rhythm = self.rhythm(beats.rhythm)[:, None, None]
        return torch.cat([tokens[:, :, :-1], tokens[:, :, -1:] + rhythm], dim=2)

    def attend(self, tokens: Tensor, present: Tensor) -> Tensor:
        """Full-grid attention [b, 12, time, width]; tokens of absent leads come out as zeros."""
        allowed = present[:, None, None, :]
        tokens = self.norm(self.blocks.grid(tokens, allowed))
        out: Tensor = (tokens[:, :, :-1] + tokens[:, :, -1:]) * present[:, :, None, None]
        return out

    def forward(self, signal: Tensor, present: Tensor) -> Tensor:
        beats = self.beats(signal, present)
        return self.attend(self.tokens_from(self.frames(signal, beats), beats), present)

    def summarise(self, pooled: Tensor) -> Tensor:
        """The summary token [b, width] of each lead's mean token [b, 12 * width]."""
        return functional.gelu(self.summary(pooled))

    def visible(self, signal: Tensor, seen: Visible, shown: Tensor) -> Tensor:
        """Only the visible tokens, after attention among themselves: [b, k, width].

        Of the signal only the samples shown are looked at, 1 or 0 like signal.
        """
        b, n, k = signal.shape[0], self.config.n_patches, seen.index.shape[1]
        beats = average_beats(signal, shown, self.config.patch)
        patches = torch.cat([_gather(signal.reshape(b, N_LEADS * n, -1), seen.index), beats.mean], dim=1)
        of_beats = torch.arange(N_LEADS).expand(b, -1)
        lead = torch.cat([seen.index // n, of_beats], dim=1)
        time = torch.cat([seen.index % n, torch.full_like(of_beats, n)], dim=1)
        valid = torch.cat([seen.valid, shown.amax(dim=2) > 0], dim=1)
        tokens = self.tokenise(self._features(patches).flatten(2)) + self.place()[lead, time]
        tokens = torch.cat([tokens[:, :k], tokens[:, k:] + self.rhythm(beats.rhythm)[:, None]], dim=1)
        tokens = self.norm(self.blocks.flat(tokens, _same(time, valid), _same(lead, valid)))
        out: Tensor = tokens[:, :k] + _gather(tokens[:, k:], lead[:, :k])
        return out


def _gather(rows: Tensor, index: Tensor) -> Tensor:
    """Of rows [b, n, width] those of index [b, k]."""
    return torch.gather(rows, 1, index[..., None].expand(-1, -1, rows.shape[2]))


def _same(where: Tensor, valid: Tensor) -> Tensor:
    """Who may attend to whom in a flat list of tokens [b, k]: those of the same place, [b, 1, k, k]."""
    usable = valid[:, None, :] | torch.eye(where.shape[1], dtype=torch.bool)
    return ((where[:, :, None] == where[:, None, :]) & usable)[:, None]


def shown_samples(seen: Visible, config: TMAEConfig) -> Tensor:
    """The samples of the patches seen, bool [b, 12, sample]."""
    flat = torch.zeros(len(seen.index), N_LEADS * config.n_patches, dtype=torch.bool)
    grid = flat.scatter(1, seen.index, seen.valid).view(len(flat), N_LEADS, -1)
    return grid.repeat_interleave(config.patch, dim=2)


def pool(tokens: Tensor) -> Tensor:
    """Each lead's mean token [b, 12 * width] (zero for an absent lead)."""
    return tokens.mean(dim=2).flatten(1)


class Decoder(nn.Module):
    """Visible tokens back to the samples of every patch: [b, 12, time, patch]."""

    time: Tensor

    def __init__(self, config: TMAEConfig) -> None:
        super().__init__()
        self.config = config
        width = config.decoder_width
        self.narrow, self.context = nn.Linear(config.width, width), nn.Linear(config.width, width)
        self.mask = nn.Parameter(torch.zeros(width))
        self.lead = nn.Parameter(torch.randn(N_LEADS, width) * 0.5)
        self.blocks = AxisStack(width, config.heads, config.decoder_layers)
        self.norm = nn.LayerNorm(width)
        self.samples = nn.Linear(width, config.patch)
        nn.init.normal_(self.samples.weight, std=0.01)  # start near the mean, which scores R2 = 0
        self.copied = nn.Linear(width, 2 * COPY_RANK)
        if config.echo:
            self.echo = Echo(config.samples, config.patch)
            self.blend = nn.Parameter(torch.zeros(2, width + 1))  # of both guesses, as a line on the token
        self.register_buffer("time", time_code(config.n_patches, width), persistent=False)

    def forward(
        self,
        signal: Tensor,
        tokens: Tensor,
        summary: Tensor,
        seen: Visible,
        present: Tensor,
        shown: Tensor,
    ) -> Tensor:
        """tokens [b, k, width] of the visible patches, summary [b, width] -> samples [b, 12, time, patch].

        Of the signal [b, 12, sample] only the samples shown are looked at, bool [b, 12, sample]: those of
        the patches seen, and maybe more.
        """
        grid = self.norm(self._grid(tokens, summary, seen, present))
        patches = signal.view(len(signal), N_LEADS, self.config.n_patches, self.config.patch)
        visible = shown.view_as(patches).all(dim=3)
        samples: Tensor = self.samples(grid) + self._copy(grid, patches, visible)
        if not self.config.echo:
            return samples
        return self._blend(grid, samples, self.echo(signal, shown).view_as(patches))

    def _blend(self, grid: Tensor, samples: Tensor, echo: Tensor) -> Tensor:
        """Both guesses of a patch, each as far as its token trusts it; at first the first alone."""
        trust = functional.linear(grid, self.blend[:, 1:], self.blend[:, 0])
        return samples * (1.0 + trust[..., :1]) + echo * trust[..., 1:]

    def _copy(self, grid: Tensor, patches: Tensor, visible: Tensor) -> Tensor:
        """Visible patches of the same second, weighed. No softmax: one lead may be another negated."""
        asked, offered = (self.copied(grid) / COPY_RANK**0.5).chunk(2, dim=-1)
        offered = offered * visible[..., None]
        weights = asked.transpose(1, 2) @ offered.permute(0, 2, 3, 1)  # [b, time, lead asked, lead offered]
        copied: Tensor = (weights @ patches.transpose(1, 2)).transpose(1, 2)
        return copied

    def _grid(self, tokens: Tensor, summary: Tensor, seen: Visible, present: Tensor) -> Tensor:
        """Every patch's token after attention, visible or not: [b, 12, time, width]."""
        b, n, width = tokens.shape[0], self.config.n_patches, self.config.decoder_width
        grid = self.mask.expand(b, N_LEADS * n, width)
        shown = torch.where(seen.valid[..., None], self.narrow(tokens), self.mask)
        grid = grid.scatter(1, seen.index[..., None].expand(-1, -1, width), shown).view(b, N_LEADS, n, width)
        grid = grid + self.time + self.lead[:, None] + self.context(summary)[:, None, None]
        return self.blocks.grid(grid, present[:, None, None, :])


class TMAE(nn.Module):
    """Encoder, decoder and cause head together: what pretraining trains."""

    members: Tensor  # [cause, finding], 1 where the cause makes the finding; filled up to whole LANES

    def __init__(self, config: TMAEConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.causes = nn.Linear(config.width, config.n_causes) if config.n_causes else None
        members = torch.zeros(*(-n % LANES + n for n in (config.n_causes, len(config.findings))))
        for finding, causes in enumerate(config.findings):
            members[list(causes), finding] = 1.0
        self.register_buffer("members", members, persistent=False)

    def reconstruct(
        self, signal: Tensor, present: Tensor, seen: Visible, shown: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Reconstruction [b, 12, time, patch] from the visible patches, and their summary [b, width].

        shown: the visible samples, bool [b, 12, sample], where they are more than the patches seen whole.
        """
        shown = shown_samples(seen, self.config) if shown is None else shown & present[..., None]
        tokens = self.encoder.visible(signal, seen, shown.to(signal.dtype))
        summary = self.encoder.summarise(self._pool_visible(tokens, seen))
        return self.decoder(signal, tokens, summary, seen, present, shown), summary

    def summarise(self, signal: Tensor, present: Tensor) -> Tensor:
        """The summary [b, width] of whole ECGs."""
        return self.encoder.summarise(pool(self.encoder(signal, present)))

    def embed(self, signal: Tensor, present: Tensor) -> Tensor:
        """The embedding [b, width + finding] of whole ECGs."""
        return self.with_findings(self.summarise(signal, present))

    def with_findings(self, summary: Tensor) -> Tensor:
        """The summary [b, width] and the log-odds of each finding beside it."""
        if not self.config.findings:
            return summary
        return torch.cat([summary, self.find(self.name_causes(summary))], dim=1)

    def find(self, causes: Tensor) -> Tensor:
        """Cause scores [b, cause] -> log-odds [b, finding] that one of a finding's causes is there at least.

        As if causes were independent and as common as among virtual patients: a ranking, not a probability.
        """
        causes = functional.pad(causes, (0, -self.config.n_causes % LANES))
        none = functional.softplus(causes) @ self.members  # minus the log of the chance of not even one
        half = none.clamp(1e-6, 150.0) / 2
        odds = half + torch.log(2.0 * torch.sinh(half))  # log(exp(none) - 1), to the last digit
        return odds[:, : len(self.config.findings)]

    def name_causes(self, summary: Tensor) -> Tensor:
        """Cause scores [b, cause] (numbers as they are, flags as logits)."""
        if self.causes is None:
            raise ValueError("this TMAE was built without causes")
        scores: Tensor = self.causes(summary)
        return scores

    def _pool_visible(self, tokens: Tensor, seen: Visible) -> Tensor:
        """Each lead's mean token over what is seen of it: [b, 12 * width]."""
        b, _, width = tokens.shape
        lead = seen.index // self.config.n_patches
        weight = seen.valid.to(tokens.dtype)
        total = torch.zeros(b, N_LEADS, width).scatter_add(
            1, lead[..., None].expand(-1, -1, width), tokens * weight[..., None]
        )
        count = torch.zeros(b, N_LEADS).scatter_add(1, lead, weight)
        return (total / count.clamp(min=1.0)[..., None]).flatten(1)


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
