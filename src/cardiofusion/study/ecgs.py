"""The ECGs of a cohort or corpus, read once: canonical signals, quality, and who they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import RecordingError, RecordingSource, waveform_hash
from cardiofusion.signal import CANONICAL_SAMPLES, assess_quality, canonical
from cardiofusion.study.workspace import load_json, save_json

NAN = float("nan")


@dataclass(frozen=True, eq=False)
class EcgSet:
    """ECGs in the order of their source.

    signal float32 [n, 12, 1000], present bool [n, 12]. usable bool [n]: read, and fit for reading.
    record_ids, patient_ids, digest (waveform hash), grade ("good", "fair", "unfit", "unread"): [n] text.
    age: years [n]; sex: 0 female, 1 male [n]; NaN where the file does not say. paced: bool [n].
    """

    signal: NDArray[np.float32]
    present: NDArray[np.bool_]
    usable: NDArray[np.bool_]
    record_ids: NDArray[np.str_]
    patient_ids: NDArray[np.str_]
    digest: NDArray[np.str_]
    grade: NDArray[np.str_]
    age: NDArray[np.float64]
    sex: NDArray[np.float64]
    paced: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.signal)

    def take(self, rows: NDArray[np.intp]) -> EcgSet:
        return EcgSet(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def save(self, folder: Path) -> None:
        for f in fields(self):
            np.save(folder / f"{f.name}.npy", getattr(self, f.name), allow_pickle=False)

    @classmethod
    def load(cls, folder: Path) -> EcgSet:
        return cls(**{f.name: np.load(folder / f"{f.name}.npy", allow_pickle=False) for f in fields(cls)})

    @classmethod
    def concatenated(cls, sets: Sequence[EcgSet]) -> EcgSet:
        return cls(**{f.name: np.concatenate([getattr(s, f.name) for s in sets]) for f in fields(cls)})


def read_ecgs(
    sources: Sequence[RecordingSource],
    patient_ids: NDArray[np.str_],
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Read every source into an EcgSet under `folder`; `errors.json` lists what could not be read, and why.

    A bad record never stops the rest: it stays in its place, marked not usable.
    """
    n = len(sources)
    ecgs = EcgSet(
        signal=np.zeros((n, 12, CANONICAL_SAMPLES), np.float32),
        present=np.zeros((n, 12), np.bool_),
        usable=np.zeros(n, np.bool_),
        record_ids=np.array([source.record_id for source in sources], dtype=np.str_),
        patient_ids=patient_ids,
        digest=np.array([f"unread {i}".ljust(64) for i in range(n)]),
        grade=np.full(n, "unread"),
        age=np.full(n, NAN),
        sex=np.full(n, NAN),
        paced=np.zeros(n, np.bool_),
    )
    errors, findings = [], Counter[str]()
    for row, source in enumerate(sources):
        try:
            findings.update(_read_one(ecgs, row, source))
        except RecordingError as error:
            errors.append({"record": source.record_id, "code": error.code, "reason": error.message})
        on_step(row + 1, n)
    ecgs.save(folder)
    save_json(folder / "errors.json", errors)
    save_json(folder / "findings.json", dict(findings.most_common()))


def _read_one(ecgs: EcgSet, row: int, source: RecordingSource) -> set[str]:
    """Fill one row; the codes of its quality findings."""
    recording = source.read()
    quality = assess_quality(recording)
    ecg = canonical(recording)
    ecgs.signal[row], ecgs.present[row] = ecg.signal, ecg.present
    ecgs.digest[row] = waveform_hash(recording.signal)
    ecgs.grade[row] = quality.grade
    ecgs.usable[row] = quality.grade != "unfit"
    ecgs.age[row] = NAN if recording.age is None else recording.age
    ecgs.sex[row] = NAN if recording.sex is None else float(recording.sex == "male")
    ecgs.paced[row] = any(finding.code == "paced" for finding in quality.findings)
    return {finding.code for finding in quality.findings}


def read_problems(folder: Path) -> tuple[list[dict[str, str]], dict[str, int]]:
    """What `read_ecgs` could not read, and how often each quality finding was made."""
    return load_json(folder / "errors.json"), load_json(folder / "findings.json")
