"""Encoders, their peers and the data sets that they are compared on: what the encoder's benchmarks share."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cardiofusion.datasets import load_dataset
from cardiofusion.datasets.table import read_table
from cardiofusion.readers import RecordingFile
from cardiofusion.records import LEADS, Cohort, RecordingSource, merge_duplicates
from cardiofusion.simulate import FINDINGS
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.tmae import TMAE, read_tmae, standard_config
from probing import Labels, OwnFeature, Reader, linear, out_of_fold

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """Canonical ECGs to features [n, d], and who reads labels off them."""

    encode: Callable[[EcgSet], Features]
    reader: Reader = linear

    def scores(self, ecgs: EcgSet, labels: Labels, share: float = 1.0) -> NDArray[np.float64]:
        return out_of_fold(self.encode(ecgs), labels, share, self.reader)


def remembered(encoder: Encoder) -> Encoder:
    """The same encoder, which encodes a set of ECGs once."""
    known: dict[str, Features] = {}

    def encode(ecgs: EcgSet) -> Features:
        key = hashlib.sha256(ecgs.signal.tobytes() + ecgs.present.tobytes()).hexdigest()
        if key not in known:
            known[key] = encoder.encode(ecgs)
        return known[key]

    return replace(encoder, encode=encode)


Encoders = Mapping[str, Encoder]

# What the last numbers of our embedding say of PTB-XL's superclasses, without any label.
_FROM_THE_END = {name: k - len(FINDINGS) for k, name in enumerate(FINDINGS)}
SUPERCLASS_FINDINGS: OwnFeature = {
    "NORM": (_FROM_THE_END["abnormal"], -1.0),
    "MI": (_FROM_THE_END["infarction"], 1.0),
    "STTC": (_FROM_THE_END["st_t_change"], 1.0),
    "CD": (_FROM_THE_END["conduction_disturbance"], 1.0),
    "HYP": (_FROM_THE_END["hypertrophy"], 1.0),
}
DESIGN_FOLDS = (1, 2, 3, 4, 5)  # design choices look at these patients of PTB-XL only
ATRIAL = ("AFIB", "AFLT")  # pooled: too few of each
CHAGAS_SOURCE = "CODE-15%"  # inside it: across sources the source gives the label away
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
        ecgs = canonical_ecgs(cohort.recordings, cohort.patient_ids)
        return cls(cohort, ecgs, merge_duplicates(cohort.patient_ids, ecgs.digest))


def canonical_ecgs(sources: Sequence[RecordingSource], patients: NDArray[np.str_]) -> EcgSet:
    with tempfile.TemporaryDirectory() as folder:
        read_ecgs(sources, patients, Path(folder), lambda *_: None)
        return EcgSet.load(Path(folder))


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
    return read_tmae(path.read_bytes())


def untrained(seed: int = 7) -> TMAE:
    """Ours before it learnt anything: the same shape, and as many numbers an ECG."""
    torch.manual_seed(seed)
    return TMAE(standard_config()).eval()


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


# --- data sets with their labels ----------------------------------------------------------------------------


def superclasses(data: Dataset) -> Labels:
    task = data.cohort.tasks[0]
    return Labels.dealt(task.targets, data.cohort.outcomes[task.name], data.patients)


def statements(data: Dataset, at_least: int) -> Labels:
    """Every statement that enough recordings have; fibrillation and flutter count as one."""
    given = _statement_codes()
    codes = sorted({code for codes in given for code in codes} - set(ATRIAL))
    named = {code: np.array([code in codes for codes in given]) for code in codes}
    named["AFIB or AFLT"] = np.array([bool(codes & set(ATRIAL)) for codes in given])
    kept = {code: found for code, found in named.items() if found.sum() >= at_least}
    return Labels.dealt(tuple(kept), np.stack(list(kept.values()), axis=1).astype(np.float32), data.patients)


def _statement_codes() -> list[set[str]]:
    index = read_table(data_folder() / "ptb-xl" / "ptbxl_database.csv")
    return [set(json.loads(cell.replace("'", '"'))) for cell in index["scp_codes"]]


def atrial_fibrillation(ptbxl: Dataset) -> tuple[EcgSet, Labels]:
    """PTB-XL and LUDB together: atrial fibrillation or flutter. (LUDB's leads are scaled one by one.)"""
    ludb = data_folder() / "ludb"
    with (ludb / "ludb.csv").open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    names = np.array([f"ludb-{row['ID'].strip()}" for row in rows])
    sources = [RecordingFile(ludb / "data" / f"{row['ID'].strip()}.hea") for row in rows]
    theirs = canonical_ecgs(sources, names)
    rhythm = np.array(["fibrillation" in row["Rhythms"] or "flutter" in row["Rhythms"] for row in rows])
    ours = np.array([bool(codes & set(ATRIAL)) for codes in _statement_codes()])
    ecgs = EcgSet.concatenated([ptbxl.ecgs, theirs])
    y = np.concatenate([ours, rhythm])[:, None].astype(np.float32)
    return ecgs, Labels.dealt(("AFIB or AFLT",), y, np.concatenate([ptbxl.patients, names]))


def chagas(code15: Dataset) -> tuple[EcgSet, Labels]:
    """Self-reported Chagas disease inside one source of CODE-15."""
    index = read_table(data_folder() / "code15" / "index.csv")
    inside = np.array([source == CHAGAS_SOURCE for source in index["source"]])
    rows = np.flatnonzero(inside & code15.ecgs.usable)
    y = np.array([cell == "True" for cell in index["chagas"]])[rows, None].astype(np.float32)
    return code15.ecgs.take(rows), Labels.dealt(("Chagas",), y, code15.patients[rows])


@dataclass(frozen=True, eq=False)
class People:
    """Usable ECGs whose patient's sex (1 = male) and age (years) are known."""

    ecgs: EcgSet
    sex: Labels
    age: NDArray[np.float64]

    @classmethod
    def of(cls, data: Dataset) -> People:
        table = data.cohort.table
        assert table is not None
        age = table.values[:, table.schema.names.index("age")]
        sex = table.values[:, table.schema.names.index("sex")]
        rows = np.flatnonzero(np.isfinite(age) & np.isfinite(sex) & data.ecgs.usable)
        labels = Labels.dealt(("sex",), sex[rows, None].astype(np.float32), data.patients[rows])
        return cls(data.ecgs.take(rows), labels, age[rows])
