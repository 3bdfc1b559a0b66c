"""metrics.json: figures and what they are about (metrics.schema.json beside this file)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from cardiofusion.records import Figure

FORMAT = 1


def metrics_document(figures: Mapping[str, Figure], about: Mapping[str, Any]) -> dict[str, Any]:
    """{"format", "about", "figures": {key: {value, low, high, n, data}}}; null where a figure is undefined.

    about: plain values (study, task, alignment, date, gain_over, ...), copied as they are.
    """
    return {
        "format": FORMAT,
        "about": dict(about),
        "figures": {key: figure.to_json() for key, figure in figures.items()},
    }


def metrics_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of `metrics_document`."""
    schema: dict[str, Any] = json.loads(
        files("cardiofusion.evaluate").joinpath("metrics.schema.json").read_text("utf-8")
    )
    return schema
