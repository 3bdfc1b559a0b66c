"""Cross-modal attention as a named matrix: which part of the ECG each clinical feature looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.explain.arrays import Float, checked, checked_names
from cardiofusion.records import InputError


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """matrix: [feature, token], heads averaged; a row adds up to 1, or is zero where it attended nowhere."""

    matrix: Float
    features: tuple[str, ...]
    tokens: tuple[str, ...]

    def top_pairs(self, top: int = 3) -> tuple[tuple[str, str, float], ...]:
        """The `top` strongest (feature, token, weight), strongest first; none of weight zero."""
        order = np.argsort(-self.matrix, axis=None, kind="stable")[:top]
        pairs = zip(*np.unravel_index(order, self.matrix.shape), strict=True)
        found = [
            (self.features[row], self.tokens[column], float(self.matrix[row, column]))
            for row, column in pairs
        ]
        return tuple(pair for pair in found if pair[2] > 0)

    def words(self, top: int = 3) -> tuple[str, ...]:
        """The strongest pairs, "age looked at V2, 2.0-2.5 s (12 %; evenly spread it would be 2 %)"."""
        even = 100.0 / len(self.tokens)
        return tuple(
            f"{feature} looked at {token} ({100 * weight:.0f} %; evenly spread it would be {even:.0f} %)"
            for feature, token, weight in self.top_pairs(top)
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "tokens": list(self.tokens),
            "matrix": self.matrix.tolist(),
            "words": list(self.words()),
        }


def attention_map(
    weights: NDArray[np.floating], feature_names: Sequence[str], token_names: Sequence[str]
) -> AttentionMap:
    """Attention weights [head, feature, token] averaged over heads, each row scaled to add up to 1.

    Raises InputError for negative weights, or names that do not fit the shape.
    """
    attention = checked("the attention", weights, ("head", "feature", "token"))
    if attention.min() < 0:
        raise InputError("explain.attention", "attention weights are negative", "pass them after the softmax")
    features = checked_names("features of the attention", tuple(feature_names), attention.shape[1])
    tokens = checked_names("tokens of the attention", tuple(token_names), attention.shape[2])
    matrix = attention.mean(axis=0)
    sums = matrix.sum(axis=1, keepdims=True)
    return AttentionMap(np.divide(matrix, sums, out=np.zeros_like(matrix), where=sums > 0), features, tokens)
