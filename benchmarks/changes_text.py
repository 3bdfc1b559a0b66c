"""Changes to text and to XML: tokens, numbers, lines, elements; entities, depth and crowds."""

from __future__ import annotations

import re
from functools import lru_cache

from changes_bytes import (
    Change,
    Rng,
    append,
    blank_block,
    change_bytes,
    change_edge,
    cut,
    cut_a_little,
    drop_block,
    flip_bit,
    grow,
    repeat_block,
)  # fmt: skip

TOKENS = (
    b"", b"0", b"-1", b"1e999", b"nan", b"inf", b"99999999999999999999", b"2147483648", b"-32768", b"65536",
    b"1e-300", b"0x10", b"1,5", b"1_000", b"../../etc/passwd", b"/dev/zero", b"file:///etc/passwd", b"%s%n",
    b"\xff\xfe", b"\0", b"\r\n", b"mmHg", b"\xb5V", b"uV", b"mV", b"V", b"nV", b"MILLIVOLTS", b"I", b"V1",
    b"aVR", b"V9", b"TRUE", b"500", b"250", b"1000", b"12", b"1000000000", b"A" * 3000, "Ⅳ٣".encode(),
    b"&#0;",
    b"&lol;", b"<x>", b"'\"", b"\x1b$B",
)  # fmt: skip
DEEP = 20_000


