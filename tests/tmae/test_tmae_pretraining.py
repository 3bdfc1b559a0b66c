"""Pretraining: it learns, it repeats, and a killed run ends where an undisturbed one does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from cardiofusion.records import CardioFusionError, StorageError
from cardiofusion.tmae import TMAE, Epoch, PretrainingOptions, TMAEConfig, Unlabelled, WithCauses, pretrain
from cardiofusion.tmae.pretraining import cause_loss, relative_error

TINY = TMAEConfig(
    width=16,
    layers=1,
    heads=2,
    decoder_width=16,
    decoder_layers=1,
    stem_width=4,
    samples=200,
    patch=20,
    n_causes=2,
)
SHORT = PretrainingOptions(epochs=3, batch=8, real_batch=8)
STEPS = 4  # an epoch of 32 ECGs
IS_FLAG = np.array([False, True])


def waves(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One oscillation seen by twelve leads: every lead tells of every other."""
    rng = np.random.default_rng(seed)
    size, rate = rng.uniform(0.3, 1.5, n), rng.uniform(1.0, 3.0, n)
    sign = rng.choice([-1.0, 1.0], n)
    time = np.arange(TINY.samples) / 100
    shape = np.sin(2 * np.pi * (rate[:, None] * time + rng.uniform(0, 1, (n, 1))))
    signal = shape[:, None, :] * np.linspace(0.4, 1.2, 12)[:, None] * (size * sign)[:, None, None]
    return signal.astype(np.float32), size, sign


def real_ecgs(n: int = 32, seed: int = 0) -> Unlabelled:
    signal = waves(n, seed)[0]
    present = np.ones((n, 12), dtype=bool)
    present[::4, 3:] = False
    return Unlabelled(np.where(present[:, :, None], signal, 0).astype(np.float32), present)


def virtual_ecgs(n: int = 24, seed: int = 1) -> WithCauses:
    signal, size, _ = waves(n, seed)
    targets = np.stack([size - size.mean(), size > np.median(size)], axis=1).astype(np.float32)
    return WithCauses(signal, targets, np.ones((n, 2), dtype=bool), IS_FLAG)


def same_weights(a: TMAE, b: TMAE) -> bool:
    return all(
        torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def killed_at(step: int) -> Callable[[int, int], None]:
    def on_step(done: int, total: int) -> None:
        if done == step:
            raise KeyboardInterrupt

    return on_step


@pytest.fixture(scope="module")
def undisturbed() -> tuple[TMAE, list[Epoch]]:
    return pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, seed=7)


def test_every_loss_goes_down() -> None:
    options = PretrainingOptions(epochs=30, batch=8, real_batch=8, learning_rate=5e-3)
    model, history = pretrain(real_ecgs(), virtual_ecgs(), TINY, options, seed=0)
    first, last = history[0], history[-1]
    assert [epoch.number for epoch in history] == list(range(30))
    assert last.reconstruction < 0.8 * first.reconstruction
    assert last.causes_full < 0.8 * first.causes_full
    assert last.causes_masked < 0.9 * first.causes_masked
    assert not model.training


def test_the_seed_decides(undisturbed: tuple[TMAE, list[Epoch]]) -> None:
    model, history = undisturbed
    torch.manual_seed(12345)
    again, same = pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, seed=7)
    other, _ = pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, seed=8)
    assert same_weights(model, again)
    assert history == same
    assert not same_weights(model, other)


@pytest.mark.parametrize(
    "killed", [STEPS + 2, 2 * STEPS, 2 * STEPS + 1], ids=["amid", "at the end", "just after"]
)
def test_interrupted_and_resumed_it_ends_with_the_same_weights(
    killed: int, tmp_path: Path, undisturbed: tuple[TMAE, list[Epoch]]
) -> None:
    checkpoint = tmp_path / "encoder.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, checkpoint, killed_at(killed))
    done: list[int] = []
    model, history = pretrain(
        real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, checkpoint, lambda step, _: done.append(step)
    )
    finished = (killed - 1) // STEPS * STEPS
    assert done == list(range(finished + 1, 3 * STEPS + 1))
    assert same_weights(model, undisturbed[0])
    assert history == undisturbed[1]


def test_a_finished_run_is_not_run_again(tmp_path: Path, undisturbed: tuple[TMAE, list[Epoch]]) -> None:
    checkpoint = tmp_path / "deep" / "encoder.checkpoint"
    pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, checkpoint)
    model, history = pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, checkpoint, killed_at(1))
    assert same_weights(model, undisturbed[0])
    assert history == undisturbed[1]
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_progress_counts_every_step(undisturbed: tuple[TMAE, list[Epoch]]) -> None:
    seen: list[tuple[int, int]] = []
    model, _ = pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, on_step=lambda *step: seen.append(step))
    assert seen == [(step, 3 * STEPS) for step in range(1, 3 * STEPS + 1)]
    assert same_weights(model, undisturbed[0])


def test_a_checkpoint_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError) as caught:
        pretrain(real_ecgs(), None, TINY, SHORT, 0, tmp_path / "file" / "encoder.checkpoint")
    assert caught.value.code == "storage.write"
    assert caught.value.hint


