"""Torch models to ONNX (training side)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiofusion.export.graphs import encoder_graph, explain, explanation_graph, fusion_graph
    from cardiofusion.export.job import Exporting, ExportJob, FusionWeights

_PLACES = {
    "graphs": ("encoder_graph", "explain", "explanation_graph", "fusion_graph"),
    "job": ("ExportJob", "Exporting", "FusionWeights"),
}

__all__ = [
    "ExportJob",
    "Exporting",
    "FusionWeights",
    "encoder_graph",
    "explain",
    "explanation_graph",
    "fusion_graph",
]


def __getattr__(name: str) -> Any:
    # torch loads with the first name that needs it, so that the running part stays light.
    for module, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"cardiofusion.export.{module}"), name)
    raise AttributeError(name)
