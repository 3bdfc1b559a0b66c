"""`convert` as the shell runs it."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.cli import converting
from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import LEADS, Recording
from cardiofusion.writers import write_recording

MISTAKE = 2
TINY_DISK = "256k"


def recording(samples: int = 1000, **fields: object) -> Recording:
    signal = np.random.default_rng(samples).standard_normal((12, samples)).astype(np.float32)
    return Recording(signal, 500.0, LEADS, patient_id="P-17", age=61.0, sex="male", **fields)  # type: ignore[arg-type]


@pytest.fixture
def ecg(tmp_path: Path) -> Path:
    return write_recording(recording(), tmp_path / "in" / "one.hea")


@pytest.mark.parametrize("name", ["out.edf", "out.dcm", "out.xml", "out.json", "out.csv", "out.hea"])
def test_one_file_into_each_format_and_back(run, ecg: Path, tmp_path: Path, name: str) -> None:
    ran = run("convert", ecg, tmp_path / name)
    lost = "not kept, or not in full: age\n" if name == "out.edf" else ""
    assert (ran.code, ran.out) == (0, f"wrote {tmp_path / name}\n{lost}")
    assert run("convert", tmp_path / name, tmp_path / "back.hea").code == 0
    was, back = read_recording(ecg), read_recording(tmp_path / "back.hea")
    assert np.array_equal(back.signal, was.signal)  # whole microvolts from the first file on
    assert (back.leads, back.patient_id, back.sex) == (was.leads, "P-17", "male")


def test_a_format_by_name(run, ecg: Path, tmp_path: Path) -> None:
    assert run("convert", ecg, tmp_path / "x", "--format", "dicom").code == 0
    assert read_recording(tmp_path / "x.dcm").source == "x.dcm"


def test_mistakes_are_one_line_and_a_hint(refused, ecg: Path, tmp_path: Path) -> None:
    assert "no format we write" in refused("convert", ecg, tmp_path / "x.pdf")
    assert "no format we write" in refused("convert", ecg, tmp_path / "x.edf", "--format", "pdf")
    assert "does not exist" in refused("convert", tmp_path / "none.dcm", tmp_path / "x.edf")
    assert "which format" in refused("convert", ecg.parent, tmp_path / "out")
    assert "--deidentify" in refused("convert", ecg, tmp_path / "x.edf", "--key", tmp_path / "key")
    assert not (tmp_path / "key").exists()
    assert "holds an id" in refused("convert", ecg, tmp_path / "one.edf", "--deidentify")
    assert not list(tmp_path.glob("*.edf"))


def test_an_existing_file_needs_force(run, refused, ecg: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.edf"
    run("convert", ecg, out)
    before = out.read_bytes()
    write_recording(recording(500), ecg, overwrite=True)
    assert "--force" in refused("convert", ecg, out)
    assert out.read_bytes() == before
    assert run("convert", ecg, out, "--force").code == 0
    assert read_recording(out).signal.shape[1] == 500


def test_a_recording_that_a_format_cannot_hold(refused, tmp_path: Path) -> None:
    gapped = recording()
    gapped.signal[2, 100:200] = np.nan
    path = write_recording(gapped, tmp_path / "gapped.hea")
    assert "missing samples" in refused("convert", path, tmp_path / "x.edf")
    loose = write_recording(recording(calibrated=False), tmp_path / "loose.hea")
    assert "not calibrated" in refused("convert", loose, tmp_path / "x.edf")
    assert not (tmp_path / "x.edf").exists()


def test_a_folder_with_a_corrupt_record_among_good_ones(run, ecg: Path, tmp_path: Path) -> None:
    write_recording(recording(700), ecg.parent / "deep" / "two.csv")
    broken = write_recording(recording(800), ecg.parent / "three.hea").with_suffix(".dat")
    broken.write_bytes(broken.read_bytes()[:99])
    out = tmp_path / "out"
    ran = run("convert", ecg.parent, out, "--format", "dicom")
    assert ran.code == MISTAKE
    assert "2 written, 0 kept, 1 refused (see out.errors.csv)" in ran.out
    assert "three.hea,recording.truncated" in (tmp_path / "out.errors.csv").read_text()
    assert [path.name for path in find_recordings(out)] == ["two.dcm", "one.dcm"]
    assert "0 written, 2 kept, 1 refused" in run("convert", ecg.parent, out, "--format", "dicom").out


def test_a_folder_without_refusals(run, ecg: Path, tmp_path: Path) -> None:
    ran = run("convert", ecg.parent, tmp_path / "out", "--format", "edf")
    assert (ran.code, ran.err) == (0, "")  # done before progress is worth a word
    assert "1 written, 0 kept, 0 refused" in ran.out


def test_long_work_shows_progress(run, ecg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converting, "PATIENCE", -1.0)
    assert "convert" in run("convert", ecg.parent, tmp_path / "out", "--format", "edf").err


def test_the_same_key_gives_the_same_patient_and_none_gives_another(run, ecg: Path, tmp_path: Path) -> None:
    def patient(*arguments: object) -> str | None:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        assert run("convert", ecg.parent, out, "--format", "fhir", "--deidentify", *arguments).code == 0
        (path,) = find_recordings(out)
        return read_recording(path).patient_id

    key = ("--key", tmp_path / "key")
    first, second, third, fourth = patient(*key), patient(*key), patient(), patient()
    assert first == second
    assert len({first, third, fourth, "P-17", None}) == 5


def test_a_run_without_a_key_says_that_it_is_the_only_one(run, refused, ecg: Path, tmp_path: Path) -> None:
    out = ("convert", ecg.parent, tmp_path / "out", "--format", "csv", "--deidentify")
    assert "not kept" in run(*out).out
    before = sorted((tmp_path / "out").iterdir())
    assert "another key" in refused(*out)
    assert "another key" in refused(*out, "--force")
    assert sorted((tmp_path / "out").iterdir()) == before


def test_a_key_among_the_files_it_protects_is_refused(refused, ecg: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = refused("convert", ecg.parent, out, "--format", "csv", "--deidentify", "--key", out / "key")
    assert "somewhere else" in words
    assert not out.exists()


def test_one_file_without_its_name_into_a_folder(run, ecg: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert run("convert", ecg, tmp_path / "out", "--format", "wfdb", "--deidentify").code == 0
    content = b"".join(path.name.encode() + path.read_bytes() for path in (tmp_path / "out").iterdir())
    assert b"one" not in content
    assert b"P-17" not in content


@pytest.mark.parametrize("name", ["one.hea", "one.dat", "one"])
def test_the_original_is_never_replaced(refused, ecg: Path, name: str) -> None:
    before = {path.name: path.read_bytes() for path in ecg.parent.iterdir()}
    words = refused("convert", ecg.with_name(name), ecg, "--force")
    assert "[convert.same]" in words
    assert {path.name: path.read_bytes() for path in ecg.parent.iterdir()} == before


def test_what_a_format_has_no_place_for_is_named(run, tmp_path: Path) -> None:
    said = {"interpretation": "sinus rhythm", "device": "Cardiograph 3"}
    full = recording(measured={"qt": 400.0}, notes=said)
    source = write_recording(full, tmp_path / "in" / "one.dcm")

    def told(name: str) -> str:
        return run("convert", source, tmp_path / name).out.partition("not kept, or not in full: ")[2].strip()

    assert told("x.csv") == "measurements, device, interpretation"
    assert told("x.edf") == "age, measurements, interpretation"
    assert [told(name) for name in ("x.dcm", "x.xml", "x.json", "x.hea")] == ["", "", "", ""]
    whole = run("convert", source.parent, tmp_path / "out", "--format", "edf").out
    assert "not kept, or not in full: age (in 1), measurements (in 1), interpretation (in 1)" in whole


def test_failed_exports_are_listed_and_other_files_counted(run, ecg: Path, tmp_path: Path) -> None:
    for name, content in {
        "empty.edf": b"", "empty.csv": b"", "odd.SCP": b"no SCP", "rows.csv": b"age,sex\n61,male\n",
        "page.xml": b"<a/>", "notes.txt": b"", "two.hea": b"",
    }.items():  # fmt: skip
        (ecg.parent / name).write_bytes(content)
    ran = run("convert", ecg.parent, tmp_path / "out", "--format", "dicom")
    assert ran.code == MISTAKE
    assert "1 written, 0 kept, 4 refused (see out.errors.csv); other files left aside: 3" in ran.out
    with (tmp_path / "out.errors.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [(row["file"], row["code"]) for row in rows] == [
        ("empty.csv", "recording.empty"), ("empty.edf", "recording.empty"),
        ("odd.SCP", "recording.format"), ("two.hea", "recording.header"),
    ]  # fmt: skip
    assert all(row["hint"] for row in rows)


def test_an_ordinary_table_beside_ecgs_is_no_failure(run, ecg: Path, tmp_path: Path) -> None:
    (ecg.parent / "rows.csv").write_text("age,sex\n61,male\n")
    ran = run("convert", ecg.parent, tmp_path / "out", "--format", "dicom")
    assert ran.code == 0
    assert "0 refused; other files left aside: 1" in ran.out


def test_a_key_is_not_made_for_what_cannot_be_read(refused, ecg: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    made = ("--deidentify", "--key", tmp_path / "key")
    refused("convert", tmp_path / "none.dcm", tmp_path / "x.edf", *made)
    refused("convert", tmp_path / "nothing", tmp_path / "out", "--format", "edf", *made)
    refused("convert", ecg, tmp_path / "x.pdf", *made)
    refused("convert", ecg.parent, tmp_path / "out", *made)
    assert not (tmp_path / "key").exists()


def test_hints_say_what_helps(refused, ecg: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert "is a file" in refused("convert", ecg, tmp_path / "file" / "x.edf")
    key = ("--deidentify", "--key", tmp_path / "nowhere" / "key")
    assert "make the folder first" in refused("convert", ecg, tmp_path / "x.edf", *key)
    (tmp_path / "out").mkdir()
    words = refused("convert", ecg, tmp_path / "out")
    assert "does not say which format" in words
    assert "add --format" in words


@pytest.fixture
def full_disk(tmp_path: Path):
    """A small file system with no byte left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={TINY_DISK}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except OSError:
        pytest.skip("there is no mount command here")
    if done.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kind", ["wfdb", "edf", "dicom", "aecg", "fhir", "csv"])
def test_a_full_disk(refused, full_disk: Path, tmp_path: Path, kind: str) -> None:
    """The first of two fits: it stays whole, and of the other nothing does."""
    write_recording(recording(600), tmp_path / "in" / "a.hea")
    write_recording(recording(30_000), tmp_path / "in" / "b.hea")
    words = refused("convert", tmp_path / "in", full_disk / "out", "--format", kind)
    assert "no space" in words
    assert "free some space" in words
    assert "[storage.write]" in words
    (kept,) = find_recordings(full_disk / "out")
    assert read_recording(kept).signal.shape[1] == 600
    assert not [path for path in (full_disk / "out").iterdir() if path.stem != "a"]
