"""Writing a bundle: whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cardiofusion import __version__
from cardiofusion.bundle.manifest import FORMAT_VERSION, Manifest
from cardiofusion.bundle.reading import (
    MANIFEST,
    MAX_BUNDLE_BYTES,
    MAX_FILES,
    SIDECAR,
    set_aside,
    sidecar_content,
)
from cardiofusion.records import BundleError, StorageError, storage_errors


def write_bundle(folder: Path, manifest: Mapping[str, Any] | Manifest, files: Mapping[str, bytes]) -> str:
    """Write a bundle and return its hash: the SHA-256 of manifest.json, in hexadecimal.

    manifest: a Manifest or its document; its `format_version`, `files` and (where absent) `cardiofusion`
    are filled in here. files: plain name -> content. A bundle that stands at `folder` already is replaced
    at the very end, by two renames; a failure or a kill at any moment leaves it, or the new one, readable.

    Raises BundleError where the manifest is not as manifest.schema.json wants it, a name is not plain, or
    `folder` holds something that is not a bundle; StorageError where the disk refuses.
    """
    folder = folder.resolve()
    content = _manifest_content(manifest, files)
    digest = hashlib.sha256(content).hexdigest()
    everything = {**files, MANIFEST: content, SIDECAR: sidecar_content(digest)}
    temporary = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.tmp")
    with storage_errors(folder):
        _refuse_other_folders(folder)
        try:
            temporary.mkdir(parents=True)
            for name, data in everything.items():
                _write(temporary / name, data)
            _replace(folder, temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return digest


def _manifest_content(manifest: Mapping[str, Any] | Manifest, files: Mapping[str, bytes]) -> bytes:
    given = manifest.to_json() if isinstance(manifest, Manifest) else manifest
    records = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
    }
    document = {"cardiofusion": __version__, **given, "format_version": FORMAT_VERSION, "files": records}
    Manifest.from_json(document)  # never write what could not be read
    if len(files) > MAX_FILES or sum(map(len, files.values())) > MAX_BUNDLE_BYTES:
        raise BundleError(
            "bundle.size",
            f"a bundle holds at most {MAX_FILES} files and {MAX_BUNDLE_BYTES // 2**20} MiB",
            "leave out what an assessment does not need",
        )
    try:
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BundleError(
            "bundle.manifest", f"the manifest holds what JSON cannot: {error}", "plain finite values only"
        ) from error
    return f"{text}\n".encode()


def _refuse_other_folders(folder: Path) -> None:
    """Refuse to replace what is not ours: only an empty folder or a bundle without additions may go."""
    if not folder.exists():
        return
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else {folder.name}
    if not names <= _bundle_names(folder):
        raise StorageError(
            "storage.occupied",
            f"{folder.name} exists and holds more than a bundle",
            "choose another folder for the bundle, or move its content away",
        )


def _bundle_names(folder: Path) -> set[str]:
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        return {MANIFEST, SIDECAR, *document["files"]}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return set()


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def _replace(folder: Path, temporary: Path) -> None:
    """Put `temporary` in the place of `folder`; where that fails, what stood there comes back."""
    aside = set_aside(folder)
    if folder.exists():
        shutil.rmtree(aside, ignore_errors=True)
        folder.rename(aside)
    try:
        temporary.rename(folder)
    except BaseException:
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
