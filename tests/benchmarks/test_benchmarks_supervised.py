"""The networks beside the probes do what they say, and training goes on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import training
from cardiofusion.tmae import TMAE, TMAEConfig
from nets import DiagonalStateSpace, EncoderNet, StateSpaceNet, XResNet
from probing import Labels, linear, out_of_fold
from supervised import ProbeStart
from training import Contender, Ecgs, Recipe, logits_of, reader, train

N, SEED = 40, 3


def some_ecgs() -> Ecgs:
    signal = torch.randn(N, 12, 1000, generator=torch.Generator().manual_seed(SEED)) * 0.25
    return Ecgs(signal, torch.ones(N, 12, dtype=torch.bool))


def some_labels(features: NDArray[np.float32]) -> Labels:
    y = (features[:, :2] > 0).astype(np.float32)
    return Labels.dealt(("a", "b"), y, np.array([f"p{k}" for k in range(N)]))


def test_convolution_is_the_state_space_run_step_by_step() -> None:
    torch.manual_seed(SEED)
    layer, u = DiagonalStateSpace(3, 4), torch.randn(2, 3, 20)
    a = torch.complex(-layer.log_damping.exp(), layer.frequency)
    step = torch.exp(a * layer.log_dt.exp()[:, None])
    c = torch.view_as_complex(layer.c) * (step - 1) / a
    expected = u * layer.through[:, None]
    state = torch.zeros(2, 3, 4, dtype=torch.complex64)
    for k in range(20):
        state = step * state + u[:, :, k, None]
        expected[:, :, k] += 2 * (c[0] * state).sum(-1).real
    state = torch.zeros_like(state)
    for k in reversed(range(20)):
        expected[:, :, k] += 2 * (c[1] * state).sum(-1).real
        state = step * state + u[:, :, k, None]
    torch.testing.assert_close(layer(u), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("net", [XResNet(2), StateSpaceNet(2), EncoderNet(2)])
def test_absent_leads_are_not_looked_at(net: nn.Module) -> None:
    ecgs, rows = some_ecgs(), np.arange(4)
    ecgs.present[:, 3] = False
    recipe = Recipe(epochs=1, rate=1e-3)
    before = logits_of(net, ecgs, rows, recipe)
    ecgs.signal[:, 3] += 5.0
    np.testing.assert_allclose(logits_of(net, ecgs, rows, recipe), before, atol=1e-4)


def test_tuning_starts_at_the_linear_probe() -> None:
    torch.manual_seed(SEED)
    model, ecgs = TMAE(TMAEConfig(n_causes=6)).eval(), some_ecgs()
    with torch.no_grad():
        features = model.embed(ecgs.signal, ecgs.present).numpy()
    labels = some_labels(features)
    train, test = np.flatnonzero(labels.fold > 0), np.flatnonzero(labels.fold == 0)
    net = ProbeStart(model, features, linear)(labels, train)
    said = logits_of(net, ecgs, test, Recipe(epochs=1, rate=1e-3))
    np.testing.assert_allclose(said, linear(features, labels, train, test), atol=1e-3)


def test_what_was_trained_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ecgs = some_ecgs()
    small = Contender(
        lambda labels, _: XResNet(labels.y.shape[1], widths=(4, 4, 4, 4)),
        Recipe(epochs=1, rate=1e-3, window=250, views=4),
    )
    trained: list[int] = []

    def counted(*given: Any) -> None:
        trained.append(len(given[3]))
        train(*given)

    monkeypatch.setattr(training, "train", counted)
    features = ecgs.signal[:, 0, :8].numpy()
    labels, read = some_labels(features), reader("small", small, ecgs, tmp_path)
    first = out_of_fold(features, labels, 0.5, read)
    next(tmp_path.iterdir()).unlink()  # as if interrupted
    np.testing.assert_array_equal(out_of_fold(features, labels, 0.5, read), first)
    assert len(trained) == 5 + 1
    assert np.isfinite(first).all()
