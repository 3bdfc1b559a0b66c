"""What the encoder is worth: linear probes on frozen features, beside peers, on the same ECGs and folds.

Run: python benchmarks/encoder.py ENCODER.safetensors [...] [--write FILE.md]

An encoder is the `encoder.safetensors` of a bundle. Beside them stand a random one of the same shape,
measured amplitudes and intervals read by LightGBM, and MiniRocket (after `make peers`). Data: PTB-XL, and
CODE-15 for age and sex, where CARDIOFUSION_DATA, else ../shared/data, has them. --write puts the tables
between the markers `encoder` of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import os
import subprocess
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

import handcrafted
from cardiofusion.datasets import load_dataset
from cardiofusion.datasets.table import read_table
from cardiofusion.records import LEADS, Cohort, merge_duplicates
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.tmae import TMAE, TMAEConfig
from markers import arguments, write_between
from probing import Labels, Reader, boosted, linear, out_of_fold, regression_out_of_fold, score

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """Canonical ECGs to features [n, d], and who reads labels off them."""

    encode: Callable[[EcgSet], Features]
    reader: Reader = linear

    def scores(self, ecgs: EcgSet, labels: Labels) -> NDArray[np.float64]:
        return out_of_fold(self.encode(ecgs), labels, reader=self.reader)


Encoders = Mapping[str, Encoder]

DESIGN_FOLDS = (1, 2, 3, 4, 5)  # design choices look at these patients of PTB-XL only
LABEL_SHARES = (0.1, 0.25, 0.5, 1.0)
LEAD_SETS: Mapping[str, tuple[str, ...]] = {"I": ("I",), "I, II": ("I", "II"), "12 leads": LEADS}
STATEMENTS = ("AFIB", "AFLT")  # pooled: too few of each
MIN_POSITIVE = 20
PEERS = Path(__file__).resolve().parents[1] / ".venv-peers" / "bin" / "python"
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


def embedding(model: TMAE) -> Encoder:
    def encode(ecgs: EcgSet) -> Features:
        found = []
        with torch.no_grad():
            for at in range(0, len(ecgs), CHUNK):
                signal = torch.from_numpy(ecgs.signal[at : at + CHUNK])
                present = torch.from_numpy(ecgs.present[at : at + CHUNK])
                found.append(model.embed(signal, present).numpy())
        return np.concatenate(found)

    return Encoder(encode)


def trained(path: Path) -> TMAE:
    """The encoder and its causes; the decoder, which nothing here asks, may be of another day's shape."""
    tensors = {name: value for name, value in load_file(path).items() if not name.startswith("decoder.")}
    causes = tensors["causes.weight"].shape[0] if "causes.weight" in tensors else 0
    model = TMAE(TMAEConfig(n_causes=causes))
    found = model.load_state_dict(tensors, strict=False)
    missing = [name for name in found.missing_keys if not name.startswith("decoder.")]
    if missing or found.unexpected_keys:
        raise ValueError(f"{path}: lacks {missing}, has {found.unexpected_keys} besides")
    return model.eval()


def untrained(seed: int = 7) -> TMAE:
    torch.manual_seed(seed)
    return TMAE(TMAEConfig()).eval()


def minirocket(ecgs: EcgSet) -> Features:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "signals.npy", Path(folder) / "features.npy"
        np.save(source, ecgs.signal, allow_pickle=False)
        script = Path(__file__).with_name("minirocket.py")
        subprocess.run([str(PEERS), str(script), str(source), str(target)], check=True)
        found: Features = np.load(target, allow_pickle=False)
    return found


def only(ecgs: EcgSet, leads: tuple[str, ...]) -> EcgSet:
    """The same ECGs with all other leads absent."""
    kept = np.isin(np.array(LEADS), leads)
    signal = np.where(kept[:, None], ecgs.signal, np.float32(0.0))
    return replace(ecgs, signal=signal, present=ecgs.present & kept)


# --- tables -------------------------------------------------------------------------------------------------


def superclass_rows(data: Dataset, encoders: Encoders) -> list[str]:
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
    features = {name: encoder.encode(data.ecgs) for name, encoder in encoders.items()}
    scores = {
        share: {name: out_of_fold(x, labels, share, encoders[name].reader) for name, x in features.items()}
        for share in LABEL_SHARES
    }
    by_share = {share: score(labels, found) for share, found in scores.items()}
    whole = scores[1.0]
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


