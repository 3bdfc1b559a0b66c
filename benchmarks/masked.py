"""Masked R2 of an encoder on real ECGs that it has not seen, beside predictors that need no network.

Run: python benchmarks/masked.py [ENCODER.safetensors ...] [--write FILE.md]

Without a path: the shipped encoder. Data: PTB-XL where CARDIOFUSION_DATA, else ../shared/data, has it.
Hidden are 25 to 90 % of the lead-time patches, or one span of 0.5 to 2 s in all leads at once. The linear map
from the visible leads is fitted on the other half of the patients. Intervals and paired differences are
bootstraps over patients. --write puts the tables between the markers `masked` of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cardiofusion.metrics import percentile_interval
from cardiofusion.records import patient_folds
from cardiofusion.tmae import (
    TMAE,
    Unlabelled,
    expected_beats,
    interpolation,
    masks_for,
    mean_beat,
    network,
    other_leads,
    pooled_r2,
    pretrained,
    read_tmae,
    spans_for,
    squared_errors,
    true_beats,
)
from encoder import Dataset
from markers import arguments, write_between

SHARES = (0.25, 0.4, 0.5, 0.6, 0.75, 0.9)
SPANS = (0.5, 1.0, 1.5, 2.0)  # seconds
RATE = 100
REPEATS = 1000
SEED = 3

Mask = NDArray[np.bool_]
Errors = NDArray[np.float64]  # [n, 2]: squared error and squared signal


@dataclass(frozen=True, eq=False)
class Held:
    """ECGs the encoder has not seen, bootstrap weights of their patients, and two halves by patient."""

    ecgs: Unlabelled
    weights: NDArray[np.float64]
    half: NDArray[np.int64]

    @classmethod
    def of(cls, data: Dataset) -> Held:
        rows = np.flatnonzero(data.ecgs.usable)
        rng = np.random.default_rng(SEED)
        people, inverse = np.unique(data.patients[rows], return_inverse=True)
        draws = rng.multinomial(len(people), np.full(len(people), 1 / len(people)), size=REPEATS)
        half = patient_folds(data.patients[rows], [1.0, 1.0], rng, np.zeros((len(rows), 1), np.float32))
        ecgs = Unlabelled(data.ecgs.signal[rows], data.ecgs.present[rows])
        return cls(ecgs, draws[:, inverse].astype(np.float64), half)

    def interval(self, value: Callable[[NDArray[np.float64] | None], float]) -> str:
        low, high = percentile_interval(np.array([value(weight) for weight in self.weights]))
        return f"{value(None):.3f} [{low:.3f}, {high:.3f}]"

    def r2(self, errors: Errors) -> str:
        return self.interval(lambda weight: pooled_r2(errors, weight))

    def gain(self, ours: Errors, other: Errors) -> str:
        return self.interval(lambda weight: pooled_r2(ours, weight) - pooled_r2(other, weight))

    def linear(self, hidden: Mask) -> Errors:
        """The other leads' linear map, fitted on the half that an ECG's patient is not in."""
        found = np.empty((len(self.ecgs), 2))
        for k in (0, 1):
            here, there = (
                Unlabelled(self.ecgs.signal[r], self.ecgs.present[r])
                for r in (self.half == k, self.half != k)
            )
            found[self.half == k] = squared_errors(here, hidden[self.half == k], other_leads(there))
        return found


def patch_rows(held: Held, models: Mapping[str, TMAE]) -> list[str]:
    """R2 against the share of patches hidden; the gain is over the linear map."""
    beats = true_beats(held.ecgs)
    lines = [
        f"| hidden | {' | '.join(f'{name} | minus linear map' for name in models)} |"
        " linear map of the other leads | mean beat at the true R peaks | interpolation |",
        f"|{'---|' * (4 + 2 * len(models))}",
    ]
    for share in SHARES:
        hidden = masks_for(held.ecgs, 10, share, SEED)
        linear = held.linear(hidden)
        ours = [squared_errors(held.ecgs, hidden, network(model)) for model in models.values()]
        peers = [squared_errors(held.ecgs, hidden, p) for p in (mean_beat(beats), interpolation)]
        cells = [f"{held.r2(errors)} | {held.gain(errors, linear)}" for errors in ours]
        cells += [held.r2(linear), *(f"{pooled_r2(errors):.3f}" for errors in peers)]
        lines.append(f"| {100 * share:g} % | {' | '.join(cells)} |")
    return lines


def span_rows(held: Held, models: Mapping[str, TMAE]) -> list[str]:
    """R2 of one span hidden in all leads; the gain is over the best peer that does not know its beats."""
    beats = true_beats(held.ecgs)
    lines = [
        f"| span | {' | '.join(f'{name} | minus the better peer' for name in models)} |"
        " mean beat at the expected R peaks | interpolation | mean beat at the true R peaks |",
        f"|{'---|' * (4 + 2 * len(models))}",
    ]
    for seconds in SPANS:
        hidden = spans_for(held.ecgs, round(seconds * RATE), SEED)
        expected = mean_beat(expected_beats(beats, hidden))
        fair = [squared_errors(held.ecgs, hidden, p) for p in (expected, interpolation)]
        knowing = squared_errors(held.ecgs, hidden, mean_beat(beats))
        best = max(fair, key=pooled_r2)
        ours = [squared_errors(held.ecgs, hidden, network(model)) for model in models.values()]
        cells = [f"{held.r2(errors)} | {held.gain(errors, best)}" for errors in ours]
        cells += [*(held.r2(errors) for errors in fair), f"{pooled_r2(knowing):.3f}"]
        lines.append(f"| {seconds:g} s | {' | '.join(cells)} |")
    return lines


def first_measure(held: Held, models: Mapping[str, TMAE]) -> list[str]:
    """What the first CardioFusion reported: how much smaller the error is than an untrained network's."""
    hidden = masks_for(held.ecgs, 10, 0.75, SEED)
    torch.manual_seed(SEED)
    lines = []
    for name, model in models.items():
        before = squared_errors(held.ecgs, hidden, network(TMAE(model.config).eval()))[:, 0].sum()
        after = squared_errors(held.ecgs, hidden, network(model))[:, 0].sum()
        start = 1 - before / squared_power(held, hidden)
        lines.append(
            f"The first CardioFusion's measure, for {name}: the error is {100 * (1 - after / before):.1f} %"
            " smaller than the same network's before training. It says little: an untrained network's error is"
            f" whatever its start makes it (here R2 = {start:.2f}; always answering with the mean is R2 = 0)."
        )
    return lines


def squared_power(held: Held, hidden: Mask) -> float:
    return float(squared_errors(held.ecgs, hidden, interpolation)[:, 1].sum())


def report(models: Mapping[str, TMAE]) -> tuple[str, dict[str, object]]:
    held = Held.of(Dataset.read("ptb-xl"))
    n = len(held.ecgs)
    blocks = [
        f"PTB-XL, n = {n} ECGs, R2 of the hidden samples (75 % is what it was trained with):",
        "\n".join(patch_rows(held, models)),
        f"The same ECGs, one span hidden in all leads at once (n = {n}):",
        "\n".join(span_rows(held, models)),
        *first_measure(held, models),
    ]
    return "\n\n".join(blocks), {"benchmark": "masked", "n": n, "encoders": list(models)}


def main() -> None:
    torch.set_num_threads(1)
    paths, target = arguments(sys.argv[1:])
    models = {path.parent.name or path.stem: read_tmae(path.read_bytes()) for path in paths}
    content, summary = report(models or {"shipped": pretrained()})
    print(content)
    if target:
        write_between(target, "masked", content)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
