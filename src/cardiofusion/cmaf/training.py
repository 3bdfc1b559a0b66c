"""Training CMAF on tokens of the frozen encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cardiofusion.cmaf.alignment import NOBODY
from cardiofusion.cmaf.model import CMAF, CMAFConfig
from cardiofusion.records import ClinicalTable
from cardiofusion.tmae.optimiser import AdamW, warm_cosine

View = Literal["ecg", "row", "ecg+row"]
VIEWS: tuple[View, ...] = ("ecg", "row", "ecg+row")
NUMBER_BINS = 8
PREDICT_BATCH = 2048
GATING_ROWS = 2000  # are enough to set two numbers
# One modality is turned down, never both; open comes first, so that it wins a tie.
_LOWER = (0.8, 0.6, 0.4, 0.2, 0.0)
GATES = ((1.0, 1.0), *((gate, 1.0) for gate in _LOWER), *((1.0, gate) for gate in _LOWER))
_STARTING = threading.Lock()  # the first weights come from torch's default generator, which all threads share


@dataclass(frozen=True)
class FusionOptions:
    """`modality_dropout`: chance that a patient who has both loses one of them, in each step."""

    epochs: int = 40
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    modality_dropout: float = 0.5
    patience: int = 6


@dataclass(frozen=True, eq=False)
class FusionData:
    """Examples for CMAF.

    tokens float32 [ecg, token, width]: a pool of ECGs, the last token with n_findings numbers; ecg int64 [n]:
    which of them stands beside each row (NOBODY: none). rows float32 [n, feature], NaN where missing; has_row
    bool [n]. outcome float32 [n, target], NaN where not known.
    """

    tokens: NDArray[np.float32]
    ecg: NDArray[np.int64]
    rows: NDArray[np.float32]
    has_row: NDArray[np.bool_]
    outcome: NDArray[np.float32]
    n_findings: int = 0

    def __len__(self) -> int:
        return len(self.ecg)

    @property
    def pool(self) -> NDArray[np.float32]:
        """Summary and findings [ecg, d] of every ECG."""
        last = self.tokens[:, -2:].reshape(len(self.tokens), -1)
        return last[:, : self.tokens.shape[2] + self.n_findings]

    @property
    def embedding(self) -> NDArray[np.float64]:
        """Summary and findings [n, d] of the ECG beside each row, NaN where there is none."""
        beside = self.pool[np.maximum(self.ecg, 0)].astype(np.float64)
        return np.where((self.ecg == NOBODY)[:, None], np.nan, beside)


def feature_edges(table: ClinicalTable) -> list[list[float]]:
    """Bin edges of every column for FeatureTokens: training quantiles of numbers, steps of categories."""
    edges = []
    for column, values in zip(table.schema, table.values.T, strict=True):
        if column.kind == "category":
            edges.append([k - 0.5 for k in range(max(2, len(column.categories)) + 1)])
            continue
        known = values[np.isfinite(values)]
        # Told apart as the model will see them: in float32 two quantiles may be one.
        quantiles = np.quantile(known, np.linspace(0, 1, NUMBER_BINS + 1)) if len(known) else np.zeros(1)
        points = np.unique(quantiles.astype(np.float32))
        edges.append(
            [float(p) for p in points] if len(points) > 1 else [float(points[0]), float(points[0]) + 1]
        )
    return edges


def train_fusion(
    data: FusionData,
    training: NDArray[np.intp],
    stopping: NDArray[np.intp],
    config: CMAFConfig,
    edges: list[list[float]],
    options: FusionOptions,
    seed: int,
    on_step: Callable[[int, int], None] | None = None,
) -> CMAF:
    """Train on `training` rows; keep the weights of the epoch with the lowest loss on `stopping` rows.

    Lines come first and stay; the best may be the weights before the first epoch, of a network that adds
    nothing to them. The stopping rows say how strong the lines' penalties are, and set the gates too.
    Several may train at once, each in a thread of its own.
    """
    with _STARTING:
        torch.manual_seed(seed)
        model = CMAF(config, edges)
    generator = torch.Generator().manual_seed(seed + 1)
    model.draw_from(generator)
    optimiser = AdamW(model.named_parameters(), options.weight_decay)
    steps = max(1, len(training) // options.batch)
    total = steps * options.epochs
    report = on_step or _nobody_asked
    _fit_lines(model, data, training, stopping, lambda: report(0, total))
    best, best_loss, waited = _weights(model), _stopping_loss(model, data, stopping), 0
    for _ in range(options.epochs):
        order = torch.from_numpy(training)[torch.randperm(len(training), generator=generator)]
        model.train()
        for rows in order[: steps * options.batch].tensor_split(steps):
            loss = _training_loss(model, data, rows.numpy(), options.modality_dropout, generator)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step(warm_cosine(optimiser.steps, total, options.learning_rate, max(1, total // 20)))
            report(optimiser.steps, total)
        loss_now = _stopping_loss(model, data, stopping)
        waited += 1
        if loss_now < best_loss:
            best, best_loss, waited = _weights(model), loss_now, 0
        if waited >= options.patience:
            break
    model.load_state_dict(best)
    _set_gates(model.eval(), data, stopping[:GATING_ROWS])
    return model


def _fit_lines(
    model: CMAF,
    data: FusionData,
    training: NDArray[np.intp],
    stopping: NDArray[np.intp],
    alive: Callable[[], None],
) -> None:
    """Set the lines and how embeddings are spread; the network says nothing yet."""
    model.fall_silent()
    rows, taught = np.concatenate([training, stopping]), training[data.ecg[training] != NOBODY]
    if len(taught):
        model.spread_like(torch.from_numpy(data.pool[data.ecg[taught]]))
    has_ecg, has_row = data.ecg[rows] != NOBODY, data.has_row[rows]
    with torch.no_grad():
        last = torch.from_numpy(data.tokens[:, -2:])  # all that `embedding` looks at
        ecg = model.embedding(last)[np.maximum(data.ecg[rows], 0)] * torch.from_numpy(has_ecg)[:, None]
        columns = torch.cat([ecg, model.features.columns(torch.from_numpy(data.rows[rows]))], dim=1)
    x = columns.numpy().astype(np.float64)
    model.lines.fit(x, has_ecg, has_row, data.outcome[rows], len(training), alive)


def _set_gates(model: CMAF, data: FusionData, rows: NDArray[np.intp]) -> None:
    """Turn down the modality that does harm beside the other: the gates with the lowest loss on `rows`."""
    both = rows[(data.ecg[rows] != NOBODY) & data.has_row[rows]]
    outcome, losses = torch.from_numpy(data.outcome[both]), []
    if not (~torch.isnan(outcome)).any():
        return
    for gates in GATES:
        model.gate.copy_(torch.tensor(gates))
        logits = torch.from_numpy(fusion_logits(model, data, both, "ecg+row"))
        losses.append(float(_known_loss(logits, outcome)))
    model.gate.copy_(torch.tensor(GATES[int(np.argmin(losses))]))


def fusion_logits(model: CMAF, data: FusionData, rows: NDArray[np.intp], view: View) -> NDArray[np.float32]:
    """Logits [row, target] as the model sees them through one view."""
    model.eval()
    parts = []
    with torch.no_grad():
        for at in range(0, len(rows), PREDICT_BATCH):
            tokens, row, has_ecg, has_row, _ = _tensors(data, rows[at : at + PREDICT_BATCH])
            ecg_on, row_on = has_ecg & ("ecg" in view), has_row & ("row" in view)
            parts.append(model(tokens, row, ecg_on, row_on).logits)
    return torch.cat(parts).numpy() if parts else np.zeros((0, data.outcome.shape[1]), dtype=np.float32)


def _tensors(data: FusionData, rows: NDArray[np.intp]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    ecg = data.ecg[rows]
    return (
        torch.from_numpy(data.tokens[np.maximum(ecg, 0)]),
        torch.from_numpy(data.rows[rows]),
        torch.from_numpy(ecg != NOBODY),
        torch.from_numpy(data.has_row[rows]),
        torch.from_numpy(data.outcome[rows]),
    )


def _training_loss(
    model: CMAF, data: FusionData, rows: NDArray[np.intp], dropout: float, generator: torch.Generator
) -> Tensor:
    tokens, row, has_ecg, has_row, outcome = _tensors(data, rows)
    lose = torch.rand(len(rows), generator=generator) < dropout
    lose_ecg = torch.rand(len(rows), generator=generator) < 0.5
    both = has_ecg & has_row
    logits = model(
        tokens, row, has_ecg & ~(lose & both & lose_ecg), has_row & ~(lose & both & ~lose_ecg)
    ).logits
    return _known_loss(logits, outcome)


def _stopping_loss(model: CMAF, data: FusionData, rows: NDArray[np.intp]) -> float:
    outcome = torch.from_numpy(data.outcome[rows])
    views = [torch.from_numpy(fusion_logits(model, data, rows, view)) for view in VIEWS]
    return float(sum(_known_loss(logits, outcome) for logits in views))


def _known_loss(logits: Tensor, outcome: Tensor) -> Tensor:
    known = ~torch.isnan(outcome)
    return functional.binary_cross_entropy_with_logits(logits[known], outcome[known])


def _nobody_asked(done: int, of: int) -> None:
    """Progress that goes nowhere."""


def _weights(model: CMAF) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}
