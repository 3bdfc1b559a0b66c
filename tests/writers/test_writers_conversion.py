"""Files and folders converted: whole or not at all, nothing overwritten, resumed, refusals listed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import InputError, RecordingError, StorageError
from cardiofusion.writers import (
    FORMAT_NAMES,
    convert_file,
    convert_folder,
    files,
    write_recording,
    writer_for,
)

KEY = bytes(32)


def listing(folder: Path) -> list[str]:
    """Every file and folder below, hidden ones too."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture
def source(tmp_path: Path, make_recording) -> Path:
    """Two records, one in a folder of its own, and a file that is cut short."""
    folder = tmp_path / "in"
    write_recording(make_recording(), folder / "a.hea")
    write_recording(make_recording(samples=600), folder / "deep" / "er" / "b.csv")
    write_recording(make_recording(), folder / "cut.dcm")
    (folder / "cut.dcm").write_bytes((folder / "cut.dcm").read_bytes()[:2000])
    return folder


def test_the_format_follows_from_the_suffix_or_the_name(tmp_path: Path, make_recording) -> None:
    assert [writer_for(Path("x.EDF")).name, writer_for(Path("x.edf"), "csv").name] == ["edf", "csv"]
    assert sorted(FORMAT_NAMES) == ["aecg", "csv", "dicom", "edf", "fhir", "wfdb"]
    for path, kind in ((Path("x.pdf"), None), (Path("x"), None), (Path("x.edf"), "pdf")):
        with pytest.raises(InputError) as caught:
            write_recording(make_recording(), tmp_path / path, kind)
        assert caught.value.code == "convert.format"
        assert "wfdb (.hea)" in caught.value.hint
    assert write_recording(make_recording(), tmp_path / "named", "fhir").name == "named.json"
    assert write_recording(make_recording(), str(tmp_path / "new" / "b.edf")).exists()


def test_the_files_name_is_the_records_id(tmp_path: Path, make_recording) -> None:
    path = write_recording(make_recording(record_id="a id of / any kind"), tmp_path / "plain.hea")
    assert path.read_text().startswith("plain 12 500 1000 ")
    assert read_recording(path).record_id == "plain"


@pytest.mark.parametrize("suffix", [".hea", ".edf", ".dcm", ".xml", ".json", ".csv"])
def test_nothing_is_overwritten_unasked(tmp_path: Path, make_recording, suffix: str) -> None:
    path = write_recording(make_recording(), tmp_path / f"rec{suffix}")
    before = {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)}
    other = make_recording(samples=777)
    with pytest.raises(StorageError) as caught:
        write_recording(other, path)
    assert caught.value.code == "storage.exists"
    assert {name: (tmp_path / name).read_bytes() for name in listing(tmp_path)} == before
    assert read_recording(write_recording(other, path, overwrite=True)).signal.shape[1] == 777
    assert listing(tmp_path) == sorted(before)


def test_the_samples_of_another_record_are_not_overwritten_either(tmp_path: Path, make_recording) -> None:
    (tmp_path / "rec.dat").write_bytes(b"of someone else")
    with pytest.raises(StorageError):
        write_recording(make_recording(), tmp_path / "rec.hea")
    assert (tmp_path / "rec.dat").read_bytes() == b"of someone else"
    assert listing(tmp_path) == ["rec.dat"]


