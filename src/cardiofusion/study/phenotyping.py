"""Phenotypes of the ECGs the encoder learnt from, and the evidence for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from cardiofusion.phenotypes import describe, discover, fit_assignment
from cardiofusion.records import DatasetError, write_bytes, write_text
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.study.sections import Phenotypes
from cardiofusion.study.workspace import save_json

if TYPE_CHECKING:
    from cardiofusion.study.pipeline import Pipeline


def phenotype(pipeline: Pipeline) -> None:
    """The stage "phenotypes": groups of alike ECGs among those the encoder may learn from."""
    if not pipeline.uses_ecg:
        return
    ecgs = pipeline.learning_ecgs
    assert ecgs is not None
    pipeline.workspace.stage(
        "phenotypes",
        pipeline.study.fingerprint("phenotypes", extra={"encoder": pipeline.embedding_mark}),
        lambda folder: find_phenotypes(
            pipeline.study.phenotypes,
            ecgs,
            pipeline.learning_source,
            _learning_embedding(pipeline),
            pipeline.study.seed,
            folder,
            pipeline.workspace.reporter.step,
        ),
    )


def _learning_embedding(pipeline: Pipeline) -> NDArray[np.float32]:
    parts = []
    if pipeline.cohort_ecgs is not None:
        rows = pipeline.groups.learning
        parts.append(pipeline.embedded("cohort", "embedding")[rows[pipeline.cohort_ecgs.usable[rows]]])
    if pipeline.corpus_ecgs is not None:
        parts.append(pipeline.embedded("corpora", "embedding")[pipeline.corpus_learning])
    return np.concatenate(parts)


def find_phenotypes(
    plan: Phenotypes,
    ecgs: EcgSet,
    source: NDArray[np.str_],
    embedding: NDArray[np.float32],
    seed: int,
    folder: Path,
    on_step: Callable[[int, int], None],
) -> None:
    """Write phenotypes.safetensors, phenotypes.json (what the bundle carries) and evidence.json.

    source: which data set each ECG is of, [n]: a phenotype that is only a data set must be seen as such.
    Too few ECGs for any phenotype is a result, not an error: only evidence.json is written then.
    """
    try:
        found = discover(
            embedding,
            seed,
            plan.bootstraps,
            min_cluster_size=plan.min_cluster_size,
            dimensions=plan.dimensions,
            patient_ids=ecgs.patient_ids,
            on_progress=on_step,
        )
    except DatasetError as error:
        save_json(folder / "evidence.json", {"n": len(ecgs), "skipped": error.message})
        return
    labels = found.phenotypes
    model = fit_assignment(embedding, labels, found.stability, seed)
    sex = np.where(np.isnan(ecgs.sex), "", np.where(ecgs.sex == 1, "male", "female"))
    covariates = {"age": ecgs.age, "sex": sex, "data set": source, "quality": ecgs.grade}
    confounds = describe(found.labels, covariates, np.random.default_rng([seed, 8]))
    write_bytes(folder / "phenotypes.safetensors", save(model.to_tensors()))
    write_text(folder / "phenotypes.json", model.metadata)
    save_json(
        folder / "evidence.json",
        {
            "n": len(ecgs),
            "words": found.words,
            "clusters": len(found.jaccard),
            "sizes": np.bincount(found.labels[found.labels >= 0], minlength=len(found.jaccard)).tolist(),
            "jaccard": np.round(found.jaccard, 3).tolist(),
            "survives": found.survives.tolist(),
            "agreement": model.agreement.to_json(),
            "confounds": [association.words for association in confounds],
            "map": np.round(found.map, 3).tolist(),
            "labels": found.labels.tolist(),
        },
    )
