"""Searches: parameters that are understood or refused, pages that lead to the next one.

A parameter that is not known is refused, unless the client asks for leniency (`Prefer: handling=lenient`): a
filter that is left out in silence answers another question than the one that was asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from urllib.parse import urlencode

from fastapi import Request

from cardiofusion.serve.fhir.bundles import searchset
from cardiofusion.serve.fhir.outcome import FhirError
from cardiofusion.serve.fhir.terms import Json

COUNT, MAX_COUNT = 50, 200  # resources a page
MAX_OFFSET = 1_000_000
COMMON = ("_count", "_offset", "_sort", "_format", "_pretty")
ORDER = "-date"  # the only one: the newest case first


@dataclass(frozen=True)
class Asked:
    """A search: its parameters by name, and which part of what is found."""

    values: Mapping[str, str]
    count: int
    offset: int

    def of(self, *names: str) -> str:
        """The first of these parameters that is there; "" for none."""
        return next((self.values[name] for name in names if self.values.get(name)), "")


def asked(request: Request, known: Iterable[str]) -> Asked:
    """The parameters of a search. Raises FhirError "fhir.search"."""
    taken = {*known, *COMMON}
    lenient = "handling=lenient" in request.headers.get("prefer", "")
    values: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in taken:
            if lenient:
                continue
            raise wrong(f"the parameter {name[:40]!r} is not known", f"known: {', '.join(sorted(taken))}")
        if name in values:
            raise wrong(f"{name} is given twice", "give it once")
        values[name] = value
    if values.get("_sort", ORDER) != ORDER:
        raise wrong("this order is not offered", f"_sort={ORDER}")
    count, offset = _number(values, "_count", COUNT), _number(values, "_offset", 0)
    if offset > MAX_OFFSET:
        raise wrong("_offset is too large", "follow the links of the first page")
    return Asked(values, min(count, MAX_COUNT), offset)


def page_of(
    request: Request, asked: Asked, found: Iterable[tuple[str, Callable[[], Json]]], base: str
) -> Json:
    """The page that was asked for of all that is found. found: ("Type/id", what makes the resource)."""
    there = list(islice(found, asked.offset, asked.offset + asked.count + 1))
    entries = [(f"{base}/{name}", make()) for name, make in there[: asked.count]]
    address = f"{base}/{request.url.path.rpartition('/')[2]}"

    def at(offset: int) -> str:
        kept = {k: v for k, v in asked.values.items() if k != "_offset"}
        return f"{address}?{urlencode(kept | ({'_offset': str(offset)} if offset else {}))}"

    links = {"self": at(asked.offset)}
    if len(there) > asked.count and asked.count:
        links["next"] = at(asked.offset + asked.count)
    whole = asked.offset == 0 and len(there) <= asked.count
    return searchset(entries, links, len(there) if whole else None)


def token(text: str) -> set[tuple[str | None, str]]:
    """A token parameter: {(system, code)}, the system None where any will do."""
    found: set[tuple[str | None, str]] = set()
    for one in text.split(","):
        system, bar, code = one.strip().rpartition("|")
        found.add((system if bar else None, code))
    return found


def wrong(what: str, hint: str) -> FhirError:
    """A search that is not understood."""
    return FhirError("fhir.search", what, hint)


def _number(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise wrong(f"{name} is no number", f"for example {name}={COUNT}")
    return int(text)