@pytest.mark.parametrize("spoil", ["cut short", "of another model"])
def test_a_checkpoint_that_cannot_be_used_is_our_error(spoil: str, tmp_path: Path) -> None:
    checkpoint = tmp_path / "encoder.checkpoint"
    once = PretrainingOptions(epochs=1, batch=8)
    pretrain(real_ecgs(), None, TINY, once, 0, checkpoint)
    config = TINY
    if spoil == "cut short":
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    else:
        config = TMAEConfig(**{**vars(TINY), "width": 32})
    with pytest.raises(CardioFusionError):
        pretrain(real_ecgs(), None, config, once, 0, checkpoint)


def test_real_ecgs_alone_and_virtual_ones_alone() -> None:
    once = PretrainingOptions(epochs=1, batch=8)
    _, real_only = pretrain(real_ecgs(), None, TINY, once, 0)
    nobody = Unlabelled(np.zeros((0, 12, TINY.samples), np.float32), np.zeros((0, 12), bool))
    _, virtual_only = pretrain(nobody, virtual_ecgs(), TINY, once, 0)
    assert real_only[0].causes_full == real_only[0].causes_masked == 0.0
    assert virtual_only[0].causes_full > 0
    assert virtual_only[0].reconstruction > 0


def test_every_epoch_draws_masks_of_its_own() -> None:
    standing_still = PretrainingOptions(epochs=3, batch=8, learning_rate=0.0)
    _, history = pretrain(real_ecgs(), None, TINY, standing_still, 0)
    assert len({epoch.reconstruction for epoch in history}) == 3


def test_what_absent_leads_hold_does_not_matter() -> None:
    clean = real_ecgs()
    noise = np.random.default_rng(0).normal(0, 30, clean.signal.shape).astype(np.float32)
    spoilt = Unlabelled(np.where(clean.present[:, :, None], clean.signal, noise), clean.present)
    once = PretrainingOptions(epochs=1, batch=8)
    assert same_weights(pretrain(clean, None, TINY, once, 0)[0], pretrain(spoilt, None, TINY, once, 0)[0])


def test_relative_error_is_zero_at_the_truth_and_about_one_at_zero() -> None:
    truth = torch.randn(3, 12, 10, 20, generator=torch.Generator().manual_seed(0))
    hidden = torch.rand(3, 12, 10, generator=torch.Generator().manual_seed(1)) < 0.75
    elsewhere = torch.where(hidden[..., None], truth, truth + 9.0)
    assert float(relative_error(elsewhere, truth, hidden)) == 0.0
    assert 0.99 < float(relative_error(torch.zeros_like(truth), truth, hidden)) <= 1.0


def test_a_loud_ecg_does_not_drown_a_quiet_one() -> None:
    truth = torch.ones(2, 12, 10, 20)
    truth[1] *= 1000.0
    rebuilt = truth.clone()
    rebuilt[0] = 0.0
    hidden = torch.ones(2, 12, 10, dtype=torch.bool)
    assert float(relative_error(rebuilt, truth, hidden)) == pytest.approx(0.5, abs=0.01)


def test_undefined_causes_teach_nothing_and_flags_are_logistic() -> None:
    scores = torch.tensor([[0.3, 1.2], [-0.4, 0.7]], requires_grad=True)
    targets, defined = torch.tensor([[0.3, 1.0], [99.0, 0.0]]), torch.tensor([[True, True], [False, True]])
    loss = cause_loss(scores, targets, defined, torch.tensor([False, True]))
    loss.backward()
    logistic = np.log1p(np.exp(-1.2)) + np.log1p(np.exp(0.7))
    assert float(loss.detach()) == pytest.approx(logistic / 3, rel=1e-6)
    assert scores.grad is not None
    assert float(scores.grad[1, 0]) == 0.0
    nothing = cause_loss(scores.detach(), targets, torch.zeros_like(defined), torch.tensor([False, True]))
    assert float(nothing) == 0.0


@pytest.mark.parametrize("threads", [2, 3])
def test_several_workers_end_with_the_same_weights_each_time(threads: int) -> None:
    runs = [pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, threads=threads) for _ in range(2)]
    assert same_weights(runs[0][0], runs[1][0])
    assert runs[0][1] == runs[1][1]


def test_several_workers_learn_as_one_does() -> None:
    """A batch in parts has the gradient of the whole, but for the masks drawn."""
    options = PretrainingOptions(epochs=30, batch=8, real_batch=8, learning_rate=5e-3)
    one, many = (pretrain(real_ecgs(), virtual_ecgs(), TINY, options, 0, threads=n)[1] for n in (1, 2))
    assert many[-1].reconstruction == pytest.approx(one[-1].reconstruction, rel=0.25)
    assert many[-1].causes_full < 0.8 * many[0].causes_full


def test_a_killed_run_of_several_workers_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    whole = pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, threads=2)
    with pytest.raises(KeyboardInterrupt):
        pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, checkpoint, killed_at(STEPS + 2), threads=2)
    resumed = pretrain(real_ecgs(), virtual_ecgs(), TINY, SHORT, 7, checkpoint, threads=2)
    assert same_weights(whole[0], resumed[0])
