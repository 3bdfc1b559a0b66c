"""A small bundle as a study would write it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from cardiofusion.bundle import Canonical, Manifest, TrainingData, write_bundle
from cardiofusion.records import LEADS, ClinicalSchema, Column, Task


@pytest.fixture
def manifest() -> Manifest:
    schema = ClinicalSchema(
        (
            Column("age", unit="years", low=18, high=110, may_be_missing=False, description="at the visit"),
            Column("bmi", unit="kg/m2"),
            Column("sex", "category", categories=("female", "male"), codes={"1": "female", "2": "male"}),
        )
    )
    return Manifest(
        name="tiny",
        title="A tiny study",
        created="2026-01-02T03:04:05+00:00",
        cardiofusion="0.1.0",
        seed=7,
        threads=1,
        tasks=(
            Task("event", ("no", "yes"), "binary", question="does the patient come back?"),
            Task("findings", ("MI", "CD", "HYP"), "multi_label", ("ecg",), "latent"),
        ),
        schema=schema,
        canonical=Canonical(100.0, 10.0, LEADS),
        training_data=(TrainingData("virtual", 20, 20, 20, licence="Apache-2.0", transductive=True),),
        population={"age": [40, 80], "sex": ["female", "male"]},
        parameters={"encoder": 250, "cmaf event": 50},
        tree_leaves={"event": 31},
        split={"train": 12, "test": 8},
        metrics={"event AUC": {"value": 0.8, "low": 0.7, "high": None, "n": 20, "data": "virtual"}},
        libraries={"numpy": np.__version__},
        stages={"read": 0.25},
        details={"anything": [1, None, {"deep": True}]},
    )


@pytest.fixture
def files() -> dict[str, bytes]:
    weights = {"weight": np.arange(12, dtype=np.float32).reshape(3, 4), "bias": np.ones(3, dtype=np.float16)}
    return {
        "encoder.safetensors": save(weights),
        "conformal.json": json.dumps({"event": {"coverage": 0.9}}).encode(),
        "event.lgb.txt": "tree\nversion=v4 µ\n".encode(),
        "empty.txt": b"",
    }


@pytest.fixture
def folder(tmp_path: Path, manifest: Manifest, files: dict[str, bytes]) -> Path:
    write_bundle(tmp_path / "bundle", manifest.to_json(), files)
    return tmp_path / "bundle"
