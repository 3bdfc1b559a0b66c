"""Jaccard and the adjusted Rand index, on constructed cases and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from cardiofusion.phenotypes import adjusted_rand_index, best_jaccard

pairs = st.integers(1, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(-1, 4), min_size=n, max_size=n),
        st.lists(st.integers(-1, 4), min_size=n, max_size=n),
    )
)


@given(pairs)
@settings(deadline=None, max_examples=60)
def test_adjusted_rand_index_is_scikit_learns(pair: tuple[list[int], list[int]]) -> None:
    first, second = np.array(pair[0]), np.array(pair[1])
    assert adjusted_rand_index(first, second) == pytest.approx(adjusted_rand_score(first, second), abs=1e-12)


def test_adjusted_rand_index_of_a_shuffled_grouping_is_about_zero() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 250)
    chance = [adjusted_rand_index(labels, rng.permutation(labels)) for _ in range(50)]
    assert abs(np.mean(chance)) < 0.002


def test_best_jaccard_of_constructed_cases() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, -1, -1])
    others = np.array([5, 5, 5, 3, 3, 3, -1, -1, 5, -1])
    # Cluster 0 shares 3 of 5 with group 5; cluster 1 shares 2 of 3 with group 3; cluster 2 dissolved.
    assert best_jaccard(labels, others, 4)[:3] == pytest.approx([3 / 5, 2 / 3, 0.0])
    assert np.isnan(best_jaccard(labels, others, 4)[3])


def test_best_jaccard_does_not_depend_on_names() -> None:
    labels = np.random.default_rng(1).integers(-1, 3, 100)
    renamed = np.array([7, 4, 9, -1])[labels]
    assert best_jaccard(labels, renamed, 3) == pytest.approx([1.0, 1.0, 1.0])
    assert best_jaccard(labels, np.full(100, -1), 3) == pytest.approx([0.0, 0.0, 0.0])
