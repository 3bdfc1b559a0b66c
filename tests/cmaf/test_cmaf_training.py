"""Training CMAF on planted rules: each view knows what it can know, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from cardiofusion.cmaf import (
    CMAF,
    NOBODY,
    CMAFConfig,
    FusionData,
    FusionOptions,
    feature_edges,
    fusion_logits,
    train_fusion,
)
from cardiofusion.cmaf import lines as lines_module
from cardiofusion.cmaf import training as training_module
from cardiofusion.cmaf.model import Attended, FeatureTokens
from cardiofusion.cmaf.training import GATES, VIEWS, View
from cardiofusion.records import ClinicalSchema, ClinicalTable, Column
from cardiofusion.tmae import workers

ROW_RULE, ECG_RULE, BOTH_RULE = range(3)
TINY = CMAFConfig(ecg_width=4, n_times=2, n_targets=3, width=16, heads=2, blocks=1, dropout=0.0)
QUICK = FusionOptions(epochs=2, batch=32)
SCHEMA = ClinicalSchema((Column("age"), Column("sex", kind="category", categories=("male", "female"))))
TRAIN, STOP, TEST = np.arange(600), np.arange(600, 800), np.arange(800, 1600)


def planted(n: int = 1600, seed: int = 0) -> FusionData:
    """Outcome 0 follows the row, 1 the ECG, 2 the sum of both."""
    rng = np.random.default_rng(seed)
    from_ecg, from_row = rng.normal(size=(2, n))
    tokens = rng.normal(0, 0.3, (n, TINY.n_ecg_tokens, TINY.ecg_width))
    tokens[:, :, 0] += from_ecg[:, None]
    rows = np.stack([50 + 10 * from_row, rng.integers(0, 2, n)], axis=1)
    outcome = np.stack([from_row > 0, from_ecg > 0, from_row + from_ecg > 0], axis=1)
    return FusionData(
        tokens.astype(np.float32),
        np.arange(n),
        rows.astype(np.float32),
        np.ones(n, dtype=bool),
        outcome.astype(np.float32),
    )


def edges_of(data: FusionData) -> list[list[float]]:
    return feature_edges(ClinicalTable(SCHEMA, data.rows[TRAIN].astype(np.float64)))


def auc(outcome: NDArray[np.float32], score: NDArray[np.float32]) -> float:
    above, below = score[outcome == 1], score[outcome == 0]
    return float((above[:, None] > below).mean())


def weights(model: CMAF) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def data() -> FusionData:
    return planted()


@pytest.fixture(scope="module")
def trained(data: FusionData) -> CMAF:
    options = FusionOptions(epochs=15, batch=32, learning_rate=5e-3)
    return train_fusion(data, TRAIN, STOP, TINY, edges_of(data), options, seed=0)


@pytest.fixture(scope="module")
def table(data: FusionData, trained: CMAF) -> dict[tuple[View, int], float]:
    return {
        (view, rule): auc(data.outcome[TEST, rule], fusion_logits(trained, data, TEST, view)[:, rule])
        for view in VIEWS
        for rule in range(3)
    }


def test_the_view_that_holds_the_rule_knows(table: dict[tuple[View, int], float]) -> None:
    for view, rule in (("row", ROW_RULE), ("ecg", ECG_RULE), ("ecg+row", ROW_RULE), ("ecg+row", ECG_RULE)):
        assert table[view, rule] > 0.95, (view, rule)


def test_the_view_without_it_stays_near_chance(table: dict[tuple[View, int], float]) -> None:
    # 800 patients: the AUC of a guess has a standard error of 0.02
    assert abs(table["ecg", ROW_RULE] - 0.5) < 0.08
    assert abs(table["row", ECG_RULE] - 0.5) < 0.08


def test_both_together_beat_either_where_the_rule_needs_both(table: dict[tuple[View, int], float]) -> None:
    # Of a sum of two equal halves, one half alone gives an AUC of 0.83
    for alone in ("ecg", "row"):
        assert 0.7 < table[alone, BOTH_RULE] < 0.9
    assert table["ecg+row", BOTH_RULE] > 0.95


def test_a_view_hides_the_other_modality(data: FusionData, trained: CMAF) -> None:
    some = TEST[:50]
    no_row = FusionData(data.tokens, data.ecg, data.rows * 0 - 9, data.has_row, data.outcome)
    no_ecg = FusionData(data.tokens * 0, data.ecg, data.rows, data.has_row, data.outcome)
    for view, blind in (("ecg", no_row), ("row", no_ecg)):
        np.testing.assert_allclose(
            fusion_logits(trained, data, some, view), fusion_logits(trained, blind, some, view), atol=1e-5
        )
    assert set(VIEWS) == set(get_args(View))


def test_rows_without_an_ecg_are_answered_from_the_row(data: FusionData, trained: CMAF) -> None:
    some = TEST[:50]
    alone = FusionData(data.tokens, np.full_like(data.ecg, NOBODY), data.rows, data.has_row, data.outcome)
    np.testing.assert_array_equal(
        fusion_logits(trained, alone, some, "ecg+row"), fusion_logits(trained, data, some, "row")
    )


def test_many_rows_may_share_one_ecg(data: FusionData, trained: CMAF) -> None:
    shared = FusionData(data.tokens, np.full_like(data.ecg, 5), data.rows, data.has_row, data.outcome)
    logits = fusion_logits(trained, shared, TEST[:20], "ecg")
    np.testing.assert_allclose(logits, np.tile(logits[:1], (20, 1)), atol=1e-5)


def test_batches_of_prediction_do_not_show(
    data: FusionData, trained: CMAF, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fusion_logits(trained, data, TEST[:20], "ecg+row")
    monkeypatch.setattr(training_module, "PREDICT_BATCH", 7)
    np.testing.assert_allclose(fusion_logits(trained, data, TEST[:20], "ecg+row"), whole, atol=1e-5)
    assert fusion_logits(trained, data, TEST[:0], "ecg").shape == (0, 3)


def test_the_seed_decides(data: FusionData) -> None:
    def run(seed: int) -> dict[str, Tensor]:
        return weights(train_fusion(data, TRAIN[:96], STOP[:50], TINY, edges_of(data), QUICK, seed))

    first = run(3)
    torch.manual_seed(99)
    assert same(first, run(3))
    assert not same(first, run(4))


def test_progress_and_the_returned_mode(data: FusionData) -> None:
    steps: list[tuple[int, int]] = []
    model = train_fusion(
        data, TRAIN[:96], STOP[:50], TINY, edges_of(data), QUICK, 0, lambda *step: steps.append(step)
    )
    assert steps[-6:] == [(step, 6) for step in range(1, 7)]
    assert set(steps[:-6]) == {(0, 6)}  # while lines are fitted, so that Ctrl-C is heard
    assert not model.training


def test_each_modality_is_dropped_as_often_and_never_both(
    data: FusionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Tensor] = []

    class Spied(CMAF):
        def forward(self, tokens: Tensor, row: Tensor, has_ecg: Tensor, has_row: Tensor) -> Attended:
            if self.training:
                shown.append(torch.stack([has_ecg, has_row, row[:, 1] == 9.0], dim=1))
            return super().forward(tokens, row, has_ecg, has_row)

    monkeypatch.setattr(training_module, "CMAF", Spied)
    alone, rows = data.ecg.copy(), data.rows.copy()
    alone[::4] = NOBODY
    rows[::4, 1] = 9.0  # how the spy knows who has no ECG
    some = FusionData(data.tokens, alone, rows, data.has_row, data.outcome)
    options = FusionOptions(epochs=8, batch=50, modality_dropout=0.5, patience=99)
    train_fusion(some, TRAIN, STOP, TINY, edges_of(data), options, 0)
    has_ecg, has_row, lone = torch.cat(shown).unbind(dim=1)
    assert torch.equal(has_row[lone], torch.ones_like(has_row[lone]))
    assert bool((has_ecg | has_row).all())
    for modality in (has_ecg, has_row):
        assert abs(float((~modality[~lone]).float().mean()) - 0.25) < 0.03


def test_early_stopping_keeps_the_best_epoch(data: FusionData, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outcomes that are noise: the stopping loss soon rises, and what came after its lowest is dropped."""
    noise = np.random.default_rng(0).integers(0, 2, data.outcome.shape).astype(np.float32)
    hopeless = FusionData(data.tokens, data.ecg, data.rows, data.has_row, noise)
    seen: list[tuple[float, dict[str, Tensor]]] = []
    measure = training_module._stopping_loss

    def spy(model: CMAF, *rest: object) -> float:
        loss = measure(model, *rest)  # type: ignore[arg-type]
        seen.append((loss, weights(model)))
        return loss

    monkeypatch.setattr(training_module, "_stopping_loss", spy)
    options = FusionOptions(epochs=40, batch=32, learning_rate=1e-2, patience=3)
    model = train_fusion(hopeless, TRAIN[:200], STOP, TINY, edges_of(data), options, 0)
    losses = [loss for loss, _ in seen]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + options.patience < options.epochs
    learnt = weights(model) | {"gate": torch.ones(2)}  # gates are set afterwards
    assert same(learnt, seen[best][1])
    assert not same(learnt, seen[-1][1])


