"""Copies along time: what a lead showed a beat earlier or later, for moments when no lead shows anything.

Non-local means (Buades et al., CVPR 2005) along an ECG, with shared and learnt weights. Two moments are alike
if the stretches of signal around them are; a hidden moment lies between visible stretches, so it has
neighbours to compare. In a regular rhythm the best likeness lies a beat away, in an irregular one several
lags are about as likely, and their mean is smeared as it should be: it keeps the squared error small.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

KNOTS = 26  # of the preference among lags
NEAR = 8.0  # blocks: how far around a moment it is compared, at the start
SHARPNESS, DOUBT = 8.0, 0.5  # at the start; DOUBT is the weight of "nothing like it", which says 0 mV
QUIET = 0.02  # of the mean energy, added: where hardly anything is shown, likeness means nothing
LOUDEST = 15.0  # of a log weight: exp of it still fits a sum of a thousand


class Echo(nn.Module):
    """ECG [b, lead, sample] and the samples shown -> what alike moments show [b, lead, sample].

    Lags reach half of the ECG; all samples of a block (a tenth of a patch) share their weights.
    """

    lags: Tensor

    def __init__(self, samples: int, patch: int) -> None:
        """Raises ValueError where blocks do not fill the ECG."""
        super().__init__()
        self.block, self.reach = max(1, patch // 10), samples // 2
        if samples % self.block:
            raise ValueError(f"{samples} samples are no whole number of blocks of {self.block}")
        self.n_blocks = samples // self.block
        steps = torch.arange(self.n_blocks // 2 + 1, dtype=torch.float32)
        self.near = nn.Parameter(-0.5 * (steps / NEAR).square())  # log weight of a neighbour by its distance
        self.sharpness = nn.Parameter(torch.tensor(SHARPNESS).log())
        self.preferred = nn.Parameter(torch.zeros(KNOTS))  # log weight of a lag, between knots by lines
        self.doubt = nn.Parameter(torch.tensor(DOUBT).log())
        lag = torch.arange(-self.reach, self.reach + 1).abs() / self.reach * (KNOTS - 1)
        hats = (1.0 - (lag - torch.arange(KNOTS)[:, None]).abs()).clamp(min=0.0)
        self.register_buffer("lags", hats, persistent=False)  # [knot, lag]

    def forward(self, signal: Tensor, shown: Tensor) -> Tensor:
        """shown: bool like signal; of hidden samples nothing is looked at."""
        visible = shown.to(signal.dtype)
        signal = signal.masked_fill(~shown, 0.0)
        with torch.no_grad():
            product, energy = self._likeness(signal, visible)
        weights = self._weights(product, energy)
        total, count = (self._gather(weights, part) for part in (signal, visible))
        out: Tensor = total / (count + self.doubt.exp())
        return out

    def _likeness(self, signal: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """For each block and lag, over samples that both moments show: products, and the mean of squares.

        Each [b, block, lag]; the quotient of the two is 1 where a stretch returns unchanged.
        """
        power = signal.square()
        product = self._lagged(signal, signal)
        energy = self._lagged(torch.cat([power, visible], 1), torch.cat([visible, power], 1)) / 2
        return product, energy

    def _lagged(self, here: Tensor, there: Tensor) -> Tensor:
        """Sums over leads and the samples of a block of here(t) * there(t + lag): [b, block, lag]."""
        b, leads, _ = here.shape
        blocks = here.view(b, leads, self.n_blocks, self.block).permute(0, 2, 3, 1).flatten(0, 1)
        pairs = torch.bmm(blocks, self._around(there))  # [b * block, sample, sample around]
        n, wide = pairs.shape[0], pairs.shape[2]
        # The sample moves on by one, so does the window: lags are the diagonals.
        diagonals = pairs.as_strided((n, self.block, 2 * self.reach + 1), (self.block * wide, wide + 1, 1))
        return diagonals.sum(1).view(b, self.n_blocks, -1)

    def _around(self, x: Tensor) -> Tensor:
        """Each block with what is within reach of it: [b * block, lead, block + 2 * reach]."""
        windows = functional.pad(x, (self.reach, self.reach)).unfold(
            2, self.block + 2 * self.reach, self.block
        )
        return windows.permute(0, 2, 1, 3).flatten(0, 1)

    def _weights(self, product: Tensor, energy: Tensor) -> Tensor:
        """Weights [b, block, lag] of the moments a lag away from a block."""
        product, energy = self._blurred(product), self._blurred(energy)
        likeness = product / (energy + QUIET * energy.mean(dim=(1, 2), keepdim=True) + 1e-12)
        score = self.sharpness.exp() * (likeness - 1.0) + self.preferred @ self.lags
        return score.clamp(max=LOUDEST).exp()

    def _blurred(self, x: Tensor) -> Tensor:
        """Sums over the blocks around each block, the near ones counting most."""
        block = torch.arange(self.n_blocks)
        distance = (block[:, None] - block).abs()
        near = self.near.exp()[distance.clamp(max=len(self.near) - 1)] * (distance < len(self.near))
        return near @ x

    def _gather(self, weights: Tensor, x: Tensor) -> Tensor:
        """The weighted sum of x over lags, at every sample: [b, lead, sample]."""
        b, leads, samples = x.shape
        # Each row of a block one sample further than the row before: padded by one, it is skewed when cut.
        rows = weights.flatten(0, 1)[:, None].expand(-1, self.block, -1)
        wide = rows.shape[2] + self.block - 1
        rows = functional.pad(rows, (0, self.block)).flatten(1)[:, : self.block * wide]
        out = torch.bmm(rows.view(-1, self.block, wide), self._around(x).transpose(1, 2))
        return out.view(b, self.n_blocks * self.block, leads).transpose(1, 2).reshape(b, leads, samples)
