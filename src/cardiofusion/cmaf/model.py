"""CMAF: bidirectional cross-modal attention fusion of an ECG and a clinical row.

- ECG tokens come from the frozen encoder: one for each time (mean over leads) and one for each lead (mean
  over time), so that the attention map can name both; then its embedding, the summary and the findings, from
  which the summary token starts.
- Clinical tokens: every feature is one token. Numbers enter by piecewise-linear encoding over the training
  quantiles (Gorishniy et al., On embeddings for numerical features, NeurIPS 2022), categories as steps;
  a missing value is a learnt token of that feature.
- A line on what is there answers first (lines.py); the network learns what the lines leave over, and says
  nothing where it found nothing.
- Each block lets the clinical tokens look at each other, then ECG and row look at each other in both
  directions (multi-head cross-attention), then each token by itself.
- The same weights answer for ECG only, row only, or both: an absent modality adds nothing. Modality dropout
  in training makes it so (Neverova et al., ModDrop, TPAMI 2016).
- What a modality adds to the other (its attention's residuals, its own part of the logits) passes a gate
  where both are there. Gates are 1 while the network learns and are then set on the patients who say when to
  stop, so that a modality that taught the network noise is turned down.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from cardiofusion.cmaf.lines import Lines
from cardiofusion.tmae.model import N_LEADS, TMAE

NOT_TIMES = N_LEADS + 2  # ECG tokens that stand for no time: one a lead, the summary, and the findings
FLAT = 1e-6  # a spread below it is none
FAR = 6.0  # standard deviations: an embedding further off than any that taught is held there


@dataclass(frozen=True)
class CMAFConfig:
    """Sizes: ECG tokens of `ecg_width` are n_times, 12 leads, the summary, and n_findings numbers filled up
    with zeros; n_targets logits come out.
    """

    ecg_width: int
    n_times: int
    n_targets: int
    n_findings: int = 0
    width: int = 32
    heads: int = 4
    blocks: int = 2
    dropout: float = 0.1

    @property
    def n_ecg_tokens(self) -> int:
        return self.n_times + NOT_TIMES

    @property
    def n_embedding(self) -> int:
        return self.ecg_width + self.n_findings


class Attended(NamedTuple):
    """Logits [b, target], attention feature -> ECG token [b, head, feature, token] and its reverse.

    Of the last block but one: what a feature or a time saw in the last block, nobody reads any more.
    """

    logits: Tensor
    row_to_ecg: Tensor
    ecg_to_row: Tensor


def ecg_tokens(model: TMAE, tokens: Tensor, present: Tensor) -> Tensor:
    """Encoder tokens [b, 12, time, width] -> [b, time + 14, width].

    Means over leads, means over time, the summary, and the findings filled up with zeros.
    """
    share = present.to(tokens.dtype)
    over_leads = tokens.sum(dim=1) / share.sum(dim=1).clamp(min=1.0)[:, None, None]
    leads, width = tokens.mean(dim=2), model.config.width
    embedding = model.with_findings(model.encoder.summarise(leads.flatten(1)))
    filled = functional.pad(embedding, (0, 2 * width - model.config.n_embedding))
    return torch.cat([over_leads, leads, filled.view(-1, 2, width)], dim=1)


class FeatureTokens(nn.Module):
    """A clinical row [b, feature] (NaN where missing) -> one token a feature [b, feature, width].

    edges: per feature an increasing list. A number x becomes clamp((x - e_k) / (e_k+1 - e_k), 0, 1) for each
    bin; a category (edges -0.5, 0.5, ...) becomes a thermometer code of its position.
    """

    low: Tensor
    span: Tensor

    def __init__(self, edges: Sequence[Sequence[float]], width: int) -> None:
        super().__init__()
        bins = max(len(e) for e in edges) - 1
        low, span = torch.zeros(len(edges), bins), torch.full((len(edges), bins), torch.inf)
        for feature, e in enumerate(edges):
            points = torch.tensor(e, dtype=torch.float32)
            low[feature, : len(e) - 1] = points[:-1]
            span[feature, : len(e) - 1] = points.diff()
        self.register_buffer("low", low)
        self.register_buffer("span", span)
        self.weight = nn.Parameter(torch.randn(len(edges), bins, width) * 0.3)
        self.bias = nn.Parameter(torch.randn(len(edges), width) * 0.02)
        self.missing = nn.Parameter(torch.randn(len(edges), width) * 0.02)

    @property
    def n_columns(self) -> int:
        return self.low.numel() + self.low.shape[0]

    def basis(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """The code of every feature [b, feature, bin], and which are given [b, feature]."""
        given = ~torch.isnan(row)
        x = torch.where(given, row, torch.zeros_like(row))
        return ((x[..., None] - self.low) / self.span).clamp(0.0, 1.0), given

    def forward(self, row: Tensor) -> Tensor:
        basis, given = self.basis(row)
        tokens = torch.einsum("bfk,fkw->bfw", basis, self.weight) + self.bias
        return torch.where(given[..., None], tokens, self.missing)

    def columns(self, row: Tensor) -> Tensor:
        """The codes side by side, zeros for what is missing, and then 1 for each feature that is."""
        basis, given = self.basis(row)
        return torch.cat([(basis * given[..., None]).flatten(1), (~given).to(basis.dtype)], dim=1)


class Dropout(nn.Module):
    """Dropout that draws from a generator of its own: torch's default one is shared by all threads."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.generator: torch.Generator | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.share == 0.0:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= self.share
        return x * kept / (1.0 - self.share)


