"""Latin text inside a line that runs from right to left.

The Unicode bidirectional algorithm (UAX 9) takes "12 ms" after an Arabic word apart and shows "ms 12", and
turns the order of leads round. Isolates (U+2068 to U+2069) keep such a stretch whole.
"""

from __future__ import annotations

import re

FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"

# A word of Latin letters, digits and signs, or a placeholder, which a number or a name will take.
_WORD = (
    r"(?:%\(\w{1,40}\)[sd]|\{\w{1,40}\}|%%|[<>≤≥±~+\-−]?[A-Za-z0-9µ°À-ÖØ-öø-ÿ]"
    r"(?:[A-Za-z0-9µ°%/^+\-−_@À-ÖØ-öø-ÿ]|[.,:](?=[A-Za-z0-9]))*)"
)
_SKIPPED = rf"{FIRST_STRONG_ISOLATE}[^{POP_ISOLATE}]*{POP_ISOLATE}|<[^<>]{{0,400}}>|&#?\w{{1,10}};"
_RUN = re.compile(rf"({_SKIPPED})|{_WORD}(?:(?:[ \u00a0]|, )(?:{_WORD}|[±%=→+]|%%))*")


def isolated(text: str) -> str:
    """Text whose Latin stretches are isolated; isolates, tags and entities in it stay as they are."""
    return _RUN.sub(lambda run: run[0] if run[1] else wrapped(run[0]), text)


def wrapped(part: str) -> str:
    """A part in isolation, in the direction of its first strong letter."""
    return f"{FIRST_STRONG_ISOLATE}{part}{POP_ISOLATE}" if part else part
