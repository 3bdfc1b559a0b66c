"""Axis-wise attention: Ho et al., Axial attention in multidimensional transformers, 2019."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def mix_heads(qkv: Tensor, allowed: Tensor | None, heads: int) -> Tensor:
    """Attention of queries, keys and values side by side [b, n, 3 * width] -> [b, n, width].

    allowed: None, or bool [b, 1, n or 1, n], the pairs that may look at each other.
    """
    b, n, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    q, k, v = qkv.view(b, n, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
    mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=allowed)  # [b, head, n, width/head]
    return mixed.transpose(1, 2).reshape(b, n, width)


class Attention(nn.Module):
    """Multi-head self-attention over the second-last axis, with a boolean mask of allowed pairs."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.mix = mix_heads  # the export puts the runtime's own operation here

    def forward(self, x: Tensor, allowed: Tensor | None) -> Tensor:
        out: Tensor = self.out(self.mix(self.qkv(x), allowed, self.heads))
        return out


class AxisBlock(nn.Module):
    """Leads to leads at the same time, time to time in the same lead, then each token by itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_lead, self.norm_time, self.norm_mlp = (nn.LayerNorm(width) for _ in range(3))
        self.across_leads = Attention(width, heads)
        self.along_time = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def grid(self, x: Tensor, leads_allowed: Tensor) -> Tensor:
        """x [b, lead, time, width]; leads_allowed [b, 1, 1, lead] False for absent leads."""
        b, leads, times, width = x.shape
        columns = self.norm_lead(x).transpose(1, 2).reshape(b * times, leads, width)
        allowed = leads_allowed.expand(b, times, 1, leads).reshape(b * times, 1, 1, leads)
        x = x + self.across_leads(columns, allowed).view(b, times, leads, width).transpose(1, 2)
        rows = self.norm_time(x).reshape(b * leads, times, width)
        x = x + self.along_time(rows, None).view(b, leads, times, width)
        out: Tensor = x + self.mlp(self.norm_mlp(x))
        return out

    def flat(self, x: Tensor, same_time: Tensor, same_lead: Tensor) -> Tensor:
        """The same for a flat list of tokens x [b, k, width]; both masks [b, 1, k, k]."""
        x = x + self.across_leads(self.norm_lead(x), same_time)
        x = x + self.along_time(self.norm_time(x), same_lead)
        out: Tensor = x + self.mlp(self.norm_mlp(x))
        return out


class AxisStack(nn.ModuleList):
    """Axis blocks one after another, over a grid or a flat list of tokens."""

    def __init__(self, width: int, heads: int, layers: int) -> None:
        super().__init__(AxisBlock(width, heads) for _ in range(layers))

    def grid(self, x: Tensor, leads_allowed: Tensor) -> Tensor:
        for block in self:
            assert isinstance(block, AxisBlock)
            x = block.grid(x, leads_allowed)
        return x

    def flat(self, x: Tensor, same_time: Tensor, same_lead: Tensor) -> Tensor:
        for block in self:
            assert isinstance(block, AxisBlock)
            x = block.flat(x, same_time, same_lead)
        return x
