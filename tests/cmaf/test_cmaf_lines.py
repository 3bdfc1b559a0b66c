"""Lines: ridge logistic regressions by view, against their optimality conditions and planted rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from cardiofusion.cmaf import lines as lines_module
from cardiofusion.cmaf.lines import AROUND, STRENGTHS, Lines, ridge

Float = NDArray[np.float64]
N, TAUGHT, N_ECG, N_ROW = 900, 600, 6, 4
ECG, ROW, BOTH = range(3)
EVERYBODY = np.ones(N, dtype=bool)


def columns(seed: int = 0) -> Float:
    x = np.random.default_rng(seed).normal(size=(N, N_ECG + N_ROW))
    return x * np.geomspace(0.1, 10.0, N_ECG + N_ROW) + 3.0


def outcome(logits: Float, seed: int = 1) -> NDArray[np.float32]:
    chance = 1.0 / (1.0 + np.exp(-logits))
    return (np.random.default_rng(seed).random(logits.shape) < chance).astype(np.float32)


def standard(x: Float) -> Float:
    return (x - x[:TAUGHT].mean(axis=0)) / x[:TAUGHT].std(axis=0)


@pytest.fixture(scope="module")
def x() -> Float:
    return columns()


@pytest.fixture(scope="module")
def y(x: Float) -> NDArray[np.float32]:
    """Target 0 follows the ECG's first column, 1 the row's first, 2 both."""
    from_ecg, from_row = 1.5 * standard(x)[:, 0], 1.5 * standard(x)[:, N_ECG]
    return outcome(np.stack([from_ecg, from_row, from_ecg + from_row], axis=1))


def fitted(
    x: Float,
    y: NDArray[np.float32],
    has_ecg: NDArray[np.bool_] = EVERYBODY,
    has_row: NDArray[np.bool_] = EVERYBODY,
) -> Lines:
    lines = Lines(N_ECG, N_ROW, y.shape[1])
    lines.fit(x, has_ecg, has_row, y, TAUGHT)
    return lines


def said(lines: Lines, x: Float, view: int) -> Float:
    data = torch.from_numpy(x.astype(np.float32))
    flags = [torch.full((len(x),), view in (side, BOTH)) for side in (ECG, ROW)]
    logits: Tensor = lines(data[:, :N_ECG], data[:, N_ECG:], *flags)
    return logits.numpy().astype(np.float64)


def loss(y: NDArray[np.float32], logits: Float) -> float:
    return float(np.nanmean(np.logaddexp(0.0, logits) - y * logits))


def test_a_line_is_where_the_penalised_slope_is_zero(x: Float, y: NDArray[np.float32]) -> None:
    """sum of (p - y) z + w / C = 0 along every standardised column z, for one C of the list."""
    lines, z = fitted(x, y), standard(x)[:TAUGHT, :N_ECG]
    weight = lines.weight[ECG, :, :N_ECG].numpy() * x[:TAUGHT, :N_ECG].std(axis=0)
    chance = 1.0 / (1.0 + np.exp(-said(lines, x[:TAUGHT], ECG)))
    pull = (y[:TAUGHT] - chance).T @ z
    assert any(np.allclose(pull, weight / strength, atol=2e-2) for strength in STRENGTHS)
    np.testing.assert_allclose((y[:TAUGHT] - chance).sum(axis=0), 0.0, atol=2e-2)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(4, 80),
    d=st.integers(1, 12),
    strength=st.sampled_from(STRENGTHS),
    pull=st.floats(0.0, 30.0),
)
@settings(max_examples=60, deadline=None)
def test_a_ridge_is_scikit_learns(seed: int, n: int, d: int, strength: float, pull: float) -> None:
    """Also where few patients are told apart by many columns."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    x[:, 0] *= rng.integers(0, 2)  # maybe a column of nothing
    y = np.append([0.0, 1.0], rng.random(n - 2) < 1.0 / (1.0 + np.exp(-pull * x[2:, -1])))
    weight, bias = ridge(x, y, strength)
    peer = LogisticRegression(C=strength, tol=1e-10, max_iter=100_000).fit(x, y)
    np.testing.assert_allclose(weight, peer.coef_[0], atol=2e-4)
    assert bias == pytest.approx(float(peer.intercept_[0]), abs=2e-3)


