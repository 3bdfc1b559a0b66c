"""A bundle is read back exactly, or refused in one line."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cardiofusion.bundle import MIGRATIONS, Manifest, migrate, read_bundle, write_bundle
from cardiofusion.bundle import reading as reading_module
from cardiofusion.records import BundleError


def refusal(folder: Path, expect_hash: str | None = None) -> BundleError:
    with pytest.raises(BundleError) as caught:
        read_bundle(folder, expect_hash)
    assert "\n" not in caught.value.message
    assert caught.value.hint
    return caught.value


def reseal(folder: Path, change: Any) -> None:
    """Rewrite manifest.json as a forger would: with a sidecar that matches."""
    document = json.loads((folder / "manifest.json").read_text())
    raw = change(document)
    raw = json.dumps(document).encode() if raw is None else raw
    (folder / "manifest.json").write_bytes(raw)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(raw).hexdigest()}  manifest.json\n")


def test_what_was_written_is_read(folder: Path, manifest: Manifest, files: dict[str, bytes]) -> None:
    bundle = read_bundle(folder)
    assert {name: bundle.bytes(name) for name in bundle.names} == files
    assert bundle.json("conformal.json") == {"event": {"coverage": 0.9}}
    assert bundle.text("event.lgb.txt").endswith("µ\n")
    tensors = bundle.tensors("encoder.safetensors")
    assert tensors["weight"].dtype == np.float32
    np.testing.assert_array_equal(tensors["weight"], np.arange(12).reshape(3, 4))
    assert bundle.hash == hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    for name in ("tasks", "schema", "canonical", "training_data", "parameters", "population", "details"):
        assert getattr(bundle.manifest, name) == getattr(manifest, name), name
    assert "conformal.json" in bundle
    assert "nothing.json" not in bundle


def test_the_disk_is_not_looked_at_again(folder: Path) -> None:
    bundle = read_bundle(folder)
    (folder / "conformal.json").write_bytes(b'{"event": {"coverage": 0.1}}')
    assert bundle.json("conformal.json")["event"]["coverage"] == 0.9


def test_expected_hash(folder: Path) -> None:
    digest = read_bundle(folder).hash
    assert read_bundle(folder, digest.upper()).hash == digest
    assert refusal(folder, "0" * 64).code == "bundle.unexpected"
    assert refusal(folder, digest[:12]).code == "bundle.unexpected"


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_changed_byte_is_refused(folder: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(p for p in folder.iterdir() if p.stat().st_size)))
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    flip = data.draw(st.integers(1, 255))
    path.write_bytes(original[:position] + bytes([original[position] ^ flip]) + original[position + 1 :])
    try:
        error = refusal(folder)
        assert error.code == "bundle.changed"
        assert path.name in error.message
    finally:
        path.write_bytes(original)
    read_bundle(folder)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_byte_more_or_less_is_refused(folder: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(folder.iterdir())))
    original = path.read_bytes()
    shorter = bool(original) and data.draw(st.booleans())
    path.write_bytes(original[:-1] if shorter else original + b"\n")
    try:
        assert refusal(folder).code == "bundle.changed"
    finally:
        path.write_bytes(original)


def test_every_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    for path in sorted(folder.iterdir()):
        damaged = tmp_path / "damaged"
        shutil.copytree(folder, damaged)
        (damaged / path.name).unlink()
        error = refusal(damaged)
        assert error.code == "bundle.missing"
        assert path.name in error.message
        shutil.rmtree(damaged)


def test_additions_are_refused(folder: Path) -> None:
    (folder / "extra.py").write_text("boo")
    error = refusal(folder)
    assert (error.code, "extra.py" in error.message) == ("bundle.extra", True)
    (folder / "extra.py").unlink()
    (folder / "sub").mkdir()
    assert refusal(folder).code == "bundle.extra"


@pytest.mark.parametrize("name", ["conformal.json", "manifest.json", "manifest.sha256"])
def test_links_and_folders_are_refused(folder: Path, tmp_path: Path, name: str) -> None:
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert refusal(folder).code == "bundle.link"
    (folder / name).unlink()
    (folder / name).mkdir()
    assert refusal(folder).code == "bundle.link"


def test_a_fifo_does_not_hang(folder: Path) -> None:
    (folder / "conformal.json").unlink()
    os.mkfifo(folder / "conformal.json")
    assert refusal(folder).code == "bundle.link"


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/hostname", "a/b", "..", ".hidden", "a\n", "", "a\\b", "manifest.json"]
)
def test_names_that_lead_elsewhere_are_refused(folder: Path, name: str) -> None:
    reseal(folder, lambda d: d["files"].update({name: d["files"]["empty.txt"]}))
    assert refusal(folder).code in {"bundle.name", "bundle.manifest"}


def test_newer_format(folder: Path) -> None:
    def newer(document: dict[str, Any]) -> None:
        document.update(format_version=99, unheard_of=True)

    reseal(folder, newer)
    error = refusal(folder)
    assert error.code == "bundle.newer"
    assert "upgrade" in error.hint


def test_older_format_is_migrated(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(document: dict[str, Any]) -> None:
        document["format_version"] = 0
        document["study"] = document.pop("name")

    def step(document: Any) -> Any:
        rest = {name: value for name, value in document.items() if name != "study"}
        return {**rest, "name": document["study"]}

    reseal(folder, older)
    assert refusal(folder).code == "bundle.older"
    monkeypatch.setitem(MIGRATIONS, 0, step)
    bundle = read_bundle(folder)
    assert (bundle.manifest.name, bundle.manifest.format_version) == ("tiny", 1)


def test_migrations_follow_each_other() -> None:
    steps = {1: lambda d: {**d, "a": 1}, 2: lambda d: {**d, "b": d["a"] + 1}}
    assert migrate({"format_version": 1}, steps, 3) == {"format_version": 3, "a": 1, "b": 2}
    with pytest.raises(BundleError, match="no format version"):
        migrate({"format_version": True})


@pytest.mark.parametrize(
    "raw", [b"[]", b"{", b"\xff\xfe", b"null", b'{"format_version": NaN}', b"[" * 100_000, b'{"seed": 1e999}']
)
def test_a_manifest_that_is_no_manifest(folder: Path, raw: bytes) -> None:
    reseal(folder, lambda document: raw)
    assert refusal(folder).code in {"bundle.manifest", "bundle.unreadable"}


def test_wrong_content_is_refused_without_a_traceback(
    tmp_path: Path, manifest: Manifest, files: dict[str, bytes]
) -> None:
    junk = {"a.safetensors": b"\x08\0\0\0\0\0\0\0garbage!", "a.json": b"{", "a.txt": b"\xff"}
    write_bundle(tmp_path / "junk", manifest, junk)
    bundle = read_bundle(tmp_path / "junk")
    refused = [
        (bundle.text, "a.txt"),
        *((bundle.json, n) for n in junk),
        *((bundle.tensors, n) for n in junk),
    ]
    for read, name in refused:
        with pytest.raises(BundleError, match=name):
            read(name)
    with pytest.raises(BundleError, match="no weights"):
        bundle.tensors("no weights")


def test_too_large(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_module, "MAX_BUNDLE_BYTES", 10)
    assert refusal(folder).code == "bundle.size"
    monkeypatch.setattr(reading_module, "MAX_MANIFEST_BYTES", 10)
    assert refusal(folder).code == "bundle.changed"


def test_no_bundle_there(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").code == "bundle.missing"
    assert refusal(tmp_path).code == "bundle.missing"
    (tmp_path / "file").write_text("x")
    assert refusal(tmp_path / "file").code == "bundle.missing"
