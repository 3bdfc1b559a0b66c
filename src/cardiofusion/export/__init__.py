"""Torch models to ONNX (training side)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.records.lazy import lazy_names as _lazy_names

if TYPE_CHECKING:
    from cardiofusion.export.graphs import (
        encoder_graph,
        fusion_graph,
        gradient,
        gradient_graph,
        slope,
        slope_graph,
    )
    from cardiofusion.export.job import Exporting, ExportJob, FusionWeights

_PLACES = {
    "graphs": ("encoder_graph", "fusion_graph", "gradient", "gradient_graph", "slope", "slope_graph"),
    "job": ("ExportJob", "Exporting", "FusionWeights"),
}

__all__ = [
    "ExportJob",
    "Exporting",
    "FusionWeights",
    "encoder_graph",
    "fusion_graph",
    "gradient",
    "gradient_graph",
    "slope",
    "slope_graph",
]

if not TYPE_CHECKING:  # or a name that is not there would pass the type check
    __getattr__ = _lazy_names(__name__, _PLACES)
