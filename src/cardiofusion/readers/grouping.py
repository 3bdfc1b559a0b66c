"""Files that came together, as recordings: a WFDB record's files belong to one, every other file is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PureWindowsPath

from cardiofusion.readers import wfdb

Named = tuple[str, bytes]


def group_files(files: Iterable[Named]) -> list[dict[str, bytes]]:
    """Uploads (name, content) as groups for `read_files`, in the order in which they came; none is left out.

    A name may hold folders, of either system: files of different folders never mix. A name that comes twice
    in one folder is a recording of its own.
    """
    folders: dict[str, list[dict[str, bytes]]] = {}
    for name, content in files:
        path = PureWindowsPath(name)
        layers = folders.setdefault(str(path.parent), [{}])
        layer = next((layer for layer in layers if path.name not in layer), None)
        if layer is None:
            layers.append(layer := {})
        layer[path.name] = content
    return [group for layers in folders.values() for layer in layers for group in _groups(layer)]


def _groups(files: Mapping[str, bytes]) -> list[dict[str, bytes]]:
    """Files of one folder, each name once."""
    owner = {name: name for name in files}
    for header in wfdb.headers(files):
        owner.update(dict.fromkeys(wfdb.parts(header, files), header))
    groups: dict[str, dict[str, bytes]] = {}
    for name, content in files.items():
        groups.setdefault(owner[name], {})[name] = content
    return list(groups.values())
