"""Lines: what ECG, row, or both say by ridge logistic regression, before anything attends to anything.

A few hundred patients teach a line more than they teach a network, which then has only to learn what the
lines leave over (docs/fusion.md has it measured). Each view has a line of its own. The line on both asks of
either side the penalty that this side asked for alone, and it may be the line of one side: so an ECG or a row
that tells nothing costs nothing.

Source: le Cessie and van Houwelingen, Ridge estimators in logistic regression, Applied Statistics 1992.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Float = NDArray[np.float64]
Rows = NDArray[np.intp]

STRENGTHS = tuple(10.0 ** (k / 2) for k in range(-8, 3))  # one over the penalty
AROUND = (0.3, 1.0, 3.0)  # times the strength that either side asked for alone
MOST_ROWS = 50_000  # more patients move a line no further
FLAT = 1e-6  # a column that varies less tells nothing
MOST_STEPS, CLOSE, TINY = (
    100,
    1e-7,
    1e-10,
)  # of Newton's method; TINY keeps a curve of nobody in doubt solvable


class Lines(nn.Module):
    """ECG [b, e] and row [b, r] as columns -> logits [b, target], by the line of what is there.

    weight: [view, target, e + r] and bias [view, target] of the ECG, the row, and both. All are 0 until they
    are set; training the network leaves them as they are.
    """

    def __init__(self, n_ecg: int, n_row: int, n_targets: int) -> None:
        super().__init__()
        self.n_ecg = n_ecg
        self.weight = nn.Parameter(torch.zeros(3, n_targets, n_ecg + n_row), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(3, n_targets), requires_grad=False)

    def forward(self, ecg: Tensor, row: Tensor, has_ecg: Tensor, has_row: Tensor) -> Tensor:
        views = torch.stack([has_ecg & ~has_row, has_row & ~has_ecg, has_ecg & has_row], dim=1)
        return (self.of_views(ecg, row) * views[..., None]).sum(dim=1)

    def of_views(self, ecg: Tensor, row: Tensor) -> Tensor:
        """What each line says [b, view, target]; that of one side is right where only this side is there."""
        columns = torch.cat([ecg, row], dim=1)
        said = functional.linear(columns, self.weight.flatten(0, 1), self.bias.flatten())
        return said.view(-1, *self.bias.shape)

    def fit(
        self,
        columns: Float,
        has_ecg: NDArray[np.bool_],
        has_row: NDArray[np.bool_],
        outcome: NDArray[np.float32],
        n_taught: int,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        """Learn from the first n_taught patients; the rest say how strong each penalty is.

        columns: [n, e + r]; outcome: [n, target], NaN where not known. alive: called now and then; what it
        raises ends the fitting.
        """
        is_ecg = np.arange(columns.shape[1]) < self.n_ecg
        task = _Task(columns, outcome, n_taught, alive)
        ecg = task.line(has_ecg, is_ecg.astype(np.float64), STRENGTHS)
        row = task.line(has_row, (~is_ecg).astype(np.float64), STRENGTHS)
        both, there = row if ecg is None else ecg, has_ecg & has_row
        if ecg and row and there[:n_taught].any():
            scale = np.where(is_ecg, 1.0, np.sqrt(row.strength / ecg.strength))
            together = task.line(there, scale, [ecg.strength * times for times in AROUND])
            both = min(filter(None, (together, ecg, row)), key=lambda line: task.loss(line, there))
        for k, line in enumerate((ecg, row, both)):
            if line is not None:
                self.weight[k] = torch.from_numpy(line.weight)
                self.bias[k] = torch.from_numpy(line.bias)


@dataclass(frozen=True, eq=False)
class _Line:
    """weight [target, column], bias [target]; one over the penalty."""

    strength: float
    weight: Float
    bias: Float

    def __call__(self, columns: Float) -> Float:
        return columns @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class _Task:
    """The patients: those who teach come first."""

    columns: Float
    outcome: NDArray[np.float32]
    n_taught: int
    alive: Callable[[], None]

    def line(self, who: NDArray[np.bool_], scale: Float, strengths: Sequence[float]) -> _Line | None:
        """The line of the strength with the lowest loss, of patients `who`; None where nobody teaches.

        scale: [column] how large each column shall be beside the others; 0 leaves it out.
        """
        taught = np.flatnonzero(who[: self.n_taught])[:MOST_ROWS]
        if not len(taught):
            return None
        x = self.columns[taught]
        centre, spread = x.mean(axis=0), x.std(axis=0)
        factor = np.where(spread > FLAT, scale / np.maximum(spread, FLAT), 0.0)
        x, lines = (x - centre) * factor, []
        for strength in strengths:
            self.alive()
            weight, bias = _ridges(x, self.outcome[taught], strength)
            weight = weight * factor
            lines.append(_Line(strength, weight, bias - weight @ centre))
        return min(lines, key=lambda line: self.loss(line, who))

    def loss(self, line: _Line, who: NDArray[np.bool_]) -> float:
        """Mean log loss on the patients who do not teach, 0 where there is none."""
        rows = np.flatnonzero(who[self.n_taught :])[:MOST_ROWS] + self.n_taught
        y = self.outcome[rows].astype(np.float64)
        logits = line(self.columns[rows])
        losses = np.logaddexp(0.0, logits) - y * logits
        return float(np.nanmean(losses)) if np.isfinite(losses).any() else 0.0


def _ridges(x: Float, outcome: NDArray[np.float32], strength: float) -> tuple[Float, Float]:
    """weight [target, column] and bias [target] of one logistic regression a target."""
    weight, bias = np.zeros((outcome.shape[1], x.shape[1])), np.zeros(outcome.shape[1])
    for k, y in enumerate(outcome.T.astype(np.float64)):
        known = np.isfinite(y)
        if 0 < y[known].sum() < known.sum():
            weight[k], bias[k] = ridge(x[known], y[known], strength)
        else:  # of one outcome only its frequency can be learnt
            bias[k] = _log_odds(y[known].sum(), known.sum())
    return weight, bias


def _log_odds(events: float, n: float) -> float:
    return float(np.log((events + 0.5) / (n - events + 0.5)))


def ridge(x: Float, y: Float, strength: float) -> tuple[Float, float]:
    """The weight [column] and bias with the lowest log loss summed over x [n, column] and y [n], 0 or 1, plus
    the squared weights over twice the strength. Newton's method, a step halved as long as it does harm.
    """
    z = np.column_stack([x, np.ones(len(x))])
    penalty = np.append(np.full(x.shape[1], 1.0 / strength), 0.0)
    line = np.append(np.zeros(x.shape[1]), _log_odds(float(y.sum()), len(y)))

    def cost(line: Float) -> float:
        logits = z @ line
        return float((np.logaddexp(0.0, logits) - y * logits).sum() + 0.5 * penalty @ line**2)

    lowest = cost(line)
    for _ in range(MOST_STEPS):
        chance = 0.5 + 0.5 * np.tanh(z @ line / 2.0)
        slope = z.T @ (chance - y) + penalty * line
        curve = (z * (chance * (1.0 - chance))[:, None]).T @ z + np.diag(penalty + TINY)
        step = np.linalg.solve(curve, slope)
        while (reached := cost(line - step)) > lowest + CLOSE and np.abs(step).max() > CLOSE:
            step /= 2.0
        line, lowest = line - step, min(lowest, reached)
        if np.abs(step).max() < CLOSE:
            break
    return line[:-1], float(line[-1])
