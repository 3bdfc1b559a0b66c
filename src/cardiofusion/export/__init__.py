"""Torch models to ONNX (training side)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.records.lazy import lazy_names as _lazy_names

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

__getattr__ = _lazy_names(__name__, _PLACES)