def test_each_view_knows_what_its_side_knows(x: Float, y: NDArray[np.float32]) -> None:
    lines = fitted(x, y)
    coin = np.log(2.0)
    told = {
        view: [loss(y[TAUGHT:, [k]], said(lines, x[TAUGHT:], view)[:, [k]]) for k in range(3)]
        for view in range(3)
    }
    assert told[ECG][0] < coin - 0.1 > told[ROW][1]
    assert told[ECG][1] == pytest.approx(coin, abs=0.03) == told[ROW][0]
    assert told[BOTH][2] < min(told[ECG][2], told[ROW][2]) - 0.03


def test_a_view_has_no_weight_on_what_it_does_not_see(x: Float, y: NDArray[np.float32]) -> None:
    weight = fitted(x, y).weight
    assert not bool(weight[ECG, :, N_ECG:].any())
    assert not bool(weight[ROW, :, :N_ECG].any())


def test_nobody_is_answered_with_zero(x: Float, y: NDArray[np.float32]) -> None:
    lines, no = fitted(x, y), torch.zeros(N, dtype=torch.bool)
    data = torch.from_numpy(x.astype(np.float32))
    assert not bool(lines(data[:, :N_ECG], data[:, N_ECG:], no, no).any())


def test_a_useless_ecg_costs_nothing_beside_a_row() -> None:
    """40 columns of noise, 60 patients: one line on all, the penalty shared, loses what this one keeps."""
    lost = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        row = rng.normal(size=(N, 2))
        x = np.concatenate([rng.normal(size=(N, 40)), row], axis=1)
        y = outcome(2.0 * row[:, :1], seed)
        lines = Lines(40, 2, 1)
        lines.fit(x[:160], EVERYBODY[:160], EVERYBODY[:160], y[:160], 60)
        data = torch.from_numpy(x[160:].astype(np.float32))
        yes, no = (torch.full((len(data),), flag) for flag in (True, False))
        both, alone = (
            lines(data[:, :40], data[:, 40:], has_ecg, yes).numpy().astype(np.float64)
            for has_ecg in (yes, no)
        )
        lost.append(loss(y[160:], both) - loss(y[160:], alone))
    assert float(np.mean(lost)) < 0.005
    assert 0.0 in lost  # the line of the row itself


def planted(seed: int, product: float) -> tuple[Float, NDArray[np.float32], Float]:
    """Columns, outcome and its log odds, in which a score of the ECG and one of the row may be multiplied."""
    x = np.random.default_rng([9, seed]).normal(size=(N, N_ECG + N_ROW))
    ecg, row = (x[:, 0] + x[:, 1]) / np.sqrt(2.0), (x[:, N_ECG] - x[:, -1]) / np.sqrt(2.0)
    logits = (0.5 * ecg + 0.5 * row + product * ecg * row)[:, None]
    return x, outcome(logits, seed), logits


def test_an_interaction_is_found_and_only_where_there_is_one() -> None:
    seeds = range(12)
    for product, answered in ((2.0, 12), (0.0, 2)):  # two standard errors: by chance in one of forty
        lines = [fitted(*planted(seed, product)[:2]) for seed in seeds]
        bent = [bool(line.score.any()) for line in lines]
        assert sum(bent) == answered if product else sum(bent) <= answered
    x, y, truth = planted(0, 2.0)
    told = said(fitted(x, y), x, BOTH)
    assert loss(y[TAUGHT:], told[TAUGHT:]) < loss(y[TAUGHT:], truth[TAUGHT:]) + 0.03
    assert np.corrcoef(told[TAUGHT:, 0], truth[TAUGHT:, 0])[0, 1] > 0.95


def test_a_product_of_scores_says_nothing_of_one_side() -> None:
    x, y, _ = planted(1, 2.0)
    lines = fitted(x, y)
    plain = Lines(N_ECG, N_ROW, 1)
    plain.load_state_dict(lines.state_dict() | {"score": torch.zeros_like(lines.score)})
    for view in (ECG, ROW):
        np.testing.assert_array_equal(said(lines, x, view), said(plain, x, view))
    assert not np.allclose(said(lines, x, BOTH), said(plain, x, BOTH))


def test_fitting_again_begins_anew() -> None:
    x, y, _ = planted(1, 2.0)
    once, twice = fitted(x, y), fitted(x, y)
    twice.fit(x, EVERYBODY, EVERYBODY, y, TAUGHT)
    assert torch.equal(once.score, twice.score)


