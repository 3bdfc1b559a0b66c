"""Where in a TOML text a key stands: tomllib does not say, and a mistake without a line is hard to find."""

from __future__ import annotations

import re
import tomllib

_HEADER = re.compile(r"^\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\-\"'.\s]+?)\s*=")


def line_of(text: str, where: tuple[str, ...]) -> int | None:
    """The line (from 1) of the key or section `where`, else of the nearest one around it; None for none."""
    found: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header, key = _HEADER.match(line), _KEY.match(line)
        if header:
            section = _parts(header[1])
            found.setdefault(section, number)
        elif key:
            found.setdefault((*section, *_parts(key[1])), number)
    return next((found[where[:n]] for n in range(len(where), 0, -1) if where[:n] in found), None)


def _parts(dotted: str) -> tuple[str, ...]:
    """The names in a dotted key, with TOML's own rules for quotes; empty where it is no key."""
    try:
        table = tomllib.loads(f"{dotted} = 0")
    except tomllib.TOMLDecodeError:
        return ()
    names = []
    while isinstance(table, dict):
        ((name, table),) = table.items()
        names.append(name)
    return tuple(names)
