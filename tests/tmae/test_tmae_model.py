"""The encoder and decoder: what they see, what they must never see."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from cardiofusion.tmae import TMAE, TMAEConfig, count_parameters
from cardiofusion.tmae.masked_r2 import as_visible
from cardiofusion.tmae.masking import hidden_patches, random_patches
from cardiofusion.tmae.model import N_LEADS, Visible, pool, shown_samples, time_code

TINY = TMAEConfig(
    width=16,
    layers=2,
    heads=2,
    decoder_width=16,
    decoder_layers=1,
    stem_width=4,
    samples=200,
    patch=20,
    n_causes=3,
)
N = TINY.n_patches
PROMISED_PARAMETERS = 600_000


@pytest.fixture(scope="module")
def model() -> TMAE:
    torch.manual_seed(0)
    return TMAE(TINY).eval()


@pytest.fixture(scope="module")
def signal() -> Tensor:
    return 0.5 * torch.randn(4, N_LEADS, TINY.samples, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def present() -> Tensor:
    """Twelve leads, one, the limb leads, and a mixed bag."""
    leads = torch.zeros(4, N_LEADS, dtype=torch.bool)
    leads[0] = True
    leads[1, 1] = True
    leads[2, :6] = True
    leads[3, [0, 4, 7, 10, 11]] = True
    return leads


@pytest.fixture
def seen(present: Tensor) -> Visible:
    return random_patches(present, N, 0.75, torch.Generator().manual_seed(2))


def everything(present: Tensor) -> Visible:
    return as_visible(present.repeat_interleave(N, dim=1))


def garbage(signal: Tensor, where: Tensor) -> Tensor:
    """The samples of the patches `where` [b, 12, n_patches] replaced by something loud."""
    noise = 50.0 * torch.randn(signal.shape, generator=torch.Generator().manual_seed(3))
    return torch.where(where.repeat_interleave(TINY.patch, dim=2), noise, signal)


def near(a: Tensor, b: Tensor, tolerance: float = 1e-5) -> bool:
    return float((a - b).abs().max()) <= tolerance


def test_all_tokens_visible_equal_the_grid(model: TMAE, signal: Tensor, present: Tensor) -> None:
    with torch.no_grad():
        seen = everything(present)
        flat = model.encoder.visible(signal, seen, shown_samples(seen, TINY).float())
        grid = model.encoder(signal, present).flatten(1, 2)
    for ecg in range(len(signal)):
        index = seen.index[ecg][seen.valid[ecg]]
        assert len(index) == N * int(present[ecg].sum())
        assert near(flat[ecg][seen.valid[ecg]], grid[ecg, index])


def test_summary_of_everything_visible_is_the_summary(model: TMAE, signal: Tensor, present: Tensor) -> None:
    with torch.no_grad():
        _, masked = model.reconstruct(signal, present, everything(present))
        assert near(masked, model.embed(signal, present))


def test_content_of_absent_leads_never_matters(model: TMAE, signal: Tensor, present: Tensor) -> None:
    absent = ~present[:, :, None].expand(-1, -1, N)
    with torch.no_grad():
        clean = model.encoder(signal, present)
        spoilt = model.encoder(garbage(signal, absent), present)
        permuted = model.encoder(torch.where(present[..., None], signal, signal.roll(1, 1)), present)
    assert near(clean, spoilt, 1e-6)
    assert near(clean, permuted, 1e-6)
    assert bool((clean[~present] == 0).all())
    assert bool((clean[present].abs().sum((1, 2)) > 0).all())


def test_the_embedding_is_the_summary_that_names_the_causes(
    model: TMAE, signal: Tensor, present: Tensor
) -> None:
    with torch.no_grad():
        embedding = model.embed(signal, present)
        assert embedding.shape == (len(signal), TINY.width)
        pooled = pool(model.encoder(signal, present))
        assert torch.equal(embedding, model.encoder.summarise(pooled))
        assert model.name_causes(embedding).shape == (len(signal), TINY.n_causes)


def test_findings_are_the_chance_that_one_of_their_causes_is_there(
    model: TMAE, signal: Tensor, present: Tensor
) -> None:
    findings = ((0, 2), (1,))
    found = TMAE(replace(TINY, findings=findings)).eval()
    found.load_state_dict(model.state_dict())
    causes = torch.tensor([[-9.0, 2.0, -8.0], [0.5, -25.0, 30.0], [-12.0, 90.0, 0.1], [-0.2, -3.0, 0.0]])
    with torch.no_grad():
        embedding, scores = found.embed(signal, present), found.find(causes).double()
        assert torch.equal(embedding[:, : TINY.width], model.embed(signal, present))
        named = found.find(found.name_causes(embedding[:, : TINY.width]))
        assert torch.equal(embedding[:, TINY.width :], named)
    assert embedding.shape[1] == found.config.n_embedding == TINY.width + 2
    none = torch.stack([(1 - causes.double().sigmoid())[:, list(f)].prod(1) for f in findings], 1)
    expected = torch.log1p(-none) - torch.log(none)
    ordinary = expected.abs() < 12
    assert near(scores[ordinary], expected[ordinary], 1e-4)
    assert bool(scores.isfinite().all())
    assert bool((scores[~ordinary].abs() > 11).all())


def test_the_pool_is_zero_exactly_where_a_lead_is_absent(
    model: TMAE, signal: Tensor, present: Tensor, seen: Visible
) -> None:
    with torch.no_grad():
        whole = pool(model.encoder(signal, present)).unflatten(1, (N_LEADS, TINY.width))
        tokens = model.encoder.visible(signal, seen, shown_samples(seen, TINY).float())
        masked = model._pool_visible(tokens, seen)
    assert torch.equal(whole.abs().sum(2) > 0, present)
    assert bool((masked.unflatten(1, (N_LEADS, TINY.width))[~present] == 0).all())


def test_the_decoder_hears_the_summary(model: TMAE, signal: Tensor, present: Tensor, seen: Visible) -> None:
    """So that real ECGs, which have no causes, teach it too."""
    model.zero_grad()
    rebuilt, _ = model.reconstruct(signal, present, seen)
    rebuilt.square().mean().backward()
    assert float(model.encoder.summary.weight.grad.abs().sum()) > 0
    model.zero_grad()


def test_pool_is_the_mean_over_time() -> None:
    tokens = torch.randn(2, N_LEADS, N, 5)
    pooled = pool(tokens).view(2, N_LEADS, 5)
    assert near(pooled[1, 7], sum(tokens[1, 7]) / N, 1e-6)


def test_no_lead_at_all_says_nothing_of_the_signal(model: TMAE, signal: Tensor) -> None:
    with torch.no_grad():
        embedding = model.embed(signal, torch.zeros(4, N_LEADS, dtype=torch.bool))
    assert bool(embedding.isfinite().all())
    assert bool((embedding == embedding[0]).all())


def test_hidden_patches_never_leak(model: TMAE, signal: Tensor, present: Tensor, seen: Visible) -> None:
    hidden = hidden_patches(seen, present, N)
    with torch.no_grad():
        rebuilt, embedding = model.reconstruct(signal, present, seen)
        again, same = model.reconstruct(garbage(signal, hidden | ~present[..., None]), present, seen)
    there = present[:, :, None, None]
    assert near(rebuilt * there, again * there, 1e-6)
    assert near(embedding, same, 1e-6)


def test_gradient_reaches_every_visible_sample_and_no_hidden_one(
    model: TMAE, signal: Tensor, present: Tensor, seen: Visible
) -> None:
    """A perturbation can be lucky; a gradient of exactly zero cannot."""
    x = signal.clone().requires_grad_()
    rebuilt, embedding = model.reconstruct(x, present, seen)
    (rebuilt.square().sum() + embedding.square().sum()).backward()
    assert x.grad is not None
    reached = x.grad.view(len(x), N_LEADS, N, TINY.patch).abs().sum(3) > 0
    shown = present[..., None] & ~hidden_patches(seen, present, N)
    assert torch.equal(reached, shown)


def test_padding_changes_nothing(model: TMAE, signal: Tensor, present: Tensor) -> None:
    lone, one = signal[2:3], present[2:3]
    seen = random_patches(one, N, 0.75, torch.Generator().manual_seed(4))
    assert bool(seen.valid.all())
    rest = torch.tensor([[i for i in range(N_LEADS * N) if i not in set(seen.index[0].tolist())]])
    padded = Visible(
        torch.cat([seen.index, rest[:, ::3]], 1),
        torch.cat([seen.valid, torch.zeros_like(rest[:, ::3], dtype=torch.bool)], 1),
    )
    with torch.no_grad():
        plain, with_padding = model.reconstruct(lone, one, seen), model.reconstruct(lone, one, padded)
    assert near(plain[0], with_padding[0])
    assert near(plain[1], with_padding[1])


def test_an_ecg_does_not_depend_on_its_neighbours_in_the_batch(
    model: TMAE, signal: Tensor, present: Tensor, seen: Visible
) -> None:
    with torch.no_grad():
        together, embeddings = model.reconstruct(signal, present, seen)
        for ecg in range(len(signal)):
            valid = seen.valid[ecg]
            alone = Visible(seen.index[ecg, valid][None], valid[valid][None])
            rebuilt, embedding = model.reconstruct(signal[ecg : ecg + 1], present[ecg : ecg + 1], alone)
            assert near(rebuilt[0][present[ecg]], together[ecg][present[ecg]])
            assert near(embedding[0], embeddings[ecg])


def test_the_same_wave_means_something_else_in_another_lead_or_second(model: TMAE) -> None:
    patch = torch.randn(TINY.patch)
    twelve = patch.repeat(N).expand(1, N_LEADS, -1)
    with torch.no_grad():
        tokens = model.encoder(twelve, torch.ones(1, N_LEADS, dtype=torch.bool))[0]
    assert not near(tokens[0], tokens[1], 1e-3)
    assert not near(tokens[:, 0], tokens[:, 1], 1e-3)


def test_positions_carry_over_to_longer_signals() -> None:
    short, long = time_code(5, 16), time_code(30, 16)
    assert torch.equal(short, long[:5])
    assert len({tuple(row) for row in long.tolist()}) == 30


def test_frames_are_local_and_cover_the_signal(model: TMAE, signal: Tensor, present: Tensor) -> None:
    with torch.no_grad():
        beats = model.encoder.beats(signal, present)
        frames = model.encoder.frames(signal, beats)
        where = torch.zeros(len(signal), N_LEADS, N + 1, dtype=torch.bool)
        where[:, 3, 4] = True
        moved = (model.encoder.frames(garbage(signal, where[:, :, :N]), beats) - frames).abs().sum((3, 4)) > 0
    assert frames.shape[:3] == (len(signal), N_LEADS, N + 1)
    assert N * frames.shape[4] == TINY.n_frames
    assert torch.equal(moved, where)


def test_causes_need_a_cause_head(model: TMAE, signal: Tensor, present: Tensor) -> None:
    with torch.no_grad():
        assert model.name_causes(model.embed(signal, present)).shape == (4, 3)
    with pytest.raises(ValueError, match="without causes"):
        TMAE(TMAEConfig(width=16, layers=1, decoder_layers=1)).name_causes(torch.zeros(1, 16))


def test_the_default_keeps_the_promise_on_size() -> None:
    assert count_parameters(TMAE(TMAEConfig(n_causes=40))) < PROMISED_PARAMETERS
    assert count_parameters(torch.nn.Linear(3, 4)) == 16
