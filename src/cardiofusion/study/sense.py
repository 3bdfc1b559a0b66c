"""Whether the sections of a study file make sense together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

from cardiofusion.study.section import MistakeError, Where, missing, unknown
from cardiofusion.study.sections import OUTCOMES, ColumnPlan, Data, Split, TaskPlan

if TYPE_CHECKING:
    from cardiofusion.study.file import Study

_FOLDER_ONLY = ("table", "patient", "ecg", "ecg_folder", "fold", "licence")
_TASK_FOLDER_ONLY = ("kind", "labels", "column", "columns", "time", "time_unit")
_SURVIVAL_ONLY = ("time", "time_unit", "horizon")
_WITH_ECG = ("ptb-xl", "code15", "virtual")


def check_sense(study: Study) -> None:
    """Raise MistakeError at the first contradiction between keys or sections."""
    _check_data(study)
    _check_split(study.split, study)
    for column in study.columns:
        _check_column(column)
    for task in study.tasks:
        _check_task(task, study)
    if study.cmaf.width % 4:
        _refuse(("cmaf", "width"), f"width = {study.cmaf.width} is not a multiple of 4", "for example 32")


def has_ecg(study: Study) -> bool:
    """Whether the cohort brings its patients' own ECGs."""
    data = study.data
    return bool(data.ecg) if data.dataset == "folder" else data.dataset in _WITH_ECG


def _check_data(study: Study) -> None:
    data = study.data
    if data.dataset != "virtual" and data.patients != Data.patients:
        _refuse(("data", "patients"), "patients is for virtual patients only", "leave it out")
    if data.dataset == "virtual" and data.path:
        _refuse(("data", "path"), "virtual patients need no path", "leave it out")
    if data.dataset == "folder":
        _check_folder(study)
        return
    if not OUTCOMES[data.dataset]:
        hint = "use it as one of the corpora in [pretrain]"
        _refuse(("data", "dataset"), f"{data.dataset} has no outcome to learn", hint)
    for name in _FOLDER_ONLY:
        if getattr(data, name):
            _refuse(("data", name), f'{name} is for dataset = "folder" only', "leave it out")
    if study.columns:
        where = ("columns", study.columns[0].name)
        _refuse(where, f"{data.dataset} brings its own columns", 'leave them out, or use dataset = "folder"')


def _check_folder(study: Study) -> None:
    data = study.data
    for name, words in (
        ("table", "the CSV or Parquet table"),
        ("patient", "the column that names the patient"),
    ):
        if not getattr(data, name):
            missing(name, ("data",), words)
    if data.ecg_folder and not data.ecg:
        missing("ecg", ("data",), "the table's column that names each patient's ECG file")
    if not data.ecg and not study.columns:
        missing("columns", (), "clinical columns ([columns.NAME]), an ECG column (data.ecg), or both")
    for column in study.columns:
        if column.table_column in (data.patient, data.ecg, data.fold):
            where = ("columns", column.name)
            _refuse(where, f"{column.table_column} is named in [data] already", "leave this column out")


def _check_split(split: Split, study: Study) -> None:
    groups = {name: getattr(split, name) for name in ("train", "calibrate", "test")}
    as_folds = [isinstance(group, tuple) for group in groups.values()]
    if any(as_folds) and not all(as_folds):
        _refuse(
            ("split",), "[split] mixes folds and shares", "give all three as folds, or all three as shares"
        )
    if all(as_folds):
        _check_folds(groups, study)
        return
    for name, share in groups.items():
        if not 0.0 < share < 1.0:
            _refuse(("split", name), f"{name} = {share} is no share of the patients", "between 0 and 1")
    if abs(sum(groups.values()) - 1.0) > 1e-6:
        total = sum(groups.values())
        _refuse(("split",), f"train, calibrate and test add up to {total:g}", "the three shares make 1")


def _check_folds(groups: dict[str, tuple[int, ...]], study: Study) -> None:
    seen: dict[int, str] = {}
    for name, folds in groups.items():
        if not folds:
            _refuse(("split", name), f"{name} has no folds", "for example [1, 2, 3]", "study.folds")
        for fold in folds:
            if fold in seen:
                message = f"fold {fold} is in {seen[fold]} and in {name}"
                _refuse(("split", name), message, "a patient is in one group only", "study.folds")
            seen[fold] = name
    if study.data.dataset != "ptb-xl" and not study.data.fold:
        hint = "give shares: train = 0.6, calibrate = 0.25, test = 0.15"
        _refuse(("split",), f"{study.data.dataset} has no folds", hint, "study.folds")


