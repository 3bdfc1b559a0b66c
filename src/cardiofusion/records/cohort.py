"""Patients with their recordings, clinical rows and outcomes; the questions asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records.clinical import ClinicalTable
from cardiofusion.records.errors import DatasetError, InputError
from cardiofusion.records.recording import RecordingSource

Modality = Literal["ecg", "row"]
Alignment = Literal["matched", "covariate", "latent"]

ALIGNMENT_WORDS: Mapping[Alignment, str] = {
    "matched": "ECG and clinical row are of the same patient",
    "covariate": "proxy alignment: the ECG is of another person, nearest on shared covariates",
    "latent": "proxy alignment: the ECG is a draw from the encoder's latent distribution",
}


TaskKind = Literal["binary", "multi_label", "survival"]


@dataclass(frozen=True)
class Task:
    """A named question.

    binary: two exclusive labels, the absent one first; one target.
    multi_label: any number of labels, each present or absent; one target a label.
    survival: one label, the event, which comes at a time or not while the patient is observed; one target.
    horizon: the years at which a survival task asks for the risk; None for every other kind.

    Raises InputError ("task.survival") for a survival task without one label and a horizon above 0, and for
    a horizon elsewhere.
    """

    name: str
    labels: tuple[str, ...]
    kind: TaskKind
    modalities: tuple[Modality, ...] = ("ecg", "row")
    alignment: Alignment = "matched"
    question: str = ""
    horizon: float | None = None

    def __post_init__(self) -> None:
        if self.kind != "survival" and self.horizon is None:
            return
        if self.kind != "survival" or len(self.labels) != 1 or not 0 < (self.horizon or 0) < np.inf:
            raise InputError(
                "task.survival",
                f"{self.name}: {self.kind}, {len(self.labels)} labels, horizon {self.horizon}",
                "a survival task has one label and a horizon in years; no other kind has a horizon",
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """Labels a model gives a score for: the second of a binary task, every one of any other."""
        return self.labels[1:] if self.kind == "binary" else self.labels

    @property
    def by_when(self) -> str:
        """ " within 10 years", of a survival task; nothing of any other."""
        return "" if self.horizon is None else f" within {self.horizon:g} years"


@dataclass(frozen=True, eq=False)
class Cohort:
    """Examples side by side; position i is the same visit in every field.

    patient_ids: [n] unicode; a patient may stand in several rows and is never split.
    recordings: n sources, or empty where the cohort has no ECG. table: n rows, or None.
    outcomes: task name -> float32 [n, target], 1 present, 0 absent, NaN not known. Of a survival task float32
    [n, 2]: years observed (above 0), and 1 where the event came then, 0 where only the observation ended
    (censored); NaN in both where not known.
    fold: the publisher's fold or site of each row, or None. provenance: name, licence, source, dates as text.
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
        for task in self.tasks:
            if task.kind == "survival" and task.name in self.outcomes:
                _check_times(task, self.outcomes[task.name])

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


def _check_times(task: Task, outcome: NDArray[np.float32]) -> None:
    """Years and events, or neither: a time of 0 or an event without a time is no observation."""
    fits = outcome.ndim == 2 and outcome.shape[1] == 2
    if fits:
        years, event = outcome[~np.isnan(outcome).all(axis=1)].T
        fits = bool((np.isfinite(years) & (years > 0) & np.isin(event, (0, 1))).all())
    if not fits:
        raise DatasetError(
            "dataset.times",
            f"the outcome of {task.name} is not years above 0 beside 1 (event) or 0 (censored)",
            "a survival task's outcome is [n, 2], NaN in both where not known",
        )
