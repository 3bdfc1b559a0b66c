"""A bundle is written whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from cardiofusion.bundle import Manifest, read_bundle, write_bundle
from cardiofusion.bundle import writing as writing_module
from cardiofusion.records import BundleError, StorageError


def listing(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_hash_is_returned_and_the_sidecar_is_standard(folder: Path) -> None:
    check = subprocess.run(
        ["sha256sum", "--check", "manifest.sha256"], cwd=folder, capture_output=True, check=True
    )
    assert check.stdout == b"manifest.json: OK\n"


def test_same_content_same_hash(tmp_path: Path, manifest: Manifest, files: dict[str, bytes]) -> None:
    first = write_bundle(tmp_path / "a", manifest, files)
    again = write_bundle(tmp_path / "b", manifest.to_json(), dict(reversed(files.items())))
    assert first == again == read_bundle(tmp_path / "a", first).hash
    assert write_bundle(tmp_path / "b", manifest, {**files, "empty.txt": b"x"}) != first


def test_an_existing_bundle_is_replaced(folder: Path, manifest: Manifest) -> None:
    digest = write_bundle(folder, manifest, {"only.txt": b"new"})
    assert read_bundle(folder, digest).names == ("only.txt",)
    assert listing(folder.parent) == {"bundle"}


def test_a_linked_folder_stays_a_link(folder: Path, manifest: Manifest) -> None:
    link = folder.parent / "latest"
    link.symlink_to(folder)
    digest = write_bundle(link, manifest, {})
    assert link.is_symlink()
    assert read_bundle(folder).hash == read_bundle(link).hash == digest


def test_what_is_not_ours_is_never_removed(folder: Path, tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"meow")
    (folder / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    for other in (tmp_path / "photos", folder, tmp_path / "file"):
        with pytest.raises(StorageError) as caught:
            write_bundle(other, manifest, {})
        assert caught.value.code == "storage.occupied"
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"meow"
    assert listing(tmp_path) == {"photos", "bundle", "file"}


@pytest.mark.parametrize("failing", range(1, 6))
def test_a_full_disk_leaves_the_old_bundle(
    folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    before = read_bundle(folder).hash
    calls = iter(range(1, 100))

    def fsync(descriptor: int) -> None:
        if next(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing_module.os, "fsync", fsync)
    with pytest.raises(StorageError, match="no space left"):
        write_bundle(folder, manifest, {"a.txt": b"1", "b.txt": b"2", "c.txt": b"3"})
    assert read_bundle(folder, before).hash == before
    assert listing(folder.parent) == {"bundle"}


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt()])
def test_a_failing_rename_leaves_the_old_bundle(
    folder: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch, failing: int, error: BaseException
) -> None:
    before = read_bundle(folder).hash
    calls = iter(range(1, 100))
    rename = Path.rename

    def fragile(self: Path, target: Path) -> Path:
        if next(calls) == failing:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fragile)
    with pytest.raises((StorageError, KeyboardInterrupt)):
        write_bundle(folder, manifest, {})
    assert read_bundle(folder, before).hash == before
    assert listing(folder.parent) == {"bundle"}


def test_a_kill_between_the_renames_leaves_the_old_bundle(folder: Path, manifest: Manifest) -> None:
    before = read_bundle(folder).hash
    folder.rename(folder.with_name(".bundle.old"))  # as a kill would leave it
    assert read_bundle(folder).hash == before
    after = write_bundle(folder, manifest, {})
    assert read_bundle(folder).hash == after
    assert listing(folder.parent) == {"bundle"}


def test_a_read_only_place(tmp_path: Path, manifest: Manifest) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError):
        write_bundle(tmp_path / "file" / "bundle", manifest, {})


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "manifest.json", "manifest.sha256", "", "nul\0"])
def test_names_that_are_not_plain(tmp_path: Path, manifest: Manifest, name: str) -> None:
    with pytest.raises(BundleError):
        write_bundle(tmp_path / "bundle", manifest, {name: b""})
    assert listing(tmp_path) == set()


def test_a_manifest_that_could_not_be_read_is_not_written(tmp_path: Path, manifest: Manifest) -> None:
    document = manifest.to_json()
    for change in ({"tasks": 3}, {"unheard_of": 1}, {"details": {"x": float("nan")}}, {"seed": -1}):
        with pytest.raises(BundleError) as caught:
            write_bundle(tmp_path / "bundle", {**document, **change}, {})
        assert caught.value.code == "bundle.manifest"
    del document["split"]
    with pytest.raises(BundleError, match="split"):
        write_bundle(tmp_path / "bundle", document, {})
    assert listing(tmp_path) == set()
