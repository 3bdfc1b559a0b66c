"""CMAF: absent and missing things, feature tokens against NumPy, attention maps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cardiofusion.cmaf import CMAF, NOT_TIMES, CMAFConfig, ecg_tokens
from cardiofusion.cmaf.model import FAR, Attended, CrossAttention, Dropout, FeatureTokens
from cardiofusion.tmae.model import N_LEADS, TMAE, TMAEConfig, pool

TINY = CMAFConfig(ecg_width=6, n_times=3, n_targets=2, width=16, heads=2, blocks=2, dropout=0.1)
EDGES = [[20.0, 40.0, 50.0, 55.0, 90.0], [-0.5, 0.5, 1.5], [0.0, 1.0]]
PATIENTS = 6
YES, NO = torch.ones(PATIENTS, dtype=torch.bool), torch.zeros(PATIENTS, dtype=torch.bool)


@pytest.fixture(scope="module")
def model() -> CMAF:
    torch.manual_seed(0)
    return CMAF(TINY, EDGES).eval()


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn(
        PATIENTS, TINY.n_ecg_tokens, TINY.ecg_width, generator=torch.Generator().manual_seed(1)
    )


@pytest.fixture
def row() -> Tensor:
    ages = torch.tensor([30.0, 45.0, 52.0, 60.0, 80.0, torch.nan])
    return torch.stack([ages, torch.tensor([0.0, 1, 0, 1, torch.nan, 0]), torch.linspace(0, 1, 6)], dim=1)


def ask(model: CMAF, tokens: Tensor, row: Tensor, has_ecg: Tensor = YES, has_row: Tensor = YES) -> Attended:
    with torch.no_grad():
        answer: Attended = model(tokens, row, has_ecg, has_row)
    return answer


def test_values_of_an_absent_row_do_not_matter(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    clean = ask(model, tokens, row, has_row=NO)
    for other in (row * 0, row * 50 - 7, torch.full_like(row, torch.nan)):
        spoilt = ask(model, tokens, other, has_row=NO)
        torch.testing.assert_close(spoilt.logits, clean.logits, rtol=0, atol=1e-6)
    assert not torch.allclose(ask(model, tokens, row).logits, clean.logits, atol=1e-3)


def test_tokens_of_an_absent_ecg_do_not_matter(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    clean = ask(model, tokens, row, has_ecg=NO)
    for other in (tokens * 0, tokens.flip(0), tokens * 50):
        spoilt = ask(model, other, row, has_ecg=NO)
        torch.testing.assert_close(spoilt.logits, clean.logits, rtol=0, atol=1e-6)
    assert not torch.allclose(ask(model, tokens, row).logits, clean.logits, atol=1e-3)


def test_no_gradient_comes_from_what_is_absent(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    ecg, values = tokens.clone().requires_grad_(), torch.nan_to_num(row).requires_grad_()
    has_ecg = torch.arange(PATIENTS) % 2 == 0
    model(ecg, values, has_ecg, ~has_ecg).logits.square().sum().backward()
    assert ecg.grad is not None
    assert values.grad is not None
    assert torch.equal(ecg.grad.abs().sum((1, 2)) > 0, has_ecg)
    assert not bool(values.grad[has_ecg].any())


def test_nobody_at_all_gets_one_finite_answer(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    logits = ask(model, tokens, row, NO, NO).logits
    assert bool(torch.isfinite(logits).all())
    torch.testing.assert_close(logits, logits[:1].expand_as(logits), rtol=0, atol=1e-6)


@pytest.fixture
def gates(model: CMAF) -> Iterator[Tensor]:
    """The model's gates, to be set; open again afterwards."""
    yield model.gate
    model.gate.fill_(1.0)


@pytest.mark.parametrize(("closed", "other"), [((0.0, 1.0), {"has_ecg": NO}), ((1.0, 0.0), {"has_row": NO})])
def test_a_closed_gate_leaves_exactly_the_other_views_answer(
    model: CMAF,
    tokens: Tensor,
    row: Tensor,
    gates: Tensor,
    closed: tuple[float, float],
    other: dict[str, Tensor],
) -> None:
    alone, fused = ask(model, tokens, row, **other).logits, ask(model, tokens, row).logits
    gates.copy_(torch.tensor(closed))
    torch.testing.assert_close(ask(model, tokens, row).logits, alone, rtol=0, atol=1e-6)
    assert not torch.allclose(fused, alone, atol=1e-3)


