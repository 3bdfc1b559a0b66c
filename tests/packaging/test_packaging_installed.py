"""What `make installer` built, as a clinic meets it: installed, started, used, ended, removed.

CARDIOFUSION_INSTALLER names the folder with the packages (dist); else CARDIOFUSION_SLOW=1 builds them. As
root the package is installed by dpkg, otherwise unpacked.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from urllib.error import HTTPError

import pytest

from cardiofusion.writers import write_recording
from installed import Program, Server, folder_mb, resident_mb

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "cardiofusion"
MAX_INSTALLED_MB, MAX_RESIDENT_MB = 350.0, 300.0
DATA = Path(".local/share/cardiofusion")  # in a user's home
TRAINING = ("torch", "pandas", "sklearn", "polars", "matplotlib", "numba", "onnxscript")
ROW = {"age": 61, "sex": "male"}

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="no dpkg-deb here")]


@pytest.fixture(scope="module")
def dist() -> Path:
    told = os.environ.get("CARDIOFUSION_INSTALLER")
    if not told and os.environ.get("CARDIOFUSION_SLOW") != "1":
        pytest.skip("no installer: `make installer`, then CARDIOFUSION_INSTALLER=dist")
    if not told:
        subprocess.run(["make", "installer"], cwd=ROOT, check=True)
    return Path(told or ROOT / "dist").resolve()


@pytest.fixture(scope="module")
def deb(dist: Path) -> Path:
    (found,) = dist.glob("cardiofusion_*.deb")
    return found


@pytest.fixture(scope="module")
def archive(dist: Path) -> Path:
    (found,) = dist.glob("cardiofusion-*-linux-*.tar.gz")
    return found


@pytest.fixture(scope="module")
def unpacked(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's files, not installed."""
    folder = tmp_path_factory.mktemp("deb") / "tree"
    subprocess.run(["dpkg-deb", "--raw-extract", deb, folder], check=True)
    return folder


@pytest.fixture
def installed(deb: Path, tmp_path: Path) -> Iterator[Path]:
    """The root folder under which the package is installed; afterwards it is removed, if a test did not."""
    if os.geteuid() != 0:
        folder = tmp_path / "root"
        subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True)
        yield folder
        return
    if status() != "":
        pytest.skip("the package is installed on this machine: its user's, not ours to remove")
    dpkg("--install", str(deb))
    yield Path("/")
    dpkg("--purge", PACKAGE)


