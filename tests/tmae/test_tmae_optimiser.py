"""AdamW against torch's own, and the learning-rate schedule."""

from __future__ import annotations

import itertools

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from cardiofusion.tmae import AdamW, warm_cosine

RATES = [0.01, 0.02, 0.015, 0.005, 0.03, 0.01, 0.02, 0.001]


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.LayerNorm(7), nn.Linear(7, 2)).double()


def push(model: nn.Module, step: int) -> None:
    """Gradients of a loss whose size changes from step to step."""
    x = torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(step))
    (10.0 ** (step % 3) * model(x).square().sum()).backward()


def gradient_norm(model: nn.Module) -> float:
    return (
        float(torch.stack([p.grad.square().sum() for p in model.parameters() if p.grad is not None]).sum())
        ** 0.5
    )


@pytest.mark.parametrize("max_norm", [1.0, 50.0, 1e9], ids=["always clipped", "sometimes", "never"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_equal_to_torch(max_norm: float, weight_decay: float) -> None:
    ours, theirs = network(), network()
    optimiser = AdamW(ours.named_parameters(), weight_decay, (0.8, 0.95))
    matrices = [p for p in theirs.parameters() if p.ndim > 1]
    vectors = [p for p in theirs.parameters() if p.ndim <= 1]
    oracle = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.8, 0.95),
        eps=1e-8,
    )
    clipped = 0
    for step, rate in enumerate(RATES):
        push(ours, step)
        clipped += gradient_norm(ours) > max_norm
        optimiser.step(rate, max_norm)
        push(theirs, step)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), max_norm)
        for group in oracle.param_groups:
            group["lr"] = rate
        oracle.step()
        oracle.zero_grad()
        for mine, reference in zip(ours.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(mine, reference, rtol=1e-6, atol=1e-7)
    assert {1.0: clipped == len(RATES), 50.0: 0 < clipped < len(RATES), 1e9: clipped == 0}[max_norm]


def test_gradients_are_cleared_and_parameters_without_one_stay() -> None:
    model = network()
    before = model[0].weight.clone()
    for parameter in model[0].parameters():
        parameter.requires_grad_(False)
    optimiser = AdamW(model.named_parameters(), weight_decay=0.5)
    push(model, 1)
    optimiser.step(0.1)
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(model[0].weight, before)


def test_restored_it_goes_on_identically() -> None:
    model = network()
    optimiser = AdamW(model.named_parameters())
    for step in range(4):
        push(model, step)
        optimiser.step(0.02)
    stored = load(save(optimiser.state()))
    weights: dict[str, Tensor] = {name: value.clone() for name, value in model.state_dict().items()}
    other = network(seed=1)
    other.load_state_dict(weights)
    resumed = AdamW(other.named_parameters())
    resumed.restore(stored)
    for step in range(4, 8):
        for m, o in ((model, optimiser), (other, resumed)):
            push(m, step)
            o.step(0.02)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_schedule_warms_up_then_falls_to_a_hundredth() -> None:
    total, warmup, peak = 200, 20, 0.004
    rates = [warm_cosine(step, total, peak, warmup) for step in range(total + 1)]
    rising, falling = rates[:warmup], rates[warmup:]
    steps = [b - a for a, b in itertools.pairwise(rising)]
    assert rates[0] == pytest.approx(peak / warmup)
    assert steps == pytest.approx([peak / warmup] * (warmup - 1))
    assert max(rates) == pytest.approx(peak)
    assert falling == sorted(falling, reverse=True)
    assert falling[len(falling) // 2] == pytest.approx(peak * 0.505)
    assert rates[-1] == pytest.approx(peak / 100)
    assert warm_cosine(total + 50, total, peak, warmup) == pytest.approx(peak / 100)
    assert warm_cosine(0, 1, peak, 1) > 0