@lru_cache
def places_of(content: bytes, pattern: bytes) -> list[tuple[int, int]]:
    """Where the first group of a pattern lies: the first ones, which describe, and some of the samples."""
    found = [match.span(1) for match in re.finditer(pattern, content)]
    return found[:300] + found[300 :: max(1, (len(found) - 300) // 300)]


def put(content: bytes, pattern: bytes, rng: Rng, new: bytes | None = None) -> bytes:
    """Replace one place of a pattern by a token."""
    places = places_of(content, pattern)
    if not places:
        return content
    begin, end = places[int(rng.integers(len(places)))]
    return content[:begin] + (token(rng) if new is None else new) + content[end:]


def token(rng: Rng) -> bytes:
    return TOKENS[int(rng.integers(len(TOKENS)))]


def swap_token(content: bytes, rng: Rng) -> bytes:
    return put(content, rb"([^\s,:/]+)", rng)


def insert_token(content: bytes, rng: Rng) -> bytes:
    position = int(rng.integers(0, len(content)))
    return content[:position] + token(rng) + content[position:]


def change_digit(content: bytes, rng: Rng) -> bytes:
    return put(content, rb"(\d)", rng, str(rng.integers(0, 10)).encode())


def change_sign_or_point(content: bytes, rng: Rng) -> bytes:
    return put(content, rb"([-.])", rng, bytes(rng.choice([b"", b"-", b".", b","])))


def swap_lines(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    one, two = rng.integers(0, len(lines), size=2)
    lines[one], lines[two] = lines[two], lines[one]
    return b"\n".join(lines)


def drop_line(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    del lines[int(rng.integers(min(len(lines), 40 if rng.random() < 0.7 else len(lines))))]
    return b"\n".join(lines)


def repeat_line(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    at = int(rng.integers(min(len(lines), 40 if rng.random() < 0.7 else len(lines))))
    return b"\n".join([*lines[:at], lines[at], *lines[at:]])


TEXT: tuple[Change, ...] = (
    change_bytes, change_edge, flip_bit, cut, cut_a_little, grow, append, drop_block, repeat_block,
    blank_block,
    swap_token, swap_token, insert_token, change_digit, change_digit, change_sign_or_point, swap_lines,
    drop_line,
    repeat_line,
)  # fmt: skip


_LEAF_TEXT = rb">([^<>\s][^<>]{0,60})</"
_ATTRIBUTE = rb'="([^"<>]{0,200})"'
_LEAF = rb"(<([A-Za-z]\w*)(?:\s[^<>]*)?(?:/>|>[^<]*</\2>))"
_BETWEEN = rb">()<"
_NAME = rb"</?([A-Za-z]\w*)"


def swap_text(content: bytes, rng: Rng) -> bytes:
    return put(content, _LEAF_TEXT, rng)


def swap_attribute(content: bytes, rng: Rng) -> bytes:
    return put(content, _ATTRIBUTE, rng)


def change_header_digit(content: bytes, rng: Rng) -> bytes:
    return put(content, rb"[>\"=](\d)", rng, str(rng.integers(0, 10)).encode())


def drop_element(content: bytes, rng: Rng) -> bytes:
    return put(content, _LEAF, rng, b"")


def _leaf(content: bytes, rng: Rng) -> bytes:
    places = places_of(content, _LEAF)
    begin, end = places[int(rng.integers(len(places)))]
    return content[begin:end]


def repeat_element(content: bytes, rng: Rng) -> bytes:
    element = _leaf(content, rng)
    return content.replace(element, element * int(rng.integers(2, 4)), 1)


def move_element(content: bytes, rng: Rng) -> bytes:
    element = _leaf(content, rng)
    return put(content.replace(element, b"", 1), _BETWEEN, rng, element)


def exchange_elements(content: bytes, rng: Rng) -> bytes:
    one, two = _leaf(content, rng), _leaf(content, rng)
    return content.replace(one, b"\0", 1).replace(two, one, 1).replace(b"\0", two, 1)


def rename_element(content: bytes, rng: Rng) -> bytes:
    return put(content, _NAME, rng, b"other")


def declare_entities(content: bytes, rng: Rng) -> bytes:
    """A billion laughs, or a file of the machine."""
    laughs = b"".join(b'<!ENTITY e%d "%s">' % (k + 1, b"&e%d;" % k * 10) for k in range(9))
    kinds = (b'<!ENTITY e0 "ha">' + laughs, b'<!ENTITY e9 SYSTEM "file:///etc/hostname">',
             b'<!ENTITY % e9 SYSTEM "http://localhost:9/x.dtd"> %e9;', b'<!ENTITY e9 "5">')  # fmt: skip
    root = re.search(rb"<([A-Za-z][\w.:-]*)", content)
    assert root is not None
    doctype = b"<!DOCTYPE %s [%s]>" % (root[1], kinds[int(rng.integers(len(kinds)))])
    bare = re.sub(rb"<!DOCTYPE[^>]*>", b"", content, count=1)
    at = bare.find(b"<" + root[1])
    return bare[:at] + doctype + put(bare[at:], _LEAF_TEXT, rng, b"&e9;")


def nest_deeply(content: bytes, rng: Rng) -> bytes:
    depth = int(rng.choice([99, DEEP]))
    return put(content, _BETWEEN, rng, b"<a>" * depth + b"</a>" * depth)


def crowd(content: bytes, rng: Rng) -> bytes:
    return put(content, _BETWEEN, rng, b"<a/>" * 200_000)


def add_comment(content: bytes, rng: Rng) -> bytes:
    return put(content, _BETWEEN, rng, b"<!-- nothing that matters: 5 mV, 500 Hz -->")


def declare_encoding(content: bytes, rng: Rng) -> bytes:
    names = (b"utf-16", b"utf-7", b"cp037", b"idna", b"hex", b"rot13", b"UTF-8", b"latin-1", b"x" * 100)
    bare = re.sub(rb"<\?xml[^>]*\?>", b"", content, count=1)
    return b'<?xml version="1.0" encoding="%s"?>' % names[int(rng.integers(len(names)))] + bare


XML: tuple[Change, ...] = (
    change_bytes, change_edge, cut, cut_a_little, grow, drop_block, repeat_block, blank_block, change_digit,
    insert_token, swap_text, swap_text, swap_text, swap_attribute, swap_attribute, change_header_digit,
    change_header_digit, drop_element, drop_element, repeat_element, move_element, exchange_elements,
    rename_element, declare_entities, nest_deeply, crowd, add_comment, declare_encoding,
)  # fmt: skip
