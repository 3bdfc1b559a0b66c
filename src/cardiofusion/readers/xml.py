"""XML from strangers: no entities, no network, no namespaces, and errors of ours.

Source: defusedxml's account of XML vulnerabilities (entity expansion, external entities).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from cardiofusion.readers.details import number
from cardiofusion.readers.format import HINT
from cardiofusion.records import RecordingError

MAX_ELEMENTS = 100_000  # of a 12-lead ECG with all its measurements, 3,000
MAX_DEPTH = 100

_ROOT = re.compile(rb"<(?:[A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s/>]")


def root_name(head: bytes) -> str | None:
    """The name of the first element, without its prefix; None where this does not begin like XML."""
    text = head.removeprefix(b"\xef\xbb\xbf")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", "ignore").encode()
    if not text.lstrip().startswith(b"<"):
        return None
    text = re.sub(rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^<>\[]*(?:\[.*?\]\s*)?>", b"", text, flags=re.DOTALL)
    match = _ROOT.match(text.lstrip())
    return match[1].decode("ascii", "replace") if match else None


def parse_xml(content: bytes, name: str) -> Element:
    """The root of a document, tags without namespaces. Raises RecordingError ("recording.xml")."""
    if content.count(b"<") > 2 * MAX_ELEMENTS:  # each begins and ends; parsed, they would take memory
        raise _crowded(name)
    try:
        root: Element = fromstring(content)
    except DefusedXmlException as error:
        raise _broken(
            name, "declares entities or reads other files", "no ECG needs that; do not trust it"
        ) from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise _broken(name, f"is no complete XML: {str(error)[:80]}", HINT) from error
    for count, (element, depth) in enumerate(_walk(root)):
        if count >= MAX_ELEMENTS or depth > MAX_DEPTH:
            raise _crowded(name)
        if isinstance(element.tag, str):
            element.tag = element.tag.rpartition("}")[2]
    return root


def text_of(parent: Element | None, path: str) -> str:
    """The text of the first element at `path`, without space around it; "" where there is none."""
    return ("" if parent is None else parent.findtext(path) or "").strip()


def number_of(parent: Element | None, path: str, name: str) -> float:
    """The number at `path`. Raises RecordingError where it is missing or no number."""
    text = text_of(parent, path)
    value = number(text)
    if value is None:
        what = f"{text[:20]!r} in place of a number" if text else "nothing"
        raise RecordingError("recording.header", f"{name} has {what} at {path}", HINT)
    return value


def _walk(root: Element) -> Iterator[tuple[Element, int]]:
    waiting = [(root, 1)]
    while waiting:
        element, depth = waiting.pop()
        yield element, depth
        waiting.extend((child, depth + 1) for child in element)


def _crowded(name: str) -> RecordingError:
    return _broken(name, f"has more than {MAX_ELEMENTS:,} elements or {MAX_DEPTH} levels", "this is no ECG")


def _broken(name: str, what: str, hint: str) -> RecordingError:
    return RecordingError("recording.xml", f"{name} {what}", hint)
