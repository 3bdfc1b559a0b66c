"""Torch models to ONNX (training side)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cardiofusion.export.graphs import encoder_graph, explain, explanation_graph, fusion_graph

__all__ = ["encoder_graph", "explain", "explanation_graph", "fusion_graph"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from cardiofusion.export import graphs

        return getattr(graphs, name)
    raise AttributeError(name)