def test_an_absent_modality_adds_nothing(model: CMAF, tokens: Tensor, row: Tensor, gates: Tensor) -> None:
    """Nobody's answer is 0 log-odds, and each side's own answer does not know of the gates."""
    assert not bool(ask(model, tokens, row, NO, NO).logits.any())
    sides = [ask(model, tokens, row, YES, NO).logits, ask(model, tokens, row, NO, YES).logits]
    gates.copy_(torch.tensor([0.2, 0.7]))
    again = [ask(model, tokens, row, YES, NO).logits, ask(model, tokens, row, NO, YES).logits]
    for side, same_side in zip(sides, again, strict=True):
        torch.testing.assert_close(side, same_side, rtol=0, atol=0)


def test_a_silent_network_leaves_the_lines(tokens: Tensor, row: Tensor) -> None:
    model = CMAF(TINY, EDGES).eval()
    assert not model.silent
    model.fall_silent()
    assert model.silent
    assert not bool(ask(model, tokens, row).logits.any())
    for learnt in (model.lines.weight, model.lines.score):
        torch.nn.init.normal_(learnt)
    data = model.embedding(tokens), model.features.columns(row)
    torch.testing.assert_close(ask(model, tokens, row).logits, model.lines(*data, YES, YES))


def test_who_is_gated_out_is_silent(model: CMAF, gates: Tensor) -> None:
    for closed in ((0.0, 1.0), (1.0, 0.0)):
        gates.copy_(torch.tensor(closed))
        assert not model.silent
    gates.zero_()
    assert model.silent


def test_an_embedding_far_from_all_that_taught_is_held() -> None:
    model = CMAF(replace(TINY, n_findings=2), EDGES)
    tokens = torch.zeros(1, TINY.n_ecg_tokens, TINY.ecg_width)
    tokens[:, -1, :3] = torch.tensor([1e9, -1e9, 1e9])  # the third is no finding
    assert model.embedding(tokens).tolist() == [[0.0] * TINY.ecg_width + [FAR, -FAR]]


def test_columns_of_a_row_are_its_codes_and_what_is_missing(model: CMAF, row: Tensor) -> None:
    basis, given = model.features.basis(row)
    columns = model.features.columns(row)
    assert columns.shape == (PATIENTS, model.features.n_columns)
    codes, missing = columns.split([basis[0].numel(), len(EDGES)], dim=1)
    assert torch.equal(missing.bool(), torch.isnan(row))
    assert torch.equal(codes.view_as(basis)[given], basis[given])
    assert not bool(codes.view_as(basis)[~given].any())


def test_an_absent_row_is_not_a_row_of_gaps(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    gaps = torch.full_like(row, torch.nan)
    with_gaps, absent = ask(model, tokens, gaps).logits, ask(model, tokens, gaps, has_row=NO).logits
    assert bool(torch.isfinite(with_gaps).all())
    assert not torch.allclose(with_gaps, absent, atol=1e-4)


def test_patients_do_not_depend_on_each_other(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    has_ecg = torch.tensor([True, False, True, True, False, True])
    together = ask(model, tokens, row, has_ecg, YES)
    for k in range(PATIENTS):
        one = slice(k, k + 1)
        alone = ask(model, tokens[one], row[one], has_ecg[one], YES[one])
        for a, b in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], b[k], rtol=0, atol=1e-5)


