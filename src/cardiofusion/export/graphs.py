"""Torch models to ONNX graphs that hold their weights, so that the clinic needs no torch.

Four kinds. For answers the encoder and the fusion of a task, any batch. For explanations of one patient, the
chain rule in two halves: the fusion of a task with its attention maps and the slope of a target's logit along
the ECG tokens, and the encoder with what such a slope becomes at its stem. Only the first half is made once a
task. Gradients are traced with make_fx over torch.func, so the graphs are plain forward arithmetic.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from cardiofusion.cmaf.model import CMAF, NOT_TIMES, ecg_tokens
from cardiofusion.export.attention import OPSET, fused_attention
from cardiofusion.export.rows import RowEncoder
from cardiofusion.records import ExportError
from cardiofusion.tmae.beats import spread
from cardiofusion.tmae.model import N_LEADS, TMAE

MAX_BATCH = 4096


def encoder_graph(model: TMAE) -> bytes:
    """signal [b, 12, sample], present bool [b, 12] -> tokens [b, time + 14, width], embedding.

    Raises ExportError where torch's exporter cannot run on this machine.
    """

    class Embed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model
            self.rows = RowEncoder(model.encoder)

        def forward(self, signal: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
            tokens = ecg_tokens(self.model, self.rows(signal, present), present)
            return tokens, tokens[:, -2:].flatten(1)[:, : self.model.config.n_embedding]

    example = (torch.randn(2, N_LEADS, model.config.samples), torch.ones(2, N_LEADS, dtype=torch.bool))
    with fused_attention(model):
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
    with fused_attention(fusion):
        return _export(Logits(), example, ["tokens", "row", "has_ecg", "has_row"], ["logits"], any_batch=True)


def slope_graph(fusion: CMAF) -> bytes:
    """One patient -> logits [target], row_to_ecg, ecg_to_row (means over heads), slope [1, time + 14, width].

    Inputs: tokens [1, time + 14, width], row [1, feature], has_ecg [1], has_row [1], and target [target],
    one-hot: whose logit the slope is of, with respect to the tokens. Raises ExportError.
    """
    config = fusion.config
    yes = torch.ones(1, dtype=torch.bool)
    example = (
        torch.randn(1, config.n_ecg_tokens, config.ecg_width),
        torch.zeros(1, fusion.features.bias.shape[0]),
        yes,
        yes.clone(),
        torch.eye(config.n_targets)[0],
    )
    inputs = ["tokens", "row", "has_ecg", "has_row", "target"]
    outputs = ["logits", "row_to_ecg", "ecg_to_row", "slope"]
    return _export_traced(partial(slope, fusion), fusion, example, inputs, outputs)


def gradient_graph(model: TMAE) -> bytes:
    """One patient's signal, present and a slope along its tokens -> frames and gradient at the stem, spread.

    frames and gradient: [12, channel, frame + window], 40 ms a frame; the last are those of the mean beat.
    spread: [frame, window], which frames of time these are from. Raises ExportError.
    """
    config = model.config
    example = (
        torch.randn(1, N_LEADS, config.samples),
        torch.ones(1, N_LEADS, dtype=torch.bool),
        torch.randn(1, config.n_patches + NOT_TIMES, config.width),
    )
    inputs, outputs = ["signal", "present", "slope"], ["frames", "gradient", "spread"]
    return _export_traced(partial(gradient, model), model, example, inputs, outputs)


def slope(
    fusion: CMAF, tokens: Tensor, row: Tensor, has_ecg: Tensor, has_row: Tensor, target: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What the slope graph computes, in torch."""

    def score(seen_tokens: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        seen = fusion(seen_tokens, row, has_ecg, has_row)
        maps = seen.row_to_ecg.mean(dim=1)[0], seen.ecg_to_row.mean(dim=1)[0]
        return (seen.logits[0] * target).sum(), (seen.logits[0], *maps)

    along, (_, (logits, row_to_ecg, ecg_to_row)) = torch.func.grad_and_value(score, has_aux=True)(tokens)
    return logits, row_to_ecg, ecg_to_row, along


def gradient(model: TMAE, signal: Tensor, present: Tensor, along: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """What the gradient graph computes, in torch."""
    encoder = model.encoder
    beats = encoder.beats(signal, present)

    def score(frames: Tensor) -> Tensor:
        tokens = encoder.attend(encoder.tokens_from(frames, beats), present)
        return (ecg_tokens(model, tokens, present) * along).sum()

    frames = encoder.frames(signal, beats)
    n = encoder.config.n_frames
    shares = spread(beats.weight, n, n // encoder.config.n_patches)
    return _in_time(frames), _in_time(torch.func.grad(score)(frames)), shares


def _in_time(frames: Tensor) -> Tensor:
    """[1, 12, patch, channel, frame] -> [12, channel, patch * frame]."""
    return frames[0].transpose(1, 2).flatten(2)


def _export_traced(
    function: Callable[..., tuple[Tensor, ...]],
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
) -> bytes:
    """A function of a module, gradients and all, as a flat graph of aten operations and then as ONNX."""
    frozen = [p for p in module.parameters() if p.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    module.eval()
    try:
        # onnxscript's optimiser would take longer than all the rest; onnxruntime optimises when it loads.
        return _export(_traced(function, example), example, inputs, outputs, optimize=False)
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)


def _traced(function: Callable[..., tuple[Tensor, ...]], example: tuple[Tensor, ...]) -> nn.Module:
    with _exporter():
        from torch._decomp import core_aten_decompositions
        from torch.fx.experimental.proxy_tensor import make_fx
        from torch.nn.attention import SDPBackend, sdpa_kernel

        # The fused attention kernels have no ONNX counterpart for their backward pass; the plain one has.
        with sdpa_kernel(SDPBackend.MATH):
            tracer: Callable[..., nn.Module] = make_fx(
                function, cast(Mapping[Any, Any], core_aten_decompositions())
            )
            return tracer(*example)


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
            opset_version=OPSET,
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
