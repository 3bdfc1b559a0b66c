"""Torch models to ONNX graphs that hold their weights, so that the clinic needs no torch.

Three kinds: the encoder (any batch), the fusion of a task (any batch), and for explanations one graph that
returns logits, attention maps, stem features and the gradient of a target's logit with respect to them. The
gradient is traced with make_fx over torch.func.grad_and_value, so the graph is plain forward arithmetic.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from cardiofusion.cmaf.model import CMAF, ecg_tokens
from cardiofusion.records import ExportError
from cardiofusion.tmae.model import N_LEADS, Encoder, pool

MAX_BATCH = 4096


def encoder_graph(encoder: Encoder) -> bytes:
    """signal [b, 12, sample], present bool [b, 12] -> tokens [b, time + 12, width], embedding.

    Raises ExportError where torch's exporter cannot run on this machine.
    """

    class Embed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, signal: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
            tokens = self.encoder(signal, present)
            return ecg_tokens(tokens, present), pool(tokens)

    example = (torch.randn(2, N_LEADS, encoder.config.samples), torch.ones(2, N_LEADS, dtype=torch.bool))
    return _export(Embed(), example, ["signal", "present"], ["tokens", "embedding"], any_batch=True)


def fusion_graph(fusion: CMAF) -> bytes:
    """tokens, row [b, feature], has_ecg and has_row bool [b] -> logits [b, target]. Raises ExportError."""

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fusion = fusion

        def forward(self, tokens: Tensor, row: Tensor, has_ecg: Tensor, has_row: Tensor) -> Tensor:
            logits: Tensor = self.fusion(tokens, row, has_ecg, has_row).logits
            return logits

    config, n_features = fusion.config, fusion.features.bias.shape[0]
    yes = torch.ones(2, dtype=torch.bool)
    example = (
        torch.randn(2, config.n_ecg_tokens, config.ecg_width),
        torch.zeros(2, n_features),
        yes,
        yes.clone(),
    )
    return _export(Logits(), example, ["tokens", "row", "has_ecg", "has_row"], ["logits"], any_batch=True)


def explanation_graph(encoder: Encoder, fusion: CMAF) -> bytes:
    """One patient -> logits, row_to_ecg, ecg_to_row (means over heads), frames, gradient.

    Inputs: signal [1, 12, sample], present [1, 12], row [1, feature], has_ecg [1], has_row [1], and target
    [target], one-hot: whose logit the gradient is of. frames and gradient: [12, channel, frame], 20 ms a
    frame. Raises ExportError.
    """
    frozen = [p for module in (encoder, fusion) for p in module.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        # onnxscript's optimiser would take longer than all the rest; onnxruntime optimises when it loads.
        traced = _traced(encoder.eval(), fusion.eval())
        return _export(traced, _patient(encoder, fusion), _INPUTS, _OUTPUTS, optimize=False)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


_INPUTS = ["signal", "present", "row", "has_ecg", "has_row", "target"]
_OUTPUTS = ["logits", "row_to_ecg", "ecg_to_row", "frames", "gradient"]
Explained = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def explain(encoder: Encoder, fusion: CMAF, *inputs: Tensor) -> Explained:
    """What the explanation graph computes, in torch."""
    signal, present, row, has_ecg, has_row, target = inputs

    def score(frames: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        tokens = encoder.attend(encoder.tokens_from(frames), present)
        seen = fusion(ecg_tokens(tokens, present), row, has_ecg, has_row)
        return (seen.logits[0] * target).sum(), (
            seen.logits,
            seen.row_to_ecg.mean(dim=1),
            seen.ecg_to_row.mean(dim=1),
        )

    frames = encoder.frames(signal)
    gradient, (_, (logits, row_to_ecg, ecg_to_row)) = torch.func.grad_and_value(score, has_aux=True)(frames)
    return logits[0], row_to_ecg[0], ecg_to_row[0], _in_time(frames), _in_time(gradient)


def _in_time(frames: Tensor) -> Tensor:
    """[1, 12, patch, channel, frame] -> [12, channel, patch * frame]."""
    return frames[0].transpose(1, 2).flatten(2)


def _patient(encoder: Encoder, fusion: CMAF) -> tuple[Tensor, ...]:
    yes = torch.ones(1, dtype=torch.bool)
    return (
        torch.randn(1, N_LEADS, encoder.config.samples),
        torch.ones(1, N_LEADS, dtype=torch.bool),
        torch.zeros(1, fusion.features.bias.shape[0]),
        yes,
        yes.clone(),
        torch.eye(fusion.config.n_targets)[0],
    )


def _traced(encoder: Encoder, fusion: CMAF) -> nn.Module:
    """The explanation as a flat graph of aten operations, gradient included."""
    with _exporter():
        from torch._decomp import core_aten_decompositions
        from torch.fx.experimental.proxy_tensor import make_fx
        from torch.nn.attention import SDPBackend, sdpa_kernel

        def function(*inputs: Tensor) -> Explained:
            return explain(encoder, fusion, *inputs)

        # The fused attention kernels have no ONNX counterpart for their backward pass; the plain one has.
        with sdpa_kernel(SDPBackend.MATH):
            tracer: Callable[..., nn.Module] = make_fx(
                function, cast(Mapping[Any, Any], core_aten_decompositions())
            )
            return tracer(*_patient(encoder, fusion))


def _export(
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    any_batch: bool = False,
    optimize: bool = True,
) -> bytes:
    with _exporter():
        batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
        shapes = tuple({0: batch} for _ in example) if any_batch else None
        program = torch.onnx.export(
            module.eval(),
            example,
            dynamo=True,
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            optimize=optimize,
            verbose=False,
        )
        if program is None:
            raise ExportError("export.failed", "torch returned no ONNX graph", "try another torch version")
        return _serialised(program.model_proto)


def _refusal(error: Exception) -> ExportError:
    """torch wraps a missing module in errors of its own: the module's name is down the chain of causes."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ImportError):
        cause = cause.__cause__
    if cause is None:
        first = (str(error).splitlines() or ["no reason given"])[0][:200]
        return ExportError(
            "export.failed", f"the ONNX export failed: {first}", "the trained weights are kept"
        )
    return ExportError(
        "export.unavailable",
        f"the ONNX export needs {cause.name or 'a module'}, which cannot be imported here",
        "the trained weights are kept: run the same command where torch._dynamo and onnxscript work",
    )


def _serialised(model: Any) -> bytes:
    """The graph without the exporter's notes, which hold stack traces and paths of this machine."""
    for graph in [model.graph, *model.functions]:
        for part in [graph, *graph.node, *graph.value_info]:
            del part.metadata_props[:]
            part.doc_string = ""
    for value in [*model.graph.input, *model.graph.output, *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    del model.metadata_props[:]
    return bytes(model.SerializeToString())


@contextlib.contextmanager
def _exporter() -> Iterator[None]:
    """torch's exporter, quiet; its absence is an ExportError that says how to go on."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImportError, RuntimeError) as error:
        raise _refusal(error) from error
    finally:
        logging.disable(level)