@pytest.mark.parametrize("suffix", [".hea", ".edf"])
@pytest.mark.parametrize("moment", ["_read_back", "_publish"])
def test_ctrl_c_leaves_no_half_file(
    tmp_path: Path, make_recording, monkeypatch: pytest.MonkeyPatch, suffix: str, moment: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files, moment, interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_recording(make_recording(), tmp_path / f"rec{suffix}")
    assert listing(tmp_path) == []


def test_ctrl_c_between_the_two_files_of_a_record(
    tmp_path: Path, make_recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The samples are in place, the header is not yet: then neither stays."""
    true_replace = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if target == tmp_path / "rec.hea":
            raise KeyboardInterrupt
        return true_replace(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        write_recording(make_recording(), tmp_path / "rec.hea")
    assert listing(tmp_path) == []


def test_what_reads_back_as_something_else_is_not_left_behind(
    tmp_path: Path, make_recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lead that reads upside down, as by a mistake of a writer: found before anything is in place."""
    true_read = files.read_recording

    def wrong(path: Path):
        read = true_read(path)
        read.signal[1] *= -1
        return read

    monkeypatch.setattr(files, "read_recording", wrong)
    for suffix in (".hea", ".edf", ".dcm", ".xml", ".json", ".csv"):
        with pytest.raises(RecordingError, match="cannot keep the amplitudes of rec"):
            write_recording(make_recording(), tmp_path / f"rec{suffix}")
    assert listing(tmp_path) == []


def test_infinite_samples_are_refused(tmp_path: Path, make_recording) -> None:
    recording = make_recording()
    recording.signal[3, 5] = np.inf
    for suffix in (".hea", ".edf", ".dcm", ".xml", ".json", ".csv"):
        with pytest.raises(RecordingError):
            write_recording(recording, tmp_path / f"rec{suffix}")
    assert listing(tmp_path) == []


def test_a_folder_keeps_its_shape(source: Path, tmp_path: Path) -> None:
    out, steps = tmp_path / "out", []
    done = convert_folder(source, out, "edf", on_step=lambda count, total: steps.append((count, total)))
    assert (done.written, done.kept, len(done.refused)) == (2, 0, 1)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert listing(out) == ["a.edf", "deep", "deep/er", "deep/er/b.edf"]
    assert read_recording(out / "deep" / "er" / "b.edf").signal.shape[1] == 600
    with (tmp_path / "out.errors.csv").open(newline="") as handle:
        (row,) = csv.DictReader(handle)
    assert row["file"] == "cut.dcm"
    assert row["code"] == "recording.truncated"
    assert "cut.dcm" in row["reason"]


def test_a_second_run_goes_on_where_the_first_stopped(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def stop(count: int, _: int) -> None:
        if count == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert_folder(source, out, "wfdb", on_step=stop)
    assert listing(out) == ["a.dat", "a.hea"]
    first = (out / "a.hea").stat().st_mtime_ns
    done = convert_folder(source, out, "wfdb")
    assert (done.written, done.kept, len(done.refused)) == (1, 1, 1)
    assert (out / "a.hea").stat().st_mtime_ns == first
    forced = convert_folder(source, out, "wfdb", overwrite=True)
    assert (forced.written, forced.kept) == (2, 0)
    assert (out / "a.hea").stat().st_mtime_ns != first


def test_a_list_of_refusals_goes_when_they_are_mended(source: Path, tmp_path: Path) -> None:
    convert_folder(source, tmp_path / "out", "csv")
    assert (tmp_path / "out.errors.csv").exists()
    (source / "cut.dcm").unlink()
    assert convert_folder(source, tmp_path / "out", "csv").refused == ()
    assert not (tmp_path / "out.errors.csv").exists()


def test_half_a_record_is_neither_kept_nor_overwritten(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.dat").write_bytes(b"of someone else")
    done = convert_folder(source, out, "wfdb")
    assert ("a.hea", "storage.exists") in [(each.file, each.code) for each in done.refused]
    assert (out / "a.dat").read_bytes() == b"of someone else"


def test_two_recordings_never_become_one_file(source: Path, tmp_path: Path, make_recording) -> None:
    write_recording(make_recording(samples=900), source / "a.dcm")
    for _ in range(2):  # a second run keeps the one that the first wrote
        done = convert_folder(source, tmp_path / "out", "edf")
        assert ("a.hea", "convert.same_name") in [(each.file, each.code) for each in done.refused]
        assert read_recording(tmp_path / "out" / "a.edf").signal.shape[1] == 900


def test_an_output_folder_within_the_input_is_no_input(source: Path) -> None:
    for written in (2, 0):
        done = convert_folder(source, source / "out", "edf")
        assert (done.written, done.kept) == (written, 2 - written)
    with pytest.raises(InputError) as caught:
        convert_folder(source, source / ".", "edf")
    assert caught.value.code == "convert.same"


def test_records_of_one_name_in_several_folders_stay_apart_without_their_names(
    tmp_path: Path, make_recording
) -> None:
    for folder in ("x", "y"):
        write_recording(make_recording(patient_id=None), tmp_path / "in" / folder / "ecg.hea")
    done = convert_folder(tmp_path / "in", tmp_path / "out", "fhir", KEY)
    assert (done.written, done.refused) == (2, ())
    assert len(find_recordings(tmp_path / "out")) == 2
    assert convert_folder(tmp_path / "in", tmp_path / "out", "fhir", KEY).kept == 2


def test_a_folder_without_any_recording(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(RecordingError) as caught:
        convert_folder(tmp_path / "in", tmp_path / "out", "edf")
    assert caught.value.code == "recording.none"
    assert not (tmp_path / "out").exists()


def test_one_file_into_an_existing_folder(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert convert_file(source / "a.hea", tmp_path / "out", "dicom").path == tmp_path / "out" / "a.dcm"


def test_a_folder_written_to_from_within(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    assert convert_folder(source, Path(), "edf").written == 2
    assert listing(tmp_path / "out") == ["a.edf", "deep", "deep/er", "deep/er/b.edf"]
    assert (tmp_path / "out.errors.csv").exists()


def test_an_output_that_is_no_folder(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError):
        convert_folder(source, tmp_path / "out", "edf")
    assert (tmp_path / "out").read_text() == "a file"


def renamed(record: Path, name: str) -> None:
    """Give a record's samples another name."""
    header, samples = record.with_suffix(".hea"), record.with_suffix(".dat")
    samples.rename(record.with_name(name))
    header.write_text(header.read_text().replace(samples.name, name))


def test_other_files_of_a_record_are_originals_too(tmp_path: Path, make_recording) -> None:
    """A header may name samples of another name, and segments."""
    folder = tmp_path / "in"
    write_recording(make_recording(), folder / "seg.hea")
    write_recording(make_recording(), folder / "more.hea")
    renamed(folder / "more", "rest.dat")
    (folder / "whole.hea").write_text("whole/2 12 500 2000\nseg 1000\nmore 1000\n")
    write_recording(make_recording(samples=700), folder / "b.hea")
    renamed(folder / "b", "samples.dat")
    before = {name: (folder / name).read_bytes() for name in listing(folder)}
    for source, target in (("whole", "seg"), ("whole", "rest"), ("b", "samples"), ("whole", "whole")):
        with pytest.raises(InputError) as caught:
            convert_file(folder / f"{source}.hea", folder / f"{target}.hea", overwrite=True)
        assert caught.value.code == "convert.same"
    assert {name: (folder / name).read_bytes() for name in listing(folder)} == before
    assert convert_file(folder / "whole.hea", folder / "other.hea").path.exists()


def test_a_link_to_the_original_is_the_original(source: Path, tmp_path: Path) -> None:
    (tmp_path / "link.hea").symlink_to(source / "a.hea")
    with pytest.raises(InputError):
        convert_file(source / "a.hea", tmp_path / "link.hea", overwrite=True)


def test_the_folder_above_the_originals_is_refused(source: Path, tmp_path: Path) -> None:
    before = listing(tmp_path)
    with pytest.raises(InputError) as caught:
        convert_folder(source / "deep", source, "csv", overwrite=True)
    assert caught.value.code == "convert.same"
    assert listing(tmp_path) == before


def test_names_that_wfdb_does_not_allow(tmp_path: Path, make_recording) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    for k, name in enumerate(("Jones 2.dcm", "Jones_2.csv", "Müller.1.edf")):
        write_recording(make_recording(samples=500 + k), folder / name)
    done = convert_folder(folder, out, "wfdb")
    assert [(each.file, each.code) for each in done.refused] == [("Jones_2.csv", "convert.same_name")]
    assert listing(out) == ["Jones_2.dat", "Jones_2.hea", "M_ller_1.dat", "M_ller_1.hea"]
    assert read_recording(out / "Jones_2.hea").signal.shape[1] == 500
    out.joinpath("one").mkdir()
    assert convert_file(folder / "Jones 2.dcm", out / "one", "wfdb").path.name == "Jones_2.hea"


def test_the_hint_does_not_name_the_format_that_refuses(tmp_path: Path, make_recording) -> None:
    recording = make_recording(patient_id="two  spaces")  # no reader of ours gives such an id
    for suffix, named in ((".hea", False), (".dcm", True)):
        with pytest.raises(RecordingError, match="patient's id") as caught:
            write_recording(recording, tmp_path / f"rec{suffix}")
        assert ("WFDB" in caught.value.hint) == named
