"""Several bundles as one: their tasks side by side, over one encoder and the union of their columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cardiofusion.bundle import Bundle, Manifest, read_bundle, write_bundle
from cardiofusion.records import BundleError, ClinicalSchema, Column, Task
from cardiofusion.report import model_card

BY_TASK = ("tabular.json", "conformal.json")  # documents with an entry a task
_MADE_ANEW = (*BY_TASK, "metrics.json", "model_card.html")


def combine_bundles(folders: Sequence[Path], out: Path, name: str, title: str = "") -> str:
    """Write one bundle that answers what all of these answer; its hash.

    A patient's row then has all their columns, and each task looks at its own. Raises BundleError where a
    task stands in two of them, where they have different encoders, or columns of one name that mean
    different things.
    """
    parts = [read_bundle(folder) for folder in folders]
    if len(parts) < 2:
        raise _refusal("one bundle alone is combined already", "name two or more")
    files = _files(parts)
    figures, about = _metrics(parts)
    files["metrics.json"] = _json({"format": 1, "about": {"study": name, **about}, "figures": figures})
    manifest = _manifest(parts, name, title)
    files["model_card.html"] = model_card(manifest.to_json(), figures).encode("utf-8")
    return write_bundle(out, manifest, files)


def _files(parts: Sequence[Bundle]) -> dict[str, bytes]:
    """Files of all parts; what two of them have must be the same, but for what is made anew."""
    files: dict[str, bytes] = {}
    for part in parts:
        for name in part.manifest.files:
            content = part.bytes(name)
            if name in _MADE_ANEW:
                continue
            if files.setdefault(name, content) != content:
                raise _refusal(f"two of the bundles have another {name}", "train them with one encoder")
    for name in BY_TASK:
        documents = [part.json(name) for part in parts if name in part]
        files[name] = _json({task: entry for document in documents for task, entry in document.items()})
    return files


def _metrics(parts: Sequence[Bundle]) -> tuple[dict[str, Any], dict[str, Any]]:
    documents = {part.manifest.name: part.json("metrics.json") for part in parts}
    figures = {key: figure for found in documents.values() for key, figure in found["figures"].items()}
    return figures, {"parts": {name: found["about"] for name, found in documents.items()}}


def _manifest(parts: Sequence[Bundle], name: str, title: str) -> Manifest:
    manifests = [part.manifest for part in parts]
    tasks = tuple(task for manifest in manifests for task in manifest.tasks)
    if len({task.name for task in tasks}) < len(tasks):
        raise _refusal("a task stands in two of the bundles", "give it another name in one study file")
    newest = max(manifests, key=lambda manifest: manifest.created)
    return replace(
        newest,
        name=name,
        title=title or name,
        tasks=tasks,
        schema=_schema(manifests),
        canonical=next((m.canonical for m in manifests if m.canonical), None),
        training_data=tuple(dict.fromkeys(data for m in manifests for data in m.training_data)),
        parameters={k: n for m in manifests for k, n in m.parameters.items() if k != "total"},
        population={},
        tree_leaves={k: n for m in manifests for k, n in m.tree_leaves.items()},
        split={f"{m.name}: {group}": n for m in manifests for group, n in m.split.items()},
        metrics={k: figure for m in manifests for k, figure in m.metrics.items()},
        stages={f"{m.name}: {stage}": s for m in manifests for stage, s in m.stages.items()},
        details=_details(manifests),
        files={},
    )


def _schema(manifests: Sequence[Manifest]) -> ClinicalSchema | None:
    """Every column once, as wide as any part has it."""
    columns: dict[str, Column] = {}
    for column in (column for m in manifests for column in m.schema or ()):
        columns[column.name] = _joined(columns.get(column.name, column), column)
    return ClinicalSchema(tuple(columns.values())) if columns else None


def _joined(one: Column, other: Column) -> Column:
    """One column for both. Codes stay only where both write the same thing alike."""
    if (one.kind, one.unit, one.categories) != (other.kind, other.unit, other.categories):
        hint = "kind, unit and categories, in order, must be the same"
        raise _refusal(f"the column {one.name} means two things", hint)
    return replace(
        one,
        low=min(one.low, other.low),
        high=max(one.high, other.high),
        codes=one.codes if one.codes == other.codes else {},
        may_be_missing=True if one != other else one.may_be_missing,
    )


def _details(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """What is said by task is put together; what is said of a whole study stands under its name."""
    by_task: dict[str, Any] = {}
    for key in ("answers", "explanations", "alignment_balance"):
        by_task[key] = {task: entry for m in manifests for task, entry in m.details.get(key, {}).items()}
    tokens = next((m.details["ecg_tokens"] for m in manifests if "ecg_tokens" in m.details), None)
    return {
        **by_task,
        "columns": {t.name: _of_task(m, "columns", t, _columns(m)) for m in manifests for t in m.tasks},
        "populations": {
            t.name: _of_task(m, "populations", t, dict(m.population)) for m in manifests for t in m.tasks
        },
        "notes": [note for m in manifests for note in m.details.get("notes", [])],
        "peak_memory_mib": max(m.details.get("peak_memory_mib", 0) for m in manifests),
        "parts": {m.name: _part(m) for m in manifests},
        **({} if tokens is None else {"ecg_tokens": tokens}),
    }


def _of_task(manifest: Manifest, key: str, task: Task, own: Any) -> Any:
    """What a bundle that is combined itself says of a task; else what holds for all of the bundle."""
    return manifest.details.get(key, {}).get(task.name, own)


def _columns(manifest: Manifest) -> list[str]:
    return list(manifest.schema.names) if manifest.schema else []


def _part(manifest: Manifest) -> Mapping[str, Any]:
    known = {key: manifest.details.get(key) for key in ("repairs", "study")}
    return {"created": manifest.created, "seed": manifest.seed, "threads": manifest.threads, **known}


def _refusal(what: str, hint: str) -> BundleError:
    return BundleError("bundle.combine", f"these bundles cannot be one: {what}", hint)


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, allow_nan=False).encode("utf-8")
