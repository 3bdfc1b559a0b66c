"""JSON in and out: what a stranger posts is parsed with limits, what leaves holds no text FHIR forbids."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from cardiofusion.records import InputError
from cardiofusion.report.wording import clean
from cardiofusion.serve.fhir.terms import Json

MEDIA_TYPE = "application/fhir+json"
TAKEN_TYPES = (MEDIA_TYPE, "application/json", "text/json")
MAX_BODY_BYTES = 32 << 20  # a 12-lead ECG of a megabyte a lead is half of that
MAX_DEPTH = 40
HINT = "see the FHIR R4 pages of the resource, and /fhir/metadata for what is taken here"


def parse_resource(content: bytes) -> Json:
    """A resource as a dict. Raises InputError "fhir.json": no JSON, no object, too deep, no resourceType."""
    document = parse_object(content)
    if not isinstance(document.get("resourceType"), str):
        raise InputError("fhir.json", "the body is no FHIR resource", HINT)
    return document


def parse_object(content: bytes) -> Json:
    """A JSON object. Raises InputError "fhir.json": no JSON, no object, too deep, text that is none."""
    try:
        document = json.loads(content.decode("utf-8-sig"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError("fhir.json", f"the body is no JSON: {str(error)[:80]}", HINT) from error
    if not isinstance(document, dict):
        raise InputError("fhir.json", "the body is no JSON object", HINT)
    if _depth(document) > MAX_DEPTH:
        raise InputError("fhir.json", "the body is nested too deeply", HINT)
    if b"\\u" in content and not all(map(_is_text, _texts(document))):
        raise InputError("fhir.json", "the body holds what is no text", HINT)
    return document


def resource_bytes(resource: Json) -> bytes:
    """A resource as JSON, UTF-8; control characters, which FHIR's strings may not have, are replaced."""
    return json.dumps(_cleaned(resource), ensure_ascii=False, allow_nan=False).encode()


def objects(parent: Any, key: str) -> list[Json]:
    """The objects of a list element; none where it is something else."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def object_of(parent: Any, key: str) -> Json:
    """An object element; empty where it is something else."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, dict) else {}


def text_of(parent: Any, key: str) -> str:
    """A string element without space around it; empty where it is something else."""
    value = parent.get(key) if isinstance(parent, dict) else None
    return value.strip() if isinstance(value, str) else ""


def _texts(document: Any) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict):
        for key, value in document.items():
            yield key
            yield from _texts(value)
    elif isinstance(document, list):
        for value in document:
            yield from _texts(value)


def _is_text(text: str) -> bool:
    """Escapes can say what is no text: half a character, or NUL, which a database may not take."""
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number in JSON")


def _depth(document: Any) -> int:
    """Without recursion, so that no document can be too deep for it."""
    level, depth = [document], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(inner, dict | list)
        ]
    return depth


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else clean(value)
    if isinstance(value, dict):
        return {key: _cleaned(entry) for key, entry in value.items()}
    return [_cleaned(entry) for entry in value] if isinstance(value, list) else value
