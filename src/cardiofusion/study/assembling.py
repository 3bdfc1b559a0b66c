"""A finished pipeline to a bundle and its report."""

from __future__ import annotations

import json
import os
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cardiofusion import __version__
from cardiofusion.bundle import Canonical, Manifest, TrainingData, write_bundle
from cardiofusion.cmaf import CMAF, NOT_TIMES
from cardiofusion.conformal import calibrations_to_json
from cardiofusion.evaluate import metrics_document
from cardiofusion.export import Exporting, ExportJob, FusionWeights
from cardiofusion.records import LEADS, Cohort, Task, storage_errors, write_text
from cardiofusion.report import model_card, study_report
from cardiofusion.signal import CANONICAL_RATE, CANONICAL_SECONDS
from cardiofusion.study.pipeline import Pipeline
from cardiofusion.study.reporting import headline, report_of
from cardiofusion.study.results import Results, measure
from cardiofusion.study.workspace import STAMP, load_json, peak_memory
from cardiofusion.tmae import count_parameters, shipped_encoder

LIBRARIES = ("numpy", "lightgbm", "onnxruntime", "torch", "umap-learn", "hdbscan", "onnx", "polars")
PARAMETER_BUDGET = 600_000


@contextmanager
def exporting(pipeline: Pipeline) -> Iterator[Exporting | None]:
    """The networks' way to ONNX, begun beside the rest; None where there is nothing (more) to export."""
    workspace, mark = pipeline.workspace, _export_mark(pipeline)
    if not pipeline.uses_ecg or workspace.has("export", mark):
        yield None
        return
    scratch = workspace.scratch("export", mark)
    with storage_errors(scratch):
        scratch.mkdir(exist_ok=True)
    with Exporting(_export_job(pipeline, scratch)) as process:
        yield process


def _export_job(pipeline: Pipeline, out: Path) -> ExportJob:
    folder = pipeline.workspace.folder
    fusions = {}
    for task in pipeline.fused_tasks:
        place, fusion = folder / f"fuse-{task.name}", pipeline.fusion(task)
        edges = load_json(place / "cmaf.json")["edges"]
        fusions[task.name] = FusionWeights(str(place / "cmaf.safetensors"), fusion.config, edges)
    encoder = pipeline.encoder_folder / "encoder.safetensors"
    return ExportJob(str(encoder), pipeline.encoder.config, fusions, str(out))


def assemble(pipeline: Pipeline, out: Path, export: Exporting | None) -> str:
    """Measure, export, write the bundle and `report.html` beside it; the bundle's hash.

    Raises CalibrationError, ExportError (the stages before are kept) and StorageError.
    """
    workspace = pipeline.workspace
    workspace.reporter.stage("evaluate", False)
    started = time.monotonic()
    results = measure(pipeline)
    workspace.seconds["evaluate"] = round(time.monotonic() - started, 2)
    workspace.stage("export", _export_mark(pipeline), lambda folder: _export(pipeline, export, folder))
    files = _files(pipeline)
    files["conformal.json"] = _json(calibrations_to_json(results.calibrations))
    about = _about(pipeline, results)
    files["metrics.json"] = _json(metrics_document(results.figures, about))
    manifest = _manifest(pipeline, results, about)
    files["model_card.html"] = model_card(manifest.to_json(), results.figures).encode("utf-8")
    workspace.reporter.stage("bundle", False)
    digest = write_bundle(out, manifest, files)
    write_text(report_path(out), study_report(report_of(pipeline, results, manifest, digest)))
    return digest


