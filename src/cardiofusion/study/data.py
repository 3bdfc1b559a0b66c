"""What a study file names, loaded: the cohort with its tasks, and the corpora."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cardiofusion.datasets import load_dataset, load_folder
from cardiofusion.metrics import Observed
from cardiofusion.readers import RecordingFile, find_recordings
from cardiofusion.records import ClinicalSchema, ClinicalTable, Cohort, StudyError, Task
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study.file import Study
from cardiofusion.study.sections import Corpus
from cardiofusion.tabular import RepairReport, hazard_targets, repair, time_edges

EVENTS_AN_INTERVAL = 20  # that a network sees in an interval of time; fewer teach it noise
MOST_INTERVALS = 8


@dataclass(frozen=True, eq=False)
class StudyData:
    """cohort: with the study's tasks, impossible values mended. repaired: what was mended.

    outcome_of: task -> its outcome (two tasks may ask for the same). corpora: ECGs without labels.
    """

    cohort: Cohort
    repaired: RepairReport | None
    outcome_of: dict[str, str]
    corpora: tuple[Cohort, ...]

    def given(self, task: Task) -> NDArray[np.float32]:
        """The outcome as the cohort holds it: labels, or of a survival task years and events."""
        return self.cohort.outcomes[self.outcome_of[task.name]]

    def outcome(self, task: Task) -> NDArray[np.float32]:
        """[row, target] 1 present, 0 absent, NaN not known; of a survival task at its horizon."""
        given = self.given(task)
        if task.horizon is None:
            return given
        known, status = _known(given), np.full((len(given), 1), np.nan, np.float32)
        status[known, 0] = Observed.of(given[known]).status(task.horizon)
        return status

    def weight(self, task: Task) -> NDArray[np.float64] | None:
        """[row] how much each outcome counts where some were lost before a horizon; None: 1 each."""
        if task.horizon is None:
            return None
        given = self.given(task)
        known, weight = _known(given), np.zeros(len(given))
        weight[known] = Observed.of(given[known]).weight(task.horizon)
        return weight

    def taught(self, task: Task, learning: NDArray[np.intp]) -> NDArray[np.float32]:
        """The outcome [row, output] as a network learns it: labels, or hazards."""
        return self.hazards(task, learning) if task.kind == "survival" else self.outcome(task)

    def hazards(self, task: Task, learning: NDArray[np.intp]) -> NDArray[np.float32]:
        """A survival task as a network learns it: [row, interval], NaN where not observed.

        The intervals follow from the rows that teach. Raises DatasetError where these have too few events.
        """
        assert task.horizon is not None
        given = self.given(task)
        known = _known(given)
        teaching = Observed.of(given[learning][known[learning]])
        events = int((teaching.event & (teaching.time <= task.horizon)).sum())
        edges = time_edges(
            teaching, task.horizon, int(np.clip(events // EVENTS_AN_INTERVAL, 1, MOST_INTERVALS))
        )
        found = np.full((len(given), len(edges) - 1), np.nan, np.float32)
        found[known] = hazard_targets(Observed.of(given[known]), edges)
        return found

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


def _known(given: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows' times are known."""
    return np.asarray(np.isfinite(given).all(axis=1))


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
        if plan.horizon and known[plan.outcome_name].kind != "survival":
            raise StudyError(
                "study.horizon",
                f"the outcome {plan.outcome_name!r} has no times: {plan.name} cannot have a horizon",
                "leave it out",
            )
        tasks.append(plan.applied(known[plan.outcome_name]))
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


def _cohort(study: Study) -> Cohort:
    if study.data.dataset == "virtual":
        return virtual_cohort(study.data.patients, study.seed)
    if study.data.dataset == "folder":
        return load_folder(study.folder_spec())
    return _without(load_dataset(study.data.dataset, study.folder_of(study.data)), study.data.leave_out)


def _without(cohort: Cohort, names: tuple[str, ...]) -> Cohort:
    """The cohort without these clinical columns. Raises StudyError for one it does not have."""
    if not names or cohort.table is None:
        return cohort
    known = cohort.table.schema.names
    for name in names:
        if name not in known:
            what = f"{cohort.name} has no column {name!r} to leave out"
            raise StudyError("study.columns", what, f"it has: {', '.join(known)}")
    kept = [k for k, name in enumerate(known) if name not in names]
    schema = ClinicalSchema(tuple(cohort.table.schema[known[k]] for k in kept))
    return replace(cohort, table=ClinicalTable(schema, cohort.table.values[:, kept]))


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
