"""Which path leads to which file; folders; recordings with a table's patient fields."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import RecordingFile, find_recordings, read_recording
from cardiofusion.records import RecordingError, RecordingSource

ADC = [[5, -3, 7], [1, 2, 3]]

Writer = Callable[..., Path]


def code_of(path: Path | str) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("given", ["rec.hea", "rec.dat", "rec"])
def test_header_signal_file_or_stem(tmp_path: Path, write_record: Writer, given: str) -> None:
    write_record(tmp_path, ADC)
    for path in (tmp_path / given, str(tmp_path / given)):
        recording = read_recording(path)
        assert (recording.source, recording.record_id) == ("rec.hea", "rec")
        assert recording.signal.flags["C_CONTIGUOUS"]


def test_matlab_file_and_dotted_stem(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, ADC, name="a.b", matlab=True)
    assert read_recording(tmp_path / "a.b").record_id == "a.b"
    assert read_recording(tmp_path / "a.b.mat").record_id == "a.b"


def test_what_cannot_be_read_is_named(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, ADC)
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "alone.dat").write_bytes(b"1234")
    (tmp_path / "folder.hea").mkdir()
    assert code_of(tmp_path / "none.hea") == "recording.missing"
    assert code_of(tmp_path / "none.dat") == "recording.missing"
    assert code_of(tmp_path / "none") == "recording.missing"
    assert code_of(tmp_path / "table.csv") == "recording.format"
    assert code_of(tmp_path / "alone.dat") == "recording.header"
    assert code_of(tmp_path) == "recording.folder"
    assert code_of(tmp_path / "folder.hea") == "recording.folder"
    assert code_of("") == "recording.folder"
    assert code_of("/") == "recording.folder"
    assert code_of("x" * 5000) == "recording.unreadable"
    assert code_of("nul\0byte.hea") == "recording.missing"
    with pytest.raises(RecordingError, match=r"WFDB \(\.hea"):
        read_recording(tmp_path / "table.csv")


def test_find_recordings(tmp_path: Path, write_record: Writer) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    wanted = [
        write_record(tmp_path / "deep" / "er", ADC, name="b"),
        write_record(tmp_path, ADC, name="z"),
        write_record(tmp_path, ADC, name="a"),
    ]
    write_record(tmp_path, ADC, name=".hidden")
    (tmp_path / "notes.txt").write_text("no recording")
    assert find_recordings(tmp_path) == sorted(wanted)
    assert find_recordings(str(tmp_path)) == sorted(wanted)


def test_every_format_is_found_by_content(tmp_path: Path) -> None:
    table = "# cardiofusion-ecg: 1\n# sampling_rate: 500\n# unit: mV\nI,II\n0.1,0.2\n0.3,0.4\n"
    (tmp_path / "no.name").write_text(table)
    (tmp_path / "patients.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")  # may be a clinical table
    (tmp_path / "patients.csv").write_text("age,sex\n61,male\n")
    assert find_recordings(tmp_path) == [tmp_path / "no.name"]
    recording = read_recording(tmp_path / "no.name")
    assert (recording.record_id, recording.source, recording.sampling_rate) == ("no", "no.name", 500.0)
    assert code_of(tmp_path / "patients.csv") == "recording.format"
    with pytest.raises(RecordingError):
        read_recording(tmp_path / "patients.parquet")


def test_a_bare_name_is_the_one_file_of_that_name(tmp_path: Path, write_record: Writer) -> None:
    table = "# cardiofusion-ecg: 1\n# sampling_rate: 500\n# unit: mV\nI,II\n0.1,0.2\n0.3,0.4\n"
    (tmp_path / "one.CSV").write_text(table)
    assert read_recording(tmp_path / "one").source == "one.CSV"
    (tmp_path / "one.dcm").write_bytes(b"anything")
    assert code_of(tmp_path / "one") == "recording.ambiguous"
    (tmp_path / "rec.csv").write_text(table)
    write_record(tmp_path, ADC)
    assert read_recording(tmp_path / "rec").source == "rec.hea"  # a WFDB record goes by its bare name


def test_segments_are_not_listed_twice(tmp_path: Path, write_record: Writer) -> None:
    for name in ("s_1", "s_2", "s_layout", "other"):
        write_record(tmp_path, ADC, name=name)
    (tmp_path / "s.hea").write_text("s/4 2 500 6\ns_layout 0\ns_1 3\n~ 1\ns_2 3\n# a comment\n")
    (tmp_path / "broken.hea").write_bytes(b"\0\xff")
    (tmp_path / "hostile.hea").write_text("h/1 2 500 6\na/../b 3\n")
    names = [path.name for path in find_recordings(tmp_path)]
    assert names == ["broken.hea", "hostile.hea", "other.hea", "s.hea"]


def test_folders_without_recordings(tmp_path: Path) -> None:
    for folder, code in ((tmp_path, "recording.none"), (tmp_path / "no", "recording.missing")):
        with pytest.raises(RecordingError) as caught:
            find_recordings(folder)
        assert caught.value.code == code


def test_recording_file_fills_what_the_file_leaves_open(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, ADC)
    source: RecordingSource = RecordingFile(
        header, patient_id="p1", age=61.0, sex="male", record_id="visit 1"
    )
    recording = source.read()
    assert source.record_id == recording.record_id == "visit 1"
    assert (recording.patient_id, recording.age, recording.sex) == ("p1", 61.0, "male")
    assert "patient conflict" not in recording.notes
    plain = RecordingFile(header)
    assert plain.record_id == plain.read().record_id == "rec"
    assert plain.read().patient_id is None


def test_recording_file_never_replaces_what_the_file_says(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, ADC, comments=["Age: 22", "Sex: Female", "Dx: 1"])
    recording = RecordingFile(header, patient_id="p1", age=61.0, sex="female").read()
    assert (recording.patient_id, recording.age, recording.sex) == ("p1", 22.0, "female")
    assert recording.notes["patient conflict"] == "age is 22.0 in the file, 61.0 beside it"
    assert recording.notes["Dx"] == "1"


def test_recording_file_raises_only_when_read(tmp_path: Path) -> None:
    source = RecordingFile(tmp_path / "gone.hea")
    with pytest.raises(RecordingError):
        source.read()


def test_reading_needs_numpy_only() -> None:
    heavy = "torch scipy sklearn pandas polars numba umap matplotlib wfdb lightgbm onnxruntime"
    script = (
        f"import sys, cardiofusion.readers\nprint([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_signal_is_float32_lead_by_sample(tmp_path: Path, write_record: Writer) -> None:
    recording = read_recording(write_record(tmp_path, ADC))
    assert recording.signal.dtype == np.float32
    assert recording.signal.shape == (2, 3)
