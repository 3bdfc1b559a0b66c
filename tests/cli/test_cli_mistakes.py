"""Bad input: one clear line, one hint, exit code 2, no traceback, and what was complete stays usable."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.runtime import System, embedding
from cardiofusion.writers import write_recording

TINY_DISK = "192k"


@pytest.fixture
def patient(virtual_patient, tmp_path):
    """A copy of the patient's ECG, to be spoilt: the header."""
    folder = tmp_path / "patient"
    folder.mkdir()
    for suffix in (".hea", ".dat"):
        shutil.copy(virtual_patient.header.with_suffix(suffix), folder)
    return folder / virtual_patient.header.name


def spoil(header, old, new):
    text = header.read_text("utf-8")
    assert old in text
    header.write_text(text.replace(old, new), encoding="utf-8")


# --- ECG files ---------------------------------------------------------------------------------------------


def test_a_missing_ecg(refused, tiny_bundle, tmp_path):
    assert "does not exist" in refused("assess", tiny_bundle, "--ecg", tmp_path / "none.hea")


def test_a_missing_signal_file(refused, tiny_bundle, patient):
    patient.with_suffix(".dat").unlink()
    assert patient.with_suffix(".dat").name in refused("assess", tiny_bundle, "--ecg", patient)


@pytest.mark.parametrize("kept", [0, 1, 777, 23_999])
def test_a_truncated_signal_file(refused, tiny_bundle, patient, kept):
    signal = patient.with_suffix(".dat")
    signal.write_bytes(signal.read_bytes()[:kept])
    refused("assess", tiny_bundle, "--ecg", patient)
    refused("inspect", patient)


@pytest.mark.parametrize("claimed", ["1001", "999999999999", "-5", "many"])
def test_a_header_that_lies_about_its_length(refused, tiny_bundle, patient, claimed):
    spoil(patient, " 12 100 1000\n", f" 12 100 {claimed}\n")
    refused("assess", tiny_bundle, "--ecg", patient)


def test_a_header_that_names_more_leads_than_it_has(refused, tiny_bundle, patient):
    spoil(patient, " 12 100 1000\n", " 13 100 1000\n")
    refused("assess", tiny_bundle, "--ecg", patient)


def test_a_changed_sample_is_seen_by_the_checksum(refused, tiny_bundle, patient):
    signal = patient.with_suffix(".dat")
    content = bytearray(signal.read_bytes())
    content[5000] ^= 64
    signal.write_bytes(content)
    assert "checksum" in refused("assess", tiny_bundle, "--ecg", patient)


def test_an_unknown_lead(refused, tiny_bundle, patient):
    spoil(patient, " V6\n", " elbow\n")
    assert "elbow" in refused("assess", tiny_bundle, "--ecg", patient)


@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_flat_ecg_and_one_of_nan(refused, run, tiny_bundle, virtual_patient, tmp_path, value):
    signal = np.full_like(virtual_patient.recording.signal, value)
    header = write_recording(replace(virtual_patient.recording, signal=signal), tmp_path / "flat.hea")
    assert "record or export it again" in refused("assess", tiny_bundle, "--ecg", header)
    beside = run("assess", tiny_bundle, "--ecg", header, "--set", "age=61", "--json")
    assert beside.code == 0
    assert "not used" in json.loads(beside.out)["missing"]["ecg"]


def test_an_unfit_ecg_is_answered_and_then_refused(run, tiny_bundle, virtual_patient, tmp_path):
    signal = np.zeros_like(virtual_patient.recording.signal)
    header = write_recording(replace(virtual_patient.recording, signal=signal), tmp_path / "flat.hea")
    sheet = tmp_path / "sheet.html"
    said = run("assess", tiny_bundle, "--ecg", header, "--json", "--html", sheet)
    found = json.loads(said.out)
    assert said.code == 2
    assert "recording.unfit" in said.err
    assert found["tasks"] == {}
    assert found["quality"]["grade"] == "unfit"
    assert "record or export it again" in sheet.read_text("utf-8")
    assert "Every sample is zero or missing" in run("assess", tiny_bundle, "--ecg", header).out


def test_no_ecg_format_at_all(refused, tiny_bundle, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert "notes.txt" in refused("assess", tiny_bundle, "--ecg", tmp_path / "notes.txt")
    refused("inspect", tmp_path / "notes.txt")


def test_a_folder_for_an_ecg(refused, tiny_bundle, tmp_path):
    refused("assess", tiny_bundle, "--ecg", tmp_path)
    refused("inspect", tmp_path)


# --- clinical values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("systolic=700", "outside the plausible range"),
        ("height=1.7", "outside the plausible range"),
        ("weight=82mmHg", "mmHg"),
        ("weight=heavy", "not a number"),
        ("weight=nan kg", "not a number"),
        ("weight=1e999", "not a number"),
        ("wieght=82", "weight"),
        ("sex=other", "male"),
        ("hdl_cholesterol=45mmHg", "does not convert"),
        ("hdl_cholesterol=45", "0.2 to 5 mmol/L"),
        ("statin=sometimes", "no, yes"),
        ("hdl_cholestrol=1.2", "hdl_cholesterol"),
        ("age", "NAME=VALUE"),
        ("=61", "NAME=VALUE"),
    ],
)
def test_a_clinical_value_that_cannot_be(refused, tiny_bundle, setting, said):
    assert said in refused("assess", tiny_bundle, "--set", setting)