def test_unknown_outcomes_teach_nothing(data: FusionData) -> None:
    gaps = data.outcome.copy()
    gaps[::2, ROW_RULE] = np.nan
    partly = FusionData(data.tokens, data.ecg, data.rows, data.has_row, gaps)
    logits = torch.zeros(len(gaps), 3, requires_grad=True)
    training_module._known_loss(logits, torch.from_numpy(gaps)).backward()
    assert logits.grad is not None
    assert torch.equal(logits.grad == 0, torch.from_numpy(np.isnan(gaps)))
    model = train_fusion(partly, TRAIN[:96], STOP[:50], TINY, edges_of(data), QUICK, 0)
    assert all(bool(torch.isfinite(value).all()) for name, value in model.named_parameters())


def test_edges_are_the_training_quantiles() -> None:
    rng = np.random.default_rng(1)
    age = rng.normal(50, 10, 4000)
    age[::10] = np.nan
    values = np.stack([age, rng.integers(0, 2, 4000)], axis=1)
    numbers, categories = feature_edges(ClinicalTable(SCHEMA, values))
    known = age[np.isfinite(age)]
    shares = np.histogram(known, numbers)[0] / len(known)
    np.testing.assert_allclose(shares, 1 / (len(numbers) - 1), atol=0.005)
    assert (numbers[0], numbers[-1]) == pytest.approx((known.min(), known.max()), rel=1e-6)
    assert categories == [-0.5, 0.5, 1.5]


