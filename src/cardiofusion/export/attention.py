"""The runtime's own attention operation in place of the one that training uses.

ONNX has had `Attention` since opset 23: one operation where the plain form is some fifteen, half copies.
ONNX Runtime then needs a quarter less time for the encoder, and torch's exporter half of it for the fusion.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from torch import Tensor, nn

from cardiofusion.cmaf.model import CrossAttention
from cardiofusion.tmae.axial import Attention

OPSET = 23


@contextlib.contextmanager
def fused_attention(module: nn.Module) -> Iterator[None]:
    """Within the block the module's attention is ONNX's; cross-attention returns zeros for its weights."""
    own = {part: part.mix for part in module.modules() if isinstance(part, Attention)}
    cross = {part: part.mix for part in module.modules() if isinstance(part, CrossAttention)}
    for part in own:
        part.mix = _self_attention
    for across in cross:
        across.mix = _cross_attention
    try:
        yield
    finally:
        for part, mix in own.items():
            part.mix = mix
        for across, mix_across in cross.items():
            across.mix = mix_across


def _self_attention(qkv: Tensor, allowed: Tensor | None, heads: int) -> Tensor:
    q, k, v = qkv.chunk(3, dim=-1)
    pairs = None if allowed is None else allowed.expand(-1, -1, qkv.shape[1], -1)
    return _attention(q, k, v, pairs, heads)


def _cross_attention(q: Tensor, kv: Tensor, allowed: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    k, v = kv.chunk(2, dim=-1)
    pairs = allowed[:, None, None, :].expand(-1, -1, q.shape[1], -1)
    return _attention(q, k, v, pairs, heads), q.new_zeros(q.shape[0], heads, q.shape[1], k.shape[1])


def _attention(q: Tensor, k: Tensor, v: Tensor, pairs: Tensor | None, heads: int) -> Tensor:
    import torch.onnx.ops

    mixed: Tensor = torch.onnx.ops.attention(q, k, v, pairs, q_num_heads=heads, kv_num_heads=heads)[0]
    return mixed
