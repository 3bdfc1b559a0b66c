"""Masking: how much is hidden, of which leads, and by which dice."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cardiofusion.tmae.masking import drop_leads, hidden_patches, random_patches, time_spans
from cardiofusion.tmae.model import N_LEADS

lead_sets = st.lists(st.booleans(), min_size=N_LEADS, max_size=N_LEADS).filter(any)
batches = st.lists(lead_sets, min_size=1, max_size=4).map(torch.tensor)
shares = st.floats(0.0, 1.0)
seeds = st.integers(0, 2**32)


def dice(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=60)
@given(batches, st.integers(1, 12), shares, seeds)
def test_the_right_share_is_hidden_for_any_leads(
    present: Tensor, n_patches: int, share: float, seed: int
) -> None:
    seen = random_patches(present, n_patches, share, dice(seed))
    hidden = hidden_patches(seen, present, n_patches)
    for ecg, leads in enumerate(present):
        index = seen.index[ecg][seen.valid[ecg]]
        wanted = (1.0 - share) * n_patches * int(leads.sum())
        assert abs(len(index) - max(1.0, wanted)) <= 0.501
        assert len(index) >= 1
        assert len(set(seen.index[ecg].tolist())) == seen.index.shape[1]
        assert bool(leads[index // n_patches].all())
        shown = torch.zeros(N_LEADS * n_patches, dtype=torch.bool)
        shown[index] = True
        complement = ~shown.view(N_LEADS, n_patches) & leads[:, None]
        assert torch.equal(hidden[ecg], complement)


@settings(deadline=None, max_examples=60)
@given(batches, st.integers(4, 12), st.integers(1, 3), shares, seeds)
def test_a_span_is_hidden_in_all_leads_and_a_share_of_the_rest(
    present: Tensor, n_patches: int, longest: int, share: float, seed: int
) -> None:
    seen = time_spans(present, n_patches, longest, share, dice(seed))
    for ecg, leads in enumerate(present):
        index = seen.index[ecg][seen.valid[ecg]]
        assert len(set(seen.index[ecg].tolist())) == seen.index.shape[1]
        assert bool(leads[index // n_patches].all())
        shown = torch.zeros(n_patches, dtype=torch.bool)
        shown[index % n_patches] = True
        runs = "".join("." if seen_at else "#" for seen_at in shown.tolist())
        assert "#" in runs
        outside = range(n_patches - longest, n_patches)
        n = int(leads.sum())
        assert any(abs(len(index) - max(1.0, (1 - share) * n * rest)) <= 0.501 for rest in outside)


def test_all_of_the_rest_is_seen_beside_a_span_when_nothing_more_is_hidden() -> None:
    present = torch.ones(50, N_LEADS, dtype=torch.bool)
    seen = time_spans(present, 10, 3, 0.0, dice(0))
    lengths = set()
    for index, valid in zip(seen.index, seen.valid, strict=True):
        columns = sorted(set((index[valid] % 10).tolist()))
        gap = sorted(set(range(10)) - set(columns))
        assert gap == list(range(gap[0], gap[-1] + 1))
        lengths.add(len(gap))
        assert int(valid.sum()) == N_LEADS * len(columns)
    assert lengths == {1, 2, 3}


@settings(deadline=None, max_examples=60)
@given(batches, shares, seeds)
def test_dropping_keeps_a_lead_and_adds_none(present: Tensor, share: float, seed: int) -> None:
    kept = drop_leads(present, share, dice(seed))
    assert bool(kept.any(dim=1).all())
    assert not bool((kept & ~present).any())
    assert torch.equal(kept, drop_leads(present, share, dice(seed)))


def test_one_patch_stays_visible_when_all_should_be_hidden() -> None:
    present = torch.zeros(2, N_LEADS, dtype=torch.bool)
    present[:, 4] = True
    for share in (0.95, 1.0):
        seen = random_patches(present, 3, share, dice(0))
        assert seen.valid.sum(dim=1).tolist() == [1, 1]


def test_nothing_is_dropped_at_share_zero() -> None:
    present = torch.rand(50, N_LEADS, generator=dice(0)) < 0.6
    present[:, 0] = True
    assert torch.equal(drop_leads(present, 0.0, dice(1)), present)


def test_the_share_of_ecgs_that_lose_leads_and_every_number_left() -> None:
    present = torch.ones(3000, N_LEADS, dtype=torch.bool)
    left = drop_leads(present, 0.25, dice(2)).sum(dim=1)
    assert abs(float((left < N_LEADS).float().mean()) - 0.25) < 0.03
    assert set(range(1, N_LEADS)) <= set(left.tolist())


def test_the_generator_alone_decides() -> None:
    present = torch.ones(3, N_LEADS, dtype=torch.bool)
    torch.manual_seed(5)
    first = random_patches(present, 10, 0.75, dice(7))
    torch.manual_seed(6)
    again, other = random_patches(present, 10, 0.75, dice(7)), random_patches(present, 10, 0.75, dice(8))
    assert torch.equal(first.index, again.index)
    assert not torch.equal(first.index, other.index)


def test_every_patch_is_hidden_equally_often() -> None:
    present = torch.ones(4000, N_LEADS, dtype=torch.bool)
    seen = random_patches(present, 5, 0.75, dice(9))
    often = hidden_patches(seen, present, 5).float().mean(dim=0)
    assert float((often - 0.75).abs().max()) < 5 * (0.75 * 0.25 / 4000) ** 0.5
