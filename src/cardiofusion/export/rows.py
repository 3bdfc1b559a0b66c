"""The encoder as the runtime likes it: tokens are rows of one matrix [ecg * 132, width], lead by lead.

The same arithmetic as tmae/model.py in the order that costs ONNX Runtime least (benchmarks/encoder_speed.py
measures it): a linear layer on a matrix takes its bias along; -1 for the batch leaves no shapes to compute
while it runs; stem features stay channel-last, as convolutions keep them there; and the position codes and
the bias below them are one constant.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from cardiofusion.tmae.axial import AxisBlock
from cardiofusion.tmae.beats import find_beats, over_count, rhythm, windows
from cardiofusion.tmae.model import N_LEADS, Encoder


class RowEncoder(nn.Module):
    """ECG [b, 12, sample] and present [b, 12] -> tokens [b, 12, time, width], as `Encoder` gives them."""

    weight: Tensor
    place: Tensor
    last: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        config, tokenise = encoder.config, encoder.tokenise
        self.shape = (N_LEADS, config.n_patches + 1, config.width)  # the last of the times is the mean beat
        by_channel = tokenise.weight.detach().view(config.width, config.stem_width, -1)
        self.register_buffer("weight", by_channel.transpose(1, 2).flatten(1).T.contiguous())
        place = encoder.place().detach() + tokenise.bias.detach()
        self.register_buffer("place", place.flatten(0, 1))
        last = torch.arange(self.shape[1]) == self.shape[1] - 1  # the rhythm is added to the mean beat alone
        self.register_buffer("last", last[:, None].to(place.dtype))

    def forward(self, signal: Tensor, present: Tensor) -> Tensor:
        """As `Encoder.forward`."""
        times = self.shape[1]
        # Every time of an ECG has the leads that the ECG has: [b * time, 1, 1, 12].
        allowed = present[:, None].expand(-1, times, -1).reshape(-1, 1, 1, N_LEADS)
        x = self._tokens(signal, present)
        for block in self.encoder.blocks:
            x = self._block(cast(AxisBlock, block), x, allowed)
        x = self.encoder.norm(x).reshape(-1, *self.shape)
        out: Tensor = (x[:, :, :-1] + x[:, :, -1:]) * present[:, :, None, None]
        return out

    def _tokens(self, signal: Tensor, present: Tensor) -> Tensor:
        leads, times, width = self.shape
        patch = self.encoder.config.patch
        beat, regular = self._beats(signal * present[..., None], present, patch)
        whole = torch.cat([signal.reshape(-1, leads, times - 1, patch), beat[:, :, None]], dim=2)
        features = self.encoder.stem(whole.reshape(-1, 1, leads * times, patch))
        rows = features.permute(0, 2, 3, 1).reshape(-1, leads * times, self.weight.shape[0])
        added = self.encoder.rhythm(regular)[:, None, None] * self.last
        tokens: Tensor = (rows @ self.weight + self.place).reshape(-1, *self.shape) + added
        return tokens.reshape(-1, width)

    def _beats(self, signal: Tensor, present: Tensor, patch: int) -> tuple[Tensor, Tensor]:
        """`average_beats` of whole leads, the long side of its product first."""
        weight = find_beats(signal, present[..., None].to(signal.dtype), _product)
        counted = torch.cat([signal, torch.ones_like(signal[:, :1])], dim=1)
        both = (windows(weight, patch) @ counted.transpose(1, 2)).transpose(1, 2)
        return over_count(both, signal.shape[1]), rhythm(weight)

    def _block(self, block: AxisBlock, x: Tensor, allowed: Tensor) -> Tensor:
        leads, times, width = self.shape
        by_time = self._swapped(block.norm_lead(x), leads, times)
        lead, time = block.across_leads, block.along_time
        mixed = lead.mix(lead.qkv(by_time).reshape(-1, leads, 3 * width), allowed, lead.heads)
        x = x + self._swapped(lead.out(mixed.reshape(-1, width)), times, leads)
        mixed = time.mix(time.qkv(block.norm_time(x)).reshape(-1, times, 3 * width), None, time.heads)
        x = x + time.out(mixed.reshape(-1, width))
        out: Tensor = x + block.mlp(block.norm_mlp(x))
        return out

    def _swapped(self, rows: Tensor, outer: int, inner: int) -> Tensor:
        """Rows that went through `outer`, and within each through `inner`, the other way round."""
        width = self.shape[2]
        return rows.reshape(-1, outer, inner, width).transpose(1, 2).reshape(-1, width)


def _product(x: Tensor) -> Tensor:
    """Sums over leads as a product: the runtime's own sums differ in the last bit with the batch."""
    return (torch.ones(1, 1, x.shape[1]) @ x)[:, 0]
