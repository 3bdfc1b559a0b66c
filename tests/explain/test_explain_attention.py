"""Attention as a named matrix."""

import json
from typing import Any

import numpy as np
import pytest

from cardiofusion.explain import attention_map
from cardiofusion.records import InputError

FEATURES, TOKENS = ("age", "sex"), ("V1, 0.0-0.5 s", "V2, 0.0-0.5 s", "V2, 0.5-1.0 s")


def test_heads_are_averaged_and_rows_add_up_to_one() -> None:
    weights = np.array([[[0.2, 0.2, 0.0], [1.0, 0.0, 0.0]], [[0.0, 0.4, 0.0], [0.0, 0.0, 1.0]]])
    shown = attention_map(weights, FEATURES, TOKENS)
    assert shown.matrix == pytest.approx(np.array([[0.25, 0.75, 0.0], [0.5, 0.0, 0.5]]))
    assert shown.top_pairs(2) == (("age", TOKENS[1], pytest.approx(0.75)), ("sex", TOKENS[0], 0.5))
    assert shown.words(1) == ("age looked at V2, 0.0-0.5 s (75 %; evenly spread it would be 33 %)",)


def test_a_feature_that_attended_nowhere_is_zero_and_never_a_top_pair() -> None:
    weights = np.zeros((1, 2, 3))
    weights[0, 0] = 0.5
    shown = attention_map(weights, FEATURES, TOKENS)
    assert shown.matrix.sum(axis=1).tolist() == [1.0, 0.0]
    assert {pair[0] for pair in shown.top_pairs(6)} == {"age"}


def test_json_is_plain() -> None:
    weights = np.random.default_rng(0).uniform(size=(4, 2, 3)).astype(np.float32)
    document = json.loads(json.dumps(attention_map(weights, FEATURES, TOKENS).to_json(), allow_nan=False))
    assert document["features"] == list(FEATURES)
    assert document["tokens"] == list(TOKENS)
    assert np.array(document["matrix"]).sum(axis=1) == pytest.approx(1.0)
    assert len(document["words"]) == 3


@pytest.mark.parametrize(
    "weights",
    [
        np.ones((2, 3)),
        np.ones((1, 3, 3)),
        np.ones((1, 2, 2)),
        -np.ones((1, 2, 3)),
        np.full((1, 2, 3), np.nan),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: Any) -> None:
    with pytest.raises(InputError):
        attention_map(weights, FEATURES, TOKENS)