def _files(pipeline: Pipeline) -> dict[str, bytes]:
    """What the stages made and the bundle holds: name -> content."""
    folder = pipeline.workspace.folder
    sources = {path.name: path for path in (folder / "export").iterdir() if path.name != STAMP}
    sources["encoder.safetensors"] = pipeline.encoder_folder / "encoder.safetensors"
    for task in pipeline.fused_tasks:
        sources[f"cmaf-{task.name}.safetensors"] = folder / f"fuse-{task.name}" / "cmaf.safetensors"
    for name in ("phenotypes.safetensors", "phenotypes.json"):
        sources[name] = folder / "phenotypes" / name
    return {name: path.read_bytes() for name, path in sorted(sources.items()) if path.exists()}


def report_path(bundle: Path) -> Path:
    """Where the study's report lies: beside the bundle, which holds only verified files."""
    return (
        bundle.with_name(f"{bundle.name}.report.html")
        if bundle.name != "bundle"
        else bundle.with_name("report.html")
    )


def _export_mark(pipeline: Pipeline) -> str:
    stamps = [
        (stage / STAMP).read_text(encoding="utf-8")
        for stage in sorted(pipeline.workspace.folder.iterdir())
        if stage.name.startswith(("pretrain", "tune", "fuse-", "boost-")) and (stage / STAMP).exists()
    ]
    return pipeline.study.fingerprint("cmaf", extra={"stages": stamps})


def _export(pipeline: Pipeline, export: Exporting | None, folder: Path) -> None:
    """All files that models become."""
    tabular = {task.name: _export_boosters(pipeline, task, folder) for task in pipeline.cohort.tasks}
    (folder / "tabular.json").write_bytes(_json(tabular))
    if export is not None:
        export.finish(pipeline.workspace.reporter.step)
        for name in export.job.names:
            shutil.copyfile(Path(export.job.out) / name, folder / name)


def _export_boosters(pipeline: Pipeline, task: Task, folder: Path) -> dict[str, Any]:
    model = pipeline.table_model(task)
    described = {}
    for k, booster in enumerate(model.boosters if model else ()):
        name = f"booster-{task.name}-{k}.lgb.txt"
        (folder / name).write_text(booster.model.text, encoding="utf-8")
        described[task.targets[k]] = {"file": name, **booster.to_json()}
    return described


def _manifest(pipeline: Pipeline, results: Results, about: Mapping[str, Any]) -> Manifest:
    study, cohort = pipeline.study, pipeline.cohort
    return Manifest(
        name=study.name,
        title=study.title,
        created=str(about["created"]),
        cardiofusion=__version__,
        seed=study.seed,
        threads=study.threads,
        tasks=cohort.tasks,
        schema=cohort.table.schema if cohort.table is not None else None,
        canonical=Canonical(CANONICAL_RATE, CANONICAL_SECONDS, LEADS) if pipeline.uses_ecg else None,
        training_data=training_data(pipeline),
        parameters=parameters(pipeline),
        population=population(pipeline),
        tree_leaves=tree_leaves(pipeline),
        split=pipeline.groups.patients(pipeline.patient_ids),
        metrics={key: figure.to_json() for key, figure in headline(results).items()},
        libraries={name: version(name) for name in LIBRARIES} | {"python": platform.python_version()},
        stages=pipeline.workspace.seconds,
        details=_details(pipeline, results, about),
    )


def parameters(pipeline: Pipeline) -> dict[str, int]:
    """Trained numbers of every network in the bundle."""
    parts: dict[str, int] = {}
    if pipeline.uses_ecg:
        model = pipeline.encoder
        parts = {
            "tmae_encoder": count_parameters(model.encoder),
            "tmae_decoder": count_parameters(model.decoder),
        }
        if model.causes is not None:
            parts["tmae_causes"] = count_parameters(model.causes)
    fusions: dict[str, CMAF] = {task.name: pipeline.fusion(task) for task in pipeline.fused_tasks}
    return parts | {f"cmaf-{name}": count_parameters(model) for name, model in fusions.items()}


def tree_leaves(pipeline: Pipeline) -> dict[str, int]:
    found = {task.name: pipeline.table_model(task) for task in pipeline.cohort.tasks}
    return {
        name: sum(booster.model.n_leaves for booster in model.boosters)
        for name, model in found.items()
        if model is not None
    }


