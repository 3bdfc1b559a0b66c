"""A tarball to unpack anywhere and run: no root, nothing written but the user's data folder."""

from __future__ import annotations

import gzip
import io
import os
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path

LEVEL = 6


def build_archive(program: Path, documents: Mapping[str, str], version: str, out: Path) -> Path:
    """documents: name -> text, beside the program. Returns OUT/cardiofusion-VERSION-SYSTEM-MACHINE.tar.gz."""
    system = platform.system().lower()
    archive = out / f"cardiofusion-{version}-{system}-{platform.machine()}.tar.gz"
    top = f"cardiofusion-{version}"
    with (
        archive.open("wb") as file,
        gzip.GzipFile("", "wb", LEVEL, file, mtime=_epoch()) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in sorted(program.rglob("*")):
            tar.add(path, f"{top}/{path.relative_to(program)}", recursive=False, filter=_plain)
        for name, text in sorted(documents.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(text.encode())
            tar.addfile(_plain(member), io.BytesIO(text.encode()))
    return archive


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without who built it, and when."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = _epoch()
    program = member.name.count("/") == 1 and member.name.endswith("/cardiofusion")
    member.mode = 0o755 if member.isdir() or program else 0o644
    return member


def _epoch() -> int:
    return int(os.environ["SOURCE_DATE_EPOCH"])
