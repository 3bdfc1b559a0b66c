"""Text that any database takes, from files and forms that may hold anything.

PostgreSQL refuses the character NUL, no database takes half a surrogate pair (a file name that is no UTF-8
has such), and a key that is looked up has a largest length.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cardiofusion.records import InputError

LONGEST_NAME = 255  # characters of a file's name, as file systems have it
LONGEST_IDENTIFIER = 200  # of a patient's number
LONGEST_NOTE = 10_000
DEEPEST = 20  # values within values of a row
REPLACEMENT = "�"
# What carts and anonymisers write where there is no number: two files that say so need not be one person's.
# Few, and none that a hospital could give: "123456" may be somebody's.
_NO_NUMBER = re.compile(
    r"[0\s._/?*#-]*|x+|anon(ym(ous|i[sz]ed))?|unknown|test|none|null|nil|n/?a", re.IGNORECASE
)


def clean(text: str, longest: int | None = None) -> str:
    """`text` without what databases refuse, its end cut off where it is longer than that."""
    kept = text.replace("\0", REPLACEMENT).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return kept if longest is None else kept[:longest]


def clean_identifier(text: str | None) -> str:
    """A patient's number as it is looked up, "" for none and for a word that stands for none ("ANONYMOUS").

    Too long a one ends in a hash: others may begin as it does.
    """
    known = clean(text or "").strip()
    if _NO_NUMBER.fullmatch(known):
        return ""
    if len(known) <= LONGEST_IDENTIFIER:
        return known
    digest = hashlib.sha256(known.encode()).hexdigest()[:16]
    return f"{known[: LONGEST_IDENTIFIER - 17]}…{digest}"


def clean_names(names: Iterable[str]) -> list[str]:
    """File names, each once: two that differ only in what was replaced or cut off get a number."""
    found: list[str] = []
    for name in names:
        plain = kept = _shortened(clean(name))
        number = 1
        while kept in found:
            number += 1
            kept = f"{number} {plain}"[:LONGEST_NAME]
        found.append(kept)
    return found


def clean_row(row: Mapping[str, Any] | None) -> dict[str, Any]:
    """A clinical row as plain JSON. Raises InputError "serve.row" for what JSON cannot say."""
    return {clean(str(name)): _cleaned(value, DEEPEST) for name, value in (row or {}).items()}


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth and isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(part, depth - 1) for name, part in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_cleaned(part, depth - 1) for part in value]
    raise InputError(
        "serve.row", "a value of the row can be neither a number nor a word", "leave out what is not known"
    )


def _shortened(name: str) -> str:
    """Its beginning and its ending: the ending may say what the file is."""
    if len(name) <= LONGEST_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 16:
        return name[:LONGEST_NAME]
    return f"{stem[: LONGEST_NAME - 1 - len(ending)]}.{ending}"
