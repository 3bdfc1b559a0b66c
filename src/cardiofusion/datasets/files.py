"""Whether the ECG files a table names are there, however their extension is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


def files_there(paths: Sequence[Path]) -> list[bool]:
    """For each path, whether it is a file or the name of one without its extension (a WFDB record)."""
    stems = {folder: _stems(folder) for folder in {path.parent for path in paths}}
    return [path.name in stems[path.parent] or path.is_file() for path in paths]


def _stems(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.path.splitext(name)[0] for name in os.listdir(folder))
    except OSError:
        return frozenset()