@pytest.mark.parametrize(
    "column",
    [[3.0] * 20, [np.nan] * 20, [0.0, 1.0] * 10, [5.0, *[0.0] * 19], [7.0, np.nan] * 10],
    ids=["constant", "all missing", "binary", "mostly zero", "constant with gaps"],
)
def test_edges_of_awkward_columns_still_make_tokens(column: list[float]) -> None:
    schema = ClinicalSchema((Column("x"),))
    values = np.array(column)[:, None]
    edges = feature_edges(ClinicalTable(schema, values))
    assert np.all(np.diff(edges[0]) > 0)
    with torch.no_grad():
        tokens = FeatureTokens(edges, 4)(torch.tensor(values, dtype=torch.float32))
    assert bool(torch.isfinite(tokens).all())


def test_values_that_float32_cannot_tell_apart() -> None:
    schema = ClinicalSchema((Column("x"),))
    values = np.array([[0.3], [0.1 + 0.2]] * 10)
    edges = feature_edges(ClinicalTable(schema, values))
    with torch.no_grad():
        tokens = FeatureTokens(edges, 4)(torch.tensor(values, dtype=torch.float32))
    assert bool(torch.isfinite(tokens).all())


def test_two_that_train_at_once_end_as_each_alone(data: FusionData) -> None:
    """Dropout and first weights must not depend on a generator that threads share."""
    config = replace(TINY, dropout=0.3)

    def train(seed: int) -> dict[str, Tensor]:
        return weights(train_fusion(data, TRAIN, STOP, config, edges_of(data), QUICK, seed))

    alone = [train(seed) for seed in (1, 2)]
    with workers(2) as pool:
        together = list(pool.map(train, (1, 2)))
    assert same(alone[0], together[0])
    assert same(alone[1], together[1])
    assert not same(alone[0], alone[1])


