"""The manifest: what a bundle is, what it was made from, and the hash of everything in it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files as package_files
from typing import Any

from cardiofusion.bundle.json_schema import problem
from cardiofusion.bundle.schema_json import (
    contradiction,
    schema_from_json,
    schema_to_json,
    task_from_json,
    task_to_json,
)
from cardiofusion.records import BundleError, ClinicalSchema, Task

FORMAT_VERSION = 1
_PLAIN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_RESERVED = frozenset({"manifest.json", "manifest.sha256"})


@dataclass(frozen=True)
class Canonical:
    """The ECG as the encoder sees it: Hz, seconds and leads in order."""

    sampling_rate: float
    seconds: float
    leads: tuple[str, ...]


@dataclass(frozen=True)
class TrainingData:
    """One data set the bundle learnt from. `use` and `transductive`: see manifest.schema.json."""

    name: str
    n_recordings: int
    n_patients: int
    n_rows: int
    licence: str = ""
    citation: str = ""
    source: str = ""
    dates: str = ""
    use: str = ""
    transductive: bool = False


@dataclass(frozen=True)
class FileRecord:
    """What the manifest says of one file: SHA-256 (hexadecimal) and size in bytes."""

    sha256: str
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """Everything manifest.json says. manifest.schema.json explains each field.

    created: ISO 8601. cardiofusion: version of the package. schema: None without a clinical row;
    canonical: None without an encoder. parameters: part -> count, without the total.
    metrics: name -> Figure.to_json(). stages: name -> seconds. split: group -> patients.
    files: set by `write_bundle`.
    """

    name: str
    created: str
    cardiofusion: str
    seed: int
    threads: int
    tasks: tuple[Task, ...]
    schema: ClinicalSchema | None
    canonical: Canonical | None
    training_data: tuple[TrainingData, ...]
    parameters: Mapping[str, int]
    title: str = ""
    population: Mapping[str, Any] = field(default_factory=dict)
    tree_leaves: Mapping[str, int] = field(default_factory=dict)
    split: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, FileRecord] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    @property
    def total_parameters(self) -> int:
        """Trained numbers in all networks; tree leaves are counted apart."""
        return sum(self.parameters.values())

    def task(self, name: str) -> Task:
        """The task of that name. Raises BundleError where there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        known = ", ".join(task.name for task in self.tasks)
        raise BundleError("bundle.task", f"the bundle has no task {name!r}", f"it has: {known or 'none'}")

    def to_json(self) -> dict[str, Any]:
        """The document manifest.schema.json describes."""
        return {
            **{name: getattr(self, name) for name in _PLAIN},
            **{name: dict(getattr(self, name)) for name in _MAPPINGS},
            "tasks": [task_to_json(task) for task in self.tasks],
            "schema": None if self.schema is None else schema_to_json(self.schema),
            "canonical": self.canonical and {**asdict(self.canonical), "leads": list(self.canonical.leads)},
            "training_data": [asdict(data) for data in self.training_data],
            "parameters": {**self.parameters, "total": self.total_parameters},
            "files": {name: asdict(record) for name, record in self.files.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Manifest:
        """The inverse of `to_json`.

        Raises BundleError where the document breaks manifest.schema.json or contradicts itself.
        """
        wrong = problem(document, manifest_schema())
        if wrong:
            raise BundleError("bundle.manifest", f"manifest.json: {wrong}", "train the bundle again")
        for name in document["files"]:
            if not _PLAIN_NAME.fullmatch(name) or name in _RESERVED:
                raise BundleError(
                    "bundle.name",
                    f"{name!r} cannot be a file of a bundle",
                    "plain names, no folders or links",
                )
        return cls(
            **{name: document[name] for name in (*_PLAIN, *_MAPPINGS) if name in document},
            tasks=_tasks(document["tasks"]),
            schema=document["schema"] and schema_from_json(document["schema"]),
            canonical=document["canonical"] and _canonical(document["canonical"]),
            training_data=tuple(TrainingData(**data) for data in document["training_data"]),
            parameters=_parameters(document["parameters"]),
            files={name: FileRecord(**record) for name, record in document["files"].items()},
        )


_PLAIN = ("format_version", "name", "title", "created", "cardiofusion", "seed", "threads")
_MAPPINGS = ("population", "tree_leaves", "split", "metrics", "libraries", "stages", "details")


@cache
def manifest_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of manifest.json."""
    text = package_files("cardiofusion.bundle").joinpath("manifest.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _tasks(documents: list[Mapping[str, Any]]) -> tuple[Task, ...]:
    tasks = tuple(task_from_json(document) for document in documents)
    if len({task.name for task in tasks}) < len(tasks):
        raise contradiction("a task stands twice")
    return tasks


def _canonical(document: Mapping[str, Any]) -> Canonical:
    return Canonical(float(document["sampling_rate"]), float(document["seconds"]), tuple(document["leads"]))


def _parameters(document: Mapping[str, int]) -> dict[str, int]:
    parts = {name: int(count) for name, count in document.items() if name != "total"}
    if sum(parts.values()) != document["total"]:
        raise contradiction("the total of its parameters is not their sum")
    return parts
