"""The study file: a TOML text -> a checked `Study`, or one clear line that says what is wrong and where."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cardiofusion.datasets import FolderSpec
from cardiofusion.records import Modality, StudyError
from cardiofusion.study.position import line_of
from cardiofusion.study.section import MistakeError, missing, parse_section, unknown
from cardiofusion.study.sections import (
    PUBLISHED,
    Booster,
    Cmaf,
    ColumnPlan,
    Conformal,
    Corpus,
    Data,
    Evaluation,
    Heading,
    Phenotypes,
    Pretrain,
    Split,
    TaskPlan,
)
from cardiofusion.study.sense import check_sense

MAX_STUDY_BYTES = 2**20
DATA_VARIABLE = "CARDIOFUSION_DATA"
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_COLUMN_NAME = re.compile(r"[^\s=]{1,60}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Study:
    """A checked study file: one attribute a section (see sections.py), and the file itself.

    columns: only for a cohort of one's own. file: where it was read from. text: its content, with comments.
    """

    heading: Heading
    data: Data
    tasks: tuple[TaskPlan, ...]
    columns: tuple[ColumnPlan, ...]
    pretrain: Pretrain
    split: Split
    booster: Booster
    cmaf: Cmaf
    conformal: Conformal
    phenotypes: Phenotypes
    evaluation: Evaluation
    file: Path
    text: str = field(repr=False)

    @property
    def name(self) -> str:
        return self.heading.name

    @property
    def title(self) -> str:
        return self.heading.title or self.heading.name

    @property
    def seed(self) -> int:
        return self.heading.seed

    @property
    def threads(self) -> int:
        return self.heading.threads

    def folder_spec(self, environ: Mapping[str, str] | None = None) -> FolderSpec:
        """How a cohort of one's own (dataset = "folder") is read. Raises StudyError (see folder_of)."""
        home = self.folder_of(self.data, environ)
        return FolderSpec(
            table=home / self.data.table,
            patient=self.data.patient,
            columns={plan.name: plan.spec() for plan in self.columns},
            tasks={plan.name: plan.spec() for plan in self.tasks},
            ecg=self.data.ecg or None,
            ecg_folder=home / self.data.ecg_folder if self.data.ecg else None,
            fold=self.data.fold or None,
            name=self.name,
            provenance={"licence": self.data.licence} if self.data.licence else {},
        )

    def folder_of(self, source: Data | Corpus, environ: Mapping[str, str] | None = None) -> Path:
        """The folder a data set or corpus is read from.

        A published one is `$CARDIOFUSION_DATA/<its name>` where that variable is set; else, as every other,
        its `path`, from the study file's folder, ${NAME} replaced. Raises StudyError without either.
        """
        variables = os.environ if environ is None else environ
        if source.dataset in PUBLISHED and variables.get(DATA_VARIABLE):
            return Path(variables[DATA_VARIABLE]) / source.dataset
        if not source.path and source.dataset in PUBLISHED:
            raise StudyError(
                "study.path",
                f"{self.file.name} does not say where {source.dataset} is",
                f"add path = ..., or set {DATA_VARIABLE} to the folder that holds {source.dataset}",
            )
        return self.file.parent / Path(_expanded(source.path, variables, self.file.name)).expanduser()

    def fingerprint(self, *sections: str, extra: Mapping[str, Any] | None = None) -> str:
        """A stable hash of the seed, the threads and these sections; `extra`: anything else that matters.

        Comments, titles and the order of keys do not change it; nor does the data's content.
        """
        parts = {name: _as_json(getattr(self, name)) for name in sections}
        chosen = {"seed": self.seed, "threads": self.threads, "sections": parts, "extra": dict(extra or {})}
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode("utf-8")).hexdigest()[:16]


def read_study(path: Path) -> Study:
    """Read and check a study file. Raises StudyError: one line with the file's name and line, and a hint."""
    return parse_study(_read(path), path)