# --- gates: a modality that does harm beside the other is turned down --------------------------------------


def log_loss(outcome: NDArray[np.float32], logits: NDArray[np.float32]) -> float:
    return float(np.mean(np.logaddexp(0.0, logits) - outcome * logits))


def useless_ecg(n: int = 1600) -> FusionData:
    """Tokens of pure noise, many and wide enough to learn by heart, beside a row that knows half.

    Age pulls the other way in the other sex, which no line knows: the network has to speak.
    """
    data, rng = planted(n), np.random.default_rng(6)
    tokens = rng.normal(size=(n, NOISY.n_ecg_tokens, NOISY.ecg_width)).astype(np.float32)
    blurred = (data.rows[:, 0] - 50) / 10 * (2 * data.rows[:, 1] - 1) + 0.7 * rng.normal(size=n) > 0
    return replace(data, tokens=tokens, outcome=blurred[:, None].astype(np.float32))


NOISY = replace(TINY, ecg_width=24, n_targets=1)


@pytest.fixture(scope="module")
def gated() -> tuple[CMAF, FusionData]:
    data = useless_ecg()
    options = FusionOptions(epochs=60, batch=16, learning_rate=5e-3, patience=60)
    return train_fusion(data, TRAIN[:300], STOP, NOISY, edges_of(data), options, seed=0), data


def test_one_gate_is_lowered_at_a_time_and_open_comes_first() -> None:
    assert GATES[0] == (1.0, 1.0)
    assert len(set(GATES)) == len(GATES)
    assert all(max(gates) == 1.0 and min(gates) >= 0.0 for gates in GATES)
    assert {(0.0, 1.0), (1.0, 0.0)} < set(GATES)


def test_an_ecg_of_noise_is_turned_down_and_new_patients_are_better_off(
    gated: tuple[CMAF, FusionData],
) -> None:
    model, data = gated
    ecg, row = model.gate.tolist()
    assert ecg < 1.0
    assert row == 1.0
    found = log_loss(data.outcome[TEST], fusion_logits(model, data, TEST, "ecg+row"))
    opened = CMAF(NOISY, edges_of(data))
    opened.load_state_dict(weights(model) | {"gate": torch.ones(2)})
    assert found <= log_loss(data.outcome[TEST], fusion_logits(opened, data, TEST, "ecg+row"))


def test_gates_are_those_of_the_lowest_loss_on_the_stopping_rows(gated: tuple[CMAF, FusionData]) -> None:
    model, data = gated
    trial, losses = CMAF(NOISY, edges_of(data)), []
    for gates in GATES:
        trial.load_state_dict(weights(model) | {"gate": torch.tensor(gates)})
        losses.append(log_loss(data.outcome[STOP], fusion_logits(trial, data, STOP, "ecg+row")))
    assert model.gate.tolist() == pytest.approx(GATES[int(np.argmin(losses))])


def test_gates_do_not_touch_who_has_one_modality(gated: tuple[CMAF, FusionData]) -> None:
    model, data = gated
    for view in ("ecg", "row"):
        answers = []
        for gates in ((1.0, 1.0), (0.3, 0.6)):
            trial = CMAF(NOISY, edges_of(data))
            trial.load_state_dict(weights(model) | {"gate": torch.tensor(gates)})
            answers.append(fusion_logits(trial, data, TEST[:50], view))  # type: ignore[arg-type]
        np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("lacking", ["ecg", "row", "outcome"])
def test_gates_stay_open_where_nobody_can_set_them(data: FusionData, lacking: str) -> None:
    alone = {
        "ecg": replace(data, ecg=np.where(np.isin(np.arange(1600), STOP), NOBODY, data.ecg)),
        "row": replace(data, has_row=~np.isin(np.arange(1600), STOP)),
        "outcome": replace(
            data, outcome=np.where(np.isin(np.arange(1600), STOP)[:, None], np.nan, data.outcome)
        ),
    }[lacking]
    model = CMAF(TINY, edges_of(data))
    training_module._set_gates(model.eval(), alone, STOP)
    assert model.gate.tolist() == [1.0, 1.0]


# --- lines first: the network has only to learn what they leave over ---------------------------------------


