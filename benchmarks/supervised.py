"""What labels are worth with and without the encoder: networks from scratch, and ours fine-tuned.

Run: python benchmarks/supervised.py [ENCODER.safetensors] [--design] [--write FILE.md]

The encoder is the shipped one unless a file is named. PTB-XL's five superclasses; folds, label shares and
intervals are those of the linear probe (probing.py). What is trained is kept in runs/supervised: an
interrupted run goes on where it was. --design looks at the patients of folds 1-5 alone: recipes were chosen
by it. --write puts the table between the markers `supervised` of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cardiofusion.study.ecgs import EcgSet
from cardiofusion.tmae import TMAE, count_parameters, pretrained
from encoder import LABEL_SHARES
from features import DESIGN_FOLDS, SUPERCLASS_FINDINGS, Dataset, embedding, trained
from markers import arguments, write_between
from nets import EncoderNet, StateSpaceNet, XResNet
from probing import Labels, Reader, Scored, anchored, linear, out_of_fold, score
from training import Contender, Ecgs, Recipe, Rows, reader

MEMORY = Path(__file__).resolve().parents[1] / "runs" / "supervised"
PROBE, BESIDE, TUNED = "linear probe", "linear probe beside its findings", "fine-tuned"
OURS = (PROBE, BESIDE, TUNED)
FINDINGS_PROBE = anchored(SUPERCLASS_FINDINGS)
HALF, TENTH = (
    0.5,
    0.1,
)  # networks from scratch are trained with at least half of the labels: an hour otherwise

XRESNET = Recipe(epochs=40, rate=1e-3, window=250, views=4)
STATE_SPACE = Recipe(epochs=20, rate=2e-3, window=250, views=4)
SCRATCH = Recipe(epochs=16, rate=1e-3)
TUNING = Recipe(epochs=8, rate=1e-4)

Scores = Mapping[float, Mapping[str, NDArray[np.float64]]]  # share -> contender -> [n, label]
Found = Mapping[tuple[str, float], Scored]  # of (contender, share)


@dataclass(frozen=True, eq=False)
class ProbeStart:
    """The encoder with a linear probe of the training rows as its head: tuning starts there.

    Kumar et al., Fine-tuning can distort pretrained features and underperform out-of-distribution, ICLR 2022.
    """

    model: TMAE
    features: NDArray[np.float32]
    probe: Reader

    def __call__(self, labels: Labels, train: Rows) -> nn.Module:
        # The probe is a line: what it says of nothing, and of one unit along each feature, is all of it.
        size = self.features.shape[1]
        asked = np.concatenate([self.features, np.zeros((1, size)), np.eye(size)]).astype(np.float32)
        said = self.probe(asked, labels, train, np.arange(len(self.features), len(asked)))
        net = EncoderNet(labels.y.shape[1], self.model)
        with torch.no_grad():
            net.mean.copy_(torch.from_numpy(self.features[train].mean(axis=0)))
            net.scale.copy_(torch.from_numpy(self.features[train].std(axis=0) + 1e-6))
            weight = torch.from_numpy((said[1:] - said[0]).T).float()  # [label, feature]
            net.head.weight.copy_(weight * net.scale)
            net.head.bias.copy_(torch.from_numpy(said[0]).float() + weight @ net.mean)
        return net


def contenders(model: TMAE, features: NDArray[np.float32]) -> dict[str, Contender]:
    return {
        TUNED: Contender(ProbeStart(model, features, FINDINGS_PROBE), TUNING),
        "TMAE from scratch": Contender(lambda labels, _: EncoderNet(labels.y.shape[1]), SCRATCH),
        "xresnet1d": Contender(lambda labels, _: XResNet(labels.y.shape[1]), XRESNET),
        "S4D": Contender(lambda labels, _: StateSpaceNet(labels.y.shape[1]), STATE_SPACE),
    }


@dataclass(frozen=True, eq=False)
class Trial:
    """What all contenders say of the same ECGs, with each share of the labels."""

    labels: Labels
    scores: Scores

    @classmethod
    def run(
        cls, ecgs: EcgSet, labels: Labels, model: TMAE, shares: tuple[float, ...] = LABEL_SHARES
    ) -> Trial:
        features, tensors = embedding(model).encode(ecgs), Ecgs.of(ecgs)
        readers: dict[str, tuple[NDArray[np.float32], Reader]] = {
            PROBE: (features, linear),
            BESIDE: (features, FINDINGS_PROBE),
        }
        for name, contender in contenders(model, features).items():
            readers[name] = (ecgs.signal, reader(name, contender, tensors, MEMORY))
        return cls(
            labels,
            {
                share: {
                    name: out_of_fold(x, labels, share, read)
                    for name, (x, read) in readers.items()
                    if share >= HALF or name in OURS
                }
                for share in sorted(shares, reverse=True)
            },
        )

    def scored(self, rows: NDArray[np.bool_]) -> Found:
        """The AUC on `rows`, all under the same draws of patients, so that any two can be compared."""
        of = self.labels
        part = replace(of, y=of.y[rows], patients=of.patients[rows], fold=of.fold[rows])
        named = {(name, share): v[rows] for share, by in self.scores.items() for name, v in by.items()}
        found = score(part, {f"{name}@{share}": values for (name, share), values in named.items()})
        return {(name, share): found[f"{name}@{share}"] for name, share in named}


def table(whole: Found, apart: Found, sizes: Mapping[str, int]) -> list[str]:
    """Every contender by share of the labels; `apart` is on folds 6-10: recipes were chosen without them."""
    shares = LABEL_SHARES[:-1]
    lines = [
        "| network | numbers that learn | AUC, 5 folds by patient | minus the probe |"
        f" folds 6-10 | {' | '.join(f'{100 * share:g} % of labels' for share in shares)} |",
        f"|{'---|' * (5 + len(shares))}",
    ]
    for name, size in sizes.items():
        found = whole[name, 1.0]
        gap = "" if name == PROBE else found.minus(whole[PROBE, 1.0])
        fewer = " | ".join(whole[name, s].words() if (name, s) in whole else "-" for s in shares)
        lines.append(
            f"| {name} | {size:,} | {found.words()} | {gap} | {apart[name, 1.0].words()} | {fewer} |"
        )
    return lines


def economy(found: Found) -> str:
    """Ours with a tenth of the labels beside the best network from scratch with half of them."""
    scratch = {name for name, _ in found} - set(OURS)
    best = max(scratch, key=lambda name: found[name, HALF].value)
    gaps = [f"{name} {found[name, TENTH].minus(found[best, HALF])}" for name in OURS]
    return f"With 10 % of the labels, minus the best from scratch with 50 % ({best}): {', '.join(gaps)}."


def sizes_of(model: TMAE, n_labels: int) -> dict[str, int]:
    """The numbers that learn from labels."""
    probe = (model.config.n_embedding + 1) * n_labels
    nets = {
        TUNED: EncoderNet(n_labels, model),
        "TMAE from scratch": EncoderNet(n_labels),
        "xresnet1d": XResNet(n_labels),
        "S4D": StateSpaceNet(n_labels),
    }
    return {PROBE: probe, BESIDE: probe, **{name: count_parameters(net) for name, net in nets.items()}}


def report(data: Dataset, labels: Labels, model: TMAE) -> tuple[str, dict[str, Any]]:
    assert data.cohort.fold is not None
    trial = Trial.run(data.ecgs, labels, model)
    found = trial.scored(np.ones(len(labels.y), bool))
    apart = trial.scored(~np.isin(data.cohort.fold, DESIGN_FOLDS))
    n, people = len(labels.y), len(np.unique(labels.patients))
    blocks = [
        f"PTB-XL superclasses, n = {n} ({people} patients), macro AUC [95 % by patient]:",
        "\n".join(table(found, apart, sizes_of(model, labels.y.shape[1]))),
        economy(found),
    ]
    auc = {f"{name}, {100 * share:g} %": round(scored.value, 4) for (name, share), scored in found.items()}
    return "\n\n".join(blocks), {"benchmark": "supervised", "n": n, "auc": auc}


def design(data: Dataset, labels: Labels, model: TMAE) -> tuple[str, dict[str, Any]]:
    """Design patients alone, with all their labels, in folds of their own."""
    assert data.cohort.fold is not None
    rows = np.flatnonzero(np.isin(data.cohort.fold, DESIGN_FOLDS))
    trial = Trial.run(data.ecgs.take(rows), labels.take(rows), model, (1.0,))
    found = trial.scored(np.ones(len(rows), bool))
    lines = [f"{name}: {scored.words()}" for (name, _), scored in found.items()]
    return "\n".join(lines), {"benchmark": "supervised, design", "n": len(rows)}


def main() -> None:
    torch.set_num_threads(1)
    words = sys.argv[1:]
    only_design = "--design" in words
    paths, target = arguments([word for word in words if word != "--design"])
    model = trained(paths[0]) if paths else pretrained()
    data = Dataset.read("ptb-xl")
    task = data.cohort.tasks[0]
    labels = Labels.dealt(task.targets, data.cohort.outcomes[task.name], data.patients)
    content, summary = (design if only_design else report)(data, labels, model)
    print(content)
    if target and not only_design:
        write_between(target, "supervised", content)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
