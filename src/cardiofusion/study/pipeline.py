"""The pipeline: a study file to a bundle and its report. `train_study` reads top to bottom.

Each stage depends on the ones before it, and says on what by a fingerprint: change a section of the study
file and only the stages that read it, and those after them, run again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.cmaf import CMAF, NOT_TIMES, FusionData, fusion_structure
from cardiofusion.records import ClinicalSchema, Cohort, Task, merge_duplicates
from cardiofusion.study.answering import check_calibration
from cardiofusion.study.comparing import compare
from cardiofusion.study.data import StudyData, cohort_digest, load_study_data
from cardiofusion.study.ecgs import EcgSet, read_ecgs
from cardiofusion.study.encoding import embed_ecgs, load_encoder, pretrain_encoder
from cardiofusion.study.file import Study
from cardiofusion.study.fusing import load_fusion, train_task_fusion
from cardiofusion.study.groups import Groups, as_shares, split_patients
from cardiofusion.study.pairing import covariate_pairs, latent_pairs, matched_pairs
from cardiofusion.study.phenotyping import phenotype
from cardiofusion.study.tables import TableModel, load_table_model, train_table
from cardiofusion.study.tuning import tune, tuning_mark
from cardiofusion.study.workspace import Reporter, Workspace
from cardiofusion.tmae import TMAE, set_threads, shipped_encoder, structure


def train_study(study: Study, out: Path, reporter: Reporter, work: Path | None = None) -> str:
    """Run a study to its end; the bundle's hash. `out` becomes the bundle, `report.html` lies beside it.

    What the stages make is kept in `work` (beside `out` by default), so that a run that was killed goes on
    at the stage, and in pretraining at the epoch, where it stopped. Raises CardioFusionError.
    """
    from cardiofusion.study.assembling import assemble, exporting

    set_threads(study.threads)
    workspace = Workspace(work or out.with_name(f"{out.name}.work"), reporter)
    with workspace.alone():
        pipeline = Pipeline(study, workspace)
        pipeline.read()
        pipeline.check()
        pipeline.pretrain()
        tune(pipeline)
        pipeline.embed()
        pipeline.boost()
        pipeline.fuse()
        compare(pipeline)
        with exporting(pipeline) as export:
            phenotype(pipeline)
            set_threads(study.threads)  # UMAP's own thread pool has set torch's number to all there are
            return assemble(pipeline, out, export)


@dataclass
class Pipeline:
    """A study under way. Each stage method makes its files; the properties load them."""

    study: Study
    workspace: Workspace
    _table_models: dict[str, TableModel] = field(default_factory=dict, init=False)
    _pairs: dict[str, tuple[FusionData, dict[str, Any]]] = field(default_factory=dict, init=False)

    # --- read: the table, the ECGs, their quality, the groups --------------------------------------------

    @cached_property
    def data(self) -> StudyData:
        return load_study_data(self.study)

    @property
    def cohort(self) -> Cohort:
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
        return EcgSet.load(self.workspace.folder / "read-cohort") if self.cohort.recordings else None

    @cached_property
    def patient_ids(self) -> NDArray[np.str_]:
        """The cohort's patients; those who share a waveform count as one."""
        if self.cohort_ecgs is None:
            return self.cohort.patient_ids
        return merge_duplicates(self.cohort.patient_ids, self.cohort_ecgs.digest)

    @cached_property
    def groups(self) -> Groups:
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
        keep = ecgs.usable.copy()
        if self.cohort_ecgs is not None:
            others = np.setdiff1d(np.arange(len(self.cohort)), self.groups.learning)
            keep &= ~np.isin(ecgs.digest, self.cohort_ecgs.digest[others])
        ecgs, source = ecgs.take(np.flatnonzero(keep)), source[keep]
        # Two data sets may give two people one number; one waveform under two names is one patient.
        people = np.array(
            [f"{name}/{patient}" for name, patient in zip(source, ecgs.patient_ids, strict=True)]
        )
        return replace(ecgs, patient_ids=merge_duplicates(people, ecgs.digest)), source

    @property
    def corpus_ecgs(self) -> EcgSet | None:
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

    # --- pretrain, embed ------------------------------------------------------------------------------------

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
            others = np.setdiff1d(np.arange(len(self.cohort)), self.groups.learning)
            return bool(self._seen(self.cohort_ecgs.digest[others]).any())
        assert self.corpus_ecgs is not None
        return bool(self._seen(self.corpus_ecgs.digest[self.corpus_groups.test]).any())

    @property
    def uses_ecg(self) -> bool:
        return any("ecg" in task.modalities for task in self.cohort.tasks)

    def pretrain(self) -> None:
        """The encoder: the shipped one, or one taught on `learning_ecgs`."""
        if not self.uses_ecg:
            return
        assert self.learning_ecgs is not None
        ecgs = self.learning_ecgs
        self.workspace.stage(
            "pretrain",
            self.pretrain_mark,
            lambda folder: pretrain_encoder(
                self.study.pretrain,
                ecgs,
                self.study.seed,
                self.study.threads,
                folder,
                self.workspace.scratch("pretrain", self.pretrain_mark),
                self.workspace.reporter.step,
            ),
        )

    @cached_property
    def pretrain_mark(self) -> str:
        assert self.learning_ecgs is not None
        digests = hashlib.sha256("\n".join(self.learning_ecgs.digest).encode()).hexdigest()
        shipped = shipped_encoder().hash if self.study.pretrain.shipped else ""
        known = {"ecgs": digests, "shipped": shipped, "structure": structure()}
        return self.study.fingerprint("pretrain", "split", extra=known)

    @property
    def embedding_mark(self) -> str:
        """What tokens depend on beside the weights: the causes that make a finding, the number of tokens."""
        return f"{self.encoder_mark} {self.encoder.config.findings} {NOT_TIMES}"

    @property
    def encoder_mark(self) -> str:
        """What the encoder's weights depend on."""
        return tuning_mark(self) if self.tuned else self.pretrain_mark

    @property
    def tuned(self) -> bool:
        """Whether the encoder learns labels of this study's training patients."""
        matched = any(task.alignment == "matched" for task in self.fused_tasks)
        return bool(self.study.cmaf.fine_tune) and matched and self.cohort_ecgs is not None

    @property
    def encoder_folder(self) -> Path:
        """Where the weights lie that everything after them uses."""
        return self.workspace.folder / ("tune" if self.tuned else "pretrain")

    @cached_property
    def encoder(self) -> TMAE:
        return load_encoder(self.encoder_folder)

    @cached_property
    def untuned(self) -> TMAE:
        """The encoder before it met a label: the one that the decoder belongs to."""
        return load_encoder(self.workspace.folder / "pretrain")

    def embed(self) -> None:
        for name, ecgs in (("cohort", self.cohort_ecgs), ("corpora", self.corpus_ecgs)):
            if ecgs is not None and self.uses_ecg:
                self.workspace.stage(
                    f"embed-{name}",
                    self._mark(name, self.embedding_mark),
                    lambda folder, ecgs=ecgs: self._embed(ecgs, folder),  # type: ignore[misc]
                )

    def _embed(self, ecgs: EcgSet, folder: Path) -> None:
        tokens, embedding = embed_ecgs(self.encoder, ecgs)
        np.save(folder / "tokens.npy", tokens, allow_pickle=False)
        np.save(folder / "embedding.npy", embedding, allow_pickle=False)

    def embedded(self, name: str, what: str) -> NDArray[np.float32]:
        """`what`: "tokens" or "embedding" of "cohort" or "corpora"."""
        found: NDArray[np.float32] = np.load(
            self.workspace.folder / f"embed-{name}" / f"{what}.npy", allow_pickle=False
        )
        return found

    # --- boost, fuse ----------------------------------------------------------------------------------------

    def boost(self) -> None:
        """Boosters for every outcome that a row may answer, cross-validated too."""
        if self.cohort.table is None:
            return
        table = self.cohort.table
        tasks = [task for task in self.cohort.tasks if "row" in task.modalities]
        for stage, task in {self._boost_stage(task): task for task in tasks}.items():
            self.workspace.stage(
                stage,
                self.study.fingerprint("booster", "split", extra={"data": self.data.digest}),
                lambda folder, task=task: train_table(  # type: ignore[misc]
                    table,
                    self.data.given(task),
                    task.horizon,
                    self.patient_ids,
                    self.groups,
                    self.study.booster,
                    self.study.seed,
                    self.study.threads,
                    folder,
                    self.workspace.reporter.step,
                ),
            )

    def _boost_stage(self, task: Task) -> str:
        """Tasks share trees where they ask for one outcome, and by the same time."""
        by = "" if task.horizon is None else f"-{task.horizon:g}-years"
        return f"boost-{self.data.outcome_of[task.name]}{by}"

    def table_model(self, task: Task) -> TableModel | None:
        if self.cohort.table is None or "row" not in task.modalities:
            return None
        stage = self._boost_stage(task)
        if stage not in self._table_models:
            folder = self.workspace.folder / stage
            self._table_models[stage] = load_table_model(folder, self.cohort.table.schema.names)
        return self._table_models[stage]

    def fuse(self) -> None:
        """A CMAF for every task that looks at an ECG."""
        for task in self.fused_tasks:
            self.workspace.stage(
                f"fuse-{task.name}",
                self.fusion_mark(task),
                lambda folder, task=task: train_task_fusion(  # type: ignore[misc]
                    self.pairs(task)[0],
                    self.schema_of(task),
                    self.groups,
                    self.patient_ids,
                    self.study.cmaf,
                    0 if self.tuned else self.study.booster.cross_validation,
                    self.study.seed,
                    self.study.threads,
                    folder,
                    self.workspace.reporter.step,
                ),
            )

    @property
    def fused_tasks(self) -> list[Task]:
        """Tasks that look at an ECG, alone or beside a row."""
        return [task for task in self.cohort.tasks if "ecg" in task.modalities]

    def fusion_mark(self, task: Task) -> str:
        """What a fusion depends on, and all that is measured beside it."""
        parts = {
            "data": self.data.digest,
            "encoder": self.encoder_mark,
            "structure": fusion_structure(),
            "alignment": task.alignment,
            "modalities": task.modalities,
            "horizon": task.horizon,
        }
        return self.study.fingerprint("cmaf", "split", "booster", extra=parts)

    def schema_of(self, task: Task) -> ClinicalSchema | None:
        """The columns a task may look at."""
        table = self.cohort.table
        return table.schema if table is not None and "row" in task.modalities else None

    def fusion(self, task: Task) -> CMAF:
        return load_fusion(self.workspace.folder / f"fuse-{task.name}", self.pairs(task)[0], self.study.cmaf)

    def pairs(self, task: Task) -> tuple[FusionData, dict[str, Any]]:
        """The task's examples, and for covariate alignment how alike the partners are."""
        if task.name not in self._pairs:
            data, evidence = self._make_pairs(task)
            self._pairs[task.name] = replace(data, n_findings=len(self.encoder.config.findings)), evidence
        return self._pairs[task.name]

    def _make_pairs(self, task: Task) -> tuple[FusionData, dict[str, Any]]:
        outcome = self.data.taught(task, self.groups.learning)
        cohort = self.cohort if "row" in task.modalities else replace(self.cohort, table=None)
        if task.alignment == "matched":
            tokens = self.embedded("cohort", "tokens") if "ecg" in task.modalities else None
            return matched_pairs(cohort, self.cohort_ecgs, tokens, outcome), {}
        assert self.corpus_ecgs is not None
        tokens = self.embedded("corpora", "tokens")
        if task.alignment == "covariate":
            return covariate_pairs(
                cohort, self.groups, self.corpus_ecgs, self.corpus_groups, tokens, outcome, self.study.seed
            )
        return latent_pairs(cohort, self.groups, self.corpus_groups, tokens, outcome, self.study.seed), {}

    def _mark(self, *parts: str) -> str:
        return self.study.fingerprint("data", extra={"parts": parts})
