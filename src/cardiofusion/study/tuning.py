"""Fine-tuning: the encoder learns the training patients' labels before anything else looks at its tokens.

It starts from a line on the frozen embedding (Kumar et al., Fine-tuning can distort pretrained features and
underperform out-of-distribution, ICLR 2022), with small steps, and its weights are averaged over the last
quarter (Izmailov et al., UAI 2018). The length is fixed beforehand: nobody is set aside to say when to stop.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.nn import functional

from cardiofusion.study.ecgs import EcgSet
from cardiofusion.study.encoding import save_weights
from cardiofusion.tmae import TMAE, AdamW, warm_cosine

if TYPE_CHECKING:
    from cardiofusion.study.pipeline import Pipeline

BATCH = 16
RATE, DECAY, WARM = 1e-4, 0.05, 0.1
AVERAGED = 0.25  # of the steps, the last
LOUDNESS, MISSING = 0.1, 0.1  # how an ECG is varied: the gain's logarithm, and the chance to lose a lead
PROBE_STRENGTH = 0.01

Rows = NDArray[np.intp]


def tune(pipeline: Pipeline) -> None:
    """The stage "tune", where the study asks for it."""
    if not pipeline.tuned:
        return
    tasks = [task for task in pipeline.fused_tasks if task.alignment == "matched"]
    learning, ecgs = pipeline.groups.learning, pipeline.cohort_ecgs
    assert ecgs is not None
    rows = pipeline.groups.train
    outcome = np.concatenate([pipeline.data.taught(task, learning) for task in tasks], axis=1)

    def make(folder: Path) -> None:
        """Leave the tuned encoder in the stage's folder."""
        tuned = tune_encoder(
            pipeline.untuned,
            ecgs,
            outcome,
            rows[ecgs.usable[rows]],
            pipeline.study.cmaf.fine_tune,
            pipeline.study.seed,
            pipeline.workspace.reporter.step,
        )
        save_weights(tuned, folder)

    pipeline.workspace.stage("tune", tuning_mark(pipeline), make)


def tuning_mark(pipeline: Pipeline) -> str:
    """What the tuned weights depend on."""
    known = {"encoder": pipeline.pretrain_mark, "data": pipeline.data.digest}
    rounds = pipeline.study.cmaf.fine_tune
    return pipeline.study.fingerprint("split", "tasks", extra={**known, "rounds": rounds})


def tune_encoder(
    model: TMAE,
    ecgs: EcgSet,
    outcome: NDArray[np.float32],
    rows: Rows,
    epochs: int,
    seed: int,
    on_step: Callable[[int, int], None],
) -> TMAE:
    """A copy of `model` whose encoder knows the outcomes of `rows`.

    outcome: [n, output] of all ECGs, 1 present, 0 absent, NaN not known. The decoder stays as it was.
    """
    rng, generator = np.random.default_rng([seed, 14]), torch.Generator().manual_seed(seed)
    tuned = copy.deepcopy(model)
    head = _probe(model, ecgs, outcome, rows)
    parameters = [*tuned.encoder.named_parameters(), *((f"head.{k}", p) for k, p in head.named_parameters())]
    optimiser, total = AdamW(parameters, DECAY), max(1, epochs * len(rows) // BATCH)
    average = {name: torch.zeros_like(p) for name, p in tuned.encoder.named_parameters()}
    first, waiting = int((1.0 - AVERAGED) * total), rows[:0]
    for step in range(total):
        while len(waiting) < BATCH:
            waiting = np.concatenate([waiting, rng.permutation(rows)])
        batch, waiting = waiting[:BATCH], waiting[BATCH:]
        loss = _loss(tuned, head, ecgs, outcome, batch, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(warm_cosine(step + 1, total, RATE, max(1, int(WARM * total))))
        if step >= first:
            for name, parameter in tuned.encoder.named_parameters():
                average[name] += parameter.detach() / (total - first)
        on_step(step + 1, total)
    tuned.encoder.load_state_dict(average, strict=False)
    return tuned.eval()


def _loss(
    model: TMAE,
    head: nn.Module,
    ecgs: EcgSet,
    outcome: NDArray[np.float32],
    rows: Rows,
    generator: torch.Generator,
) -> Tensor:
    """Of these ECGs, rolled to a random place, a little louder or softer, with leads missing."""
    n, leads, samples = len(rows), *ecgs.signal.shape[1:]
    place = int(torch.randint(samples, (1,), generator=generator))
    gain = torch.exp(LOUDNESS * torch.randn(n, 1, 1, generator=generator))
    kept = torch.rand(n, leads, generator=generator) >= MISSING
    present = torch.from_numpy(ecgs.present[rows])
    kept[~(kept & present).any(dim=1)] = True  # an ECG without any lead says nothing
    present = present & kept
    signal = torch.from_numpy(ecgs.signal[rows]).roll(place, dims=2) * gain * present[..., None]
    logits, y = head(model.embed(signal, present)), torch.from_numpy(outcome[rows])
    known = ~torch.isnan(y)
    return functional.binary_cross_entropy_with_logits(logits[known], y[known])


def _probe(model: TMAE, ecgs: EcgSet, outcome: NDArray[np.float32], rows: Rows) -> nn.Linear:
    """A line on the embedding that says of each output what the frozen encoder already knows."""
    with torch.no_grad():
        parts = [
            model.embed(torch.from_numpy(ecgs.signal[part]), torch.from_numpy(ecgs.present[part])).numpy()
            for part in np.array_split(rows, max(1, len(rows) // 64))
        ]
    x = np.concatenate(parts).astype(np.float64)
    mean, scale = x.mean(axis=0), x.std(axis=0) + 1e-6
    head = nn.Linear(x.shape[1], outcome.shape[1])
    with torch.no_grad():
        head.weight.zero_()
        head.bias.zero_()
        for k, y in enumerate(outcome[rows].T):
            known = np.isfinite(y)
            if len(np.unique(y[known])) == 2:
                line = LogisticRegression(C=PROBE_STRENGTH, max_iter=1000)
                line.fit((x[known] - mean) / scale, y[known])
                weight = line.coef_[0] / scale
                head.weight[k] = torch.from_numpy(weight).float()
                head.bias[k] = float(line.intercept_[0] - weight @ mean)
    return head
