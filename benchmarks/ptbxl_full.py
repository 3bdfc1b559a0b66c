"""PTB-XL by the published protocol: six label sets, official folds, a linear probe on frozen features.

Run: python benchmarks/ptbxl_full.py [ENCODER.safetensors ...]   (without one: the shipped encoder)

Strodthoff et al., Deep Learning for ECG Analysis: Benchmarks and Insights from PTB-XL (IEEE J Biomed Health
Inform 2021), and its code: folds 1-8 train, fold 9 chooses (here the strength of the probe), fold 10 tests.
A statement counts whatever its likelihood, 0 among them; a recording without any label of a set is left out
of that set, and so is a label that fold 10 has none of, or nothing else. What differs: they train networks
on the labels, here a line reads frozen features; our intervals draw patients, theirs recordings.

Data: the folder ptb-xl of CARDIOFUSION_DATA, else of ../shared/data, as `cardiofusion data fetch` fills it.
A part of the release is measured too, and called so. The last line is one JSON object.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cardiofusion.cli.progress import ConsoleReporter
from cardiofusion.datasets import load_dataset
from cardiofusion.datasets.ptbxl import INDEX, STATEMENTS
from cardiofusion.datasets.table import Table, read_table
from cardiofusion.metrics import percentile_interval
from cardiofusion.records import Cohort, RecordingError, RecordingSource
from cardiofusion.signal import canonical
from cardiofusion.tmae import TMAE
from encoder import data_folder, trained, untrained
from probing import Labels, Scored, held_out, score

RELEASE = 21_799  # recordings of PTB-XL 1.0.3
LAST_TRAIN, CHOOSE, TEST = 8, 9, 10
CHUNK = 128  # recordings in memory at a time
# Their xresnet1d101, by the table kept at github.com/helme/ecg_ptbxl_benchmarking; release 1.0.1, 21,837
# recordings.
PUBLISHED = {
    "all": 0.925,
    "diagnostic": 0.937,
    "subdiagnostic": 0.929,
    "superdiagnostic": 0.928,
    "form": 0.896,
    "rhythm": 0.957,
}

Features = NDArray[np.float32]


# --- labels -------------------------------------------------------------------------------------------------


def label_sets(statements: Table) -> dict[str, dict[str, str]]:
    """Label set -> statement -> its label there; statements that the set does not know are absent."""

    def of(kind: str, label: str = "") -> dict[str, str]:
        rows = zip(statements[""], statements[kind], statements[label], strict=True)
        return {code: name for code, flag, name in rows if name and float(flag or 0) == 1}

    return {
        "all": {code: code for code in statements[""]},
        "diagnostic": of("diagnostic"),
        "subdiagnostic": of("diagnostic", "diagnostic_subclass"),
        "superdiagnostic": of("diagnostic", "diagnostic_class"),
        "form": of("form"),
        "rhythm": of("rhythm"),
    }


def given_statements(index: Table) -> list[frozenset[str]]:
    """The statements of every recording; the file writes them as a Python dict with likelihoods."""
    return [frozenset(ast.literal_eval(cell)) for cell in index["scp_codes"]]


def targets(
    given: Iterable[frozenset[str]], label_of: Mapping[str, str]
) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The labels that occur, and float32 [recording, label]: 1 where one of its statements is given."""
    found = [{label_of[code] for code in codes if code in label_of} for codes in given]
    names = tuple(sorted(set().union(*found)))
    y = np.array([[name in labels for name in names] for labels in found], dtype=np.float32)
    return names, y.reshape(len(found), len(names))


# --- features -----------------------------------------------------------------------------------------------


def embed(
    sources: Sequence[RecordingSource], models: Mapping[str, TMAE], on_step: Callable[[int, int], None]
) -> tuple[NDArray[np.intp], dict[str, Features]]:
    """Rows of the recordings that can be read, and every encoder's features [row, d] of them."""
    kept: list[int] = []
    found: dict[str, list[Features]] = {name: [] for name in models}
    for at in range(0, len(sources), CHUNK):
        rows, signal, present = _read(sources, range(at, min(at + CHUNK, len(sources))))
        kept += rows
        with torch.no_grad():
            for name, model in models.items():
                if rows:
                    found[name].append(model.embed(signal, present).numpy())
        on_step(min(at + CHUNK, len(sources)), len(sources))
    if not kept:
        sys.exit("no recording of PTB-XL can be read: cardiofusion data fetch ptb-xl --to DIR/ptb-xl")
    return np.array(kept), {name: np.concatenate(parts) for name, parts in found.items()}


def _read(
    sources: Sequence[RecordingSource], rows: Iterable[int]
) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    kept, ecgs = [], []
    for row in rows:
        try:
            ecgs.append(canonical(sources[row].read()))
        except RecordingError:
            continue
        kept.append(row)
    signal = np.array([ecg.signal for ecg in ecgs], dtype=np.float32)
    return kept, torch.from_numpy(signal), torch.from_numpy(np.array([ecg.present for ecg in ecgs], np.bool_))


