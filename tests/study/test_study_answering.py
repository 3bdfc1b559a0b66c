"""Which view answers, and who may say so."""

import numpy as np
import pytest

from cardiofusion.records import Task
from cardiofusion.study.answering import choose_view
from cardiofusion.study.groups import Groups

BINARY = Task("event", ("no event", "event"), "binary")
PROXY = Task("event", ("no event", "event"), "binary", alignment="latent")
ECG_ONLY = Task("event", ("no event", "event"), "binary", modalities=("ecg",))


def logits(y, **skill):
    """A view's logits: the truth times its skill, plus noise."""
    rng = np.random.default_rng(0)
    return {view: (much * y + rng.normal(size=len(y)))[:, None] for view, much in skill.items()}


@pytest.fixture
def y():
    return np.random.default_rng(1).integers(0, 2, 400).astype(np.float64)


@pytest.mark.parametrize("best", ["ecg", "row", "ecg+row"])
def test_the_view_that_ranks_patients_best_answers(y, best):
    views = logits(y, **({"ecg": 0.5, "row": 0.5, "ecg+row": 0.5} | {best: 2.0}))
    chosen = choose_view(BINARY, views, y[:, None].astype(np.float32))
    assert chosen.view == best
    assert "400 rows" in chosen.why


def test_rows_without_a_score_do_not_vote(y):
    views = logits(y, ecg=0.5, row=2.0, **{"ecg+row": 1.0})
    for values in views.values():
        values[100:] = np.nan
    views["ecg"][:50] = np.nan  # half of the rest have no ECG
    chosen = choose_view(BINARY, views, y[:, None].astype(np.float32))
    assert "50 rows" in chosen.why


def test_equal_views_leave_the_answer_to_the_one_that_sees_more(y):
    same = logits(y, row=1.0)["row"]
    chosen = choose_view(BINARY, {"ecg": same, "row": same, "ecg+row": same}, y[:, None].astype(np.float32))
    assert chosen.view == "ecg+row"


def test_a_proxy_never_lets_the_ecg_answer(y):
    views = logits(y, ecg=3.0, row=0.1, **{"ecg+row": 3.0})
    assert choose_view(PROXY, views, y[:, None].astype(np.float32)).view == "row"


def test_a_task_of_one_modality_has_no_choice(y):
    assert choose_view(ECG_ONLY, logits(y, ecg=0.1), y[:, None].astype(np.float32)).view == "ecg"


def test_nothing_to_choose_by_leaves_the_fused_view(y):
    views = {view: np.full((400, 1), np.nan) for view in ("ecg", "row", "ecg+row")}
    assert choose_view(BINARY, views, y[:, None].astype(np.float32)).view == "ecg+row"


def test_conformal_and_test_patients_neither_choose_nor_stand_aside():
    parts = np.split(np.arange(50), 5)
    groups = Groups(*parts)
    for rows in (groups.choosing, groups.aside):
        assert not np.isin(rows, np.concatenate([groups.conformal, groups.test])).any()
    assert sorted(groups.choosing) == sorted(np.concatenate([groups.train, groups.stop, groups.probability]))
