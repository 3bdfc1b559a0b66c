"""Which view answers, and who may say so."""

import re

import numpy as np
import pytest

from cardiofusion.metrics import roc_auc
from cardiofusion.records import Task
from cardiofusion.study.answering import as_targets, calibrate_views, choose_view
from cardiofusion.study.groups import Groups

BINARY = Task("event", ("no event", "event"), "binary")
PROXY = Task("event", ("no event", "event"), "binary", alignment="latent")
ECG_ONLY = Task("event", ("no event", "event"), "binary", modalities=("ecg",))
SURVIVAL = Task("death", ("death",), "survival", horizon=5.0)


def logits(y, **skill):
    """A view's logits: the truth times its skill, plus noise."""
    rng = np.random.default_rng(0)
    return {view: (much * y + rng.normal(size=len(y)))[:, None] for view, much in skill.items()}


def choose(task, views, y, weight=None, patients=None):
    ids = np.arange(len(y)).astype(str) if patients is None else patients
    return choose_view(task, views, y.reshape(len(y), -1).astype(np.float32), weight, ids, 7)


@pytest.fixture
def y():
    return np.random.default_rng(1).integers(0, 2, 400).astype(np.float64)


@pytest.mark.parametrize("best", ["ecg", "row", "ecg+row"])
def test_the_view_that_ranks_patients_best_answers(y, best):
    views = logits(y, **({"ecg": 0.5, "row": 0.5, "ecg+row": 0.5} | {best: 2.0}))
    chosen = choose(BINARY, views, y)
    assert chosen.view == best
    assert "400 rows" in chosen.why


def test_rows_without_a_score_do_not_vote(y):
    views = logits(y, ecg=0.5, row=2.0, **{"ecg+row": 1.0})
    for values in views.values():
        values[100:] = np.nan
    views["ecg"][:50] = np.nan  # half of the rest have no ECG
    chosen = choose(BINARY, views, y)
    assert "50 rows" in chosen.why


@pytest.mark.parametrize("seed", range(4))
def test_what_does_not_surely_help_is_not_asked(y, seed):
    """A fused view that is equal, or better by less than a standard error, leaves the answer to one side."""
    views, noise = logits(y, ecg=0.4, row=1.0), np.random.default_rng(seed).normal(size=(len(y), 1))
    views["ecg+row"] = views["row"] + 0.3 * noise + 0.08 * y[:, None]
    chosen = choose(BINARY, views, y)
    gain, error = map(float, re.findall(r"row ([+-][\d.]+), standard error ([\d.]+)", chosen.why)[0])
    assert gain == pytest.approx(
        roc_auc(y, views["ecg+row"][:, 0]) - roc_auc(y, views["row"][:, 0]), abs=6e-4
    )
    assert 0.002 < error < 0.02
    assert chosen.view == ("ecg+row" if gain > error else "row")
    assert choose(BINARY, views | {"ecg+row": views["row"]}, y).view == "row"


def test_rows_of_the_same_patients_do_not_make_a_gain_sure(y):
    """Eight copies of each patient have the same gain, and the same doubt."""
    few = y[:60]
    views = logits(few, ecg=0.2, row=1.0)
    views["ecg+row"] = views["row"] + 0.45 * logits(few, other=0.6)["other"]
    patients = np.arange(len(few)).astype(str)
    once = choose(BINARY, views, few, patients=patients)
    copies = {view: np.repeat(values, 8, axis=0) for view, values in views.items()}
    again = choose(BINARY, copies, np.repeat(few, 8), patients=np.repeat(patients, 8))
    assert again.why.split(", on")[0] == once.why.split(", on")[0]


def test_one_label_of_a_rare_outcome_is_no_reason_to_warn(y):
    """With two positives many a draw of patients holds none: such draws say nothing about the gain."""
    rare = np.zeros(100)
    rare[:2] = 1
    assert choose(BINARY, logits(rare, ecg=0.1, row=0.1, **{"ecg+row": 4.0}), rare).view == "ecg+row"


def test_patients_who_were_lost_do_not_choose(y):
    """Weight 0: their outcome at the horizon is not known, whatever stands there."""
    views = logits(y, ecg=0.5, row=2.0, **{"ecg+row": 0.5})
    lost = np.arange(len(y)) < 200
    views["row"][lost] = -views["row"][lost]
    assert choose(SURVIVAL, views, y, np.where(lost, 0.0, 1.0)).view == "row"
    assert choose(SURVIVAL, views, y, np.ones(len(y))).view != "row"


def test_hazards_become_one_risk():
    hazards = np.array([[0.0, -1.0, 2.0], [np.nan] * 3], np.float32)
    (risk,), (unknown,) = as_targets(SURVIVAL, hazards)
    through = np.prod(1 - 1 / (1 + np.exp(-hazards[0].astype(np.float64))))
    assert 1 / (1 + np.exp(-risk)) == pytest.approx(1 - through)
    assert np.isnan(unknown)
    assert as_targets(BINARY, hazards).shape == (2, 3)


def test_weights_reach_probabilities_and_sets(y):
    """Counting each positive twice is having each of them twice, but for the new patient's own weight."""
    parts = np.split(np.arange(400), [0, 0, 150, 380])
    groups, patients = Groups(*parts), np.arange(400).astype(str)
    views, outcome = logits(y, ecg=1.0, row=1.0, **{"ecg+row": 2.0}), y[:, None].astype(np.float32)
    plain, one, more = (
        calibrate_views(SURVIVAL, views, outcome, weight, groups, patients, 0.8, 7)["ecg"]["death"]
        for weight in (None, np.ones(400), np.where(y == 1, 3.0, 1.0))
    )
    assert plain == one
    assert more.probability.intercept > plain.probability.intercept + 0.5
    assert more.sets != plain.sets


def test_a_proxy_never_lets_the_ecg_answer(y):
    views = logits(y, ecg=3.0, row=0.1, **{"ecg+row": 3.0})
    assert choose(PROXY, views, y).view == "row"


def test_a_task_of_one_modality_has_no_choice(y):
    assert choose(ECG_ONLY, logits(y, ecg=0.1), y).view == "ecg"


def test_nothing_to_choose_by_leaves_the_fused_view(y):
    views = {view: np.full((400, 1), np.nan) for view in ("ecg", "row", "ecg+row")}
    assert choose(BINARY, views, y).view == "ecg+row"


def test_conformal_and_test_patients_neither_choose_nor_stand_aside():
    parts = np.split(np.arange(50), 5)
    groups = Groups(*parts)
    for rows in (groups.choosing, groups.aside):
        assert not np.isin(rows, np.concatenate([groups.conformal, groups.test])).any()
    assert sorted(groups.choosing) == sorted(np.concatenate([groups.train, groups.stop, groups.probability]))
