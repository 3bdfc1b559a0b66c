"""Copies along time: held against sums written out, never from what is hidden, and right where it is easy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cardiofusion.tmae import (
    TMAE,
    TMAEConfig,
    Unlabelled,
    network,
    pooled_r2,
    spans_for,
    squared_errors,
    teach_echo,
)
from cardiofusion.tmae.echo import KNOTS, Echo
from cardiofusion.tmae.masked_r2 import as_visible

SAMPLES, PATCH, LEADS = 200, 20, 3
TINY = TMAEConfig(
    width=16,
    layers=1,
    heads=2,
    decoder_width=16,
    decoder_layers=1,
    stem_width=4,
    samples=SAMPLES,
    patch=PATCH,
    n_causes=2,
    findings=((0, 1),),
)


@pytest.fixture
def echo() -> Echo:
    return Echo(SAMPLES, PATCH)


@pytest.fixture
def signal() -> Tensor:
    return 0.5 * torch.randn(2, LEADS, SAMPLES, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def shown() -> Tensor:
    """All but a span in all leads, patches here and there, and one lead that is absent."""
    there = torch.rand(2, LEADS, SAMPLES // PATCH, generator=torch.Generator().manual_seed(2)) < 0.7
    there = there.repeat_interleave(PATCH, dim=2)
    there[0, :, 95:131] = False
    there[1, 2] = False
    return there


def written_out(echo: Echo, signal: Tensor, shown: Tensor) -> np.ndarray:
    """The same in loops and double precision: one moment after another, one lag after another."""
    x, v = (signal * shown).double().numpy(), shown.double().numpy()
    reach, block = echo.reach, echo.block
    n = SAMPLES // block
    lags = range(-reach, reach + 1)
    product, energy = np.zeros((2, len(x), n, len(lags)))
    for k, lag in enumerate(lags):
        for t in range(SAMPLES):
            if 0 <= t + lag < SAMPLES:
                a, b, p, q = x[:, :, t], x[:, :, t + lag], v[:, :, t], v[:, :, t + lag]
                product[:, t // block, k] += (a * b).sum(1)
                energy[:, t // block, k] += ((a * a * q) + (p * b * b)).sum(1) / 2
    near = echo.near.detach().double().exp().numpy()
    blur = np.array(
        [[near[abs(i - j)] if abs(i - j) < len(near) else 0.0 for j in range(n)] for i in range(n)]
    )
    product, energy = np.einsum("ij,bjk->bik", blur, product), np.einsum("ij,bjk->bik", blur, energy)
    likeness = product / (energy + 0.02 * energy.mean((1, 2), keepdims=True) + 1e-12)
    place = np.abs(np.array(lags)) / reach * (KNOTS - 1)
    liked = np.interp(place, np.arange(KNOTS), echo.preferred.detach().double().numpy())
    weight = np.exp(np.minimum(float(echo.sharpness.detach().exp()) * (likeness - 1) + liked, 15.0))
    total, count = np.zeros_like(x), np.zeros_like(x)
    for k, lag in enumerate(lags):
        for t in range(SAMPLES):
            if 0 <= t + lag < SAMPLES:
                total[:, :, t] += weight[:, t // block, k, None] * x[:, :, t + lag]
                count[:, :, t] += weight[:, t // block, k, None] * v[:, :, t + lag]
    return total / (count + float(echo.doubt.detach().exp()))


def test_it_is_what_it_says(echo: Echo, signal: Tensor, shown: Tensor) -> None:
    with torch.no_grad():
        echo.preferred.copy_(torch.linspace(-1, 1, KNOTS).sin())
        found = echo(signal, shown).numpy()
    np.testing.assert_allclose(found, written_out(echo, signal, shown), atol=2e-5)


def test_of_what_is_hidden_nothing_is_looked_at(echo: Echo, signal: Tensor, shown: Tensor) -> None:
    with torch.no_grad():
        plain = echo(signal, shown)
        for spoilt in (50.0, float("nan")):
            assert torch.equal(plain, echo(torch.where(shown, signal, spoilt), shown))
    assert bool((plain[1, 2] == 0).all())  # nothing is ever shown of that lead


def test_an_ecg_does_not_depend_on_its_neighbours(echo: Echo, signal: Tensor, shown: Tensor) -> None:
    with torch.no_grad():
        together = echo(signal, shown)
        alone = torch.cat([echo(signal[k : k + 1], shown[k : k + 1]) for k in range(2)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_partly_hidden_patches_leave_only_what_is_shown() -> None:
    """The encoder does without a patch of which anything is hidden; the echo takes the rest of it."""
    torch.manual_seed(0)
    model = teach_echo(TMAE(TINY).eval(), rhythmic(4, 1), 5, 2)
    ecgs = rhythmic(3, 2)
    signal, present = torch.from_numpy(ecgs.signal), torch.from_numpy(ecgs.present)
    gone = torch.from_numpy(spans_for(ecgs, 33, 3))
    patches = gone.view(3, 12 * TINY.n_patches, -1).any(dim=2)
    seen = as_visible(~patches)
    with torch.no_grad():
        rebuilt, _ = model.reconstruct(signal, present, seen, ~gone)
        again, _ = model.reconstruct(signal.masked_fill(gone, 50.0), present, seen, ~gone)
        alone, _ = model.reconstruct(signal[:1], present[:1], as_visible(~patches[:1]), ~gone[:1])
        whole, _ = model.reconstruct(signal, present, seen)
        told, _ = model.reconstruct(
            signal, present, seen, ~patches.view(3, 12, -1).repeat_interleave(PATCH, 2)
        )
    assert torch.equal(rebuilt, again)
    assert torch.equal(whole, told)
    assert not torch.equal(whole, rebuilt)
    torch.testing.assert_close(rebuilt[:1], alone, atol=1e-5, rtol=1e-4)


def test_blocks_must_fill_the_ecg() -> None:
    with pytest.raises(ValueError, match="whole number of blocks"):
        Echo(203, 20)


def test_nothing_shown_says_nothing(echo: Echo, signal: Tensor) -> None:
    with torch.no_grad():
        assert bool((echo(signal, torch.zeros_like(signal, dtype=torch.bool)) == 0).all())


def rhythmic(n: int, seed: int, samples: int = SAMPLES) -> Unlabelled:
    """One narrow wave a beat, at a period of its own, louder in some leads."""
    rng = np.random.default_rng(seed)
    period, start = rng.uniform(25, 45, (n, 1, 1)), rng.uniform(0, 40, (n, 1, 1))
    phase = (np.arange(samples) - start) % period - period / 2
    wave = np.exp(-0.5 * (phase / 2.0) ** 2) * rng.uniform(-1, 1, (n, 12, 1))
    return Unlabelled(wave.astype(np.float32), np.ones((n, 12), np.bool_))


def test_a_regular_rhythm_goes_on_through_a_span_that_all_leads_hide() -> None:
    torch.manual_seed(0)
    model = TMAE(TINY).eval()
    ecgs, others = rhythmic(60, 1), rhythmic(40, 2)
    hidden = spans_for(others, 40, 3)
    before = pooled_r2(squared_errors(others, hidden, network(model)))
    after = pooled_r2(squared_errors(others, hidden, network(teach_echo(model, ecgs, 5, 40))))
    assert before < 0.1
    assert after > 0.6


def test_teaching_it_changes_nothing_else_and_is_the_same_twice() -> None:
    torch.manual_seed(0)
    model, ecgs = TMAE(TINY).eval(), rhythmic(12, 1)
    steps: list[tuple[int, int]] = []
    taught = teach_echo(model, ecgs, 5, 3, on_step=lambda *step: steps.append(step))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    weights = taught.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    new = set(weights) - set(model.state_dict())
    assert new == {
        f"decoder.{part}"
        for part in ("blend", *(f"echo.{n}" for n in dict(taught.decoder.echo.named_parameters())))
    }
    assert all(p.requires_grad for p in taught.parameters())
    again = teach_echo(model, ecgs, 5, 3).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in weights.items())
    other = teach_echo(model, ecgs, 6, 3).state_dict()
    assert any(not torch.equal(value, other[name]) for name, value in weights.items())