# --- the protocol -------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measured:
    """A label set: the labels scored, how many the test fold cannot score, and what each encoder reached.

    unseen: labels scored of which no recording in training is positive. n: recordings that train, choose
    and test.
    """

    labels: tuple[str, ...]
    left_out: int
    unseen: int
    n: tuple[int, int, int]
    scored: Mapping[str, Scored]

    def row(self, name: str, whole: bool) -> str:
        out = f"{self.left_out} left out, {self.unseen} unseen in training"
        cells = [name, f"{len(self.labels)} ({out})", " / ".join(f"{n:,}" for n in self.n)]
        cells += [found.words() for found in self.scored.values()]
        return f"| {' | '.join([*cells, *([f'{PUBLISHED[name]:.3f}'] if whole else [])])} |"

    def to_json(self) -> dict[str, Any]:
        auc = {name: [found.value, *percentile_interval(found.drawn)] for name, found in self.scored.items()}
        counts = dict(zip(("train", "choose", "test"), self.n, strict=True))
        return {"labels": len(self.labels), "left_out": self.left_out, "unseen": self.unseen, "n": counts} | {
            "auc": {name: [round(value, 4) for value in values] for name, values in auc.items()}
        }


def measure(features: Mapping[str, Features], labels: Labels) -> Measured | None:
    """Macro AUC on the test fold of every encoder; None where a fold is empty or no label can be scored."""
    counted = labels.y.any(axis=1)
    parts = (labels.fold <= LAST_TRAIN, labels.fold == CHOOSE, labels.fold == TEST)
    train, choose, test = (np.flatnonzero(counted & part) for part in parts)
    if not (len(train) and len(choose) and len(test)):
        return None
    share = labels.y[test].mean(axis=0)
    kept = np.flatnonzero((share > 0) & (share < 1))
    if not len(kept):
        return None
    names = tuple(labels.names[k] for k in kept)
    asked = Labels(names, labels.y[:, kept], labels.patients, labels.fold)
    scores = {name: held_out(x, asked, train, choose, test) for name, x in features.items()}
    tested = Labels(names, asked.y[test], asked.patients[test], asked.fold[test])
    return Measured(
        names,
        left_out=len(labels.names) - len(kept),
        unseen=int((asked.y[train].sum(axis=0) == 0).sum()),
        n=(len(train), len(choose), len(test)),
        scored=score(tested, scores),
    )


def measure_all(
    cohort: Cohort, models: Mapping[str, TMAE], reporter: ConsoleReporter
) -> tuple[int, dict[str, Measured | None]]:
    """How many recordings could be read, and each label set measured on them."""
    assert cohort.fold is not None
    reporter.stage("embed", False)
    rows, features = embed(cohort.recordings, models, reporter.step)
    reporter.stage("probe", False)
    given = given_statements(read_table(folder() / INDEX))
    sets = label_sets(read_table(folder() / STATEMENTS))
    found: dict[str, Measured | None] = {}
    for name, label_of in sets.items():
        names, y = targets([given[row] for row in rows], label_of)
        found[name] = measure(features, Labels(names, y, cohort.patient_ids[rows], cohort.fold[rows]))
        reporter.step(len(found), len(sets))
    return len(rows), found


def report(cohort: Cohort, n: int, models: Iterable[str], found: Mapping[str, Measured | None]) -> str:
    whole = n == RELEASE
    heading = ["label set", "labels", "train / choose / test", *models, *(["published"] if whole else [])]
    said = "" if whole else ": this is NOT the published benchmark"
    return "\n".join(
        [
            f"PTB-XL, {n:,} of {RELEASE:,} recordings{said}. Files of {cohort.provenance['signals']}.",
            "Macro AUC on fold 10 [95 % by patient] of a linear probe. Whether an encoder saw these ECGs",
            "unlabelled is for whoever pretrained it to say.",
            "",
            f"| {' | '.join(heading)} |",
            f"|{'---|' * len(heading)}",
            *(one.row(name, whole) for name, one in found.items() if one),
            *(f"\n{name}: nothing to score in this part" for name, one in found.items() if not one),
        ]
    )


def folder() -> Path:
    return data_folder() / "ptb-xl"


def encoders(paths: Sequence[Path]) -> dict[str, TMAE]:
    """Those named, else the shipped one; beside them random weights, the control."""
    models = {path.parent.name or path.stem: trained(path) for path in paths}
    if not models:
        from cardiofusion.tmae import pretrained

        models["shipped"] = pretrained()
    return models | {"random weights": untrained()}


def main() -> None:
    models, cohort = encoders([Path(word) for word in sys.argv[1:]]), load_dataset("ptb-xl", folder())
    with ConsoleReporter() as reporter:
        n, found = measure_all(cohort, models, reporter)
    print(report(cohort, n, models, found))
    sets = {name: one.to_json() if one else None for name, one in found.items()}
    print(json.dumps({"benchmark": "ptbxl_full", "n": n, "whole_release": n == RELEASE, "sets": sets}))


if __name__ == "__main__":
    main()
