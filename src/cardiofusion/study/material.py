"""What a study works with: its table and ECGs, which patients are in which group, who may teach what."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import Cohort, merge_duplicates
from cardiofusion.study.answering import check_calibration
from cardiofusion.study.data import StudyData, cohort_digest, load_study_data
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.study.file import Study
from cardiofusion.study.groups import Groups, as_shares, split_patients
from cardiofusion.study.workspace import Workspace
from cardiofusion.tmae import shipped_encoder


@dataclass
class Material:
    """The patients of a study. `read` reads their ECGs, once; the properties load and sort them."""

    study: Study
    workspace: Workspace

    # --- read: the table, the ECGs, their quality, the groups --------------------------------------------

    @cached_property
    def data(self) -> StudyData:
        """The cohort and the corpora, as the study file asks for them."""
        return load_study_data(self.study)

    @property
    def cohort(self) -> Cohort:
        """Whom the study's tasks are about."""
        return self.data.cohort

    def read(self) -> None:
        """Read every source of ECGs, each in a stage of its own."""
        for name, cohort in self._sources.items():
            self.workspace.stage(
                f"read-{name}",
                self._mark(name, cohort_digest(cohort)),
                lambda folder, cohort=cohort: read_ecgs(  # type: ignore[misc]
                    cohort.recordings, cohort.patient_ids, folder, self.workspace.reporter.step
                ),
            )

    @cached_property
    def _sources(self) -> dict[str, Cohort]:
        """Everything that has ECGs: the cohort and the corpora, under names that are folders."""
        named = {"cohort": self.cohort} if self.cohort.recordings else {}
        return named | {f"corpus-{k}-{c.name}": c for k, c in enumerate(self.data.corpora)}

    @cached_property
    def cohort_ecgs(self) -> EcgSet | None:
        """The cohort's ECGs in its own order; None where it has none."""
        return EcgSet.load(self.workspace.folder / "read-cohort") if self.cohort.recordings else None

    @cached_property
    def patient_ids(self) -> NDArray[np.str_]:
        """The cohort's patients; those who share a waveform count as one."""
        if self.cohort_ecgs is None:
            return self.cohort.patient_ids
        return merge_duplicates(self.cohort.patient_ids, self.cohort_ecgs.digest)

    @cached_property
    def groups(self) -> Groups:
        """The cohort's patients in five groups: train, stop, probability, conformal, test."""
        labels = np.concatenate([self.data.outcome(task) for task in self.cohort.tasks], axis=1)
        return split_patients(self.study.split, self.patient_ids, labels, self.cohort.fold, self.study.seed)

    @cached_property
    def _corpus(self) -> tuple[EcgSet, NDArray[np.str_]] | None:
        """Usable ECGs of the corpora and the data set of each, without any waveform that a calibration or
        test patient has."""
        sets = {n: EcgSet.load(self.workspace.folder / f"read-{n}") for n in self._sources if n != "cohort"}
        if not sets:
            return None
        ecgs = EcgSet.concatenated(list(sets.values()))
        source = np.concatenate([np.full(len(s), self._sources[n].name) for n, s in sets.items()])
        keep = np.flatnonzero(ecgs.usable & ~np.isin(ecgs.digest, self._set_aside))
        ecgs, source = ecgs.take(keep), source[keep]
        # Two data sets may give two people one number; one waveform under two names is one patient.
        named = zip(source, ecgs.patient_ids, strict=True)
        people = np.array([f"{name}/{patient}" for name, patient in named])
        return replace(ecgs, patient_ids=merge_duplicates(people, ecgs.digest)), source

    @property
    def _set_aside(self) -> NDArray[np.str_]:
        """Waveforms of the cohort's calibration and test patients."""
        if self.cohort_ecgs is None:
            return np.array([], dtype=np.str_)
        others = np.setdiff1d(np.arange(len(self.cohort)), self.groups.learning)
        return self.cohort_ecgs.digest[others]

    @property
    def corpus_ecgs(self) -> EcgSet | None:
        """ECGs of the corpora that may be used, see `_corpus`; None where there are none."""
        return self._corpus[0] if self._corpus else None

    @cached_property
    def corpus_groups(self) -> Groups:
        """The corpora's patients in the same five groups, for proxy alignments."""
        assert self.corpus_ecgs is not None
        ecgs = self.corpus_ecgs
        return split_patients(as_shares(self.study.split), ecgs.patient_ids, None, None, self.study.seed)

    def check(self) -> None:
        """Whether calibration can keep its promise, before hours are spent. Raises CalibrationError."""
        coverage, seed = self.study.conformal.coverage, self.study.seed
        for task in self.cohort.tasks:
            outcome, weight = self.data.outcome(task), self.data.weight(task)
            check_calibration(task, outcome, weight, self.groups, self.patient_ids, coverage, seed)

    # --- whom the encoder may learn from --------------------------------------------------------------------

    @cached_property
    def learning_ecgs(self) -> EcgSet | None:
        """What the encoder may see: the cohort's learning patients, and corpora but for test patients."""
        parts = []
        if self.cohort_ecgs is not None:
            rows = self.groups.learning
            parts.append(self.cohort_ecgs.take(rows[self.cohort_ecgs.usable[rows]]))
        if self.corpus_ecgs is not None:
            parts.append(self.corpus_ecgs.take(self.corpus_learning))
        return EcgSet.concatenated(parts) if parts else None

    @property
    def corpus_learning(self) -> NDArray[np.intp]:
        """Which of `corpus_ecgs` the encoder may see."""
        assert self.corpus_ecgs is not None
        if self.cohort_ecgs is not None:  # its own test patients are the ones held out
            return np.arange(len(self.corpus_ecgs))
        return np.setdiff1d(np.arange(len(self.corpus_ecgs)), self.corpus_groups.test)

    @property
    def held_out_ecgs(self) -> EcgSet:
        """ECGs the encoder has not seen, of the cohort's test patients, else the corpora's."""
        if self.cohort_ecgs is not None:
            rows = self.groups.test
            ecgs = self.cohort_ecgs.take(rows[self.cohort_ecgs.usable[rows]])
        else:
            assert self.corpus_ecgs is not None
            ecgs = self.corpus_ecgs.take(self.corpus_groups.test)
        return ecgs.take(np.flatnonzero(~self._seen(ecgs.digest)))

    def _seen(self, digest: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Which waveforms the shipped encoder has learnt from, where it is the one in use."""
        known = shipped_encoder().card["seen"] if self.study.pretrain.shipped else []
        return np.isin(digest, known)

    @property
    def learning_source(self) -> NDArray[np.str_]:
        """The data set of each of `learning_ecgs`."""
        parts = []
        if self.cohort_ecgs is not None:
            rows = self.groups.learning
            parts.append(np.full(int(self.cohort_ecgs.usable[rows].sum()), self.cohort.name))
        if self._corpus is not None:
            parts.append(self._corpus[1][self.corpus_learning])
        return np.concatenate(parts)

    @cached_property
    def transductive(self) -> bool:
        """Whether the encoder met a calibration or test patient's ECG, unlabelled.

        One taught for this study never does; the shipped one may have, where it learnt from this cohort.
        """
        if not self.uses_ecg:
            return False
        if self.cohort_ecgs is not None:
            return bool(self._seen(self._set_aside).any())
        assert self.corpus_ecgs is not None
        return bool(self._seen(self.corpus_ecgs.digest[self.corpus_groups.test]).any())

    @property
    def uses_ecg(self) -> bool:
        """Whether any task looks at an ECG."""
        return any("ecg" in task.modalities for task in self.cohort.tasks)

    def _mark(self, *parts: str) -> str:
        return self.study.fingerprint("data", extra={"parts": parts})
