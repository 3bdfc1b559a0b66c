"""The licences of all that the installed program holds and we did not write, as one text.

Of each installed distribution what it calls its licence files; of Python its own; of each library that the
program took from the system the copyright file of the Debian package it comes from. What lies in the pages
(`serve/static`) says its licence in a file beside it.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

BUILDS_ONLY = {"altgraph", "pip", "pyinstaller-hooks-contrib", "setuptools", "wheel"}
OURS = "cardiofusion"
LICENCE_NAMES = ("licen", "copying", "notice", "thirdparty", "third-party")  # as file names begin
RULE = "=" * 100

HEAD = """CardioFusion is under the Apache License 2.0 (see LICENSE). Installed with it are the works below,
each under its own licence. PyInstaller's starter is under the GPL, with an exception for such programs.
"""


def third_party_text(program: Path, static: Path) -> str:
    """program: the folder that PyInstaller made. static: what the pages bring along."""
    sections = [*_python(), *_distributions(), *_pages(static), *_system_libraries(program)]
    return "\n".join([HEAD, *(f"{RULE}\n{name}\n{RULE}\n\n{text.strip()}\n" for name, text in sections)])


def is_installed(found: Distribution) -> bool:
    """Whether a distribution of this environment goes into the program, rather than making it."""
    return _name(found) not in {*BUILDS_ONLY, "pyinstaller", OURS}


def _python() -> Iterator[tuple[str, str]]:
    text = (Path(sysconfig.get_path("stdlib")) / "LICENSE.txt").read_text("utf-8")
    yield f"Python {sys.version.split()[0]}", text


def _distributions() -> Iterator[tuple[str, str]]:
    """Raises ValueError for one that names no licence at all."""
    for found in sorted(distributions(), key=lambda found: _name(found)):
        if _name(found) in BUILDS_ONLY or _name(found) == OURS:
            continue
        texts = [path.read_text("utf-8", "replace") for path in _licence_files(found)]
        stated = found.metadata.get("License-Expression") or found.metadata.get("License")
        if not texts and not stated:
            raise ValueError(f"{_name(found)} {found.version} has no licence")
        yield f"{found.metadata['Name']} {found.version}", "\n\n".join(texts or [f"Licence: {stated}"])


def _name(found: Distribution) -> str:
    return found.metadata["Name"].lower().replace("_", "-")


def _licence_files(found: Distribution) -> list[Path]:
    """Beside its metadata, or in its package's own folder."""
    names = sorted(
        path
        for path in found.files or []
        if path.name.lower().startswith(LICENCE_NAMES)
        and (".dist-info" in path.parts[0] or len(path.parts) == 2)
        and path.suffix not in (".py", ".pyc")
    )
    return [Path(str(found.locate_file(path))) for path in names]


def _pages(static: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(static.rglob("*LICENSE*")):
        yield f"in the pages: {path.relative_to(static)}", path.read_text("utf-8")


def _system_libraries(program: Path) -> Iterator[tuple[str, str]]:
    """Nothing where there is no dpkg: there PyInstaller takes no library from the system's packages."""
    packages = {
        package
        for path in sorted((program / "_internal").glob("lib*.so*"))
        for package in _debian_packages(path.name)
    }
    for package in sorted(packages):
        copyright_file = Path("/usr/share/doc") / package / "copyright"
        if copyright_file.exists():
            yield f"Debian's {package}", copyright_file.read_text("utf-8", "replace")


def _debian_packages(library: str) -> set[str]:
    try:
        done = subprocess.run(
            ["dpkg-query", "--search", f"*/{library}"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    except FileNotFoundError:
        return set()
    return {line.split(":")[0] for line in done.stdout.splitlines() if not line.startswith("diversion")}