def test_each_target_has_its_own_interaction() -> None:
    x, y, _ = planted(2, 2.0)
    other = outcome(2.0 * x[:, :1], 5)
    lines = fitted(x, np.concatenate([y, other], axis=1))
    assert bool(lines.score[0].any())
    assert not bool(lines.score[1].any())
    torch.testing.assert_close(lines.score[0], fitted(x, y).score[0], rtol=0.5, atol=0.2)


@pytest.mark.parametrize(("lacking", "kept"), [(ECG, ROW), (ROW, ECG)])
def test_without_one_side_the_other_answers(
    x: Float, y: NDArray[np.float32], lacking: int, kept: int
) -> None:
    nobody = np.zeros(N, dtype=bool)
    lines = fitted(x, y, *(nobody if side == lacking else EVERYBODY for side in (ECG, ROW)))
    assert not bool(lines.weight[lacking].any())
    assert torch.equal(lines.weight[BOTH], lines.weight[kept])
    assert torch.equal(lines.bias[BOTH], lines.bias[kept])


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.6))
@settings(max_examples=15, deadline=None)
def test_patients_of_unknown_outcome_teach_nothing(seed: int, share: float) -> None:
    """Their columns may be anything, and the line of the others is the same."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(120, N_ECG + N_ROW))
    x[:, N_ECG:] = 0.0  # nothing to standardise by: the scales of columns are everybody's
    y = outcome(x[:, :1], seed)
    y[rng.random(120) < share] = np.nan
    known = np.isfinite(y[:, 0])
    if not 0 < np.nansum(y[:80]) < known[:80].sum() or not known[80:].any():
        return
    yes = np.ones(120, dtype=bool)
    one, other = Lines(N_ECG, N_ROW, 1), Lines(N_ECG, N_ROW, 1)
    one.fit(x, yes, yes, y, 80)
    shuffled = x.copy()
    gone = np.flatnonzero(~known[:80])
    shuffled[gone] = x[rng.permutation(gone)]  # means and spreads as before
    other.fit(shuffled, yes, yes, y, 80)
    torch.testing.assert_close(one.weight, other.weight, rtol=1e-4, atol=1e-6)


def test_an_outcome_nobody_has_leaves_its_frequency(x: Float) -> None:
    none = np.zeros((N, 1), dtype=np.float32)
    lines = fitted(x, none)
    assert not bool(lines.weight.any())
    chance = torch.sigmoid(lines.bias)
    torch.testing.assert_close(chance, torch.full_like(chance, 0.5 / (TAUGHT + 1)), rtol=1e-3, atol=0)


def test_a_column_that_never_varies_has_no_weight(y: NDArray[np.float32]) -> None:
    x = columns()
    x[:, 2] = 7.0
    lines = fitted(x, y)
    assert not bool(lines.weight[:, :, 2].any())
    assert bool(torch.isfinite(lines.weight).all())


def test_more_patients_than_are_needed_are_left_out(
    x: Float, y: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MOST_ROWS", 100)
    changed = x.copy()
    taught, rest = np.linspace(0, TAUGHT - 1, 100).astype(int), np.linspace(TAUGHT, N - 1, 100).astype(int)
    kept = np.isin(np.arange(N), [*taught, *rest])  # from all of the cohort, not its beginning
    changed[~kept] = -1.0
    assert torch.equal(fitted(x, y).weight, fitted(changed, y).weight)
    changed[taught[50]] += 5.0
    assert not torch.equal(fitted(x, y).weight, fitted(changed, y).weight)


def test_fitting_can_be_interrupted(x: Float, y: NDArray[np.float32]) -> None:
    asked: list[int] = []

    def stop() -> None:
        asked.append(1)
        if len(asked) == 3:
            raise InterruptedError

    lines = Lines(N_ECG, N_ROW, 3)
    with pytest.raises(InterruptedError):
        lines.fit(x, EVERYBODY, EVERYBODY, y, TAUGHT, stop)
    assert len(asked) == 3
    assert not bool(lines.weight.any())


def test_training_leaves_the_lines_as_they_are() -> None:
    assert not any(parameter.requires_grad for parameter in Lines(2, 3, 1).parameters())
    assert 1.0 in AROUND
