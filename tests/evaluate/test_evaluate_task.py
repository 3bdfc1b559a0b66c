"""Figures of a task: right values, paired gains, patients as the unit, and nothing that crashes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from cardiofusion.conformal import calibrate
from cardiofusion.evaluate import better_single, evaluate_target, evaluate_task
from cardiofusion.metrics import paired_bootstrap, roc_auc
from cardiofusion.records import DatasetError, Task

TASK = Task("diagnosis", ("MI", "HYP"), "multi_label")
REPEATS = 200


def _sigmoid(z):
    return 1 / (1 + np.exp(-z))


def _test_set(n: int = 300, seed: int = 0, gains=(1.0, 0.6, 1.4)):
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 2)) < [0.4, 0.2]).astype(float)
    noise = rng.normal(size=(n, 2))
    shared = [noise + 0.5 * rng.normal(size=(n, 2)) + gain * y for gain in gains]
    views = {view: _sigmoid(z - 1) for view, z in zip(("ecg", "row", "ecg+row"), shared, strict=True)}
    return y, views, np.array([f"p{i}" for i in range(n)])


def _evaluate(y, views, patients, sets=None, task=TASK, seed=0):
    rng = np.random.default_rng(seed)
    return evaluate_task(task, y, views, sets or {}, patients, "simulated", rng, REPEATS)


def test_every_value_equals_scikit_learn():
    y, views, patients = _test_set()
    figures = _evaluate(y, views, patients)
    for view, p in views.items():
        for column, target in enumerate(TASK.targets):
            truth, score = y[:, column], p[:, column]
            expected = {
                "auc": roc_auc_score(truth, score),
                "average_precision": average_precision_score(truth, score),
                "brier": brier_score_loss(truth, score),
                "prevalence": truth.mean(),
            }
            for name, value in expected.items():
                found = figures[f"{view}/{target}/{name}"]
                assert found.value == pytest.approx(value)
                assert found.low < found.value < found.high
                assert (found.n, found.data) == (300, "simulated")
        macro = figures[f"{view}/macro/auc"]
        assert macro.value == pytest.approx(roc_auc_score(y, p, average="macro"))
        assert macro.low < macro.value < macro.high
        assert macro.high - macro.low < figures[f"{view}/HYP/auc"].high - figures[f"{view}/HYP/auc"].low


def test_the_gain_is_over_the_better_single_view_and_paired():
    y, views, patients = _test_set()
    figures = _evaluate(y, views, patients)
    gain = figures["gain/macro/auc"]
    assert better_single(y, views) == "ecg"
    assert gain.value == pytest.approx(figures["ecg+row/macro/auc"].value - figures["ecg/macro/auc"].value)
    assert 0 < gain.low < gain.value < gain.high
    assert gain.high - gain.low < figures["ecg/macro/auc"].high - figures["ecg/macro/auc"].low
    swapped = {"row": views["ecg"], "ecg": views["row"], "ecg+row": views["ecg+row"]}
    assert better_single(y, swapped) == "row"
    assert _evaluate(y, swapped, patients)["gain/macro/auc"].value == pytest.approx(gain.value)


def test_the_gain_of_one_target_is_the_paired_bootstrap():
    y, views, patients = _test_set()
    task = Task("mi", ("no MI", "MI"), "binary")
    one = {view: p[:, :1] for view, p in views.items()}
    gain = _evaluate(y[:, :1], one, patients, task=task)["gain/macro/auc"]
    rng = np.random.default_rng(0)
    expected = paired_bootstrap(
        roc_auc, y[:, 0], one["ecg+row"][:, 0], one["ecg"][:, 0], patients, rng, REPEATS
    )
    assert (gain.value, gain.low, gain.high) == pytest.approx(expected)


def test_without_fusion_or_a_single_view_there_is_no_gain():
    y, views, patients = _test_set()
    assert "gain/macro/auc" not in _evaluate(y, {"ecg": views["ecg"]}, patients)
    assert "gain/macro/auc" not in _evaluate(y, {"ecg+row": views["ecg+row"]}, patients)
    assert better_single(y, {"ecg+row": views["ecg+row"]}) is None


def test_coverage_and_set_size_count_what_the_sets_hold():
    y, views, patients = _test_set(600)
    half = slice(0, 300), slice(300, 600)
    sets = {
        "ecg": np.stack(
            [
                calibrate(target, views["ecg"][half[0], c], y[half[0], c]).sets(views["ecg"][half[1], c])
                for c, target in enumerate(TASK.targets)
            ],
            axis=1,
        )
    }
    y, views, patients = y[half[1]], {view: p[half[1]] for view, p in views.items()}, patients[half[1]]
    figures = _evaluate(y, views, patients, sets)
    assert "row/MI/coverage_present" not in figures
    for column, target in enumerate(TASK.targets):
        for label, word in enumerate(("absent", "present")):
            of_class = y[:, column] == label
            found = figures[f"ecg/{target}/coverage_{word}"]
            assert found.value == pytest.approx(sets["ecg"][of_class, column, label].mean())
            assert found.n == of_class.sum()
            assert found.low < found.value < found.high
        size = figures[f"ecg/{target}/set_size"]
        assert size.value == pytest.approx(sets["ecg"][:, column].sum(axis=1).mean())
        assert size.low < size.value < size.high


def test_rows_of_the_same_patients_do_not_narrow_any_interval():
    y, views, patients = _test_set(120)
    sets = {"ecg": np.random.default_rng(1).random((120, 2, 2)) < 0.8}
    once = _evaluate(y, views, patients, sets)
    again = _evaluate(
        np.repeat(y, 4, axis=0),
        {view: np.repeat(p, 4, axis=0) for view, p in views.items()},
        np.repeat(patients, 4),
        {"ecg": np.repeat(sets["ecg"], 4, axis=0)},
    )
    for key, figure in once.items():
        assert (again[key].low, again[key].high) == pytest.approx((figure.low, figure.high)), key
        assert again[key].n == 4 * figure.n


def test_a_target_without_positives_is_nan_and_left_out_of_the_mean():
    y, views, patients = _test_set()
    y[:, 1] = 0
    figures = _evaluate(y, views, patients, {"ecg": np.ones((300, 2, 2), dtype=bool)})
    for key in ("HYP/auc", "HYP/average_precision", "HYP/coverage_present"):
        assert np.isnan([figures[f"ecg/{key}"].value, figures[f"ecg/{key}"].low]).all()
    assert figures["ecg/HYP/prevalence"].value == 0
    assert figures["ecg/HYP/prevalence"].high > 0
    assert figures["ecg/macro/auc"].value == figures["ecg/MI/auc"].value
    assert np.isfinite(figures["gain/macro/auc"].value)


@pytest.mark.parametrize("y", [np.full((30, 2), np.nan), np.zeros((30, 2)), np.zeros((0, 2))])
def test_nothing_to_measure_is_nan_everywhere_and_never_a_crash(y):
    rng = np.random.default_rng(0)
    views = {view: rng.random(y.shape) for view in ("ecg", "row", "ecg+row")}
    sets = {"ecg": np.ones((*y.shape, 2), dtype=bool)}
    figures = _evaluate(y, views, np.arange(len(y)).astype(str), sets)
    assert np.isnan(figures["ecg/macro/auc"].value)
    assert figures["ecg/MI/auc"].n == np.isfinite(y[:, 0]).sum()
    assert better_single(y, views) is None
    assert "gain/macro/auc" not in figures


def test_unknown_outcomes_are_left_out_target_by_target():
    y, views, patients = _test_set()
    y[:100, 0] = np.nan
    figures = _evaluate(y, views, patients)
    assert figures["ecg/MI/auc"].n == 200
    assert figures["ecg/HYP/auc"].n == figures["ecg/macro/auc"].n == 300
    assert figures["ecg/MI/auc"].value == pytest.approx(roc_auc_score(y[100:, 0], views["ecg"][100:, 0]))


def test_all_views_are_measured_on_the_rows_that_all_of_them_score():
    y, views, patients = _test_set()
    views["row"][:50] = np.nan
    views["lightgbm"] = views["row"].copy()
    views["lightgbm"][:, 1] = np.nan  # a peer that knows one target only
    figures = _evaluate(y, views, patients)
    assert {figures[f"{view}/MI/auc"].n for view in views} == {250}
    assert figures["ecg/MI/auc"].value == pytest.approx(roc_auc_score(y[50:, 0], views["ecg"][50:, 0]))
    assert figures["lightgbm/MI/auc"] == figures["row/MI/auc"]
    for key in ("HYP/auc", "HYP/ece", "macro/auc"):
        assert np.isnan(figures[f"lightgbm/{key}"].value)


def test_the_calibration_error_of_a_calibrated_model_has_an_interval_that_reaches_zero():
    rng = np.random.default_rng(0)
    p = rng.random(500)
    y = (rng.random(500) < p).astype(float)
    honest = evaluate_target(y, p, np.arange(500), rng, "simulated", REPEATS)["ece"]
    assert honest.low == 0 < honest.value < honest.high
    wrong = evaluate_target(y, p**3, np.arange(500), rng, "simulated", REPEATS)["ece"]
    assert 0.05 < wrong.low < wrong.value < wrong.high


@pytest.mark.parametrize("broken", ["outcome", "view", "sets"])
def test_an_array_that_does_not_fit_is_refused_by_name(broken):
    y, views, patients = _test_set(20)
    sets = {"ecg": np.ones((20, 2, 2), dtype=bool)}
    if broken == "outcome":
        y = y[:, :1]
    elif broken == "view":
        views["row"] = views["row"][:-1]
    else:
        sets["ecg"] = sets["ecg"][..., 0]
    with pytest.raises(DatasetError) as caught:
        _evaluate(y, views, patients, sets)
    assert caught.value.code == "evaluate.shape"
    assert {"outcome": "outcome", "view": "view row", "sets": "sets of ecg"}[broken] in caught.value.message
