"""Clinical schemas and tasks as plain JSON, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cardiofusion.records import BundleError, ClinicalSchema, Column, InputError, Modality, Task


def task_views(task: Task) -> tuple[str, ...]:
    """What an answer can be made from: "ecg", "row" and, where the task may use both, "ecg+row"."""
    order: tuple[Modality, ...] = ("ecg", "row")
    alone = tuple(modality for modality in order if modality in task.modalities)
    return (*alone, "+".join(alone)) if len(alone) > 1 else alone


def task_to_json(task: Task) -> dict[str, Any]:
    """A task as manifest.schema.json has it; `targets` and `views` follow from the rest."""
    survival = {} if task.horizon is None else {"horizon": task.horizon}
    return {
        **survival,
        "name": task.name,
        "kind": task.kind,
        "labels": list(task.labels),
        "targets": list(task.targets),
        "modalities": list(task.modalities),
        "alignment": task.alignment,
        "question": task.question,
        "views": list(task_views(task)),
    }


def task_from_json(document: Mapping[str, Any]) -> Task:
    """The inverse of `task_to_json`. Raises BundleError where the entries contradict each other."""
    try:
        task = Task(
            document["name"],
            tuple(document["labels"]),
            document["kind"],
            tuple(document["modalities"]),
            document["alignment"],
            document["question"],
            document.get("horizon"),
        )
    except InputError as error:
        raise contradiction(error.message) from error
    if task.kind == "binary" and len(task.labels) != 2:
        raise contradiction(f"task {task.name} is binary but has {len(task.labels)} labels")
    if task_to_json(task) != document:
        raise contradiction(
            f"task {task.name}: targets or views do not follow from its labels and modalities"
        )
    return task


def schema_to_json(schema: ClinicalSchema) -> dict[str, Any]:
    """A clinical schema as manifest.schema.json has it; an infinite limit is null."""
    return {"columns": [_column_to_json(column) for column in schema]}


def schema_from_json(document: Mapping[str, Any]) -> ClinicalSchema:
    """The inverse of `schema_to_json`. Raises BundleError where the entries contradict each other."""
    schema = ClinicalSchema(tuple(_column_from_json(column) for column in document["columns"]))
    if len(set(schema.names)) < len(schema):
        raise contradiction("a clinical column stands twice")
    return schema


def contradiction(what: str) -> BundleError:
    """The error for a manifest that is well-formed but makes no sense."""
    return BundleError("bundle.manifest", f"manifest.json makes no sense: {what}", "train the bundle again")


def _column_to_json(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "kind": column.kind,
        "unit": column.unit,
        "low": column.low if math.isfinite(column.low) else None,
        "high": column.high if math.isfinite(column.high) else None,
        "categories": list(column.categories),
        "codes": dict(column.codes),
        "ordered": column.ordered,
        "may_be_missing": column.may_be_missing,
        "description": column.description,
    }


def _column_from_json(document: Mapping[str, Any]) -> Column:
    low = -math.inf if document["low"] is None else float(document["low"])
    high = math.inf if document["high"] is None else float(document["high"])
    limits = {"low": low, "high": high, "categories": tuple(document["categories"])}
    column = Column(**{**document, **limits, "codes": dict(document["codes"])})
    if column.kind == "category" and len(column.categories) < 2:
        raise contradiction(f"column {column.name} has fewer than two categories")
    if low > high:
        raise contradiction(f"column {column.name} has its range upside down")
    if not set(column.codes.values()) <= set(column.categories):
        raise contradiction(f"column {column.name} has a code for an unknown category")
    return column
