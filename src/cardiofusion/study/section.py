"""One table of a study file -> the class in sections.py that describes it, or one clear line of complaint."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from cardiofusion.records import StudyError
from cardiofusion.study.sections import Key

MAX_ENTRIES = 10_000  # in one list
Where = tuple[str, ...]
_Section = TypeVar("_Section")
_KINDS: Mapping[type, str] = {
    str: "text in quotes",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


class MistakeError(Exception):
    """A mistake at a place; the file's name and line are added where both are known."""

    def __init__(self, code: str, where: Where, message: str, hint: str) -> None:
        super().__init__(message)
        self.code, self.where, self.message, self.hint = code, where, message, hint

    def located(self, prefix: str) -> StudyError:
        return StudyError(self.code, f"{prefix}: {self.message}", self.hint)


def parse_section(cls: type[_Section], table: object, where: Where, **given: object) -> _Section:
    """The section as its class; `given` are fields that stand elsewhere (a table's own name).

    Raises MistakeError for an unknown or missing key, a wrong type, or a value that makes no sense.
    """
    if not isinstance(table, Mapping):
        raise MistakeError(
            "study.type", where, f"[{'.'.join(where)}] is not a section", "write it as a table"
        )
    fields = {f.name: f for f in dataclasses.fields(cls) if f.name not in given}  # type: ignore[arg-type]
    hints = get_type_hints(cls, include_extras=True)
    for name in table:
        if name not in fields:
            unknown(name, fields, where, "key")
    for name, field in fields.items():
        if name not in table and _required(field):
            missing(name, where, hints[name].__metadata__[0].words)
    values = {
        name: _value(value, hints[name].__origin__, hints[name].__metadata__[0], (*where, name))
        for name, value in table.items()
    }
    return cls(**given, **values)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def missing(name: str, where: Where, words: str) -> NoReturn:
    """Complain that a key is not there."""
    place = f"[{'.'.join(where)}]" if where else "the study file"
    raise MistakeError("study.required", where, f"{place} needs {name!r}", f"{name}: {words}")


def unknown(name: str, known: Iterable[str], where: Where, what: str) -> NoReturn:
    """Complain about a name that means nothing, with the nearest ones that do."""
    known = list(known)
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.6)
    place = f" in [{'.'.join(where)}]" if where else ""
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    raise MistakeError(f"study.{what}", (*where, name), f"unknown {what} {name!r}{place}", hint)


def _value(value: object, wanted: Any, key: Key, where: Where) -> Any:
    """A TOML value as the annotated type `wanted`, within the key's limits."""
    origin, options = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        tuples = [option for option in options if get_origin(option) is tuple]
        others = [option for option in options if option in _KINDS]
        return _value(value, (tuples if tuples and isinstance(value, list) else others)[0], key, where)
    if origin is tuple:
        return _entries(value, options[0], key, where)
    if origin is Mapping:
        return _names(value, where)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return parse_section(wanted, value, where)
    return _within(_plain(value, wanted if wanted in _KINDS else str, key, where), key, where)


def _entries(value: object, wanted: Any, key: Key, where: Where) -> tuple[Any, ...]:
    if not isinstance(value, list):
        _wrong_type(value, "a list in [ ]", key.words, where)
    if len(value) > MAX_ENTRIES:
        raise MistakeError(
            "study.value", where, f"{where[-1]} has {len(value)} entries", f"at most {MAX_ENTRIES}"
        )
    entries = tuple(_value(entry, wanted, key, where) for entry in value)
    twice = next((entry for i, entry in enumerate(entries) if entry in entries[:i]), None)
    if twice is not None:
        raise MistakeError("study.value", where, f"{where[-1]} names {twice!r} twice", "once is enough")
    return entries


def _names(value: object, where: Where) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value.values()):
        _wrong_type(value, "names in braces", '{ 1 = "female", 2 = "male" }', where)
    return dict(value)


def _plain(value: object, kind: type, key: Key, where: Where) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        _wrong_type(value, _KINDS[kind], key.words, where)
    return value


def _within(value: Any, key: Key, where: Where) -> Any:
    if isinstance(value, str):
        if key.choices and value not in key.choices:
            near = difflib.get_close_matches(value, key.choices, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"one of: {', '.join(key.choices)}"
            raise MistakeError("study.value", where, f"{where[-1]} cannot be {value!r}", hint)
        if key.pattern and not re.fullmatch(key.pattern, value):
            raise MistakeError("study.value", where, f"{where[-1]} cannot be {value!r}", key.words)
    elif not (key.low <= value <= key.high and key.above < value < key.below):
        raise MistakeError("study.value", where, f"{where[-1]} = {value} makes no sense", _limits(key))
    return value


def _limits(key: Key) -> str:
    low = f"above {key.above:g}" if key.above > -math.inf else f"at least {key.low:g}"
    high = f"below {key.below:g}" if key.below < math.inf else f"at most {key.high:g}"
    return f"{low}, {high}: {key.words}"


def _wrong_type(value: object, wanted: str, words: str, where: Where) -> NoReturn:
    shown = repr(value)[:40]
    raise MistakeError("study.type", where, f"{where[-1]} = {shown} is not {wanted}", words)
