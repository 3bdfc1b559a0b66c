"""What a phenotype file may hold: exact names, types and shapes, and numbers that make sense together."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.phenotypes.discriminant import QUANTILE_LEVELS
from cardiofusion.records import BundleError, Figure

MAX_PHENOTYPES = 100
MAX_NAME_LENGTH = 100
MAX_METADATA_LENGTH = 100_000

# Shapes in letters: d features, p components, k phenotypes, q quantile levels.
_SHAPES = {
    "mean": "d",
    "scale": "d",
    "components": "dp",
    "centres": "kp",
    "precision": "pp",
    "quantiles": "kq",
    "sizes": "k",
    "stability": "k",
}
_KEYS = {"names", "agreement"}
_FIGURE = {"value", "low", "high", "n", "data"}


def write_metadata(names: tuple[str, ...], agreement: Figure) -> str:
    """The part of a phenotype model that is no tensor, as JSON."""
    return json.dumps({"names": list(names), "agreement": agreement.to_json()})


def read_metadata(metadata: str) -> tuple[tuple[str, ...], Figure]:
    """The inverse of `write_metadata`. Raises BundleError for whatever does not fit."""
    try:
        document: Any = json.loads(metadata) if len(metadata) <= MAX_METADATA_LENGTH else None
    except (ValueError, RecursionError):
        document = None
    _require(isinstance(document, dict) and set(document) == _KEYS, "metadata")
    names = document["names"]
    _require(isinstance(names, list) and len(names) <= MAX_PHENOTYPES, "the number of names")
    _require(all(isinstance(name, str) and 0 < len(name) <= MAX_NAME_LENGTH for name in names), "names")
    _require(len(set(names)) == len(names), "names that differ")
    return tuple(names), _figure(document["agreement"])


def checked_tensors(tensors: Mapping[str, NDArray[Any]], phenotypes: int) -> dict[str, NDArray[Any]]:
    """The tensors themselves, proven to fit each other. Raises BundleError naming the first that does not."""
    _require(set(tensors) == set(_SHAPES), "the list of tensors")
    lengths = {"k": phenotypes, "q": len(QUANTILE_LEVELS)}
    for name, letters in _SHAPES.items():
        tensor = tensors[name]
        _require(tensor.dtype == (np.int64 if name == "sizes" else np.float64), f"the type of {name}")
        _require(tensor.ndim == len(letters), f"the shape of {name}")
        for letter, length in zip(letters, tensor.shape, strict=True):
            _require(lengths.setdefault(letter, length) == length, f"the shape of {name}")
        _require(bool(np.isfinite(tensor).all()), name)
    _check_values(tensors)
    return dict(tensors)


def _check_values(tensors: Mapping[str, NDArray[Any]]) -> None:
    precision, quantiles, stability = tensors["precision"], tensors["quantiles"], tensors["stability"]
    _require(bool((tensors["scale"] > 0).all()), "scale")
    _require(len(precision) > 0 and bool(np.allclose(precision, precision.T)), "precision")
    _require(bool((np.linalg.eigvalsh(precision) > 0).all()), "precision")
    _require(bool((quantiles >= 0).all() and (np.diff(quantiles, axis=1) >= 0).all()), "quantiles")
    _require(bool((tensors["sizes"] > 0).all()), "sizes")
    _require(bool(((stability >= 0) & (stability <= 1)).all()), "stability")


def _figure(document: object) -> Figure:
    _require(isinstance(document, dict) and set(document) == _FIGURE, "agreement")
    assert isinstance(document, dict)
    n, data = document["n"], document["data"]
    _require(type(n) is int and n >= 0 and isinstance(data, str), "agreement")
    value, low, high = (_share(document[key]) for key in ("value", "low", "high"))
    return Figure(value, low, high, n, data)


def _share(number: object) -> float:
    if number is None:
        return float("nan")
    _require(type(number) in (int, float), "agreement")
    assert isinstance(number, int | float)
    _require(math.isfinite(number) and 0 <= number <= 1, "agreement")
    return float(number)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise BundleError(
            "phenotypes.file",
            f"the phenotype file is not as it should be: {what}",
            "take the bundle again from its source",
        )
