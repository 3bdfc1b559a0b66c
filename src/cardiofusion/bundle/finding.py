"""The bundles that come with the package: `reference`, which answers where none is named, and `original`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from cardiofusion.bundle.reading import Bundle, read_bundle
from cardiofusion.records import BundleError

SHIPPED = ("reference", "original")


def shipped_folder(name: str = "reference") -> Path:
    """Where a shipped bundle lies. Raises BundleError where the package has none of that name."""
    folder = Path(str(files("cardiofusion.bundle").joinpath("shipped", name)))
    if name not in SHIPPED or not folder.is_dir():
        raise BundleError(
            "bundle.shipped",
            f"no bundle {name!r} comes with this package",
            f"{' or '.join(SHIPPED)}, or the folder of a bundle of your own",
        )
    return folder


def find_bundle(given: Path | str | None = None, expect_hash: str | None = None) -> Bundle:
    """The bundle in a folder, or the shipped one of that name; `reference` where none is named.

    A folder goes before a shipped bundle of its name. Raises BundleError.
    """
    if given is None:
        return read_bundle(shipped_folder(), expect_hash)
    named = str(given) in SHIPPED and not Path(given).exists()
    return read_bundle(shipped_folder(str(given)) if named else Path(given), expect_hash)
