"""Figures of a survival task: orders in time by hand, and weights for those who were lost."""

from __future__ import annotations

import numpy as np
import pytest

from cardiofusion.evaluate import evaluate_task, subgroups, survival_figures
from cardiofusion.evaluate.validation import cross_validated
from cardiofusion.metrics import Observed, censoring, concordance, kaplan_meier
from cardiofusion.records import Task

DEATH = Task("outlook", ("death",), "survival", horizon=5.0)
N, REPEATS = 300, 60


def followed(seed: int = 0) -> tuple[Observed, dict[str, np.ndarray], np.ndarray]:
    """What was observed, risks of three views of which the fused is the best, and patients."""
    rng = np.random.default_rng(seed)
    score = rng.normal(size=N)
    time, until = rng.exponential(6.0 / np.exp(score)), rng.uniform(1.0, 12.0, N)
    noise = {"ecg": 2.5, "row": 1.5, "ecg+row": 0.4}
    risks = {view: 1 / (1 + np.exp(-score - much * rng.normal(size=N))) for view, much in noise.items()}
    return Observed(np.minimum(time, until), time <= until), risks, np.array([f"p{i}" for i in range(N)])


def figures_of(observed, risks, patients, seed=0):
    rng = np.random.default_rng(seed)
    return survival_figures(DEATH, observed, risks, patients, "simulated", rng, REPEATS)


def test_every_view_has_both_indices() -> None:
    observed, risks, patients = followed()
    found = figures_of(observed, risks, patients)
    for view, risk in risks.items():
        harrell, uno = (found[f"{view}/death/{name}"] for name in ("c_harrell", "c_uno"))
        assert harrell.value == pytest.approx(concordance(observed, risk, 5.0))
        assert uno.value == pytest.approx(concordance(observed, risk, 5.0, censoring(observed)))
        for figure in (harrell, uno):
            assert figure.low < figure.value < figure.high
            assert (figure.n, figure.data) == (N, "simulated")


def test_the_gain_is_paired_and_over_the_better_single_view() -> None:
    observed, risks, patients = followed()
    found = figures_of(observed, risks, patients)
    gain, fused, single = (found[f"{view}/death/c_uno"] for view in ("gain", "ecg+row", "row"))
    assert gain.value == pytest.approx(fused.value - single.value)
    assert 0 < gain.low < gain.value < gain.high
    assert gain.high - gain.low < (fused.high - fused.low) + (single.high - single.low)
    twins = figures_of(observed, {"row": risks["row"], "ecg+row": risks["row"]}, patients)
    assert (twins["gain/death/c_uno"].low, twins["gain/death/c_uno"].high) == (0.0, 0.0)
    assert not any(key.startswith("gain") for key in figures_of(observed, {"row": risks["row"]}, patients))


def test_who_is_not_known_or_not_scored_is_left_out() -> None:
    observed, risks, patients = followed()
    time, risks = observed.time.copy(), {view: risk.copy() for view, risk in risks.items()}
    time[:30], risks["ecg"][30:50] = np.nan, np.nan
    found = figures_of(Observed(time, observed.event), risks, patients)
    rest = Observed(observed.time[50:], observed.event[50:])
    expected = figures_of(rest, {view: risk[50:] for view, risk in risks.items()}, patients[50:])
    assert found == expected
    assert {figure.n for figure in found.values()} == {N - 50}


def weighted(observed: Observed, risks: dict[str, np.ndarray]):
    """Outcome, views and weight at the horizon, as evaluate_task takes them."""
    views = {view: risk[:, None] for view, risk in risks.items()}
    return observed.status(5.0)[:, None], views, observed.weight(5.0)


def test_the_prevalence_is_that_of_kaplan_and_meier() -> None:
    observed, risks, patients = followed()
    outcome, views, weight = weighted(observed, risks)
    rng = np.random.default_rng(0)
    found = evaluate_task(DEATH, outcome, views, {}, patients, "t", rng, REPEATS, weight)
    expected = 1 - kaplan_meier(observed).at([5.0])[0]
    assert found["row/death/prevalence"].value == pytest.approx(expected)
    assert found["row/death/prevalence"].n == np.isfinite(outcome).sum() < N


def test_whole_weights_are_repeated_rows() -> None:
    """Values of every figure; intervals too, for a patient's copies are drawn together."""
    observed, risks, patients = followed()
    outcome, views, _ = weighted(observed, risks)
    often = np.random.default_rng(2).integers(1, 4, N)
    sets = {"row": np.random.default_rng(1).random((N, 1, 2)) < 0.8}
    rows, found = np.repeat(np.arange(N), often), {}
    for name, chosen, weight in (("weighed", np.arange(N), often.astype(float)), ("copied", rows, None)):
        part = {view: p[chosen] for view, p in views.items()}, {"row": sets["row"][chosen]}
        rng = np.random.default_rng(0)
        found[name] = evaluate_task(
            DEATH, outcome[chosen], *part, patients[chosen], "t", rng, REPEATS, weight
        )
    assert found["weighed"].keys() == found["copied"].keys()
    for key, figure in found["weighed"].items():
        copied = found["copied"][key]
        assert figure.value == pytest.approx(copied.value), key
        assert (figure.low, figure.high) == pytest.approx((copied.low, copied.high)), key


def test_gains_over_each_rival_are_paired_differences() -> None:
    observed, risks, patients = followed()
    risks |= {"lightgbm": risks["ecg+row"] - 1e-9, "late": risks["row"][::-1].copy()}
    outcome, views, weight = weighted(observed, risks)
    rng = np.random.default_rng(0)
    found = evaluate_task(DEATH, outcome, views, {}, patients, "t", rng, REPEATS, weight)
    auc = {view: found[f"{view}/macro/auc"].value for view in views}
    for view in ("ecg", "row", "lightgbm", "late"):
        assert found[f"gain over {view}/macro/auc"].value == pytest.approx(auc["ecg+row"] - auc[view])
    alike = found["gain over lightgbm/macro/auc"]
    assert (alike.low, alike.high) == (0.0, 0.0)  # the same ranks in every draw
    assert found["gain/macro/auc"] == found["gain over row/macro/auc"]
    assert "gain over ecg+row/macro/auc" not in found


def test_folds_and_subgroups_weigh_their_patients_too() -> None:
    observed, risks, patients = followed()
    outcome, views, weight = weighted(observed, risks)
    y, p = outcome[:, 0], views["row"][:, 0]
    known, fold = weight > 0, np.arange(N) % 3
    rng = np.random.default_rng(0)
    pooled = cross_validated(y, p, fold, patients, rng, "t", REPEATS, weight)["auc_pooled"]
    direct = evaluate_task(DEATH, outcome, {"row": p[:, None]}, {}, patients, "t", rng, REPEATS, weight)
    assert pooled.value == pytest.approx(direct["row/death/auc"].value)
    plain = cross_validated(y, p, fold, patients, rng, "t", REPEATS)["auc_pooled"]
    assert pooled.value != plain.value
    everyone = {"all": np.full(N, "yes")}
    group = subgroups(y, p, everyone, patients, rng, "t", REPEATS, weight)["all=yes"]
    assert group.value == pytest.approx(pooled.value)
    assert group.n == known.sum()
