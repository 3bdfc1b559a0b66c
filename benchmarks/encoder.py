"""What the encoder is worth: linear probes on frozen features, beside peers, on the same ECGs and folds.

Run: python benchmarks/encoder.py ENCODER.safetensors [...] [--write FILE.md]

An encoder is the `encoder.safetensors` of a bundle; beside them stands a random one of the same shape. Data:
PTB-XL, and CODE-15 for age and sex, where CARDIOFUSION_DATA, else ../shared/data, has them. --write puts the
tables between the markers `encoder` of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from cardiofusion.datasets import load_dataset
from cardiofusion.records import LEADS, Cohort, merge_duplicates
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.tmae import TMAE, TMAEConfig, pool
from markers import arguments, write_between
from probing import Labels, Scored, out_of_fold, regression_out_of_fold, score

Features = NDArray[np.float32]
Encode = Callable[[EcgSet], Features]

DESIGN_FOLDS = (1, 2, 3, 4, 5)  # design choices look at these patients of PTB-XL only
LABEL_SHARES = (0.1, 0.25, 0.5, 1.0)
LEAD_SETS: Mapping[str, tuple[str, ...]] = {"I": ("I",), "I, II": ("I", "II"), "12 leads": LEADS}
CHUNK = 128


@dataclass(frozen=True, eq=False)
class Dataset:
    """A published data set's ECGs and patients; those who share a waveform count as one."""

    cohort: Cohort
    ecgs: EcgSet
    patients: NDArray[np.str_]

    @classmethod
    def read(cls, name: str) -> Dataset:
        cohort = load_dataset(name, data_folder() / name)
        with tempfile.TemporaryDirectory() as folder:
            read_ecgs(cohort.recordings, cohort.patient_ids, Path(folder), lambda *_: None)
            ecgs = EcgSet.load(Path(folder))
        return cls(cohort, ecgs, merge_duplicates(cohort.patient_ids, ecgs.digest))


def data_folder() -> Path:
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    return Path(os.environ.get("CARDIOFUSION_DATA", default))


# --- encoders: canonical ECGs to features [n, d] -----------------------------------------------------------


def embedding(model: TMAE) -> Encode:
    def encode(ecgs: EcgSet) -> Features:
        found = []
        with torch.no_grad():
            for at in range(0, len(ecgs), CHUNK):
                signal = torch.from_numpy(ecgs.signal[at : at + CHUNK])
                present = torch.from_numpy(ecgs.present[at : at + CHUNK])
                found.append(pool(model.encoder(signal, present)).numpy())
        return np.concatenate(found)

    return encode


def trained(path: Path) -> TMAE:
    tensors = load_file(path)
    causes = tensors["causes.weight"].shape[0] if "causes.weight" in tensors else 0
    model = TMAE(TMAEConfig(n_causes=causes))
    model.load_state_dict(tensors)
    return model.eval()


def untrained(seed: int = 7) -> TMAE:
    torch.manual_seed(seed)
    return TMAE(TMAEConfig()).eval()


def only(ecgs: EcgSet, leads: tuple[str, ...]) -> EcgSet:
    """The same ECGs with all other leads absent."""
    kept = np.isin(np.array(LEADS), leads)
    signal = np.where(kept[:, None], ecgs.signal, np.float32(0.0))
    return replace(ecgs, signal=signal, present=ecgs.present & kept)


# --- tables -------------------------------------------------------------------------------------------------