def test_a_value_twice(refused, tiny_bundle):
    assert "twice" in refused("assess", tiny_bundle, "--set", "age=61", "--set", "age=62")


@pytest.mark.parametrize(
    "text",
    [
        "", "age,sex\n", "age,sex\n61,male\n62,male\n", "age,age\n61,62\n", "age,sex\n61\n", "[1, 2]",
        '{"age": [61]}', '{"age": ', '{"age": true}', "{" * 3000, '{"age": 61, "shoe": 43}',
        "age;shoe\n61;43\n",
    ],
)  # fmt: skip
def test_a_clinical_file_that_is_not_one_row(refused, tiny_bundle, tmp_path, text):
    (tmp_path / "row.csv").write_text(text, encoding="utf-8")
    refused("assess", tiny_bundle, "--clinical", tmp_path / "row.csv")


def test_a_clinical_file_that_is_missing_or_no_text(refused, tiny_bundle, tmp_path):
    refused("assess", tiny_bundle, "--clinical", tmp_path / "none.csv")
    (tmp_path / "row.csv").write_bytes(b"\xff\xfe\x00\x01")
    refused("assess", tiny_bundle, "--clinical", tmp_path / "row.csv")
    refused("assess", tiny_bundle, "--clinical", tmp_path)


def test_nothing_to_assess(refused, tiny_bundle):
    refused("assess", tiny_bundle)
    refused("assess", tiny_bundle, "--set", "age=unknown")


# --- bundles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["encoder.onnx", "manifest.json", "conformal.json", "model_card.html"])
def test_a_bundle_with_one_byte_changed(refused, tiny_bundle, tmp_path, name):
    copy = tmp_path / "copy"
    shutil.copytree(tiny_bundle, copy)
    content = bytearray((copy / name).read_bytes())
    content[-2] ^= 1
    (copy / name).write_bytes(content)
    assert name in refused("assess", copy, "--set", "age=61")
    refused("inspect", copy)


def test_another_bundle_than_the_expected(refused, tiny_bundle):
    assert "hash" in refused("assess", tiny_bundle, "--set", "age=61", "--expect-hash", "0" * 64)


def test_no_bundle(refused, tmp_path):
    refused("assess", tmp_path / "none", "--set", "age=61")
    refused("assess", tmp_path, "--set", "age=61")
    refused("inspect", tmp_path / "none")
    refused("embed", "--ecg", tmp_path, "--out", tmp_path / "e.npz")


# --- study files -------------------------------------------------------------------------------------------


def test_a_study_file_with_a_typo(refused, tmp_path, tiny_folder):
    file = tmp_path / "study.toml"
    text = (tiny_folder / "tiny.toml").read_text("utf-8")
    file.write_text(text.replace("bootstraps = 50", "bootstrap = 50"), encoding="utf-8")
    said = refused("train", file, "--out", tmp_path / "bundle")
    assert "bootstraps" in said
    assert "line" in said
    assert not (tmp_path / "bundle").exists()


def test_no_study_file(refused, tmp_path):
    refused("train", tmp_path / "none.toml", "--out", tmp_path / "bundle")


def test_a_study_file_is_not_overwritten(refused, tmp_path):
    (tmp_path / "t.csv").write_text("patient,age,died\n1,50,0\n2,60,1\n", encoding="utf-8")
    (tmp_path / "study.toml").write_text("mine", encoding="utf-8")
    refused("study", "new", tmp_path / "t.csv", "--out", tmp_path / "study.toml")
    assert (tmp_path / "study.toml").read_text("utf-8") == "mine"


def test_a_table_that_is_not_there(refused, tmp_path):
    refused("study", "new", tmp_path / "none.csv", "--out", tmp_path / "study.toml")


# --- the command line itself -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("asess",), ("assess",), ("assess", "x", "--hlep"), ("embed",), ("study", "old"), ("train", "x.toml"),
        ("embed", "--out", "x.npz"), ("assess", "x", "y"),
    ],
)  # fmt: skip
def test_a_command_that_is_mistyped(refused, arguments):
    refused(*arguments)


