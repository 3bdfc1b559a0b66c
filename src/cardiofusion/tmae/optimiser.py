"""AdamW without torch.optim, whose import needs torch._dynamo: some machines do not have it.

Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class AdamW:
    """Decoupled weight decay on matrices only; biases, norms and single vectors are left free."""

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        weight_decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.98),
    ) -> None:
        self.parameters = dict(named)
        self.weight_decay = weight_decay
        self.betas = betas
        self.steps = 0
        self.mean = {name: torch.zeros_like(p) for name, p in self.parameters.items()}
        self.square = {name: torch.zeros_like(p) for name, p in self.parameters.items()}

    @torch.no_grad()
    def step(self, learning_rate: float, max_norm: float = 1.0) -> None:
        """One update from the gradients, clipped to a total norm of `max_norm`; clears them."""
        self.steps += 1
        b1, b2 = self.betas
        scale = self._clip(max_norm)
        size = learning_rate * math.sqrt(1 - b2**self.steps) / (1 - b1**self.steps)
        for name, parameter in self.parameters.items():
            if parameter.grad is None:
                continue
            gradient = parameter.grad * scale
            self.mean[name].lerp_(gradient, 1 - b1)
            self.square[name].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
            if parameter.ndim > 1:
                parameter.mul_(1 - learning_rate * self.weight_decay)
            parameter.addcdiv_(self.mean[name], self.square[name].sqrt().add_(1e-8), value=-size)
            parameter.grad = None

    def _clip(self, max_norm: float) -> float:
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        norm = float(torch.stack([g.square().sum() for g in gradients]).sum().sqrt())
        return min(1.0, max_norm / (norm + 1e-6))

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as named tensors."""
        return {
            "steps": torch.tensor([self.steps]),
            **{f"mean.{name}": value for name, value in self.mean.items()},
            **{f"square.{name}": value for name, value in self.square.items()},
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        self.steps = int(state["steps"][0])
        for name in self.parameters:
            self.mean[name].copy_(state[f"mean.{name}"])
            self.square[name].copy_(state[f"square.{name}"])


def warm_cosine(step: int, total: int, peak: float, warmup: int) -> float:
    """Linear warm-up to `peak`, then half a cosine down to a hundredth of it."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, total - warmup)
    return peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, progress))))
