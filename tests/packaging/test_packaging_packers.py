"""Package and tarball of a program of two files: what they hold, and the same bytes twice."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile
import time
from importlib.metadata import Distribution
from pathlib import Path
from types import ModuleType

import pytest

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
NEEDS_DPKG = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb here")


def script(name: str) -> ModuleType:
    """A file of packaging/, which is no package."""
    spec = importlib.util.spec_from_file_location(f"packaging_{name}", PACKAGING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Written just now, by a careless umask."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    folder = tmp_path / f"made-{time.time_ns()}"
    (folder / "_internal").mkdir(parents=True)
    shutil.copy("/bin/true", folder / "cardiofusion")
    (folder / "_internal" / "data.txt").write_text("ä", "utf-8")
    (folder / "_internal" / "link.txt").symlink_to("data.txt")
    for path in (folder / "cardiofusion", folder / "_internal" / "data.txt"):
        path.chmod(0o777)
    return folder


def again(program: Path) -> Path:
    """The same program made a day later by somebody whose umask differs."""
    copy = program.with_name("again")
    shutil.copytree(program, copy, symlinks=True)
    for path in copy.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)
            os.utime(path, (1_800_000_000, 1_800_000_000))
    return copy


def test_a_tarball_holds_the_program_under_one_folder_and_nobodys_name(program: Path, tmp_path: Path) -> None:
    archive = script("portable").build_archive(program, {"README": "Lies ä"}, "1.2.3", tmp_path)
    with tarfile.open(archive) as tar:
        members = {member.name: member for member in tar}
        text = tar.extractfile("cardiofusion-1.2.3/README")
        assert text is not None
        assert text.read().decode() == "Lies ä"
    assert {name.partition("/")[0] for name in members} == {"cardiofusion-1.2.3"}
    modes = {name.partition("/")[2]: member.mode for name, member in members.items() if not member.issym()}
    assert modes == {"README": 0o644, "_internal": 0o755, "_internal/data.txt": 0o644, "cardiofusion": 0o755}
    assert {(member.uid, member.uname, member.mtime) for member in members.values()} == {
        (0, "", 1_700_000_000)
    }


def test_the_same_program_gives_the_same_tarball(program: Path, tmp_path: Path) -> None:
    build = script("portable").build_archive
    first = build(program, {"README": "x"}, "1.2.3", tmp_path).read_bytes()
    assert build(again(program), {"README": "x"}, "1.2.3", tmp_path).read_bytes() == first


@NEEDS_DPKG
def test_the_same_program_gives_the_same_package(program: Path, tmp_path: Path) -> None:
    build = script("debian").build_package
    first = build(program, "licences", "changes", "1.2.3", tmp_path).read_bytes()
    package = build(again(program), "licences", "changes", "1.2.3", tmp_path)
    assert package.read_bytes() == first
    assert not (tmp_path / "deb").exists()
    said = subprocess.run(["dpkg-deb", "--field", package], capture_output=True, text=True, check=True).stdout
    assert "Version: 1.2.3\n" in said


def test_the_package_asks_for_the_glibc_that_its_libraries_need(tmp_path: Path) -> None:
    for name, content in {
        "a.so": b"\x7fELF..GLIBC_2.9\0GLIBC_2.34\0GLIBC_2.4\0",
        "b.so": b"\x7fELF..GLIBC_2.17\0",
        "no-library.txt": b"GLIBC_2.99\0",
    }.items():
        (tmp_path / name).write_bytes(content)
    assert script("debian").libc(tmp_path) == "2.34"


def test_what_only_builds_is_not_installed() -> None:
    is_installed = script("third_party").is_installed
    assert is_installed(Distribution.from_name("numpy"))
    assert is_installed(Distribution.from_name("argon2-cffi"))
    assert not is_installed(Distribution.from_name("pip"))
    assert not is_installed(Distribution.from_name("cardiofusion"))


def test_a_browser_finds_the_libraries_it_found_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/program/_internal")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/home/someone/lib")
    script("surroundings")
    assert os.environ["LD_LIBRARY_PATH"] == "/home/someone/lib"
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/program/_internal")
    script("surroundings")
    assert "LD_LIBRARY_PATH" not in os.environ
