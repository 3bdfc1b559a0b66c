"""Sets and guarantees in words."""

from __future__ import annotations

import numpy as np
import pytest

from cardiofusion.conformal import binary_words, describe_set, guarantee_words, set_words
from cardiofusion.records import Task


@pytest.mark.parametrize(
    ("absent", "present", "words"),
    [
        (True, False, "infarction: no"),
        (False, True, "infarction: yes"),
        (True, True, "cannot rule out infarction"),
        (False, False, "infarction: unlike the patients it learnt from"),
    ],
)
def test_words_of_a_label(absent, present, words):
    assert set_words("infarction", absent, present) == words


@pytest.mark.parametrize(
    ("included", "words"),
    [
        ([True, False], "healthy"),
        ([False, True], "disease"),
        ([True, True], "cannot tell: healthy or disease"),
        ([False, False], "unlike the patients it learnt from"),
    ],
)
def test_words_of_a_binary_task(included, words):
    assert binary_words(("healthy", "disease"), included) == words
    task = Task("disease", ("healthy", "disease"), "binary")
    assert describe_set(task, np.array([included])) == (words,)


def test_a_multi_label_task_has_a_sentence_a_label_in_order():
    task = Task("diagnosis", ("MI", "HYP"), "multi_label")
    assert describe_set(task, np.array([[True, True], [False, True]])) == ("cannot rule out MI", "HYP: yes")


@pytest.mark.parametrize("kind", ["binary", "multi_label"])
def test_the_guarantee_names_level_n_and_its_assumption(kind):
    words = guarantee_words(kind, 0.95, 31)
    for told in ("95 %", "31", "on average over draws of the calibration patients", "exchangeable"):
        assert told in words
    assert ("one by one" in words) == (kind == "multi_label")


@pytest.mark.parametrize(
    ("included", "words"),
    [
        ([True, False], "death within 5 years: no"),
        ([False, True], "death within 5 years: yes"),
        ([True, True], "cannot rule out death within 5 years"),
        ([False, False], "death within 5 years: unlike the patients it learnt from"),
    ],
)
def test_words_of_a_survival_task_say_by_when(included, words):
    task = Task("outlook", ("death",), "survival", horizon=5.0)
    assert describe_set(task, np.array([included])) == (words,)


def test_the_guarantee_of_a_survival_task_owns_up_to_who_was_lost():
    words = guarantee_words("survival", 0.9, 31)
    assert "lost" in words
    assert "nothing to do with the risk" in words
    assert "lost" not in guarantee_words("binary", 0.9, 31)
