"""Phenotypes of the ECGs the encoder learnt from, and the evidence for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from cardiofusion.phenotypes import describe, discover, fit_assignment
from cardiofusion.records import DatasetError, write_bytes, write_text
from cardiofusion.study.ecgs import EcgSet
from cardiofusion.study.sections import Phenotypes
from cardiofusion.study.workspace import save_json


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
