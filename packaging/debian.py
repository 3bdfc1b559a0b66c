"""A Debian package from the program's folder: dpkg-deb alone, the same bytes from the same sources.

It installs to /usr/lib/cardiofusion, and the program writes nothing there: what a clinic stores lies in its
users' own folders, and removing the package, or purging it, leaves that alone (and says so).
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent / "linux"
# No address of the project is published; `.invalid` is reserved for saying so (RFC 2606).
MAINTAINER = "The CardioFusion developers <developers@cardiofusion.invalid>"
COMPRESSION = ("-Zzstd", "-z9")  # a tenth of the time of xz, 7 % larger

CONTROL = """Package: cardiofusion
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size}
Depends: libc6 (>= {libc})
Recommends: xdg-utils, firefox-esr | chromium | www-browser
Section: science
Priority: optional
Description: ECG and clinical row to sets of labels with a guarantee
 CardioFusion reads an ECG and a clinical row and answers with sets of labels
 that carry a finite-sample guarantee, and the reasons for them. Its pages open
 in a browser on this computer; nothing leaves it, and no network is needed.
 .
 For research use only. Not a medical device. Not an emergency alarm.
 .
 What is stored lies in each user's own folder (~/.local/share/cardiofusion)
 and stays there when this package is removed or purged.
"""

POSTRM = """#!/bin/sh
set -e
case "$1" in
    remove|purge)
        echo "cardiofusion: patients' data in users' folders (~/.local/share/cardiofusion) are kept"
        ;;
esac
"""

COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: CardioFusion
Comment: usr/lib/cardiofusion/_internal holds works of others, each under its own
 licence: /usr/share/doc/cardiofusion/THIRD-PARTY has their texts.

Files: *
Copyright: The CardioFusion developers
License: Apache-2.0
 On Debian systems the whole text is in /usr/share/common-licenses/Apache-2.0.
"""


def build_package(program: Path, third_party: str, changelog: str, version: str, out: Path) -> Path:
    """program: the folder that PyInstaller made. Returns OUT/cardiofusion_VERSION_ARCHITECTURE.deb."""
    architecture = _said(["dpkg", "--print-architecture"])
    tree = out / "deb"
    shutil.rmtree(tree, ignore_errors=True)
    _lay_out(tree, program, third_party, changelog)
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    control = CONTROL.format(
        version=version,
        architecture=architecture,
        maintainer=MAINTAINER,
        size=-(-size // 1024),
        libc=libc(tree),
    )
    _describe(tree, control)
    _set_modes(tree)
    package = out / f"cardiofusion_{version}_{architecture}.deb"
    command = ["dpkg-deb", "--root-owner-group", *COMPRESSION, "--build", str(tree), str(package)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(tree)
    return package


def libc(tree: Path) -> str:
    """The newest version of glibc that a library of the tree asks for: what `Depends` must name."""
    files = (path.read_bytes() for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    found = {
        tuple(map(int, version.split(b".")))
        for content in files
        if content.startswith(b"\x7fELF")
        for version in re.findall(rb"GLIBC_(2\.\d+)\0", content)
    }
    return ".".join(map(str, max(found)))


def _lay_out(tree: Path, program: Path, third_party: str, changelog: str) -> None:
    share = tree / "usr" / "share"
    shutil.copytree(program, tree / "usr" / "lib" / "cardiofusion", symlinks=True)
    for name, place in {
        "cardiofusion.desktop": "applications/cardiofusion.desktop",
        "cardiofusion.svg": "icons/hicolor/scalable/apps/cardiofusion.svg",
        "cardiofusion.metainfo.xml": "metainfo/cardiofusion.metainfo.xml",
    }.items():
        _write(share / place, (HERE / name).read_bytes())
    documents = share / "doc" / "cardiofusion"
    _write(documents / "copyright", COPYRIGHT.encode())
    _write(documents / "THIRD-PARTY.gz", _zipped(third_party.encode()))
    _write(documents / "changelog.gz", _zipped(changelog.encode()))
    _write(share / "man" / "man1" / "cardiofusion.1.gz", _zipped((HERE / "cardiofusion.1").read_bytes()))
    (tree / "usr" / "bin").mkdir()
    (tree / "usr" / "bin" / "cardiofusion").symlink_to("../lib/cardiofusion/cardiofusion")


def _describe(tree: Path, control: str) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files
    )
    _write(tree / "DEBIAN" / "control", control.encode())
    _write(tree / "DEBIAN" / "md5sums", sums.encode())
    _write(tree / "DEBIAN" / "postrm", POSTRM.encode())


def _set_modes(tree: Path) -> None:
    """Whatever the builder's umask: readable by all, written by none but root."""
    runs = {tree / "usr" / "lib" / "cardiofusion" / "cardiofusion", tree / "DEBIAN" / "postrm"}
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in runs else 0o644)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _zipped(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=int(os.environ["SOURCE_DATE_EPOCH"]))


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
