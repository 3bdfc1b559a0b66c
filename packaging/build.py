"""`make installer`: the program as one folder, then as a Debian package and as a tarball, in dist/.

    .venv-installer/bin/python packaging/build.py [--out dist]

To be run in an environment of `.[serve,postgresql,installer]` and nothing else. Without dpkg-deb there is the
tarball alone. The same sources and packages give the same bytes (SOURCE_DATE_EPOCH; by default the time of
the last commit). Packages are built beside their place and moved there when whole.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from debian import build_package
from portable import build_archive
from third_party import third_party_text

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "packaging" / "cardiofusion.spec"
STATIC = ROOT / "src" / "cardiofusion" / "serve" / "static"
NEVER = ("torch", "pandas", "sklearn", "polars", "matplotlib", "onnx", "pytest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    out: Path = parser.parse_args().out.resolve()
    _check_surroundings()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _last_change())
    os.environ["PYTHONHASHSEED"] = "1"  # the order of sets is the order in the program's archive
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".build-") as work:
        built = [_move(path, out) for path in _build(Path(work))]
    sums = "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in built)
    (out / "SHA256SUMS").write_text(sums, "utf-8")
    for path in built:
        print(f"{path.stat().st_size / 1e6:7.1f} MB  {path}")


def _build(work: Path) -> list[Path]:
    program = freeze(work)
    third_party = third_party_text(program, STATIC)
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    documents = {
        "LICENSE": (ROOT / "LICENSE").read_text("utf-8"),
        "README": (SPEC.parent / "linux" / "README").read_text("utf-8"),
        "THIRD-PARTY": third_party,
    }
    built = [build_archive(program, documents, version(), work)]
    if shutil.which("dpkg-deb"):
        built.append(build_package(program, third_party, changelog, version(), work))
    return built


def freeze(work: Path) -> Path:
    """The program's folder, by PyInstaller."""
    places = ["--distpath", str(work / "program"), "--workpath", str(work / "work")]
    options = ["--noconfirm", "--clean", "--log-level", "ERROR"]
    subprocess.run([sys.executable, "-m", "PyInstaller", *options, *places, str(SPEC)], check=True, cwd=ROOT)
    program = work / "program" / "cardiofusion"
    _strip(program / "_internal")
    return program


def version() -> str:
    text = (ROOT / "src" / "cardiofusion" / "__init__.py").read_text("utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found is not None
    return found.group(1)


def _check_surroundings() -> None:
    there = [name for name in NEVER if find_spec(name)]
    if there:
        sys.exit(
            f"this environment has {', '.join(there)}, which an installer must not: run `make installer`"
        )


def _strip(internal: Path) -> None:
    """Python's own libraries without their debugging symbols (20 MB where Python was compiled by hand).

    Others' are left alone: wheels carry libraries whose sections were moved, and some break.
    """
    if not shutil.which("strip"):
        return
    for path in [*internal.glob("libpython*.so*"), *internal.glob("python3*/lib-dynload/*.so")]:
        subprocess.run(["strip", "--strip-unneeded", str(path)], check=True)


def _last_change() -> str:
    try:
        done = subprocess.run(
            ["git", "log", "-1", "--format=%ct"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return str(int((ROOT / "CHANGELOG.md").stat().st_mtime))
    return done.stdout.strip()


def _move(path: Path, out: Path) -> Path:
    return path.replace(out / path.name)


if __name__ == "__main__":
    main()