@pytest.fixture(scope="module")
def ecg(virtual_patient, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("ecg") / "ecg.dcm"
    return write_recording(virtual_patient.recording, path).read_bytes()


def dpkg(*arguments: str) -> str:
    done = subprocess.run(["dpkg", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def status() -> str:
    """What dpkg knows of the package: nothing if it was never installed, or purged."""
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", PACKAGE]
    return subprocess.run(query, capture_output=True, text=True, check=False).stdout


def fields(deb: Path) -> dict[str, str]:
    said = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True).stdout
    return dict(re.findall(r"^(\S+): (.*)$", said, re.MULTILINE))


def use(server: Server, ecg: bytes) -> None:
    """Assess an ECG, open its sheet, and see that nothing of the house was left out of the program."""
    case = server.keep(ecg, "ecg.dcm", ROW)
    assert case["status"] == "assessed"
    assert case["assessment"]["tasks"]
    kind, page = server.ask(f"/cases/{case['id']}", headers={"Accept": "text/html"})
    assert kind == "text/html"
    assert b"<svg" in page
    for path, wanted in {
        "/": b"EXAMPLE-1",
        "/bundle": b"reference",
        "/about": b"onnxruntime",
        "/monitor": b"<html",
        "/settings": b"<html",
        "/new": b"<form",
        "/static/clinic.css": b"{",
        "/static/htmx.min.js": b"htmx",
        "/api/v1/openapi.json": b'"openapi"',
        "/fhir/metadata": b"CapabilityStatement",
        "/cds-services": b"patient-view",
    }.items():
        assert wanted in server.ask(path)[1], path
    assert b'dir="rtl"' in server.ask("/", headers={"Accept-Language": "ar"})[1]


def test_the_package_says_what_it_is(deb: Path, unpacked: Path) -> None:
    said = fields(deb)
    assert said["Package"] == PACKAGE
    assert said["Architecture"] == dpkg("--print-architecture").strip()
    assert re.fullmatch(r"libc6 \(>= 2\.\d+\)", said["Depends"])
    assert int(said["Installed-Size"]) <= MAX_INSTALLED_MB * 1000
    tops = {
        path.relative_to(unpacked).parts[:2] for path in unpacked.glob("*/*") if path.parent.name != "DEBIAN"
    }
    assert tops == {("usr", "bin"), ("usr", "lib"), ("usr", "share")}
    assert (unpacked / "usr/bin/cardiofusion").resolve() == unpacked / "usr/lib/cardiofusion/cardiofusion"


def test_its_list_of_sums_is_whole_and_true(unpacked: Path) -> None:
    lines = (unpacked / "DEBIAN/md5sums").read_text("utf-8").splitlines()
    listed = {name: sum_ for sum_, name in (line.split("  ", 1) for line in lines)}
    files = {
        str(path.relative_to(unpacked)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in unpacked.rglob("*")
        if path.is_file() and not path.is_symlink() and path.parent.name != "DEBIAN"
    }
    assert listed == files


def test_nothing_that_trains_is_in_it_and_it_is_small(unpacked: Path) -> None:
    internal = unpacked / "usr/lib/cardiofusion/_internal"
    there = {path.name.split("-")[0].lower() for path in internal.iterdir()}
    assert "numpy" in there
    assert not there & set(TRAINING)
    assert folder_mb(unpacked) <= MAX_INSTALLED_MB


def test_only_root_may_write_what_is_installed(deb: Path) -> None:
    listing = subprocess.run(["dpkg-deb", "--contents", deb], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        mode, owner = line.split()[:2]
        assert owner == "root/root", line
        assert mode.startswith("l") or (mode[5], mode[8]) == ("-", "-"), line
        assert "s" not in mode.lower(), line


def test_the_licences_of_what_is_bundled_are_in_it(unpacked: Path, archive: Path) -> None:
    with tarfile.open(archive) as tar:
        (name,) = (name for name in tar.getnames() if name.endswith("/THIRD-PARTY"))
        member = tar.extractfile(name)
        assert member is not None
        text = member.read().decode()
    bundled = {
        path.name.split("-")[0].replace("_", "-").lower()
        for path in (unpacked / "usr/lib/cardiofusion/_internal").glob("*.dist-info")
    }
    headings = re.findall(r"^=+\n(.+)\n=+$", text, re.MULTILINE)
    named = {heading.split()[0].replace("_", "-").lower() for heading in headings}
    assert {"numpy", "onnxruntime", "lightgbm", "psycopg-binary"} <= bundled <= named
    assert {"python", "pyinstaller", "debian's"} <= named


def test_the_desktop_finds_program_icon_and_description(unpacked: Path) -> None:
    entry = ConfigParser(interpolation=None)
    entry.optionxform = str  # type: ignore[assignment, method-assign]
    entry.read(unpacked / "usr/share/applications/cardiofusion.desktop", "utf-8")
    said = entry["Desktop Entry"]
    assert said["Exec"].split() == ["cardiofusion", "serve"]
    assert (unpacked / "usr/bin" / said["Exec"].split()[0]).exists()
    icon = unpacked / "usr/share/icons/hicolor/scalable/apps" / f"{said['Icon']}.svg"
    assert ET.parse(icon).getroot().tag.endswith("svg")
    about = ET.parse(unpacked / "usr/share/metainfo/cardiofusion.metainfo.xml").getroot()
    assert about.findtext("launchable") == "cardiofusion.desktop"
    assert about.findtext("provides/binary") == said["Exec"].split()[0]


def test_installed_started_used_ended_and_removed(installed: Path, ecg: bytes, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    files = [path for path in (installed / "usr").rglob("*cardiofusion*") if "share/doc" not in str(path)]
    program = Program(installed / "usr/bin/cardiofusion", home)
    with program.serve("--no-browser") as server:
        use(server, ecg)
        (worker, *_) = server.workers()
        line = Path(f"/proc/{worker}/cmdline").read_bytes().split(b"\0")
        assert (Path(os.fsdecode(line[0])).name, line[1]) == ("cardiofusion", b"examining-worker")
        assert resident_mb(server.process.pid) <= MAX_RESIDENT_MB
        with pytest.raises(HTTPError, match="401"):
            Server(server.process, server.url, "wrong").ask("/")
    assert not Path(f"/proc/{worker}").exists()
    assert not (home / DATA / "token").exists(), "the key of a server that has ended"
    if installed == Path("/"):
        said = dpkg("--remove", PACKAGE)
        assert "kept" in said
        dpkg("--purge", PACKAGE)
        assert status() == ""
        assert [path for path in files if path.exists() or path.is_symlink()] == []
        assert not Path("/usr/share/doc/cardiofusion").exists()
    assert len(files) > 5
    assert {path.relative_to(home).parts[:3] for path in home.rglob("*") if path.is_file()} == {DATA.parts}
    assert (home / DATA / "cardiofusion.db").stat().st_size > 0
    assert [path.read_bytes() for path in (home / DATA).rglob("*") if path.is_file()].count(ecg) == 1


def test_the_tarball_runs_where_it_is_unpacked(archive: Path, ecg: bytes, tmp_path: Path) -> None:
    folder, home = tmp_path / "Programme für Ärzte", tmp_path / "home"
    home.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    (top,) = folder.iterdir()
    assert {"README", "LICENSE", "THIRD-PARTY", "cardiofusion", "_internal"} == {
        p.name for p in top.iterdir()
    }
    program = Program(top / "cardiofusion", home)
    before = sorted(path.relative_to(top) for path in top.rglob("*"))
    with program.serve("--no-browser", "--data", str(tmp_path / "Daten der Station")) as server:
        use(server, ecg)
    assert sorted(path.relative_to(top) for path in top.rglob("*")) == before
    assert list(home.iterdir()) == []


def test_it_opens_the_browser_and_a_second_start_opens_the_same_one(installed: Path, tmp_path: Path) -> None:
    home, seen = tmp_path / "home", tmp_path / "seen"
    home.mkdir()
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1 libraries=$LD_LIBRARY_PATH" >> {seen}\n', "utf-8")
    browser.chmod(0o755)
    page = (home / DATA / "open.html").as_uri()
    program = Program(installed / "usr/bin/cardiofusion", home)
    with program.serve("--no-examples", BROWSER=str(browser)) as server:
        again = program.run("serve", BROWSER=str(browser))
        assert again.returncode == 0, again.stderr
        assert server.url in again.stdout
    # A browser that finds our libraries in place of the system's does not start.
    assert seen.read_text("utf-8").splitlines() == [f"{page} libraries="] * 2


def test_a_patient_is_assessed_on_the_command_line(unpacked: Path, virtual_patient, tmp_path: Path) -> None:
    program = Program(unpacked / "usr/lib/cardiofusion/cardiofusion", tmp_path)
    sheet = tmp_path / "sheet.html"
    done = program.run(
        "assess", "--ecg", str(virtual_patient.header), "--set", "age=61", "--html", str(sheet)
    )
    assert done.returncode == 0, done.stderr
    assert "Not a medical device" in done.stdout
    assert "<svg" in sheet.read_text("utf-8")


def test_the_driver_of_postgresql_is_in_it(unpacked: Path, tmp_path: Path) -> None:
    program = Program(unpacked / "usr/lib/cardiofusion/cardiofusion", tmp_path)
    nobody = "postgresql://nobody@127.0.0.1:1/nothing"
    done = program.run("serve", "--no-browser", "--port", "0", "--database", nobody)
    assert done.returncode == 2
    assert "refused" in done.stderr
    assert "[storage.database]" in done.stderr


def test_ecgs_are_received_by_dicom(unpacked: Path, tmp_path: Path) -> None:
    program = Program(unpacked / "usr/lib/cardiofusion/cardiofusion", tmp_path)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with program.serve("--no-browser", "--no-examples", "--dicom-port", str(port)):
        socket.create_connection(("127.0.0.1", port), timeout=10).close()


def test_what_needs_torch_says_so(unpacked: Path, tmp_path: Path) -> None:
    program = Program(unpacked / "usr/lib/cardiofusion/cardiofusion", tmp_path)
    done = program.run("pretrain", "--out", str(tmp_path / "encoder"), "--corpus", f"folder={tmp_path}")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
