"""Reading a bundle: every hash is checked before anything is parsed, and the bytes checked are those used."""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors

from cardiofusion.bundle.manifest import FileRecord, Manifest
from cardiofusion.bundle.migration import migrate
from cardiofusion.records import BundleError

MANIFEST = "manifest.json"
SIDECAR = "manifest.sha256"
MAX_FILES = 256
MAX_MANIFEST_BYTES = 4 * 2**20
MAX_BUNDLE_BYTES = 512 * 2**20  # all files together: they are kept in memory
_NO_LINKS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, eq=False)
class Bundle:
    """A trained system, verified.

    folder: where it was read from. manifest: what it says of itself. hash: SHA-256 (hexadecimal) of
    manifest.json, which holds the hash of every other file. contents: file name -> its verified bytes;
    the disk is not looked at again.
    """

    folder: Path
    manifest: Manifest
    hash: str
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The files it holds, sorted, the manifest and its sidecar apart."""
        return tuple(sorted(self.contents))

    def __contains__(self, name: str) -> bool:
        return name in self.contents

    def bytes(self, name: str) -> bytes:
        """A file's verified content. Raises BundleError where the bundle has no such file."""
        if name not in self.contents:
            raise BundleError(
                "bundle.missing", f"the bundle has no {name}", f"it has: {', '.join(self.names) or 'nothing'}"
            )
        return self.contents[name]

    def text(self, name: str) -> str:
        """A file's content as UTF-8 text. Raises BundleError."""
        try:
            return self.bytes(name).decode("utf-8")
        except UnicodeDecodeError:
            _unreadable(name, "UTF-8 text")

    def json(self, name: str) -> Any:
        """A file's content as JSON: plain dicts, lists, strings and finite numbers. Raises BundleError."""
        return _parse_json(name, self.bytes(name))

    def tensors(self, name: str) -> dict[str, NDArray[Any]]:
        """The arrays of a .safetensors file. Raises BundleError."""
        try:
            arrays: dict[str, NDArray[Any]] = load_tensors(self.bytes(name))
        except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
            _unreadable(name, "safetensors of a kind NumPy knows")
        return {key: np.asarray(value) for key, value in arrays.items()}


def read_bundle(folder: Path, expect_hash: str | None = None) -> Bundle:
    """Read and verify a bundle. expect_hash pins it: the hash that `write_bundle` returned.

    Raises BundleError where a file is missing, added or changed, a name or link leads elsewhere, the
    hash is not the expected one, the format is newer, or the manifest is not what it should be.
    """
    source = complete_folder(folder)
    raw = _read(source, MANIFEST, MAX_MANIFEST_BYTES)
    digest = hashlib.sha256(raw).hexdigest()
    if _read(source, SIDECAR, 1024) != sidecar_content(digest):
        _changed(f"{MANIFEST} or {SIDECAR}")
    if expect_hash is not None and expect_hash.strip().lower() != digest:
        raise BundleError(
            "bundle.unexpected",
            f"the bundle's hash is {digest}, not the expected {expect_hash.strip()}",
            "ask where this bundle came from, or expect the right hash (64 hexadecimal digits)",
        )
    document = _parse_json(MANIFEST, raw)
    if not isinstance(document, dict):
        raise BundleError("bundle.manifest", f"{MANIFEST} is not a JSON object", "train the bundle again")
    manifest = Manifest.from_json(migrate(document))
    return Bundle(folder, manifest, digest, _verified(source, manifest.files))


def complete_folder(folder: Path) -> Path:
    """The bundle's folder, or the one set aside where `write_bundle` was killed between two renames."""
    folder = folder.resolve()
    if folder.is_dir():
        return folder
    if set_aside(folder).is_dir():
        return set_aside(folder)
    raise BundleError(
        "bundle.missing", f"no bundle at {folder.name}", "give the folder that `cardiofusion train` wrote"
    )


def set_aside(folder: Path) -> Path:
    """Where the old bundle waits while the new one takes its place."""
    return folder.with_name(f".{folder.name}.old")


def sidecar_content(digest: str) -> bytes:
    """The sidecar's content, as `sha256sum --check` reads it."""
    return f"{digest}  {MANIFEST}\n".encode("ascii")


def _verified(folder: Path, records: Mapping[str, FileRecord]) -> dict[str, bytes]:
    _refuse_others(folder, records)
    if len(records) > MAX_FILES or sum(record.bytes for record in records.values()) > MAX_BUNDLE_BYTES:
        raise BundleError(
            "bundle.size",
            f"the bundle is larger than {MAX_FILES} files or {MAX_BUNDLE_BYTES // 2**20} MiB",
            "a bundle of ours never is: ask where it came from",
        )
    contents = {}
    for name, record in records.items():
        content = _read(folder, name, record.bytes)
        if len(content) != record.bytes or hashlib.sha256(content).hexdigest() != record.sha256:
            _changed(name)
        contents[name] = content
    return contents


def _refuse_others(folder: Path, records: Mapping[str, FileRecord]) -> None:
    """Refuse a folder that holds anything the manifest does not name."""
    known = {MANIFEST, SIDECAR, *records}
    with os.scandir(folder) as entries:
        extra = next((entry.name for entry in entries if entry.name not in known), None)
    if extra is not None:
        raise BundleError(
            "bundle.extra", f"{extra} does not belong to the bundle", "move it out of the bundle's folder"
        )


def _read(folder: Path, name: str, limit: int) -> bytes:
    """A plain file's content, at most one byte more than `limit`; links and special files are refused."""
    path = folder / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(
                "bundle.link", f"{name} is not a plain file", "copy the real file into the bundle"
            )
        with open(path, "rb", opener=lambda p, flags: os.open(p, flags | _NO_LINKS)) as handle:
            content = handle.read(limit + 1)
    except FileNotFoundError:
        raise BundleError(
            "bundle.missing", f"the bundle at {folder.name} lacks {name}", "copy the whole folder again"
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise BundleError("bundle.unreadable", f"cannot read {name}: {reason}", "check the disk") from error
    if len(content) > limit:
        _changed(name)
    return content


def _parse_json(name: str, raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8"), parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError):
        _unreadable(name, "JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _changed(name: str) -> NoReturn:
    raise BundleError(
        "bundle.changed",
        f"{name} is not what it was when the bundle was written",
        "copy the bundle again from where it was trained; do not use this one",
    )


def _unreadable(name: str, kind: str) -> NoReturn:
    raise BundleError("bundle.unreadable", f"{name} is not {kind}", "train the bundle again")
