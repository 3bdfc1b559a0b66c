"""One clinical row to its score: LightGBM's prepared call (ours), its Python wrapper, and trees in NumPy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from cardiofusion.tabular import Booster, train_booster
from tabular_cardio import Rows

WARM_UP, RUNS, CHECKED = 200, 5000, 300
ZERO = 1e-35  # what LightGBM takes for 0
CATEGORY, DEFAULT_LEFT, ZERO_MISSING, NAN_MISSING = 1, 2, 4, 8  # bits of `decision_type`

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class NumpyTrees:
    """All nodes of all trees side by side. A node keeps the leaves on the side that a row takes; of each tree
    one leaf is kept by all of its nodes (after Lucchese et al., SIGIR 2015).

    Numeric splits only, as in cardio70k; trees of one leaf are a constant.
    """

    feature: Array
    threshold: Array
    kind: Array
    left: Array
    right: Array
    first: Array
    values: Array
    leaf_offset: Array
    constant: float

    @classmethod
    def of(cls, text: str) -> NumpyTrees:
        nodes: list[tuple[float, ...]] = []
        first, values, offsets, constant = [], [], [], 0.0
        for block in text.split("\nTree=")[1:]:
            fields = dict(line.split("=", 1) for line in block.split("\n\n")[0].splitlines() if "=" in line)
            leaves = _numbers(fields["leaf_value"])
            if len(leaves) == 1:
                constant += leaves[0]
                continue
            children = [_numbers(fields[side]).astype(int) for side in ("left_child", "right_child")]
            below = [_leaves(children, node) for node in range(len(leaves) - 1)]
            every = (1 << len(leaves)) - 1
            first.append(len(nodes))
            offsets.append(sum(map(len, values)))
            values.append(leaves)
            split = (_numbers(fields[key]) for key in ("split_feature", "threshold", "decision_type"))
            for (a, b), f, t, kind in zip(below, *split, strict=True):
                nodes.append((f, t, kind, every & ~b, every & ~a))
        columns = [np.array(column) for column in zip(*nodes, strict=True)]
        feature, kind = columns[0].astype(np.intp), columns[2].astype(np.int64)
        assert not (kind & CATEGORY).any()
        masks = [column.astype(np.uint64) for column in columns[3:]]
        return cls(
            feature,
            columns[1],
            kind,
            *masks,
            np.array(first),
            np.concatenate(values),
            np.array(offsets),
            constant,
        )

    def __call__(self, row: NDArray[np.float64]) -> float:
        value = row[0, self.feature]
        absent = np.isnan(value)
        if absent.any():
            value = np.where(absent & (self.kind & NAN_MISSING == 0), 0.0, value)
            absent = np.isnan(value)
        absent = absent | ((self.kind & ZERO_MISSING > 0) & (np.abs(value) <= ZERO))
        left = np.where(absent, self.kind & DEFAULT_LEFT > 0, value <= self.threshold)
        kept = np.bitwise_and.reduceat(np.where(left, self.left, self.right), self.first)
        leaf = np.log2(kept).astype(np.intp) + self.leaf_offset
        return self.constant + float(self.values[leaf].sum())


def _numbers(words: str) -> NDArray[np.float64]:
    return np.array(words.split(), np.float64)


def _leaves(children: list[Array], node: int) -> tuple[int, int]:
    """Bits of the leaves below a node, on its left and on its right."""
    found = []
    for child in (int(side[node]) for side in children):
        found.append(1 << (-1 - child) if child < 0 else sum(_leaves(children, child)))
    return found[0], found[1]


def report() -> tuple[dict[str, str], dict[str, Any]]:
    """A block of Markdown by title, and the figures in microseconds."""
    rows = Rows.read()
    trained = train_booster(rows.table.values, rows.y, rows.table.schema, 0, groups=rows.patients)
    model, plain = trained.model, lightgbm.Booster(model_str=trained.model.text)
    row, trees = trained.policy.fill_rows(rows.table.values[:1]), NumpyTrees.of(model.text)
    off = _check(trained, plain, trees, rows.table.values)
    ways: dict[str, Callable[[], object]] = {
        "`BoosterModel.predict_logit`, LightGBM's prepared call (ours)": lambda: model.predict_logit(row),
        "`lightgbm.Booster.predict`": lambda: plain.predict(row, raw_score=True, num_threads=1),
        "the same trees as NumPy arrays": lambda: trees(row),
    }
    found = {name: _microseconds(way) for name, way in ways.items()}
    lines = ["| one row of cardio70k | p50 | p99 |", "|---|---|---|"]
    lines += [f"| {name} | {p50:.0f} us | {p99:.0f} us |" for name, (p50, p99) in found.items()]
    words = (
        f"{model.n_trees} trees of {model.n_leaves} leaves, {RUNS:,} calls each, one thread. Ours is "
        f"bit-equal to `Booster.predict` on {CHECKED} rows, NumPy within {off:.0e}:"
    )
    return {words: "\n".join(lines)}, {"row_us": found, "trees": model.n_trees, "calls": RUNS}


def _check(
    trained: Booster, plain: lightgbm.Booster, trees: NumpyTrees, values: NDArray[np.float64]
) -> float:
    off = 0.0
    for one in values[:CHECKED]:
        row = one[None]
        truth = plain.predict(row, raw_score=True)[0]
        if trained.model.predict_logit(row)[0] != truth:
            raise ValueError("the prepared call does not score as LightGBM does")
        off = max(off, abs(trees(row) - truth))
    return off


def _microseconds(work: Callable[[], object]) -> tuple[float, float]:
    for _ in range(WARM_UP):
        work()
    spent = []
    for _ in range(RUNS):
        started = time.perf_counter()
        work()
        spent.append(1e6 * (time.perf_counter() - started))
    p50, p99 = np.percentile(spent, [50, 99])
    return round(float(p50), 1), round(float(p99), 1)
