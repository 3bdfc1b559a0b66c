"""Results that a benchmark keeps, so that an interrupted run goes on: arrays by what they follow from."""

from __future__ import annotations

import ast
import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUNS = Path(__file__).resolve().parents[1] / "runs"
Array = NDArray[np.float64]


def digest(*arrays: NDArray[Any]) -> str:
    """A hash of what the arrays hold."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(repr((array.shape, array.dtype.str)).encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]


def code(path: Path) -> str:
    """What a module does: its syntax without comments and docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            node.body = body[1:]  # type: ignore[attr-defined]
    return ast.dump(tree)


def kept(folder: str, name: str, follows_from: Mapping[str, Any], make: Callable[[], Array]) -> Array:
    """The array that `make` gives, made once for the same `follows_from` (plain JSON)."""
    key = hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest()[:12]
    path = RUNS / folder / f"{name}-{key}.npy"
    if path.exists():
        return np.asarray(np.load(path, allow_pickle=False))
    print(f"{name} ...", file=sys.stderr, flush=True)
    array = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part.npy")
    np.save(unfinished, array, allow_pickle=False)
    unfinished.rename(path)
    return array