def population(pipeline: Pipeline) -> dict[str, Any]:
    """What the training patients look like: their ages, how many were paced, how many leads an ECG has."""
    table, ecgs = pipeline.cohort.table, pipeline.cohort_ecgs
    rows = pipeline.groups.learning
    ages = np.zeros(0)
    if table is not None and "age" in table.schema.names:
        ages = table.values[rows, table.schema.names.index("age")]
    elif ecgs is not None:
        ages = ecgs.age[rows]
    ages = ages[np.isfinite(ages)]
    known: dict[str, Any] = {"age": [float(ages.min()), float(ages.max())]} if len(ages) else {}
    learning = pipeline.learning_ecgs
    if learning is not None and len(learning.present):
        known["leads"] = int(np.median(learning.present.sum(axis=1)))
    paced = 0 if learning is None else int(learning.paced.sum())
    return {**known, "paced": paced, "n": len(rows)}


def training_data(pipeline: Pipeline) -> tuple[TrainingData, ...]:
    """What the bundle learnt from: the cohort, the corpora without labels, the virtual patients."""
    n_rows = len(pipeline.cohort) if pipeline.cohort.table else 0
    entries = [_data_entry(pipeline.cohort, "cohort", n_rows, pipeline.transductive)]
    entries += [_data_entry(corpus, "ECGs without labels", 0) for corpus in pipeline.data.corpora]
    if pipeline.uses_ecg and pipeline.study.pretrain.shipped:
        entries += [TrainingData(**item) for item in shipped_encoder().card["data"]]
    elif pipeline.uses_ecg and pipeline.study.pretrain.virtual:
        n = pipeline.study.pretrain.virtual
        entries.append(
            TrainingData("virtual patients", n, n, 0, use="ECGs with known causes", source="our generator")
        )
    return tuple(entries)


def _data_entry(cohort: Cohort, use: str, n_rows: int, transductive: bool = False) -> TrainingData:
    known = {key: cohort.provenance.get(key, "") for key in ("licence", "citation", "source", "dates")}
    return TrainingData(
        cohort.provenance.get("name", cohort.name),
        len(cohort.recordings),
        len(np.unique(cohort.patient_ids)),
        n_rows,
        use=use,
        transductive=transductive,
        **known,
    )


def _details(pipeline: Pipeline, results: Results, about: Mapping[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {
        "answers": {
            name: {"view": chosen.view, "why": chosen.why} for name, chosen in results.chosen.items()
        },
        "explanations": results.verdicts,
        "notes": results.notes,
        "alignment_balance": results.balance,
        "repairs": pipeline.data.repaired.to_json() if pipeline.data.repaired else None,
        "peak_memory_mib": about["peak_memory_mib"],
        "parameter_budget": PARAMETER_BUDGET,
        "study": pipeline.study.text,
    }
    if pipeline.uses_ecg:
        config = pipeline.encoder.config
        details["ecg_tokens"] = [config.n_patches + NOT_TIMES, config.width]
    return details


def _about(pipeline: Pipeline, results: Results) -> dict[str, Any]:
    return {
        "study": pipeline.study.name,
        "created": datetime.now().astimezone().isoformat(timespec="seconds"),
        "seed": pipeline.study.seed,
        "threads": pipeline.study.threads,
        "alignments": {task.name: task.alignment for task in pipeline.cohort.tasks},
        "answered_by": {name: chosen.view for name, chosen in results.chosen.items()},
        "transductive": pipeline.transductive,
        "stages_seconds": pipeline.workspace.seconds,
        "total_seconds": round(sum(pipeline.workspace.seconds.values()), 1),
        "peak_memory_mib": max(pipeline.workspace.peak_mib, peak_memory()),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
        "notes": results.notes,
    }


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode("utf-8")
