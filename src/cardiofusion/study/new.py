"""`study new`: a commented study file from a look at somebody's table and folder of ECGs."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from cardiofusion.datasets import ColumnLook, TableLook, look
from cardiofusion.study.guess import Guess, guess_column, guess_outcome, leaves_out, slug
from cardiofusion.study.sections import (
    Booster,
    Cmaf,
    Conformal,
    Evaluation,
    Heading,
    Key,
    Phenotypes,
    Pretrain,
    Split,
    TaskPlan,
)

CHECK = "# CHECK:"
_TUNABLE: Mapping[str, type[Any]] = {
    "pretrain": Pretrain,
    "split": Split,
    "booster": Booster,
    "cmaf": Cmaf,
    "conformal": Conformal,
    "phenotypes": Phenotypes,
    "evaluation": Evaluation,
}


def new_study(table: Path, ecg_folder: Path | None, file: Path) -> str:
    """The text of a study file for this table (CSV or Parquet) and these ECGs, to be saved at `file`.

    Every guess a person should confirm stands under a line "# CHECK:"; what could not be guessed is left
    empty, and `read_study` then names it. Columns that look like outcomes or follow-up are left out with a
    warning. Raises DatasetError where the table cannot be read.
    """
    seen = look(table, ecg_folder)
    outcome = guess_outcome(seen)
    lines = [
        *_opening(table),
        *_data(seen, table, ecg_folder, file.parent),
        *_columns(seen, outcome),
        *_task(seen, outcome),
        *_tunable(),
    ]
    return "\n".join(lines) + "\n"


def _opening(table: Path) -> Iterator[str]:
    yield f"# A study of {_comment(table.name)}, written from a look at its columns."
    yield f'# Look at every line "{CHECK}", then run: cardiofusion train THIS_FILE --out BUNDLE'
    yield "# A line that begins with # is a comment. Keys that are commented out show their default."
    yield "[study]"
    yield f"name = {_toml(slug(table.stem) or 'study')}"
    yield from _defaults(Heading, skip=("name",))


def _data(seen: TableLook, table: Path, ecg_folder: Path | None, home: Path) -> Iterator[str]:
    yield from (
        "",
        "[data]",
        'dataset = "folder"',
        f"table = {_toml(_from(home, table))}   # {seen.rows} rows",
    )
    if seen.patient is None:
        yield f"{CHECK} which column names the patient? Whole patients are kept on one side of every split."
    if any(column.name == seen.patient and column.distinct == seen.rows for column in seen.columns):
        yield f"{CHECK} never the same twice: is it the patient, or the visit?"
    yield f"patient = {_toml(seen.patient or '')}   # the column that names the patient"
    if ecg_folder is None:
        yield "# ecg = ...   # the column that names each row's ECG file, and ecg_folder = where they are"
    else:
        if seen.ecg is None:
            yield f"{CHECK} no column names the files in that folder: which one names each row's ECG?"
        yield f"ecg = {_toml(seen.ecg or '')}   # the column that names each row's ECG file"
        yield f"ecg_folder = {_toml(_from(home, ecg_folder))}"
    yield "# fold = ...      # a column of fold numbers, where the table has one"
    yield '# licence = ...   # what the bundle shall say about the licence of your data, as "CC BY 4.0"'


def _columns(seen: TableLook, outcome: str | None) -> Iterator[str]:
    yield from ("", "# Clinical columns: what is known of a patient before the outcome.")
    taken: list[str] = []
    others: list[str] = []
    for column in seen.columns:
        if column.name in (outcome, seen.patient, seen.ecg):
            continue
        reason = leaves_out(column)
        if reason:
            others.append(f"#   {_comment(column.name)}: {reason}")
            continue
        guess = guess_column(column, taken)
        taken.append(guess.plan.name)
        yield from _column(guess, column)
    if others:
        yield from ("", "# Left out; write a section [columns.NAME] for those that belong here:", *others)


def _column(guess: Guess, column: ColumnLook) -> Iterator[str]:
    yield from ("", f"[columns.{guess.plan.name}]")
    if column.missing:
        yield f"# missing in {column.missing:.1%} of the rows"
    yield from (f"{CHECK} {check}" for check in guess.checks)
    for name in ("source", "kind", "unit", "low", "high", "categories", "codes", "may_be_missing"):
        value = getattr(guess.plan, name)
        if value not in ("", (), {}, math.inf, -math.inf):
            yield f"{name} = {_toml(value)}"
    if guess.plan.kind == "category" and len(guess.plan.categories) > 2:
        yield "# ordered = true   # where the order of the categories means something"


def _task(seen: TableLook, outcome: str | None) -> Iterator[str]:
    yield from ("", f"{CHECK} is this the outcome? Everything in [columns] must be known before it.")
    rivals = [_comment(name) for name in seen.outcomes if name != outcome]
    if rivals:
        yield f"# These have two answers as well: {', '.join(rivals)}"
    yield f"[tasks.{slug(outcome or '') or 'outcome'}]"
    yield 'kind = "binary"   # or "multi_label": labels = [...] and columns = [...], one column a label'
    labels = (f"no {outcome}", outcome) if outcome else ("no", "yes")
    yield f"labels = {_toml(labels)}   # the absent one first"
    yield f"column = {_toml(outcome or '')}"
    yield from _outcome_words(next((column for column in seen.columns if column.name == outcome), None))
    yield 'question = ""   # the question in words, for the report'


def _outcome_words(column: ColumnLook | None) -> Iterator[str]:
    """How the table writes presence, where it is not one of the words every study knows."""
    if column is None:
        return
    first, second = sorted(re.sub(r"^(\d+)\.0*$", r"\1", text) for text in column.categories)
    if {first.casefold(), second.casefold()} <= {*TaskPlan.present, *TaskPlan.absent}:
        return
    yield f"{CHECK} which of the two means that it is present?"
    yield f"absent = {_toml((first,))}"
    yield f"present = {_toml((second,))}"


def _tunable() -> Iterator[str]:
    for name, cls in _TUNABLE.items():
        yield from ("", f"# {(cls.__doc__ or '').splitlines()[0]}", f"[{name}]")
        yield from _defaults(cls)


def _defaults(cls: type[Any], skip: Iterable[str] = ()) -> Iterator[str]:
    """Every key of a section, commented out, with its default and its words."""
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        if field.name not in skip:
            key: Key = hints[field.name].__metadata__[0]
            shown = "..." if field.default is None else _toml(field.default)
            yield f"# {field.name} = {shown}   # {key.words}"


def _from(home: Path, path: Path) -> str:
    """A path as written in a file that lies in `home`; absolute where there is no way from there."""
    try:
        return Path(os.path.relpath(path.resolve(), home.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _toml(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_toml(name)} = {_toml(entry)}" for name, entry in value.items()) + " }"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)


def _comment(text: str) -> str:
    """A heading inside a comment: on one line, whatever it holds."""
    return json.dumps(text)[1:-1]