def test_attention_maps_name_features_and_tokens(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    answer = ask(model, tokens, row)
    shape = (PATIENTS, TINY.heads, len(EDGES), TINY.n_times + N_LEADS)  # the embedding has no place to name
    assert answer.logits.shape == (PATIENTS, TINY.n_targets)
    assert answer.row_to_ecg.shape == shape
    assert answer.ecg_to_row.transpose(2, 3).shape == shape
    for weights in (answer.row_to_ecg, answer.ecg_to_row):
        rows = weights.sum(-1)  # the summary's share is not shown
        assert bool((weights > 0).all())
        assert bool((rows < 1).all())
        assert float(rows.mean()) > 0.4


def test_the_attention_returned_takes_part_in_the_answer(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    """Where its named tokens see nothing the answer is another; those of the block after it say nothing."""
    clean, moved = ask(model, tokens, row), {}
    for k, block in enumerate(model.blocks):
        for attention in (block.row_from_ecg, block.ecg_from_row):
            mix, shown = attention.mix, []

            def blind(*args: Any, mix: Any = mix, shown: list[Tensor] = shown) -> tuple[Tensor, Tensor]:
                mixed, weights = mix(*args)
                shown.append(weights[:, :, 1:, 1:])
                return torch.cat([mixed[:, :1], 0 * mixed[:, 1:]], dim=1), weights

            attention.mix = blind
            moved[k, attention is block.row_from_ecg] = float(
                (ask(model, tokens, row).logits - clean.logits).abs().max()
            )
            attention.mix = mix
            if k == 0:
                wanted = clean.row_to_ecg if attention is block.row_from_ecg else clean.ecg_to_row
                torch.testing.assert_close(shown[0], wanted)
    assert min(moved[0, True], moved[0, False]) > 1e-3
    assert max(moved[1, True], moved[1, False]) == 0.0


def test_attention_is_worth_showing_only_where_both_gates_are_open(model: CMAF, gates: Tensor) -> None:
    assert model.attends
    for closed in ((0.0, 1.0), (1.0, 0.0)):
        gates.copy_(torch.tensor(closed))
        assert not model.attends
    assert not CMAF(replace(TINY, blocks=1), EDGES).attends


def test_nothing_is_attended_to_in_an_absent_modality(model: CMAF, tokens: Tensor, row: Tensor) -> None:
    assert not bool(ask(model, tokens, row, has_ecg=NO).row_to_ecg.any())
    assert not bool(ask(model, tokens, row, has_row=NO).ecg_to_row.any())


def test_attention_rows_sum_to_one_over_what_is_allowed() -> None:
    torch.manual_seed(2)
    attention = CrossAttention(8, 2, dropout=0.0).eval()
    allowed = torch.tensor([[True] * 5, [True, False, True, False, False]])
    with torch.no_grad():
        _, weights = attention(torch.randn(2, 3, 8), torch.randn(2, 5, 8), allowed)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 3))
    assert torch.equal((weights > 0).all(1).all(1), allowed)
    assert torch.equal((weights > 0).any(1).any(1), allowed)


def test_cross_attention_is_the_textbook_formula() -> None:
    torch.manual_seed(3)
    attention = CrossAttention(8, 2, dropout=0.0).eval()
    x, other = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    with torch.no_grad():
        update, _ = attention(x, other, torch.ones(1, 5, dtype=torch.bool))
        q = attention.q(attention.norm_q(x))[0]
        k, v = attention.kv(attention.norm_kv(other))[0].split(8, dim=1)
        heads = [
            torch.softmax(q[:, h] @ k[:, h].T / 2.0, dim=1) @ v[:, h] for h in (slice(0, 4), slice(4, 8))
        ]
        expected = attention.out(torch.cat(heads, dim=1))
    torch.testing.assert_close(update[0], expected, rtol=1e-5, atol=1e-6)


def oracle(features: FeatureTokens, edges: list[list[float]], row: np.ndarray) -> np.ndarray:
    """Piecewise-linear encoding, written as the paper has it: one feature, one bin at a time."""
    weight, bias = features.weight.detach().numpy(), features.bias.detach().numpy()
    tokens = np.zeros((len(row), *bias.shape))
    for n, values in enumerate(row):
        for f, (x, e) in enumerate(zip(values, edges, strict=True)):
            code = [np.clip((x - low) / (high - low), 0, 1) for low, high in itertools.pairwise(e)]
            missing = features.missing.detach().numpy()[f]
            tokens[n, f] = missing if np.isnan(x) else np.array(code) @ weight[f, : len(code)] + bias[f]
    return tokens