def superclass_rows(data: Dataset, encoders: Mapping[str, Encode]) -> list[str]:
    """Macro AUC: of all patients, of the half that design choices did not look at, with fewer labels."""
    task = data.cohort.tasks[0]
    outcome = data.cohort.outcomes[task.name]
    labels = Labels.dealt(task.targets, outcome, data.patients)
    assert data.cohort.fold is not None
    apart = ~np.isin(data.cohort.fold, DESIGN_FOLDS)
    lines = [
        "| encoder | d | AUC, 5 folds by patient | minus the first | patients not used for design |"
        f" {' | '.join(f'{100 * share:g} % of labels' for share in LABEL_SHARES[:-1])} |",
        f"|{'---|' * (5 + len(LABEL_SHARES) - 1)}",
    ]
    features = {name: encode(data.ecgs) for name, encode in encoders.items()}
    by_share = {
        share: score(labels, {name: out_of_fold(x, labels, share) for name, x in features.items()})
        for share in LABEL_SHARES
    }
    whole = {name: out_of_fold(x, labels) for name, x in features.items()}
    part = score(
        replace(labels, y=outcome[apart], patients=data.patients[apart], fold=labels.fold[apart]),
        {name: values[apart] for name, values in whole.items()},
    )
    first = by_share[1.0][next(iter(encoders))]
    for name, x in features.items():
        shares = " | ".join(f"{by_share[share][name].value:.3f}" for share in LABEL_SHARES[:-1])
        found = by_share[1.0][name]
        gap = "" if found is first else found.minus(first)
        lines.append(f"| {name} | {x.shape[1]} | {found.words()} | {gap} | {part[name].words()} | {shares} |")
    return lines


def lead_rows(data: Dataset, encoders: Mapping[str, Encode]) -> list[str]:
    task = data.cohort.tasks[0]
    labels = Labels.dealt(task.targets, data.cohort.outcomes[task.name], data.patients)
    lines = [f"| encoder | {' | '.join(LEAD_SETS)} |", f"|{'---|' * (1 + len(LEAD_SETS))}"]
    for name, encode in encoders.items():
        cells = []
        for leads in LEAD_SETS.values():
            values = out_of_fold(encode(only(data.ecgs, leads)), labels)
            cells.append(score(labels, {name: values})[name].words())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def person_rows(data: Dataset, encoders: Mapping[str, Encode]) -> list[str]:
    """Sex (AUC) and age (mean absolute error, years), where the data set knows them."""
    table = data.cohort.table
    assert table is not None
    age = table.values[:, table.schema.names.index("age")]
    sex = table.values[:, table.schema.names.index("sex")]
    rows = np.flatnonzero(np.isfinite(age) & np.isfinite(sex) & data.ecgs.usable)
    labels = Labels.dealt(("sex",), sex[rows, None].astype(np.float32), data.patients[rows])
    lines = []
    guess = float(np.abs(age[rows] - np.median(age[rows])).mean())
    for name, encode in encoders.items():
        x = encode(data.ecgs.take(rows))
        found: Scored = score(labels, {name: out_of_fold(x, labels)})[name]
        error = float(np.abs(regression_out_of_fold(x, age[rows], labels) - age[rows]).mean())
        lines.append(
            f"| {data.cohort.name} | {name} | {found.words()} | {error:.1f} ({guess:.1f}) | {len(rows)} |"
        )
    return lines


def report(encoders: Mapping[str, Encode]) -> tuple[str, dict[str, Any]]:
    ptbxl, code15 = Dataset.read("ptb-xl"), Dataset.read("code15")
    n, people = len(ptbxl.ecgs), len(np.unique(ptbxl.patients))
    blocks = [
        f"Linear probe, PTB-XL superclasses, n = {n} ({people} patients), macro AUC [95 % by patient]:",
        "\n".join(superclass_rows(ptbxl, encoders)),
        "The same from fewer leads:",
        "\n".join(lead_rows(ptbxl, encoders)),
        "Who the patient is:",
        "\n".join(
            [
                "| data | encoder | sex, AUC | age, years off (the median alone) | n |",
                "|---|---|---|---|---|",
                *person_rows(ptbxl, encoders),
                *person_rows(code15, encoders),
            ]
        ),
    ]
    return "\n\n".join(blocks), {"benchmark": "encoder", "n": n, "encoders": list(encoders)}


def main() -> None:
    paths, target = arguments(sys.argv[1:])
    encoders = {path.parent.name or path.stem: embedding(trained(path)) for path in paths}
    encoders["random weights"] = embedding(untrained())
    content, summary = report(encoders)
    print(content)
    if target:
        write_between(target, "encoder", content)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