def test_an_embedding_of_nothing(refused, tiny_bundle, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    out = tmp_path / "e.npz"
    refused("embed", "--bundle", tiny_bundle, "--ecg", empty, "--out", out)
    refused("embed", "--bundle", tiny_bundle, "--ecg", tmp_path / "none", "--out", out)
    refused("embed", "--bundle", tiny_bundle, "--dataset", "ptb-xl", "--out", out)
    refused("embed", "--bundle", tiny_bundle, "--dataset", "mit-xl", "--data", tmp_path, "--out", out)
    refused("embed", "--bundle", tiny_bundle, "--dataset", "ptb-xl", "--ecg", empty, "--out", out)
    (empty / "notes.txt").write_text("not an ECG")
    assert "notes.txt" in refused(
        "embed", "--bundle", tiny_bundle, "--ecg", empty / "notes.txt", "--out", out
    )
    assert not out.exists()


# --- the network -------------------------------------------------------------------------------------------


def test_a_release_that_is_not_what_it_should_be(refused, mirror, tmp_path):
    command = ("data", "fetch", "ptb-xl", "--to", tmp_path / "ptb-xl", "--base-url", mirror.url)
    mirror.served["records100/00000/00002_lr.dat"] = b"not what was listed"
    assert "SHA-256" in refused(*command)
    mirror.statuses["records100/00000/00002_lr.dat"] = [404]
    assert "404" in refused(*command)
    mirror.listed = [f"{'0' * 64} ../../evil"]
    assert "line 14" in refused(*command)
    assert "cannot be fetched" in refused("data", "fetch", "ptbxl", "--to", tmp_path)
    refused("data", "fetch", "ptb-xl", "--to", tmp_path, "--base-url", "file:///etc/")
    refused("data", "fetch", "ptb-xl", "--to", tmp_path, "--rate", "250")


# --- disk and Ctrl-C ---------------------------------------------------------------------------------------


@pytest.fixture
def full_disk(tmp_path):
    """A folder on a disk of its own with no room left. Needs the right to mount."""
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
        (folder / "kept.txt").write_text("complete before")
        with pytest.raises(OSError, match="No space"), (folder / "filler").open("wb", buffering=0) as handle:
            handle.writelines(itertools.repeat(b"x" * 4096))
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(refused, full_disk, tiny_bundle, tiny_folder, virtual_patient, tmp_path):
    study = tmp_path / "study.toml"
    study.write_text((tiny_folder / "tiny.toml").read_text("utf-8").replace("= 640", "= 100"), "utf-8")
    before = sorted(path.name for path in full_disk.iterdir())
    writing = [
        ("assess", tiny_bundle, "--ecg", virtual_patient.header, "--html", full_disk / "sheet.html"),
        (
            "embed",
            "--bundle",
            tiny_bundle,
            "--ecg",
            virtual_patient.header.parent,
            "--out",
            full_disk / "e.npz",
        ),
        ("train", study, "--out", full_disk / "bundle"),
        ("study", "new", virtual_patient.table, "--out", full_disk / "study.toml"),
    ]
    for command in writing:
        assert "space" in refused(*command)
    left = {path.name for path in full_disk.iterdir()} - {"bundle.work"}
    assert sorted(left) == before
    assert (full_disk / "kept.txt").read_text() == "complete before"


def test_a_full_disk_ends_a_download(refused, full_disk, mirror):
    command = ("data", "fetch", "ptb-xl", "--to", full_disk / "ptb-xl", "--base-url", mirror.url)
    assert "space" in refused(*command)
    (full_disk / "filler").unlink()
    assert "space" in refused(*command)
    assert list(full_disk.rglob("*.part"))
    assert (full_disk / "kept.txt").read_text() == "complete before"


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX")
def test_a_disk_that_refuses_a_file_half_way(tiny_bundle, virtual_patient, tmp_path):
    sheet = tmp_path / "sheet.html"
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "from cardiofusion.cli import main; main(sys.argv[1:])"
    )
    arguments = ["assess", tiny_bundle, "--ecg", virtual_patient.header, "--html", sheet]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr.count("error: ") == done.stderr.count("hint: ") == 1
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_ends_in_a_line_and_130_and_the_same_command_goes_on(
    run, tiny_bundle, virtual_patient, tmp_path, monkeypatch
):
    command = (
        "embed",
        "--bundle",
        tiny_bundle,
        "--ecg",
        virtual_patient.header.parent,
        "--out",
        tmp_path / "e.npz",
    )

    def interrupted(source):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(embedding, "_read", interrupted)
        ran = run(*command)
    assert ran.code == 130
    assert "goes on from there" in ran.err
    assert "Traceback" not in ran.err
    assert run(*command).code == 0
    assert (tmp_path / "e.npz").exists()


def test_the_bundle_is_never_written_to(run, tiny_bundle, virtual_patient):
    before = {path.name: path.stat().st_mtime_ns for path in tiny_bundle.iterdir()}
    run("assess", tiny_bundle, "--ecg", virtual_patient.header)
    assert {path.name: path.stat().st_mtime_ns for path in tiny_bundle.iterdir()} == before
    assert System.load(Path(tiny_bundle)).manifest.name == "tiny"


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
def test_ctrl_c_ends_a_download_at_once_though_the_server_is_silent(run, mirror, tmp_path):
    silent = "records100/00000/00002_lr.dat"
    mirror.silent.add(silent)
    command = ("data", "fetch", "ptb-xl", "--to", str(tmp_path / "ptb-xl"), "--base-url", mirror.url)
    # A shell that starts the tests in the background has its children ignore Ctrl-C.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from cardiofusion.cli import main; main(sys.argv[1:])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while (silent, None) not in mirror.asked:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=25)
    assert process.returncode == 130
    assert "goes on from there" in said
    assert "Traceback" not in said
    mirror.silent.clear()
    assert run(*command).code == 0
