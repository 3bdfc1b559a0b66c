"""The original of a conversion: never replaced by it, nor, de-identified, told by the new file's name."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cardiofusion.records import InputError, Recording

MIN_NAME = 3  # characters of a name that says something
MAX_FILE_NAME = 255  # characters, on most systems
HEADER_SUFFIX = ".hea"

_PART = re.compile(r"[^\W\d_]{3,}|\d{6,}")
_PLAIN = frozenset({"ecg", "ekg"})  # say nothing of anybody


def refuse_own(files: Iterable[Path], original: Path) -> None:
    """Raises InputError where one of the files to be written is one that the recording was read from."""
    own = {original, *_named_in(original)}
    own |= {other for segment in own for other in _named_in(segment)}
    there = [file for file in files if file.exists()]
    if there and any(file.samefile(other) for other in own if other.exists() for file in there):
        raise InputError(
            "convert.same",
            f"{original.name} itself, or a part of it, would be replaced",
            "name another file for what is written",
        )


def _named_in(header: Path) -> set[Path]:
    """The files that a WFDB header names, segments among them; none of any other file."""
    if header.suffix.lower() != HEADER_SUFFIX or not header.is_file():
        return set()
    words = [word for word in header.read_text("latin-1").split() if word.isprintable() and "/" not in word]
    names = (name for word in words for name in (word, f"{word}{HEADER_SUFFIX}"))
    return {header.parent / name for name in names if len(name.encode()) <= MAX_FILE_NAME}


def refuse_telling(target: Path, original: Recording) -> None:
    """Raises InputError where the name chosen holds that of the original, a part of it, or the patient's id.

    Parts: words of three letters and more, and numbers as long as dates and hospitals' numbers.
    """
    chosen = target.stem.casefold()
    for identifier in (original.record_id, original.patient_id):
        own = (identifier or "").casefold()
        parts = [part for part in (own, *_PART.findall(own)) if part not in _PLAIN]
        if own and (own == chosen or any(len(part) >= MIN_NAME and part in chosen for part in parts)):
            raise InputError(
                "deidentify.name",
                f"the name {target.name[:80]} holds an id of the original",
                "choose another name, or name an existing folder and add --format",
            )
