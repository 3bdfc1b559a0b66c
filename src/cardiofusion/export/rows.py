"""The encoder as the runtime likes it: tokens are rows of one matrix [ecg * 120, width], lead by lead.

The same arithmetic as tmae/model.py in the order that costs ONNX Runtime least (benchmarks/encoder_speed.py
measures it): a linear layer on a matrix takes its bias along; -1 for the batch leaves no shapes to compute
while it runs; stem features stay channel-last, as convolutions keep them there; and the position codes and
the bias below them are one constant.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from cardiofusion.tmae.axial import AxisBlock
from cardiofusion.tmae.model import N_LEADS, Encoder


class RowEncoder(nn.Module):
    """ECG [b, 12, sample] and present [b, 12] -> tokens [b, 12, time, width], as `Encoder` gives them."""

    weight: Tensor
    place: Tensor

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        config, tokenise = encoder.config, encoder.tokenise
        self.shape = (N_LEADS, config.n_patches, config.width)
        by_channel = tokenise.weight.detach().view(config.width, config.stem_width, -1)
        self.register_buffer("weight", by_channel.transpose(1, 2).flatten(1).T.contiguous())
        place = encoder.time + encoder.lead.detach()[:, None] + tokenise.bias.detach()
        self.register_buffer("place", place.flatten(0, 1))

    def forward(self, signal: Tensor, present: Tensor) -> Tensor:
        """As `Encoder.forward`."""
        times = self.shape[1]
        # Every time of an ECG has the leads that the ECG has: [b * time, 1, 1, 12].
        allowed = present[:, None].expand(-1, times, -1).reshape(-1, 1, 1, N_LEADS)
        x = self._tokens(signal)
        for block in self.encoder.blocks:
            x = self._block(cast(AxisBlock, block), x, allowed)
        out: Tensor = self.encoder.norm(x).reshape(-1, *self.shape) * present[:, :, None, None]
        return out

    def _tokens(self, signal: Tensor) -> Tensor:
        leads, times, width = self.shape
        patches = signal.reshape(-1, 1, leads * times, self.encoder.config.patch)
        features = self.encoder.stem(patches).permute(0, 2, 3, 1)  # [b, patch, frame, channel]
        patches = features.reshape(-1, leads * times, self.weight.shape[0])
        tokens: Tensor = patches @ self.weight + self.place
        return tokens.reshape(-1, width)

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
