"""Latin text inside a line that runs from right to left.

The Unicode bidirectional algorithm (UAX 9) takes "12 ms" after an Arabic word apart and shows "ms 12", and
turns the order of leads round. Isolates (U+2066 or U+2068, to U+2069) keep such a stretch whole. "95 %" has
no letter that would tell its direction: it is said to run from the left.
"""

from __future__ import annotations

import re

LEFT_TO_RIGHT_ISOLATE, FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2066", "\u2068", "\u2069"

# A word of Latin letters, digits and signs, or a placeholder, which a number or a name will take.
_WORD = (
    r"(?:%\(\w{1,40}\)[sd]|\{\w{1,40}\}|%%|[<>≤≥±~+\-−]?[A-Za-z0-9µ°À-ÖØ-öø-ÿ]"
    r"(?:[A-Za-z0-9µ°%/^+\-−_@À-ÖØ-öø-ÿ]|[.,:](?=[A-Za-z0-9]))*)"
)
_OPEN = LEFT_TO_RIGHT_ISOLATE + FIRST_STRONG_ISOLATE
_SKIPPED = rf"[{_OPEN}][^{POP_ISOLATE}]*{POP_ISOLATE}|<[^<>]{{0,400}}>|&#?\w{{1,10}};"
_RUN = re.compile(rf"({_SKIPPED})|{_WORD}(?:(?:[ \u00a0]|, )(?:{_WORD}|[±%=→+]|%%))*")


def isolated(text: str) -> str:
    """Text whose Latin stretches are isolated; isolates, tags and entities in it stay as they are."""
    return _RUN.sub(lambda run: run[0] if run[1] else f"{LEFT_TO_RIGHT_ISOLATE}{run[0]}{POP_ISOLATE}", text)


def wrapped(part: str) -> str:
    """A name, or what else a file holds, in isolation: in the direction of its first letter."""
    return f"{FIRST_STRONG_ISOLATE}{part}{POP_ISOLATE}" if part else part
