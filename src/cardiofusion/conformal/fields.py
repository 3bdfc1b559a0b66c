"""Typed fields of conformal.json: anything that is not exactly what it should be is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiofusion.records import BundleError


def refusal(where: str, problem: str) -> BundleError:
    return BundleError(
        "bundle.conformal",
        f"conformal.json: {where} {problem}",
        "the bundle is damaged or was written by something else; export it again",
    )


def mapping(
    value: object, where: str, keys: tuple[str, ...] = (), optional: tuple[str, ...] = ()
) -> Mapping[str, Any]:
    """An object with non-empty names; with exactly `keys`, and perhaps `optional`, where they are given."""
    if not isinstance(value, dict) or not all(isinstance(key, str) and key for key in value):
        raise refusal(where, "is not an object")
    if keys and set(value) - set(optional) != set(keys):
        raise refusal(where, f"must hold exactly {', '.join(keys)}")
    return value


def number(value: object, where: str, low: float, high: float) -> float:
    """A number in [low, high]; NaN is in no range, and true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise refusal(where, f"is not a number from {low:g} to {high:g}")
    return float(value)


def share(value: object, where: str) -> float:
    """A number strictly between 0 and 1."""
    found = number(value, where, 0.0, 1.0)
    if found in (0.0, 1.0):
        raise refusal(where, "must lie between 0 and 1")
    return found


def count(value: object, where: str, at_least: int, at_most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
        raise refusal(where, f"is not a whole number from {at_least} to {at_most}")
    return value


def text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise refusal(where, "is not a text")
    return value


def sequence(value: object, where: str, at_most: int) -> list[Any]:
    """A list of 1 to `at_most` entries."""
    if not isinstance(value, list) or not 1 <= len(value) <= at_most:
        raise refusal(where, f"is not a list of 1 to {at_most} entries")
    return value
