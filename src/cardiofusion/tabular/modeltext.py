"""Checking a LightGBM model's text before LightGBM parses it.

LightGBM trusts its own format: a truncated or altered text makes it read beyond its memory and end the
process. So sizes, indices and numbers are checked first, in exactly the spelling LightGBM writes: every node
leads on to a later node or to a leaf.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

MAX_MODEL_BYTES = 256 << 20
_END = "end of trees\n"
_NODE_INTEGERS = ("split_feature", "decision_type", "left_child", "right_child")
_NODE_NUMBERS = ("threshold", "split_gain", "internal_value", "internal_weight", "internal_count")
_LEAF_NUMBERS = ("leaf_value", "leaf_weight", "leaf_count")
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,9}")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|-?inf|nan")
_HEADER = {
    "version": "v4",
    "num_class": "1",
    "num_tree_per_iteration": "1",
    "label_index": "0",
    "objective": "binary sigmoid:1",
}
_HEADER_KEYS = {*_HEADER, "max_feature_idx", "feature_names", "feature_infos", "tree_sizes"}
_MONOTONE = "monotone_constraints"  # in the header of a model that was grown under constraints

Fields = dict[str, str]
Integers = NDArray[np.int64]


def checked_model_text(text: str, feature_names: Sequence[str]) -> str:
    """The part of a model's text that makes it predict; what LightGBM writes after the trees is left out.

    Raises ValueError, saying what is wrong, unless this is a whole model of these features for one target.
    """
    if not text.startswith("tree\n") or len(text) > MAX_MODEL_BYTES or not text.isascii():
        raise ValueError("it does not begin as a LightGBM model")
    head, _, body = text.removeprefix("tree\n").partition("\n\n")
    header = _fields(head)
    if header.get("feature_names", "").split(" ") != list(feature_names):
        raise ValueError(f"its features are not {', '.join(feature_names)}")
    expected = {**_HEADER, "max_feature_idx": str(len(feature_names) - 1)}
    if (
        any(header.get(key) != value for key, value in expected.items())
        or set(header) - {_MONOTONE} != _HEADER_KEYS
    ):
        raise ValueError("it is not a model of one target in the format known here")
    if _MONOTONE in header:
        _require_length(_integers(header, _MONOTONE), len(feature_names))
        _require_within(_integers(header, _MONOTONE), -1, 1)
    trees = _trees(body, header)
    for number, tree in enumerate(trees):
        _check_tree(_fields(tree), number, len(feature_names))
    return "".join(["tree\n", head, "\n\n", *trees, _END, "\n"])


def _fields(block: str) -> Fields:
    """The `key=value` lines of a block, of which each must be one; LightGBM stops at an empty line."""
    lines = [line.partition("=") for line in block.rstrip("\n").split("\n")]
    fields = {key: value for key, mark, value in lines if mark}
    if len(fields) != len(lines):
        raise ValueError("a line of it says nothing, or the same as another")
    return fields


def _trees(body: str, header: Fields) -> list[str]:
    """The text of each tree, cut where the header says it ends."""
    sizes = _integers(header, "tree_sizes")
    ends = np.cumsum(sizes)
    if not len(sizes) or sizes.min() <= 0 or not body[ends[-1] :].startswith(_END):
        raise ValueError("it is cut short")
    return [body[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _check_tree(tree: Fields, number: int, n_features: int) -> None:
    for key in tree:
        _numbers(tree, key)
    if _integer(tree, "Tree") != number:
        raise ValueError("its trees are not in their order")
    leaves, categories, linear = (_integer(tree, key) for key in ("num_leaves", "num_cat", "is_linear"))
    if leaves < 1 or categories < 0 or linear != 0:
        raise ValueError("a tree is of a kind that is not used here")
    if leaves == 1:
        _require_length(_numbers(tree, "leaf_value"), 1)
        _require_within(np.array([categories]), 0, 0)
        return
    nodes = {key: _integers(tree, key) for key in _NODE_INTEGERS}
    for values in (*nodes.values(), *(_numbers(tree, key) for key in _NODE_NUMBERS)):
        _require_length(values, leaves - 1)
    for key in _LEAF_NUMBERS:
        _require_length(_numbers(tree, key), leaves)
    _require_within(nodes["split_feature"], 0, n_features - 1)
    _require_within(nodes["decision_type"], 0, 15)
    for child in (nodes["left_child"], nodes["right_child"]):
        # A leaf is written as -1 - its number.
        _require_within(child, np.where(child < 0, -leaves, np.arange(1, leaves)), leaves - 2)
    _check_categories(tree, nodes["decision_type"], categories)


def _check_categories(tree: Fields, decision_type: Integers, categories: int) -> None:
    """A split on a category names, in place of a threshold, its bit set."""
    sets = _numbers(tree, "threshold")[(decision_type & 1) == 1]
    if (sets != np.floor(sets)).any():
        raise ValueError("a tree names half a category")
    _require_within(sets, 0, categories - 1)
    if categories:
        bounds, bits = _integers(tree, "cat_boundaries"), _integers(tree, "cat_threshold")
        _require_within(bits, 0, 2**32 - 1)
        _require_length(bounds, categories + 1)
        if bounds[0] != 0 or bounds[-1] != len(bits) or (np.diff(bounds) < 0).any():
            raise ValueError("a tree's categories do not add up")


def _tokens(fields: Fields, key: str, pattern: re.Pattern[str]) -> list[str]:
    tokens = fields[key].split(" ") if fields.get(key) else []
    if not all(map(pattern.fullmatch, tokens)):
        raise ValueError(f"{key} holds something that is no number")
    return tokens


def _integers(fields: Fields, key: str) -> Integers:
    return np.array(_tokens(fields, key, _INTEGER), dtype=np.int64)


def _numbers(fields: Fields, key: str) -> NDArray[np.float64]:
    return np.array(_tokens(fields, key, _NUMBER), dtype=np.float64)


def _integer(tree: Fields, key: str) -> int:
    values = _integers(tree, key)
    _require_length(values, 1)
    return int(values[0])


def _require_length(values: NDArray[np.generic], length: int) -> None:
    if len(values) != length:
        raise ValueError("a tree has more or fewer nodes or leaves than it says")


def _require_within(values: NDArray[np.number], low: int | Integers, high: int) -> None:
    if not ((values >= low) & (values <= high)).all():
        raise ValueError("a tree leads to a node, leaf, feature or category that does not exist")