def parse_study(text: str, path: Path) -> Study:
    """Check the text of a study file that lies (or will lie) at `path`. Raises StudyError."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _syntax_error(error, path) from error
    try:
        study = _study(document, path, text)
        check_sense(study)
    except MistakeError as mistake:
        line = line_of(text, mistake.where)
        raise mistake.located(path.name if line is None else f"{path.name} line {line}") from None
    return study


_SECTIONS: Mapping[str, type[Any]] = {
    "study": Heading,
    "data": Data,
    "pretrain": Pretrain,
    "split": Split,
    "booster": Booster,
    "cmaf": Cmaf,
    "conformal": Conformal,
    "phenotypes": Phenotypes,
    "evaluation": Evaluation,
}


def _study(document: Mapping[str, Any], path: Path, text: str) -> Study:
    for name in document:
        if name not in {*_SECTIONS, "columns", "tasks"}:
            unknown(name, [*_SECTIONS, "columns", "tasks"], (), "section")
    for name in ("study", "data", "tasks"):
        if name not in document:
            missing(name, (), f"write a section [{name}]" if name != "tasks" else "write [tasks.NAME]")
    parts = {name: parse_section(cls, document.get(name, {}), (name,)) for name, cls in _SECTIONS.items()}
    columns: tuple[ColumnPlan, ...] = _plans(ColumnPlan, document, "columns", _COLUMN_NAME)
    tasks: tuple[TaskPlan, ...] = _plans(TaskPlan, document, "tasks", _PLAIN_NAME)
    return Study(
        heading=parts.pop("study"),
        tasks=tuple(_with_modalities(task, parts["data"], columns) for task in tasks),
        columns=columns,
        file=path,
        text=text,
        **parts,
    )


def _plans(
    cls: type[Any], document: Mapping[str, Any], section: str, names: re.Pattern[str]
) -> tuple[Any, ...]:
    """The sub-sections [section.NAME], each as its class."""
    tables = document.get(section, {})
    if not isinstance(tables, Mapping) or (section in document and not tables):
        raise MistakeError("study.type", (section,), f"{section} is not a section", f"write [{section}.NAME]")
    for name in tables:
        if not names.fullmatch(name):
            raise MistakeError(
                "study.value",
                (section, name),
                f"[{section}.{name}] is no usable name",
                "letters, digits, - and _",
            )
    return tuple(parse_section(cls, table, (section, name), name=name) for name, table in tables.items())


def _with_modalities(task: TaskPlan, data: Data, columns: tuple[ColumnPlan, ...]) -> TaskPlan:
    """A task that does not choose may use all there is; what a published data set has, it says itself."""
    if task.modalities or (task.alignment == "matched" and data.dataset != "folder"):
        return task
    there: dict[Modality, bool] = {"ecg": bool(data.ecg), "row": bool(columns)}
    chosen = tuple(name for name, present in there.items() if present or task.alignment != "matched")
    return dataclasses.replace(task, modalities=chosen)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_STUDY_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StudyError(
            "study.missing",
            f"cannot read {path.name}: {reason}",
            "`cardiofusion study new` writes a study file",
        ) from error
    try:
        if len(raw) <= MAX_STUDY_BYTES:
            return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise StudyError("study.text", f"{path.name} is not a study file", "it must be TOML text in UTF-8")


def _syntax_error(error: Exception, path: Path) -> StudyError:
    found = re.fullmatch(r"(.*?)(?: \(at line (\d+), column (\d+)\))?", str(error), flags=re.DOTALL)
    what, line, column = found.groups() if found else (str(error), None, None)
    where = f"{path.name} line {line}, column {column}" if line else path.name
    hint = "text stands in quotes, a list in [ ], one key = value on a line"
    return StudyError("study.toml", f"{where}: {' '.join(what.split())}", hint)


def _expanded(path: str, variables: Mapping[str, str], file: str) -> str:
    for name in _VARIABLE.findall(path):
        if name not in variables:
            raise StudyError(
                "study.variable", f"{file}: the path {path!r} needs ${name}, which is not set", f"set {name}"
            )
    return _VARIABLE.sub(lambda match: variables[match[1]], path)


def _as_json(part: Any) -> Any:
    if isinstance(part, tuple):
        return [_as_json(entry) for entry in part]
    return dataclasses.asdict(part) if dataclasses.is_dataclass(part) and not isinstance(part, type) else part