def test_findings_reach_the_answer(data: FusionData) -> None:
    """Outcomes that follow a number of the last token, which holds no more than the findings."""
    config = replace(TINY, n_targets=1, n_findings=2)
    rng = np.random.default_rng(8)
    finding = rng.normal(size=len(data)).astype(np.float32)
    tokens = rng.normal(size=data.tokens.shape).astype(np.float32)
    tokens[:, -1] = 0.0
    tokens[:, -1, 1] = 30.0 + 5.0 * finding
    given = replace(data, tokens=tokens, outcome=(finding > 0)[:, None].astype(np.float32), n_findings=2)
    model = train_fusion(given, TRAIN, STOP, config, edges_of(data), QUICK, seed=0)
    assert auc(given.outcome[TEST, 0], fusion_logits(model, given, TEST, "ecg")[:, 0]) > 0.95
    np.testing.assert_allclose(given.embedding[:, -2:], tokens[:, -1, :2])
    assert given.embedding.shape == (len(data), TINY.ecg_width + 2)


def test_a_rule_that_is_a_line_is_known_before_the_first_step(data: FusionData) -> None:
    still = replace(QUICK, epochs=1, learning_rate=0.0)
    model = train_fusion(data, TRAIN, STOP, TINY, edges_of(data), still, seed=0)
    assert model.silent
    for view, rule in (("row", ROW_RULE), ("ecg", ECG_RULE), ("ecg+row", BOTH_RULE)):
        assert auc(data.outcome[TEST, rule], fusion_logits(model, data, TEST, view)[:, rule]) > 0.95  # type: ignore[arg-type]


def test_a_network_that_learns_noise_stays_silent(data: FusionData) -> None:
    noise = np.random.default_rng(0).integers(0, 2, data.outcome.shape).astype(np.float32)
    options = FusionOptions(epochs=4, batch=32, learning_rate=1e-2, patience=4)
    model = train_fusion(
        replace(data, outcome=noise), TRAIN[:200], STOP, TINY, edges_of(data), options, seed=0
    )
    assert model.silent


def product_of(data: FusionData) -> FusionData:
    """An outcome that neither side tells anything of."""
    size, pull = data.tokens[:, :, 0].mean(axis=1), (data.rows[:, 0] - 50) / 10
    return replace(data, outcome=(size * pull > 0)[:, None].astype(np.float32))


def test_a_product_of_ecg_and_row_is_two_scores(data: FusionData) -> None:
    product, options = product_of(data), FusionOptions(epochs=1, batch=32)
    model = train_fusion(product, TRAIN, STOP, replace(TINY, n_targets=1), edges_of(data), options, seed=0)
    model.fall_silent()
    assert auc(product.outcome[TEST, 0], fusion_logits(model, product, TEST, "ecg+row")[:, 0]) > 0.9
    torch.nn.init.zeros_(model.lines.score)
    line = auc(product.outcome[TEST, 0], fusion_logits(model, product, TEST, "ecg+row")[:, 0])
    assert abs(line - 0.5) < 0.15


def test_what_no_line_says_the_network_learns(data: FusionData, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "SURELY", np.inf)  # nothing helps so surely: lines without a product
    product, config = product_of(data), replace(TINY, n_targets=1)
    options = FusionOptions(epochs=30, batch=32, learning_rate=5e-3)
    model = train_fusion(product, TRAIN, STOP, config, edges_of(data), options, seed=0)
    found = auc(product.outcome[TEST, 0], fusion_logits(model, product, TEST, "ecg+row")[:, 0])
    model.fall_silent()
    line = auc(product.outcome[TEST, 0], fusion_logits(model, product, TEST, "ecg+row")[:, 0])
    assert abs(line - 0.5) < 0.08
    assert found > 0.75


def test_embeddings_are_as_spread_as_those_who_teach(data: FusionData, trained: CMAF) -> None:
    with torch.no_grad():
        seen = trained.embedding(torch.from_numpy(data.tokens))[torch.from_numpy(TRAIN)]
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(TINY.n_embedding), atol=0.02, rtol=0)
    torch.testing.assert_close(seen.std(dim=0), torch.ones(TINY.n_embedding), atol=0.02, rtol=0)
