"""What every explanation demands of the arrays it is given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import InputError

Float = NDArray[np.float64]


def checked(name: str, array: NDArray[np.floating], dimensions: tuple[str, ...]) -> Float:
    """The array as float64. Raises InputError for other dimensions, an empty one, or numbers not finite."""
    if array.ndim != len(dimensions) or 0 in array.shape:
        wanted = f"not [{', '.join(dimensions)}]"
        raise InputError(
            "explain.shape", f"{name} is {array.shape}, {wanted}", "pass what the runtime returns"
        )
    if not np.isfinite(array).all():
        raise InputError(
            "explain.not_finite", f"{name} holds numbers that are not finite", "check the model's output"
        )
    return np.asarray(array, dtype=np.float64)


def checked_names(what: str, names: tuple[str, ...], count: int) -> tuple[str, ...]:
    """The names. Raises InputError unless there are `count` of them."""
    if len(names) != count:
        raise InputError("explain.names", f"{len(names)} names for {count} {what}", "give one name each")
    return names
