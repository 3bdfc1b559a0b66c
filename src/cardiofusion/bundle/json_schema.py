"""The few words of JSON Schema (draft 2020-12) that our manifest uses, so the clinic needs no validator.

A test holds `problem` to the jsonschema package, and the schema file to the words known here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

KNOWN_WORDS = frozenset(
    {
        "$ref", "type", "enum", "properties", "required", "additionalProperties", "propertyNames",
        "items", "minItems", "maxItems", "uniqueItems", "minimum", "pattern", "maxLength",
        "$schema", "$id", "$defs", "title", "description",
    }
)  # fmt: skip


_LARGEST = 1e300  # a larger number is a mistake or an attack


def problem(document: object, schema: Mapping[str, Any]) -> str | None:
    """The first place where `document` breaks `schema`, in words; None where it does not."""
    return next(_problems(document, schema, schema, ""), None)


def _problems(value: object, schema: Mapping[str, Any], root: Mapping[str, Any], at: str) -> Iterator[str]:
    if not schema:  # anything goes, however deeply nested
        return
    if "$ref" in schema:
        yield from _problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    where = at or "the document"
    if "type" in schema and not any(_is(value, name) for name in _names(schema["type"])):
        yield f"{where} is not {' or '.join(_names(schema['type']))}"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} is none of {', '.join(map(str, schema['enum']))}"
    elif isinstance(value, Mapping):
        yield from _object_problems(value, schema, root, at)
    elif isinstance(value, list):
        yield from _array_problems(value, schema, root, at)
    else:
        yield from _scalar_problems(value, schema, where)


def _object_problems(
    value: Mapping[str, object], schema: Mapping[str, Any], root: Mapping[str, Any], at: str
) -> Iterator[str]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
    yield from (
        f"{at or 'the document'} lacks {name!r}" for name in schema.get("required", ()) if name not in value
    )
    for name, child in value.items():
        path = f"{at}.{name}" if at else name
        yield from _problems(name, schema.get("propertyNames", {}), root, f"the name {path}")
        if name in known:
            yield from _problems(child, known[name], root, path)
        elif others is False:
            yield f"{path} is not known"
        else:
            yield from _problems(child, {} if others is True else others, root, path)


def _array_problems(
    value: list[object], schema: Mapping[str, Any], root: Mapping[str, Any], at: str
) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        yield f"{at} has {len(value)} entries"
    if schema.get("uniqueItems") and len({json.dumps(item, sort_keys=True) for item in value}) < len(value):
        yield f"{at} names something twice"
    for i, item in enumerate(value):
        yield from _problems(item, schema.get("items", {}), root, f"{at}[{i}]")


def _scalar_problems(value: object, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield f"{where} is {value[:40]!r}, which it cannot be"
        if len(value) > schema.get("maxLength", math.inf):
            yield f"{where} is too long"
    elif _is(value, "number") and value < schema.get("minimum", -math.inf):
        yield f"{where} is below {schema['minimum']}"


def _names(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool) or value is None:
        return name == ("null" if value is None else "boolean")
    if isinstance(value, int | float):
        finite = abs(value) < _LARGEST
        return finite and (name == "number" or (name == "integer" and value == int(value)))
    return isinstance(value, {"string": str, "array": list, "object": Mapping}.get(name, ()))