def _check_column(column: ColumnPlan) -> None:
    where = ("columns", column.name)
    if column.kind == "number":
        for name in ("categories", "codes", "ordered"):
            if getattr(column, name):
                _refuse((*where, name), f"{name} is for a category, not a number", 'kind = "category"?')
        if not column.low < column.high:
            _refuse(
                (*where, "low"), f"low = {column.low:g} is not below high = {column.high:g}", "swap them?"
            )
        return
    if len(column.categories) < 2:
        missing("categories", where, "at least two names, in order")
    if column.unit or column.low > float("-inf") or column.high < float("inf"):
        _refuse(where, f"{column.name} is a category: no unit, low or high", 'kind = "number"?')
    for name in column.codes.values():
        if name not in column.categories:
            unknown(name, column.categories, (*where, "codes"), "category")


def _check_task(task: TaskPlan, study: Study) -> None:
    where = ("tasks", task.name)
    if study.data.dataset == "folder":
        _check_own_task(task, study, where)
    else:
        for name in _TASK_FOLDER_ONLY:
            if getattr(task, name) != getattr(TaskPlan, name):
                _refuse((*where, name), f"{study.data.dataset} brings its own {name}", "leave it out")
        if task.outcome_name not in OUTCOMES[study.data.dataset]:
            place = (*where, "outcome") if task.outcome else where
            unknown(task.outcome_name, OUTCOMES[study.data.dataset], place, "outcome")
    _check_alignment(task, study, where)


def _check_alignment(task: TaskPlan, study: Study, where: Where) -> None:
    wants_ecg = "ecg" in task.modalities
    if task.alignment == "matched":
        if wants_ecg and not has_ecg(study):
            hint = 'alignment = "covariate" or "latent" with corpora in [pretrain], or modalities = ["row"]'
            _refuse(where, f"{study.data.dataset} has no ECGs of its own patients", hint, "study.alignment")
    elif not has_ecg(study) and not study.pretrain.corpora:
        hint = 'corpora = [{ dataset = "ptb-xl", path = "..." }] in [pretrain]'
        message = f"{task.alignment} alignment needs ECGs of other people"
        _refuse((*where, "alignment"), message, hint, "study.alignment")
    if "row" in task.modalities and study.data.dataset == "folder" and not study.columns:
        _refuse((*where, "modalities"), "there are no clinical columns", "add [columns.NAME]")


def _check_own_task(task: TaskPlan, study: Study, where: Where) -> None:
    if not task.kind:
        missing("kind", where, '"binary", "multi_label" or "survival"')
    if not task.labels:
        missing("labels", where, 'binary: ["no event", "event"]; multi_label: the name of each')
    if task.outcome:
        _refuse(
            (*where, "outcome"), "outcome is for published data sets", "name the table's column: column = ..."
        )
    _check_kind(task, where)
    both = {word.casefold() for word in task.present} & {word.casefold() for word in task.absent}
    if both:
        hint = "write both: present = [...] and absent = [...]"
        _refuse((*where, "present"), f"{min(both)!r} means both present and absent", hint)
    for name in _leaks(task, study):
        hint = "an outcome cannot be its own explanation: leave the column out"
        _refuse(("columns", name), f"[columns.{name}] is the outcome of {task.name}", hint, "study.leak")


def _check_kind(task: TaskPlan, where: Where) -> None:
    """Labels and columns as the kind wants them."""
    for name in _SURVIVAL_ONLY if task.kind != "survival" else ():
        if getattr(task, name) != getattr(TaskPlan, name):
            _refuse((*where, name), f"{name} is for a survival task only", 'kind = "survival"?')
    if task.kind == "binary":
        if len(task.labels) != 2:
            _refuse(
                (*where, "labels"), f"a binary task has 2 labels, not {len(task.labels)}", "absent one first"
            )
        if task.columns or not task.column:
            missing("column", where, "the one column of the table with the outcome")
    elif task.kind == "survival":
        _check_times(task, where)
    elif task.column or len(task.columns) != len(task.labels):
        missing("columns", where, f"one column of the table for each of the {len(task.labels)} labels")


def _check_times(task: TaskPlan, where: Where) -> None:
    """A survival task names its event, two columns and a horizon."""
    if task.columns:
        _refuse((*where, "columns"), "columns is for multi_label tasks", "write time = ... and column = ...")
    if len(task.labels) != 1:
        _refuse(
            (*where, "labels"), f"a survival task has one label, not {len(task.labels)}", 'as in ["death"]'
        )
    for name, words in (
        ("column", "the column that says whether the event came"),
        ("time", "the column with the time until then, or until observation ended"),
        ("horizon", "the years at which the risk is asked for"),
    ):
        if not getattr(task, name):
            missing(name, where, words)


def _leaks(task: TaskPlan, study: Study) -> Iterator[str]:
    yield from (plan.name for plan in study.columns if plan.table_column in task.outcome_columns)


def _refuse(where: Where, message: str, hint: str, code: str = "study.value") -> NoReturn:
    raise MistakeError(code, where, message, hint)
