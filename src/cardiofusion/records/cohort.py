"""Patients with their recordings, clinical rows and outcomes; the questions asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records.clinical import ClinicalTable
from cardiofusion.records.errors import DatasetError
from cardiofusion.records.recording import RecordingSource

Modality = Literal["ecg", "row"]
Alignment = Literal["matched", "covariate", "latent"]

ALIGNMENT_WORDS: Mapping[Alignment, str] = {
    "matched": "ECG and clinical row are of the same patient",
    "covariate": "proxy alignment: the ECG is of another person, nearest on shared covariates",
    "latent": "proxy alignment: the ECG is a draw from the encoder's latent distribution",
}


@dataclass(frozen=True)
class Task:
    """A named question.

    binary: two exclusive labels, the absent one first; one target.
    multi_label: any number of labels, each present or absent; one target a label.
    """

    name: str
    labels: tuple[str, ...]
    kind: Literal["binary", "multi_label"]
    modalities: tuple[Modality, ...] = ("ecg", "row")
    alignment: Alignment = "matched"
    question: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """Labels a model gives a score for: the second of a binary task, every one of a multi-label task."""
        return self.labels[1:] if self.kind == "binary" else self.labels


@dataclass(frozen=True, eq=False)
class Cohort:
    """Examples side by side; position i is the same visit in every field.

    patient_ids: [n] unicode; a patient may stand in several rows and is never split.
    recordings: n sources, or empty where the cohort has no ECG. table: n rows, or None.
    outcomes: task name -> float32 [n, target], 1 present, 0 absent, NaN not known.
    fold: the publisher's fold of each row, or None. provenance: name, licence, source, dates as text.
    """

    name: str
    patient_ids: NDArray[np.str_]
    recordings: tuple[RecordingSource, ...] = ()
    table: ClinicalTable | None = None
    tasks: tuple[Task, ...] = ()
    outcomes: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    fold: NDArray[np.int64] | None = None
    alignment: Alignment = "matched"
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {
            "recordings": len(self.recordings) or len(self),
            "table": len(self) if self.table is None else len(self.table),
            "fold": len(self) if self.fold is None else len(self.fold),
            **{f"outcome {name}": len(values) for name, values in self.outcomes.items()},
        }
        for what, length in lengths.items():
            if length != len(self):
                raise DatasetError(
                    "dataset.lengths",
                    f"{self.name}: {length} in {what} but {len(self)} patients",
                    "every field of a cohort has one entry a row",
                )

    def __len__(self) -> int:
        return len(self.patient_ids)

    def take(self, rows: NDArray[np.intp]) -> Cohort:
        """The cohort of these rows only."""
        return replace(
            self,
            patient_ids=self.patient_ids[rows],
            recordings=tuple(self.recordings[i] for i in rows) if self.recordings else (),
            table=None if self.table is None else self.table.take(rows),
            outcomes={name: values[rows] for name, values in self.outcomes.items()},
            fold=None if self.fold is None else self.fold[rows],
        )