def test_feature_tokens_equal_the_oracle() -> None:
    torch.manual_seed(4)
    features = FeatureTokens(EDGES, 7)
    rng = np.random.default_rng(0)
    row = np.stack([rng.uniform(0, 110, 200), rng.integers(0, 2, 200), rng.normal(0.5, 1, 200)], axis=1)
    row[rng.random(row.shape) < 0.1] = np.nan
    with torch.no_grad():
        tokens = features(torch.tensor(row, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(tokens, oracle(features, EDGES, row), atol=1e-5)


def ladder(edges: list[float]) -> FeatureTokens:
    """Tokens of width one that show the sum of the code."""
    features = FeatureTokens([edges], 1)
    torch.nn.init.ones_(features.weight)
    torch.nn.init.zeros_(features.bias)
    return features


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.integers(-1000, 1000), min_size=2, max_size=9, unique=True).map(sorted),
    st.lists(st.floats(-2000, 2000, width=32), min_size=2, max_size=20),
)
def test_the_code_rises_with_the_value_and_counts_edges(edges: list[int], values: list[float]) -> None:
    features = ladder([float(e) for e in edges])
    with torch.no_grad():
        risen = features(torch.tensor(sorted(values))[:, None]).flatten()
        at_edges = features(torch.tensor(edges, dtype=torch.float32)[:, None]).flatten()
    assert bool((risen.diff() >= -1e-5).all())
    torch.testing.assert_close(at_edges, torch.arange(len(edges), dtype=torch.float32))
    assert bool(((risen >= 0) & (risen <= len(edges) - 1 + 1e-5)).all())


def test_a_gap_is_unlike_any_value_and_stays_in_its_feature(model: CMAF, tokens: Tensor) -> None:
    ages = torch.linspace(0, 110, 221)
    rows = torch.stack([ages, torch.ones(221), torch.full((221,), 0.3)], dim=1)
    gap = torch.tensor([[torch.nan, 1.0, 0.3]])
    with torch.no_grad():
        given_tokens, gap_tokens = model.features(rows), model.features(gap)
    distance = (given_tokens[:, 0] - gap_tokens[:, 0]).norm(dim=1)
    assert float(distance.min()) > 0.01
    assert torch.equal(gap_tokens[0, 1:], given_tokens[0, 1:])
    answer = ask(model, tokens[:1].expand(221, -1, -1), rows, *(torch.ones(221, dtype=torch.bool),) * 2)
    missing = ask(model, tokens[:1], gap, YES[:1], YES[:1])
    assert bool(((answer.logits - missing.logits).abs().sum(1) > 0).all())


def test_ecg_tokens_are_means_over_leads_and_over_time_and_the_embedding() -> None:
    rng = np.random.default_rng(1)
    grid = rng.normal(size=(3, N_LEADS, 4, 6)).astype(np.float32)
    present = np.ones((3, N_LEADS), dtype=bool)
    present[1, 2:] = False
    present[2] = False
    grid[~present] = 0
    encoder = TMAE(TMAEConfig(width=6, heads=1, layers=1, n_causes=3, findings=((0, 1), (2,))))
    with torch.no_grad():
        made = ecg_tokens(encoder, torch.from_numpy(grid), torch.from_numpy(present)).numpy()
        summary = encoder.encoder.summarise(pool(torch.from_numpy(grid)))
        findings = encoder.with_findings(summary)[:, 6:].numpy()
    assert made.shape == (3, 4 + NOT_TIMES, 6)
    np.testing.assert_array_equal(made[:, -2], summary)
    np.testing.assert_array_equal(made[:, -1, :2], findings)
    assert not made[:, -1, 2:].any()
    for ecg in (0, 1):
        np.testing.assert_allclose(made[ecg, :4], grid[ecg][present[ecg]].mean(0), atol=1e-6)
        np.testing.assert_allclose(made[ecg, 4:-2], grid[ecg].mean(1), atol=1e-6)
    assert not made[2, :-2].any()


def test_dropout_keeps_the_mean_and_rests_when_the_model_answers() -> None:
    dropout, x = Dropout(0.25), torch.ones(200, 200)
    dropout.generator = torch.Generator().manual_seed(0)
    seen = dropout.train()(x)
    assert float((seen == 0).float().mean()) == pytest.approx(0.25, abs=0.01)
    assert float(seen.mean()) == pytest.approx(1.0, abs=0.02)
    assert torch.equal(dropout.eval()(x), x)
