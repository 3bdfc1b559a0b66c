"""Samples written as decimal text: read strictly, bounded before anything is allocated."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT, MAX_MILLIVOLTS
from cardiofusion.records import RecordingError

MAX_NUMBERS = 1 << 25  # in one text: 24 hours of three leads at 128 Hz

# Possessive: a text is walked once, whatever stands in it.
_DECIMAL = r"[+-]?+(?:\d++(?:\.\d*+)?+|\.\d++)(?:[eE][+-]?+\d{1,3}+)?+"
_GAP = r"[ \t\r\n]"
_DECIMALS = re.compile(rf"{_GAP}*+(?:{_DECIMAL}(?:{_GAP}++|\Z))*+", re.ASCII)
_DECIMALS_OR_NAN = re.compile(rf"{_GAP}*+(?:(?:{_DECIMAL}|[Nn][Aa][Nn])(?:{_GAP}++|\Z))*+", re.ASCII)


def decimals(text: str, what: str, missing: bool = False) -> NDArray[np.float64]:
    """The numbers of a text, in its order, spaces, tabs or line breaks between them. what: for messages.

    missing: whether "nan" may stand for a sample that is not there.
    Raises RecordingError: something else in it ("recording.header"), over MAX_NUMBERS ("recording.size").
    """
    if sum(text.count(space) for space in " \t\r\n") >= MAX_NUMBERS:
        raise RecordingError(
            "recording.size", f"{what} has too many samples", f"at most {MAX_NUMBERS:,} are read at a time"
        )
    if not (_DECIMALS_OR_NAN if missing else _DECIMALS).fullmatch(text):
        raise RecordingError("recording.header", f"{what} has samples that are no numbers", HINT)
    text = text.strip()  # of nothing but spaces, fromstring makes a number
    return np.fromstring(text, dtype=np.float64, sep=" ") if text else np.zeros(0)


def as_millivolts(values: NDArray[np.float64], what: str) -> NDArray[np.float32]:
    """The same in float32. Raises RecordingError ("recording.units") where they cannot be millivolts."""
    if (values > MAX_MILLIVOLTS).any() or (values < -MAX_MILLIVOLTS).any():
        raise RecordingError(
            "recording.units", f"{what} has samples of more than {MAX_MILLIVOLTS:g} mV", HINT
        )
    return values.astype(np.float32)
