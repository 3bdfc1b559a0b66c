"""The probe drawn to what an encoder says by itself."""

from __future__ import annotations

import numpy as np
import pytest

from cardiofusion.metrics import roc_auc
from probing import Labels, OwnFeature, anchored, linear, out_of_fold, unlearnt

OWN: OwnFeature = {"a": (-2, 1.0), "b": (-1, -1.0)}


@pytest.fixture
def told() -> tuple[np.ndarray, Labels]:
    """Forty features of noise, and two that say the labels well, one of them upside down."""
    rng = np.random.default_rng(3)
    y = (rng.random((120, 2)) < 0.4).astype(np.float32)
    said = (y + rng.normal(0, 0.4, y.shape)) * [1.0, -1.0]
    features = np.concatenate([rng.normal(0, 1, (120, 40)), said], axis=1).astype(np.float32)
    return features, Labels.dealt(("a", "b"), y, np.array([f"p{k}" for k in range(120)]))


def macro(labels: Labels, scores: np.ndarray) -> float:
    return float(np.mean([roc_auc(labels.y[:, c].astype(float), scores[:, c]) for c in range(2)]))


def test_without_a_label_it_is_what_the_encoder_says(told) -> None:
    features, labels = told
    scores = unlearnt(features, labels.names, OWN)
    assert np.array_equal(scores, np.stack([features[:, -2], -features[:, -1]], axis=1))
    assert macro(labels, scores) > 0.9


def test_with_few_labels_noise_counts_less_than_in_a_plain_probe(told) -> None:
    features, labels = told
    few = 0.2
    drawn = macro(labels, out_of_fold(features, labels, few, anchored(OWN)))
    assert drawn > macro(labels, out_of_fold(features, labels, few, linear)) + 0.02
    assert drawn > 0.9


def test_it_is_a_line(told) -> None:
    """Fine-tuning starts from it as a head: it must be read off unit vectors whole."""
    features, labels = told
    size, train = features.shape[1], np.arange(100)
    asked = np.concatenate([features, np.zeros((1, size)), np.eye(size)]).astype(np.float32)
    test = np.arange(len(features), len(asked))
    said = anchored(OWN)(asked, labels.padded(size + 1), train, test)
    line = features[100:] @ (said[1:] - said[0]) + said[0]
    np.testing.assert_allclose(line, anchored(OWN)(features, labels, train, np.arange(100, 120)), atol=1e-6)


def test_a_wrong_sign_is_learnt_away(told) -> None:
    features, labels = told
    turned: OwnFeature = {"a": (-2, -1.0), "b": (-1, 1.0)}
    assert macro(labels, unlearnt(features, labels.names, turned)) < 0.1
    assert macro(labels, out_of_fold(features, labels, 1.0, anchored(turned))) > 0.9


def test_where_all_are_alike_it_says_the_finding(told) -> None:
    """Of eight patients of one kind nothing can be learnt; a plain probe says nothing then."""
    features, labels = told
    train = np.flatnonzero((labels.y == 0).all(axis=1))[:8]
    test = np.setdiff1d(np.arange(len(features)), train)
    drawn = anchored(OWN)(features, labels, train, test)
    said = unlearnt(features, labels.names, OWN)[test]
    assert all(np.corrcoef(drawn[:, c], said[:, c])[0, 1] > 0.999 for c in range(2))
    assert not linear(features, labels, train, test).any()
