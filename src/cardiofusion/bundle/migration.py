"""Older manifests, brought up to today's format one version at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cardiofusion.bundle.manifest import FORMAT_VERSION
from cardiofusion.records import BundleError

Migration = Callable[[Mapping[str, Any]], Mapping[str, Any]]

# from version n -> how a manifest of version n becomes one of version n + 1.
MIGRATIONS: dict[int, Migration] = {}


def migrate(
    document: Mapping[str, Any],
    migrations: Mapping[int, Migration] = MIGRATIONS,
    newest: int = FORMAT_VERSION,
) -> Mapping[str, Any]:
    """The manifest in format `newest`.

    Raises BundleError for a newer format, and for an older one that no migration covers.
    """
    version = document.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise BundleError(
            "bundle.manifest", "manifest.json names no format version", "train the bundle again"
        )
    if version > newest:
        raise BundleError(
            "bundle.newer",
            f"the bundle has format {version}; this version reads up to {newest}",
            "update with: pip install --upgrade cardiofusion",
        )
    for step in range(version, newest):
        if step not in migrations:
            raise BundleError(
                "bundle.older",
                f"the bundle has format {version}, which is not read any more",
                "train it again",
            )
        document = {**migrations[step](document), "format_version": step + 1}
    return document