def lead_rows(data: Dataset, encoders: Encoders) -> list[str]:
    task = data.cohort.tasks[0]
    labels = Labels.dealt(task.targets, data.cohort.outcomes[task.name], data.patients)
    lines = [f"| encoder | {' | '.join(LEAD_SETS)} |", f"|{'---|' * (1 + len(LEAD_SETS))}"]
    for name, encoder in encoders.items():
        cells = []
        for leads in LEAD_SETS.values():
            values = encoder.scores(only(data.ecgs, leads), labels)
            cells.append(score(labels, {name: values})[name].words())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def person_rows(data: Dataset, encoders: Encoders) -> list[str]:
    """Sex (AUC) and age (mean absolute error, years), where the data set knows them."""
    table = data.cohort.table
    assert table is not None
    age = table.values[:, table.schema.names.index("age")]
    sex = table.values[:, table.schema.names.index("sex")]
    rows = np.flatnonzero(np.isfinite(age) & np.isfinite(sex) & data.ecgs.usable)
    labels = Labels.dealt(("sex",), sex[rows, None].astype(np.float32), data.patients[rows])
    lines = []
    guess = float(np.abs(age[rows] - np.median(age[rows])).mean())
    for name, encoder in encoders.items():
        x = encoder.encode(data.ecgs.take(rows))
        found = score(labels, {name: out_of_fold(x, labels, reader=encoder.reader)})[name]
        error = "-"
        if encoder.reader is linear:
            years = regression_out_of_fold(x, age[rows], labels)
            error = f"{np.abs(years - age[rows]).mean():.1f} ({guess:.1f})"
        lines.append(f"| {data.cohort.name} | {name} | {found.words()} | {error} | {len(rows)} |")
    return lines


def statement_rows(data: Dataset, encoders: Encoders) -> list[str]:
    """AUC of every statement that at least 20 recordings have; fibrillation and flutter count as one."""
    index = read_table(data_folder() / "ptb-xl" / "ptbxl_database.csv")
    given = [set(json.loads(cell.replace("'", '"'))) for cell in index["scp_codes"]]
    codes = sorted({code for codes in given for code in codes} - set(STATEMENTS))
    named = {code: np.array([code in codes for codes in given]) for code in codes}
    named["AFIB or AFLT"] = np.array([bool(codes & set(STATEMENTS)) for codes in given])
    kept = {code: found for code, found in named.items() if found.sum() >= MIN_POSITIVE}
    y = np.stack(list(kept.values()), axis=1).astype(np.float32)
    labels = Labels.dealt(tuple(kept), y, data.patients)
    scores = {name: encoder.scores(data.ecgs, labels) for name, encoder in encoders.items()}
    found = score(labels, scores)
    lines = [f"| statement | n | {' | '.join(encoders)} |", f"|{'---|' * (2 + len(encoders))}"]
    for k, code in enumerate(labels.names):
        cells = " | ".join(f"{found[name].by_label[k]:.3f}" for name in encoders)
        lines.append(f"| {code} | {int(y[:, k].sum())} | {cells} |")
    macro = " | ".join(found[name].words() for name in encoders)
    return [*lines, f"| macro | | {macro} |"]


def report(encoders: Encoders) -> tuple[str, dict[str, Any]]:
    ptbxl, code15 = Dataset.read("ptb-xl"), Dataset.read("code15")
    n, people = len(ptbxl.ecgs), len(np.unique(ptbxl.patients))
    blocks = [
        f"Linear probe, PTB-XL superclasses, n = {n} ({people} patients), macro AUC [95 % by patient]:",
        "\n".join(superclass_rows(ptbxl, encoders)),
        "The same from fewer leads:",
        "\n".join(lead_rows(ptbxl, encoders)),
        f"Every statement with n >= {MIN_POSITIVE}, AUC:",
        "\n".join(statement_rows(ptbxl, encoders)),
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
    encoders["measured, LightGBM"] = Encoder(handcrafted.features, boosted)
    if PEERS.exists():
        encoders["MiniRocket"] = Encoder(minirocket)
    else:
        print("MiniRocket is left out: `make peers` installs it", file=sys.stderr)
    content, summary = report(encoders)
    print(content)
    if target:
        write_between(target, "encoder", content)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
