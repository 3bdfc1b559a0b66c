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
from cardiofusion.records import ClinicalSchema, Task
from cardiofusion.study.comparing import compare
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.study.encoding import embed_ecgs, load_encoder, pretrain_encoder
from cardiofusion.study.file import Study
from cardiofusion.study.fusing import load_fusion, train_task_fusion
from cardiofusion.study.material import Material
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
class Pipeline(Material):
    """A study under way. Each stage method makes its files; the properties load them."""

    _table_models: dict[str, TableModel] = field(default_factory=dict, init=False)
    _pairs: dict[str, tuple[FusionData, dict[str, Any]]] = field(default_factory=dict, init=False)

    # --- pretrain, embed ------------------------------------------------------------------------------------

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
