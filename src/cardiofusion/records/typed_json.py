"""Plain JSON to dataclasses by their annotations, and back: what is not of the type asked for is refused.

Known are dataclasses, `tuple[X, ...]` and `tuple[X, Y]` (lists in JSON), `Mapping[str, X]`, `Literal`,
unions, `str`, `float`, `int`, `bool`, `None`, and `Any` for whatever JSON can hold. A number is finite.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from cardiofusion.records.errors import InputError

_Made = TypeVar("_Made")
# Deeper than anything of ours, and far from where Python gives up.
DEPTH_LIMIT = 32


def from_json(kind: type[_Made], document: object, name: str) -> _Made:
    """A `kind` of a JSON document; fields that have a default may be absent.

    name: what the document is, for the error. Raises InputError "input.document".
    """
    return cast(_Made, _made(kind, document, name))


def plain(value: Any) -> Any:
    """The inverse: dataclasses and mappings as dicts, tuples as lists, all else as it is."""
    if isinstance(value, str | float | int | None):
        return value
    if dataclasses.is_dataclass(value):
        return {name: plain(getattr(value, name)) for name in _fields(cast(type, type(value)))[0]}
    if isinstance(value, Mapping):
        return {name: plain(entry) for name, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def refusal(where: str, problem: str) -> InputError:
    """The error for a place in a document that is not what it should be."""
    return InputError("input.document", f"{where} {problem}", "give a document as CardioFusion wrote it")


def _made(kind: Any, value: object, where: str) -> object:
    origin, inner = get_origin(kind), get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass(cast(type, kind), value, where)
    if origin is tuple:
        return _tuple(inner, value, where)
    if origin is Mapping:
        return {key: _made(inner[1], entry, f"{where}.{key}") for key, entry in _object(value, where).items()}
    if origin is Literal:
        return _one_of(inner, value, where)
    if origin in (Union, types.UnionType):
        return _any_of(inner, value, where)
    return _plain(value, where, DEPTH_LIMIT) if kind is Any else _scalar(kind, value, where)


def _dataclass(kind: type, value: object, where: str) -> object:
    given, hints, optional = _object(value, where), *_fields(kind)
    for name in given:
        if name not in hints:
            raise refusal(where, f"holds {name!r}, which is not known")
    for name in hints:
        if name not in given and name not in optional:
            raise refusal(where, f"lacks {name!r}")
    return kind(**{name: _made(hints[name], entry, f"{where}.{name}") for name, entry in given.items()})


@cache
def _fields(kind: type) -> tuple[Mapping[str, Any], frozenset[str]]:
    """Each field's type, and the names of those with a default."""
    hints, fields = get_type_hints(kind), dataclasses.fields(kind)
    missing = dataclasses.MISSING
    optional = (f.name for f in fields if (f.default, f.default_factory) != (missing, missing))
    return {f.name: hints[f.name] for f in fields}, frozenset(optional)


def _tuple(inner: tuple[Any, ...], value: object, where: str) -> tuple[object, ...]:
    if not isinstance(value, list):
        raise refusal(where, "is not a list")
    kinds = (inner[0],) * len(value) if inner[-1] is ... else inner
    if len(value) != len(kinds):
        raise refusal(where, f"does not hold exactly {len(kinds)} entries")
    return tuple(_made(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))


def _object(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise refusal(where, "is not an object")
    return value


def _one_of(choices: tuple[object, ...], value: object, where: str) -> object:
    if not isinstance(value, str) or value not in choices:
        raise refusal(where, f"is none of {', '.join(map(str, choices))}")
    return value


def _any_of(kinds: tuple[Any, ...], value: object, where: str) -> object:
    """The first of `kinds` that it is; where it is none of them, the last one's error says what is wrong."""
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    for kind in others[:-1]:
        try:
            return _made(kind, value, where)
        except InputError:
            continue
    return _made(others[-1], value, where)


def _scalar(kind: Any, value: object, where: str) -> object:
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    if kind is float or type(value) is not kind:
        raise refusal(where, f"is not {'a number' if kind is float else f'of type {kind.__name__}'}")
    return value


def _finite(value: float, where: str) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise refusal(where, "is not a finite number")
    return number


def _plain(value: object, where: str, depth: int) -> object:
    """Whatever JSON can hold, checked all through."""
    if depth == 0:
        raise refusal(where, "is nested too deeply")
    if isinstance(value, Mapping):
        return {
            key: _plain(entry, f"{where}.{key}", depth - 1) for key, entry in _object(value, where).items()
        }
    if isinstance(value, list):
        return [_plain(entry, where, depth - 1) for entry in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        _finite(value, where)
    elif value is not None and not isinstance(value, str | bool):
        raise refusal(where, "is nothing that JSON can hold")
    return value
