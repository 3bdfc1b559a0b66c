"""Lines: what ECG, row, or both say by ridge logistic regression, before anything attends to anything.

A few hundred patients teach a line more than they teach a network, which then has only to learn what the
lines leave over (docs/fusion.md has it measured). Each view has a line of its own. The line on both asks of
either side the penalty that this side asked for alone, and it may be the line of one side: so an ECG or a row
that tells nothing costs nothing. Where it helps beyond doubt, an interaction joins the line on both: one
score of the ECG times one score of the row.

Sources: le Cessie and van Houwelingen, Ridge estimators in logistic regression, Applied Statistics 1992; the
product of two scores, each learnt in turn: Dyrholm, Christoforou and Parra, Bilinear discriminant component
analysis, JMLR 2007.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Float = NDArray[np.float64]

STRENGTHS = tuple(10.0 ** (k / 2) for k in range(-8, 3))  # one over the penalty
AROUND = (1.0, 0.3, 3.0)  # times the strength that either side, or the line without a product, asked for
MOST_ROWS = 50_000  # more patients move a line no further
ROUNDS = 2  # in which ECG and row learn what to multiply
SURELY = 2.0  # standard errors by which an interaction must help
FLAT = 1e-6  # a column that varies less tells nothing
MOST_STEPS, CLOSE = 100, 1e-7  # of Newton's method
TINY = 1e-10  # keeps the curve solvable where nobody is in doubt


class Lines(nn.Module):
    """ECG [b, e] and row [b, r] as columns -> logits [b, target], by the line of what is there.

    weight: [view, target, e + r] and bias [view, target] of the ECG, the row, and both; score: [target,
    e + r], of the ECG and of the row, which are multiplied. All are 0 until they are set; training the
    network leaves them as they are.
    """

    def __init__(self, n_ecg: int, n_row: int, n_targets: int) -> None:
        super().__init__()
        self.n_ecg = n_ecg
        self.weight = nn.Parameter(torch.zeros(3, n_targets, n_ecg + n_row), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(3, n_targets), requires_grad=False)
        self.score = nn.Parameter(torch.zeros(n_targets, n_ecg + n_row), requires_grad=False)

    def forward(self, ecg: Tensor, row: Tensor, has_ecg: Tensor, has_row: Tensor) -> Tensor:
        views = torch.stack([has_ecg & ~has_row, has_row & ~has_ecg, has_ecg & has_row], dim=1)
        of_ecg, of_row = self.score[:, : self.n_ecg], self.score[:, self.n_ecg :]
        product = functional.linear(ecg, of_ecg) * functional.linear(row, of_row)
        return (self.of_views(ecg, row) * views[..., None]).sum(dim=1) + product * views[:, 2:]

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
            both = task.of(there).with_interaction(both, row.weight, is_ecg, scale)
        for k, line in enumerate((ecg, row, both)):
            if line is not None:
                self.weight[k], self.bias[k] = torch.from_numpy(line.weight), torch.from_numpy(line.bias)
                self.score.copy_(torch.from_numpy(line.scores.sum(axis=0)))  # last that of both


@dataclass(frozen=True, eq=False)
class _Line:
    """One over the penalty; weight [target, column], bias [target]; the scores of ECG and row that are
    multiplied [2, target, column].
    """

    strength: float
    weight: Float
    bias: Float
    scores: Float

    def __call__(self, columns: Float) -> Float:
        ecg, row = self.scores
        product = (columns @ ecg.T) * (columns @ row.T)
        return np.asarray(columns @ self.weight.T + self.bias + product)


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
        taught = _at_most(np.flatnonzero(who[: self.n_taught]))
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
            lines.append(_Line(strength, weight, bias - weight @ centre, np.zeros((2, *weight.shape))))
        return min(lines, key=lambda line: self.loss(line, who))

    def loss(self, line: _Line, who: NDArray[np.bool_]) -> float:
        """Mean log loss on the patients who do not teach, 0 where there is none."""
        losses = self.losses(line, who)
        return float(np.nanmean(losses)) if np.isfinite(losses).any() else 0.0

    def losses(self, line: _Line, who: NDArray[np.bool_]) -> Float:
        """Log loss [patient, target] of those who do not teach."""
        rows = _at_most(np.flatnonzero(who[self.n_taught :])) + self.n_taught
        logits = line(self.columns[rows])
        return np.logaddexp(0.0, logits) - self.outcome[rows].astype(np.float64) * logits

    def of(self, who: NDArray[np.bool_]) -> _Task:
        """The task of patients `who` alone."""
        taught = _at_most(np.flatnonzero(who[: self.n_taught]))
        rows = np.append(taught, _at_most(np.flatnonzero(who[self.n_taught :])) + self.n_taught)
        return replace(self, columns=self.columns[rows], outcome=self.outcome[rows], n_taught=len(taught))

    def with_interaction(self, line: _Line, start: Float, is_ecg: NDArray[np.bool_], scale: Float) -> _Line:
        """The line, for each target with a product of two scores if that surely helps.

        start: [target, column], of which the row's are the first score of the row.
        """
        weight, bias, scores = line.weight.copy(), line.bias.copy(), line.scores.copy()
        for k in range(len(bias)):
            one = replace(self, outcome=self.outcome[:, [k]])
            plain = _Line(line.strength, weight[[k]], bias[[k]], scores[:, [k]])
            found = one.worth_bending(plain, start[k], is_ecg, scale)
            weight[k], bias[k], scores[:, k] = found.weight[0], found.bias[0], found.scores[:, 0]
        return _Line(line.strength, weight, bias, scores)

    def worth_bending(self, plain: _Line, start: Float, is_ecg: NDArray[np.bool_], scale: Float) -> _Line:
        """One target's best line with a product, or `plain` where that may be as good."""
        everybody, found = np.ones(len(self.columns), dtype=bool), []
        for times in AROUND:
            found.append(self.bent(start, is_ecg, scale, plain.strength * times))
            if self.loss(found[0], everybody) >= self.loss(plain, everybody):
                return plain  # no other penalty is worth its time
        best = min(found, key=lambda line: self.loss(line, everybody))
        surely = _surely_lower(self.losses(plain, everybody) - self.losses(best, everybody))
        return best if surely else plain

    def bent(self, start: Float, is_ecg: NDArray[np.bool_], scale: Float, strength: float) -> _Line:
        """One target's line and product: either score is learnt in turn, as weights on columns that are
        multiplied by the other.
        """
        score, everybody = start.copy(), np.ones(len(self.columns), dtype=bool)
        for side in (is_ecg, ~is_ecg) * ROUNDS:
            score[~side] /= max(float((self.columns[: self.n_taught, ~side] @ score[~side]).std()), FLAT)
            times = self.columns[:, side] * (self.columns[:, ~side] @ score[~side])[:, None]
            doubled = replace(self, columns=np.hstack([self.columns, times]))
            line = doubled.line(everybody, np.append(scale, scale[side]), (strength,))
            assert line is not None  # somebody has both
            weight, bias, score[side] = line.weight[:, : len(scale)], line.bias, line.weight[0, len(scale) :]
        scores = np.stack([np.where(side, score, 0.0) for side in (is_ecg, ~is_ecg)])
        return _Line(strength, weight, bias, scores[:, None])


def _surely_lower(by: Float) -> bool:
    """Whether losses are lower by more than twice the standard error of their mean."""
    by = by[np.isfinite(by)]
    return len(by) > 1 and bool(by.mean() > SURELY * by.std(ddof=1) / np.sqrt(len(by)))


def _at_most(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """MOST_ROWS of them, evenly spread: a cohort may lie in the order of its hospitals."""
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.intp)]


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
