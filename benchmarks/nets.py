"""The networks that learn from labels, alone or after the encoder: ECG [b, 12, sample] to logits [b, label].

All take (signal, leads present [b, 12]) in millivolts. The two peers are written from their papers, at a size
that a few hundred ECGs and one core can train; both look at 25 frames a second after their stems.

Sources: He et al., Bag of tricks for image classification with convolutional neural networks, CVPR 2019
(stem of three convolutions, pooled shortcut, last norm of a block started at zero); Strodthoff et al., Deep
learning for ECG analysis: benchmarks and insights from PTB-XL, IEEE JBHI 2021 (the same in one dimension,
kernel 5, mean and maximum pooled side by side); Gu et al., On the parameterization and initialization of
diagonal state space models, NeurIPS 2022 (S4D); Mehari and Strodthoff, Towards quantitative precision for ECG
analysis, IEEE JBHI 2023 (four such layers, in both directions, small states, for ECGs).
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiofusion.tmae import TMAE, TMAEConfig

N_LEADS = 12
TYPICAL_MV = 0.25
KERNEL = 5


def convolution(inputs: int, outputs: int, kernel: int = KERNEL, stride: int = 1) -> nn.Sequential:
    """A convolution along time and its norm."""
    layer = nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight)
    return nn.Sequential(layer, nn.BatchNorm1d(outputs))


class ResidualBlock(nn.Module):
    """x [b, inputs, t] -> [b, outputs, t / stride]; starts as its shortcut: the last norm starts at zero."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first, last = convolution(inputs, outputs, stride=stride), convolution(outputs, outputs)
        nn.init.zeros_(last.get_parameter("1.weight"))
        self.body = nn.Sequential(first, nn.ReLU(), last)
        shortcut: list[nn.Module] = []
        if stride > 1:
            shortcut.append(nn.AvgPool1d(stride, ceil_mode=True))
        if inputs != outputs:
            shortcut.append(convolution(inputs, outputs, kernel=1))
        self.shortcut = nn.Sequential(*shortcut)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.body(x) + self.shortcut(x))


class XResNet(nn.Module):
    """xresnet1d of four stages with two residual blocks each (18 layers)."""

    def __init__(self, n_labels: int, widths: tuple[int, ...] = (32, 64, 96, 128)) -> None:
        super().__init__()
        first = widths[0]
        stem = [convolution(N_LEADS, first, stride=2), nn.ReLU()]
        stem += [*(convolution(first, first), nn.ReLU()), *(convolution(first, first), nn.ReLU())]
        self.stem = nn.Sequential(*stem, nn.MaxPool1d(3, 2, padding=1))
        blocks = []
        for at, width in enumerate(widths):
            before = widths[max(at - 1, 0)]
            blocks += [ResidualBlock(before, width, 1 if at == 0 else 2), ResidualBlock(width, width, 1)]
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(
            nn.BatchNorm1d(2 * widths[-1]), nn.Dropout(0.5), nn.Linear(2 * widths[-1], n_labels)
        )

    def forward(self, signal: Tensor, present: Tensor) -> Tensor:
        x = self.blocks(self.stem(signal * present[..., None] / TYPICAL_MV))
        logits: Tensor = self.head(torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1))
        return logits


class DiagonalStateSpace(nn.Module):
    """Every channel a bank of damped oscillators, run forwards and backwards: x [b, width, t] -> the same.

    x' = a x + u, y = Re(c x) with complex a, c; solved exactly for steps of dt, the sum over the past is a
    convolution with the kernel c (exp(a dt) - 1) / a * exp(a dt)^k, done by FFT. a starts at -1/2 + i pi n
    (S4D-Lin), dt between a thousandth and a tenth.
    """

    def __init__(self, width: int, states: int) -> None:
        super().__init__()
        self.log_dt = nn.Parameter(torch.empty(width).uniform_(math.log(1e-3), math.log(1e-1)))
        self.log_damping = nn.Parameter(torch.full((width, states), math.log(0.5)))
        self.frequency = nn.Parameter(math.pi * torch.arange(states).repeat(width, 1).float())
        self.c = nn.Parameter(torch.randn(2, width, states, 2) * 0.5**0.5)  # of both directions; re and im
        self.through = nn.Parameter(torch.randn(width))

    def kernel(self, length: int) -> Tensor:
        """What an impulse leaves behind, forwards and backwards: [2, width, length]."""
        a = torch.complex(-self.log_damping.exp(), self.frequency)
        step = a * self.log_dt.exp()[:, None]
        # Half of each conjugate pair is kept: twice its real part stands for both.
        c = (2 * torch.view_as_complex(self.c) * (torch.exp(step) - 1) / a).transpose(0, 1)
        # exp(step k) for all k, in real numbers: faster than torch's complex exponential.
        at = torch.arange(length, dtype=torch.float32)
        size, angle = (step.real[..., None] * at).exp(), step.imag[..., None] * at  # [width, state, length]
        kernel: Tensor = c.real @ (size * angle.cos()) - c.imag @ (size * angle.sin())
        return kernel.transpose(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[-1]
        forwards, backwards = self.kernel(length)
        round_about = torch.cat([forwards, backwards.flip(-1)], dim=-1)  # [width, 2 * length]: zeros between
        spectrum = torch.fft.rfft(x, n=2 * length) * torch.fft.rfft(round_about)
        out: Tensor = torch.fft.irfft(spectrum, n=2 * length)[..., :length] + x * self.through[:, None]
        return out


class StateSpaceBlock(nn.Module):
    """Norm, state space along time, then a gated mixing of channels, added to x [b, width, t]."""

    def __init__(self, width: int, states: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(width)
        self.space = DiagonalStateSpace(width, states)
        self.mix = nn.Conv1d(width, 2 * width, 1)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout(functional.gelu(self.space(self.norm(x))))
        out: Tensor = x + self.dropout(functional.glu(self.mix(y), dim=1))
        return out


class StateSpaceNet(nn.Module):
    """Four S4D blocks over 25 frames a second, then the mean over time."""

    def __init__(
        self, n_labels: int, width: int = 128, states: int = 8, layers: int = 4, dropout: float = 0.2
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            convolution(N_LEADS, width // 2, stride=2), nn.GELU(), convolution(width // 2, width, stride=2)
        )
        self.blocks = nn.Sequential(*(StateSpaceBlock(width, states, dropout) for _ in range(layers)))
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_labels))

    def forward(self, signal: Tensor, present: Tensor) -> Tensor:
        x = self.blocks(self.stem(signal * present[..., None] / TYPICAL_MV))
        logits: Tensor = self.head(x.mean(dim=2))
        return logits


class EncoderNet(nn.Module):
    """Our encoder and a line on its embedding; the decoder stays behind.

    The embedding is standardised with `mean` and `scale` of the training ECGs, as the linear probe does it.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, n_labels: int, model: TMAE | None = None) -> None:
        super().__init__()
        self.tmae = copy.deepcopy(model) if model else TMAE(TMAEConfig())
        del self.tmae.decoder
        size = self.tmae.config.n_embedding
        self.head = nn.Linear(size, n_labels)
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("scale", torch.ones(size))

    def embed(self, signal: Tensor, present: Tensor) -> Tensor:
        return self.tmae.embed(signal, present)

    def forward(self, signal: Tensor, present: Tensor) -> Tensor:
        logits: Tensor = self.head((self.embed(signal, present) - self.mean) / self.scale)
        return logits
