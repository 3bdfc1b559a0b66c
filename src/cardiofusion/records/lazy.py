"""Names that a room offers and loads only when somebody asks: torch comes with the first that needs it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def lazy_names(room: str, places: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """The `__getattr__` of a room's `__init__` (PEP 562). places: module of the room -> names it has."""
    module_of = {name: module for module, names in places.items() for name in names}

    def load(name: str) -> Any:
        if name not in module_of:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{room}.{module_of[name]}"), name)

    return load