def mix_heads(q: Tensor, kv: Tensor, allowed: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """q [b, n, width], kv [b, m, 2 * width], allowed [b, m] -> mixed like q, weights [b, head, n, m]."""
    (b, n, width), m, per_head = q.shape, kv.shape[1], q.shape[2] // heads
    q = q.view(b, n, heads, per_head).transpose(1, 2)
    k, v = kv.view(b, m, 2, heads, per_head).permute(2, 0, 3, 1, 4)
    scores = q @ k.transpose(2, 3) * per_head**-0.5
    weights = scores.masked_fill(~allowed[:, None, None, :], -1e9).softmax(dim=-1)
    return (weights @ v).transpose(1, 2).reshape(b, n, width), weights


class CrossAttention(nn.Module):
    """Queries from one sequence, keys and values from another; returns the weights too."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.kv, self.out = (nn.Linear(width, n * width) for n in (1, 2, 1))
        self.norm_q, self.norm_kv = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)
        self.mix = mix_heads  # the export puts the runtime's own operation here

    def forward(self, x: Tensor, other: Tensor, allowed: Tensor) -> tuple[Tensor, Tensor]:
        """x [b, n, width], other [b, m, width], allowed [b, m] -> update of x, weights [b, head, n, m]."""
        q, kv = self.q(self.norm_q(x)), self.kv(self.norm_kv(other))
        mixed, weights = self.mix(q, kv, allowed, self.heads)
        return self.dropout(self.out(mixed)), weights


class FusionBlock(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.among_features = CrossAttention(width, heads, dropout)
        self.row_from_ecg = CrossAttention(width, heads, dropout)
        self.ecg_from_row = CrossAttention(width, heads, dropout)
        self.row_mlp, self.ecg_mlp = (
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
            )
            for _ in range(2)
        )

    def forward(
        self, ecg: Tensor, row: Tensor, ecg_allowed: Tensor, row_allowed: Tensor, gates: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """gates [b, 2]: how much of what the ECG, and what the row, has to say reaches the other."""
        row = row + self.among_features(row, row, row_allowed)[0]
        to_row, row_to_ecg = self.row_from_ecg(row, ecg, ecg_allowed)
        to_ecg, ecg_to_row = self.ecg_from_row(ecg, row, row_allowed)
        from_ecg, from_row = gates[:, :1, None], gates[:, 1:, None]
        row, ecg = row + from_ecg * to_row, ecg + from_row * to_ecg
        return ecg + self.ecg_mlp(ecg), row + self.row_mlp(row), row_to_ecg, ecg_to_row


def _head(config: CMAFConfig) -> nn.Sequential:
    """A summary [b, width] to logits [b, target]."""
    return nn.Sequential(
        nn.LayerNorm(config.width),
        nn.Linear(config.width, config.width),
        nn.GELU(),
        Dropout(config.dropout),
        nn.Linear(config.width, config.n_targets),
    )


class CMAF(nn.Module):
    """ECG tokens and a clinical row -> logits, with the attention maps behind them.

    gate: [2], of the ECG and of the row; what counts where a patient has both. centre, scale: [embedding] of
    those who taught.
    """

    gate: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, config: CMAFConfig, edges: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.features = FeatureTokens(edges, width)
        self.token = nn.Linear(config.ecg_width, width)
        self.summary = nn.Linear(config.n_embedding + config.n_targets, width)
        self.row_summary = nn.Linear(config.n_targets, width)
        self.register_buffer("gate", torch.ones(2))
        self.register_buffer("centre", torch.zeros(config.n_embedding))
        self.register_buffer("scale", torch.ones(config.n_embedding))
        self.lines = Lines(config.n_embedding, self.features.n_columns, config.n_targets)
        self.blocks = nn.ModuleList(
            FusionBlock(width, config.heads, config.dropout) for _ in range(config.blocks)
        )
        self.ecg_head, self.row_head = (_head(config) for _ in range(2))

    def draw_from(self, generator: torch.Generator) -> None:
        """Where dropout takes its chance from."""
        for module in self.modules():
            if isinstance(module, Dropout):
                module.generator = generator

    def fall_silent(self) -> None:
        """The network adds nothing to the lines, until it learns to."""
        for head in (self.ecg_head, self.row_head):
            last = cast(nn.Linear, head[-1])
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)

    @property
    def attends(self) -> bool:
        """Whether the attention returned takes part in the answer where a patient has both."""
        return len(self.blocks) > 1 and bool(self.gate.all()) and not self.silent

    @property
    def silent(self) -> bool:
        """Whether the network adds nothing to the lines where a patient has both."""
        heads = ((self.ecg_head, self.gate[0]), (self.row_head, self.gate[1]))
        return not any(bool(cast(nn.Linear, head[-1]).weight.any()) and bool(gate) for head, gate in heads)

    def embedding(self, tokens: Tensor) -> Tensor:
        """Summary and findings [b, embedding] of tokens whose last two they are, as spread as who taught."""
        found = tokens[:, -2:].flatten(1)[:, : self.config.n_embedding]
        return ((found - self.centre) / self.scale).clamp(-FAR, FAR)

    def spread_like(self, embedding: Tensor) -> None:
        """Take centre and scale of embeddings [n, embedding]; a number that never varies counts nothing."""
        spread = embedding.std(dim=0, correction=0)
        self.centre.copy_(embedding.mean(dim=0))
        self.scale.copy_(torch.where(spread > FLAT, spread, torch.inf))

    def forward(self, tokens: Tensor, row: Tensor, has_ecg: Tensor, has_row: Tensor) -> Attended:
        """tokens [b, time + 14, ecg_width], row [b, feature], has_ecg and has_row bool [b]."""
        embedding = self.embedding(tokens) * has_ecg[:, None]
        columns = self.features.columns(row) * has_row[:, None]
        said = self.lines.of_views(embedding, columns)
        ecg, ecg_allowed = self._ecg_sequence(tokens, torch.cat([embedding, said[:, 0]], dim=1), has_ecg)
        clinical, row_allowed = self._row_sequence(row, said[:, 1], has_row)
        there = torch.stack([has_ecg, has_row], dim=1).to(tokens.dtype)
        gates = torch.where((has_ecg & has_row)[:, None], self.gate, there)
        maps = []
        for block in self.blocks:
            ecg, clinical, *attended = block(ecg, clinical, ecg_allowed, row_allowed, gates)
            maps.append(attended)
        lines = self.lines(embedding, columns, has_ecg, has_row)
        learnt = gates[:, :1] * self.ecg_head(ecg[:, 0]) + gates[:, 1:] * self.row_head(clinical[:, 0])
        row_to_ecg, ecg_to_row = maps[-2:][0]
        # The first position of each sequence is its summary; the map shows named tokens only.
        return Attended(lines + learnt, row_to_ecg[:, :, 1:, 1:], ecg_to_row[:, :, 1:, 1:])

    def _ecg_sequence(self, tokens: Tensor, known: Tensor, has_ecg: Tensor) -> tuple[Tensor, Tensor]:
        """known: [b, embedding + target], the embedding and what its line says."""
        named, summary = tokens[:, :-2], self.summary(known)
        allowed = torch.cat(
            [torch.ones_like(has_ecg)[:, None], has_ecg[:, None].expand(-1, named.shape[1])], 1
        )
        return torch.cat([summary[:, None], self.token(named)], dim=1), allowed

    def _row_sequence(self, row: Tensor, line: Tensor, has_row: Tensor) -> tuple[Tensor, Tensor]:
        """line: [b, target], what the row's line says."""
        first = self.row_summary(line)[:, None]
        allowed = torch.cat([torch.ones_like(has_row)[:, None], has_row[:, None].expand(-1, row.shape[1])], 1)
        return torch.cat([first, self.features(row)], dim=1), allowed


@cache
def fusion_structure() -> str:
    """A hash of the parts of CMAF and of its tokens: weights of another one are of no use to this version."""
    parts = CMAF(CMAFConfig(ecg_width=8, n_times=1, n_targets=1, width=8), [[0.0, 1.0]]).state_dict()
    shapes = {name: tuple(value.shape) for name, value in parts.items()}
    return hashlib.sha256(repr((shapes, NOT_TIMES)).encode()).hexdigest()[:16]
