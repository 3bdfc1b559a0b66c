"""What a study file names, loaded: the cohort with its tasks, and the corpora."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets import load_dataset, load_folder
from cardiofusion.readers import RecordingFile, find_recordings
from cardiofusion.records import Cohort, StudyError, Task
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study.file import Study
from cardiofusion.study.sections import Corpus
from cardiofusion.tabular import RepairReport, repair


@dataclass(frozen=True, eq=False)
class StudyData:
    """cohort: with the study's tasks, impossible values mended. repaired: what was mended.

    outcome_of: task -> its outcome (two tasks may ask for the same). corpora: ECGs without labels.
    """

    cohort: Cohort
    repaired: RepairReport | None
    outcome_of: dict[str, str]
    corpora: tuple[Cohort, ...]

    def outcome(self, task: Task) -> NDArray[np.float32]:
        return self.cohort.outcomes[self.outcome_of[task.name]]

    @property
    def digest(self) -> str:
        """A hash of what the cohort holds: ids, values, outcomes (not the ECG files' content)."""
        content = hashlib.sha256("\n".join(self.cohort.patient_ids).encode())
        if self.cohort.table is not None:
            content.update(np.ascontiguousarray(self.cohort.table.values).tobytes())
        for name in sorted(self.cohort.outcomes):
            content.update(np.ascontiguousarray(self.cohort.outcomes[name]).tobytes())
        for corpus in (self.cohort, *self.corpora):
            content.update("\n".join(source.record_id for source in corpus.recordings).encode())
        return content.hexdigest()


def load_study_data(study: Study) -> StudyData:
    """Raises StudyError and DatasetError."""
    cohort = _cohort(study)
    known = {task.name: task for task in cohort.tasks}
    tasks = []
    for plan in study.tasks:
        if plan.outcome_name not in known:
            raise StudyError(
                "study.outcome",
                f"the data has no outcome {plan.outcome_name!r}",
                f"it has: {', '.join(known) or 'none'}",
            )
        tasks.append(plan.applied(_with_labels(known[plan.outcome_name])))
    repaired = None
    if cohort.table is not None:
        table, repaired = repair(cohort.table)
        cohort = replace(cohort, table=table)
    return StudyData(
        cohort=replace(cohort, tasks=tuple(tasks)),
        repaired=repaired,
        outcome_of={plan.name: plan.outcome_name for plan in study.tasks},
        corpora=tuple(_corpus(study, corpus) for corpus in study.pretrain.corpora),
    )


def _with_labels(task: Task) -> Task:
    if task.kind == "survival":
        raise StudyError(
            "study.survival",
            f"{task.name} asks when, not whether: studies of survival tasks come later",
            "choose an outcome that is present or absent; load_dataset gives the times to your own code",
        )
    return task


def _cohort(study: Study) -> Cohort:
    if study.data.dataset == "virtual":
        return virtual_cohort(study.data.patients, study.seed)
    if study.data.dataset == "folder":
        return load_folder(study.folder_spec())
    return load_dataset(study.data.dataset, study.folder_of(study.data))


def _corpus(study: Study, corpus: Corpus) -> Cohort:
    return load_corpus(corpus.dataset, study.folder_of(corpus))


def load_corpus(dataset: str, folder: Path) -> Cohort:
    """ECGs without labels: a published data set, or "folder": all ECG files in it. Raises DatasetError."""
    if dataset != "folder":
        return load_dataset(dataset, folder)
    paths = find_recordings(folder)
    return Cohort(
        name=folder.name,
        patient_ids=np.array([str(path.relative_to(folder)) for path in paths]),
        recordings=tuple(RecordingFile(path) for path in paths),
        provenance={"name": folder.name},
    )


def cohort_digest(cohort: Cohort) -> str:
    """Which records, of whom; what the files hold is not looked at."""
    content = "\n".join(
        f"{patient}\t{source.record_id}"
        for patient, source in zip(cohort.patient_ids, cohort.recordings, strict=True)
    )
    return hashlib.sha256(content.encode()).hexdigest()
