"""Recordings that came as several files in memory: the same as from a disk, and nothing but one recording."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import read_files, read_recording, wfdb
from cardiofusion.records import RecordingError

ADC = [[5, -3, 7], [1, 2, 3]]
TABLE = b"# cardiofusion-ecg: 1\n# sampling_rate: 500\n# unit: mV\nI,II\n0.1,0.2\n0.3,0.4\n"

Writer = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def code_of(files: dict[str, bytes]) -> str:
    with pytest.raises(RecordingError) as caught:
        read_files(files)
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.code


def joined(folder: Path, write_record: Writer) -> Path:
    """A record of a layout, two segments and a gap."""
    write_record(folder, ADC, name="s1")
    write_record(folder, ADC, 212, name="s2", comments=["Age: 61"])
    (folder / "layout.hea").write_text("layout 2 500 0\n~ 0 200 16 0 0 0 0 I\n~ 0 200 16 0 0 0 0 II\n")
    (folder / "all.hea").write_text("all/4 2 500 8\nlayout 0\ns1 3\n~ 2\ns2 3\n# Sex: F\n")
    return folder / "all.hea"


@pytest.mark.parametrize("sample_format", [16, 80, 212])
@pytest.mark.parametrize("matlab", [False, True])
def test_the_same_as_from_a_disk(
    tmp_path: Path, write_record: Writer, sample_format: int, matlab: bool
) -> None:
    if matlab and sample_format == 212:
        sample_format = 32
    header = write_record(tmp_path, ADC, sample_format, matlab=matlab, comments=["Age: 61", "Dx: 1"])
    memory, disk = read_files(contents(tmp_path)), read_recording(header)
    np.testing.assert_array_equal(memory.signal, disk.signal)
    for field in ("leads", "sampling_rate", "record_id", "source", "age", "unverified", "notes"):
        assert getattr(memory, field) == getattr(disk, field)
    same = wfdb.decode(header.name, contents(tmp_path))
    np.testing.assert_array_equal(same.signal, disk.signal)


def test_a_record_of_segments(tmp_path: Path, write_record: Writer) -> None:
    header = joined(tmp_path, write_record)
    memory, disk = read_files(contents(tmp_path)), read_recording(header)
    np.testing.assert_array_equal(memory.signal, disk.signal)
    assert (memory.record_id, memory.source, memory.sex) == ("all", "all.hea", "female")


@pytest.mark.parametrize("missing", ["s1.hea", "s2.dat", "layout.hea"])
def test_a_missing_file_is_named(tmp_path: Path, write_record: Writer, missing: str) -> None:
    joined(tmp_path, write_record)
    files = contents(tmp_path)
    del files[missing]
    with pytest.raises(RecordingError, match=missing) as caught:
        read_files(files)
    assert caught.value.code == "recording.missing"


def test_one_file_of_another_format() -> None:
    recording = read_files({"C:\\ecg\\lead.csv": TABLE})
    assert (recording.record_id, recording.source) == ("lead", "lead.csv")


def test_names_with_folders(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, ADC)
    files = {f"upload/{name}": content for name, content in contents(tmp_path).items()}
    assert read_files(files).source == "rec.hea"


def test_what_is_not_one_recording_is_refused(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, ADC)
    record = contents(tmp_path)
    other = {"other.hea": record["rec.hea"].replace(b"rec", b"other"), "other.dat": record["rec.dat"]}
    assert code_of({}) == "recording.files"
    assert code_of(record | other) == "recording.files"
    assert code_of(record | {"rec.atr": b"annotations"}) == "recording.files"
    assert code_of(record | {"lead.csv": TABLE}) == "recording.files"
    assert code_of({"a.csv": TABLE, "b.csv": TABLE}) == "recording.files"
    assert code_of(record | {"copy/rec.dat": record["rec.dat"]}) == "recording.files"
    assert code_of({"rec.hea": record["rec.hea"]}) == "recording.missing"
    assert code_of({"rec.dat": record["rec.dat"]}) == "recording.format"
    assert code_of({"notes.txt": b"nothing"}) == "recording.format"
    assert code_of({"rec.hea": b""}) == "recording.header"


def test_a_header_cannot_name_a_file_of_this_machine(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, ADC)
    header = contents(tmp_path)["rec.hea"]
    for name in (b"/etc/passwd", b"../rec.dat", b"..\\rec.dat"):
        assert code_of({"rec.hea": header.replace(b"rec.dat", name)}) == "recording.path"
    assert code_of({"rec.hea": header.replace(b"rec.dat", b"passwd")}) == "recording.missing"


def test_the_files_have_a_size_together(
    tmp_path: Path, write_record: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_record(tmp_path, ADC)
    files = contents(tmp_path)
    monkeypatch.setattr("cardiofusion.readers.files.MAX_FILE_BYTES", sum(map(len, files.values())))
    assert read_files(files).source == "rec.hea"
    monkeypatch.setattr("cardiofusion.readers.files.MAX_FILE_BYTES", sum(map(len, files.values())) - 1)
    assert code_of(files) == "recording.size"


@pytest.mark.data
def test_real_records(data_dir: Path) -> None:
    for name in ("ptb-xl/records100/00000/00001_lr", "mitdb/100", "cinc2021/E00015"):
        path = data_dir / name
        files = {
            f"{path.name}{suffix}": path.with_suffix(suffix).read_bytes()
            for suffix in (".hea", ".dat", ".mat")
            if path.with_suffix(suffix).exists()
        }
        memory, disk = read_files(files), read_recording(path.with_suffix(".hea"))
        np.testing.assert_array_equal(memory.signal, disk.signal)
        assert memory.notes == disk.notes
