"""FLAC signal files, formats 508, 516 and 524, written by soundfile: lengths, checks, bombs, mutants."""

from __future__ import annotations

import hashlib
import sys
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import read_recording, wfdb
from cardiofusion.records import ExtraMissingError, RecordingError

soundfile = pytest.importorskip("soundfile")

BITS = {508: 8, 516: 16, 524: 24}
SUBTYPES = {508: "PCM_S8", 516: "PCM_16", 524: "PCM_24"}
MD5 = slice(26, 42)  # of STREAMINFO in the file
TOTAL = slice(21, 26)  # the low 36 bits are the number of samples

RNG = np.random.default_rng(5)


def write(
    folder: Path,
    rows: Sequence[Sequence[int]],
    sample_format: int = 516,
    stored: int | None = None,
    frame: int = 1,
    offset: int = 0,
) -> Path:
    """A record of I, II ... in one FLAC file; stored: the format of the file where the header's differs."""
    bits = BITS[stored or sample_format]
    samples = np.array(rows, dtype=np.int32).T << (32 - bits)
    lead_in = np.zeros((offset, len(rows)), dtype=np.int32)
    subtype = SUBTYPES[stored or sample_format]
    content = np.vstack([lead_in, samples])
    soundfile.write(folder / "rec.dat", content, 96000, format="FLAC", subtype=subtype)
    layout = f"{sample_format}{'' if frame == 1 else f'x{frame}'}{f'+{offset}' if offset else ''}"
    lines = [f"rec {len(rows)} 100 {len(rows[0]) // frame}"]
    for row, lead in zip(rows, ("I", "II", "V1"), strict=False):
        lines.append(f"rec.dat {layout} 200/mV 0 0 {row[0]} {sum(row) & 0xFFFF} 0 {lead}")
    (folder / "rec.hea").write_text("\n".join(lines) + "\n")
    return folder / "rec.hea"


def noise(sample_format: int, signals: int = 2, samples: int = 700) -> list[list[int]]:
    limit = 2 ** (BITS[sample_format] - 1)
    return RNG.integers(-limit + 1, limit, size=(signals, samples)).tolist()


def code_of(header: Path) -> str:
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("sample_format", BITS)
@pytest.mark.parametrize("signals", [1, 3])
def test_what_was_written_is_read(tmp_path: Path, sample_format: int, signals: int) -> None:
    rows = noise(sample_format, signals)
    rows[0][3] = -(2 ** (BITS[sample_format] - 1))
    recording = read_recording(write(tmp_path, rows, sample_format))
    expected = np.array(rows) / 200
    expected[0, 3] = np.nan
    np.testing.assert_array_equal(recording.signal, expected.astype(np.float32))
    assert recording.unverified == ("header",)  # MD5 sees what a sum of 16 bits does not
    assert "trailing bytes" not in recording.notes


def test_a_file_may_have_fewer_bits_than_its_format_allows(tmp_path: Path) -> None:
    rows = noise(508)
    recording = read_recording(write(tmp_path, rows, 524, stored=508))
    np.testing.assert_array_equal(recording.signal, np.float32(np.array(rows) / 200))
    assert code_of(write(tmp_path, rows, 508, stored=516)) == "recording.header"


def test_samples_a_frame_and_offset_in_samples(tmp_path: Path) -> None:
    rows = noise(516, samples=40)
    recording = read_recording(write(tmp_path, rows, frame=4, offset=3))
    assert recording.sampling_rate == 400
    np.testing.assert_array_equal(recording.signal, np.float32(np.array(rows) / 200))


@pytest.mark.parametrize("offset", [0, 5, 7, 16])
def test_files_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    monkeypatch.setattr("cardiofusion.readers.wfdb.flac._BLOCK", 7)
    rows = noise(516, samples=40)
    recording = read_recording(write(tmp_path, rows, frame=2, offset=offset))
    np.testing.assert_array_equal(recording.signal, np.float32(np.array(rows) / 200))
    assert recording.unverified == ("header",)


def test_lengths_are_compared(tmp_path: Path) -> None:
    rows = noise(516)
    header = write(tmp_path, rows)
    text = header.read_text()
    header.write_text(text.replace("100 700", "100 701"))
    assert code_of(header) == "recording.truncated"
    header.write_text(text.replace("100 700", "100"))
    assert read_recording(header).signal.shape == (2, 700)
    text = text.replace("100 700", "100 600")
    for row in rows:
        text = text.replace(f" {sum(row) & 0xFFFF} 0", f" {sum(row[:600]) & 0xFFFF} 0")
    header.write_text(text)
    recording = read_recording(header)
    np.testing.assert_array_equal(recording.signal, np.float32(np.array(rows)[:, :600] / 200))
    assert recording.notes["trailing bytes"] == "100 samples after the last sample in rec.dat"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "recording.encoding"),
        (b"fLaC", "recording.encoding"),
        (b"OggS" + bytes(100), "recording.encoding"),
        (b"fLaC\x04\x00\x00\x22" + bytes(100), "recording.encoding"),  # does not begin with STREAMINFO
        (b"fLaC\x00\x00\x00\x22" + bytes(100), "recording.encoding"),  # 1 bit
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, code: str) -> None:
    header = write(tmp_path, noise(516))
    (tmp_path / "rec.dat").write_bytes(content)
    assert code_of(header) == code


def test_another_number_of_channels_is_refused(tmp_path: Path) -> None:
    header = write(tmp_path, noise(516, signals=3))
    header.write_text("\n".join(header.read_text().replace("rec 3", "rec 2").splitlines()[:3]))
    assert code_of(header) == "recording.header"


def test_no_changed_byte_of_a_frame_is_accepted(tmp_path: Path) -> None:
    """Not by the CRCs of FLAC, its MD5, or WFDB's checksum; whatever precedes the frames holds no samples."""
    header = write(tmp_path, noise(524, signals=1, samples=60), 524)
    files = {path.name: path.read_bytes() for path in (header, tmp_path / "rec.dat")}
    original = wfdb.decode("rec.hea", files).signal
    refused = 0
    for position in range(len(files["rec.dat"])):
        for change in (1, 0x80):
            changed = bytearray(files["rec.dat"])
            changed[position] ^= change
            try:
                signal = wfdb.decode("rec.hea", files | {"rec.dat": bytes(changed)}).signal
            except RecordingError as error:
                assert error.code.startswith("recording.")  # noqa: PT017
                refused += 1
            else:
                np.testing.assert_array_equal(signal, original)
    assert refused > 2 * 60 * 3  # all bytes of samples at least


def test_a_wrong_md5_is_refused_and_none_leaves_samples_unverified(tmp_path: Path) -> None:
    rows = noise(516)
    header = write(tmp_path, rows)
    content = bytearray((tmp_path / "rec.dat").read_bytes())
    samples = np.array(rows, dtype="<i2").T
    assert content[MD5] == hashlib.md5(samples.tobytes()).digest()
    content[MD5] = bytes(16)
    (tmp_path / "rec.dat").write_bytes(content)
    assert read_recording(header).unverified == ("header", "samples")
    content[MD5] = b"wrong" * 3 + b"!"
    (tmp_path / "rec.dat").write_bytes(content)
    assert code_of(header) == "recording.checksum"


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    header = write(tmp_path, noise(516))
    content = (tmp_path / "rec.dat").read_bytes()
    for size in (len(content) - 1, len(content) // 2, 60, 43):
        (tmp_path / "rec.dat").write_bytes(content[:size])
        assert code_of(header) == "recording.checksum"


def test_nothing_is_allocated_for_what_a_file_only_promises(tmp_path: Path) -> None:
    header = write(tmp_path, noise(516))
    content = bytearray((tmp_path / "rec.dat").read_bytes())
    content[TOTAL] = bytes([content[21] | 0x0F]) + b"\xff" * 4
    (tmp_path / "rec.dat").write_bytes(content)
    header.write_text(header.read_text().replace("100 700", "100 50000000"))
    tracemalloc.start()
    assert code_of(header) == "recording.size"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_flat_line_is_no_bomb(tmp_path: Path) -> None:
    """The most that FLAC saves on an ECG of ten minutes, all leads lost."""
    rows = np.zeros((6, 300_000), dtype=np.int32)
    soundfile.write(tmp_path / "rec.dat", rows.T, 500, format="FLAC", subtype="PCM_16")
    leads = ("I", "II", "III", "aVR", "aVL", "aVF")
    lines = [f"rec.dat 516 200/mV 0 0 0 0 0 {lead}" for lead in leads]
    (tmp_path / "rec.hea").write_text("\n".join(["rec 6 500 300000", *lines]))
    assert not read_recording(tmp_path / "rec.hea").signal.any()


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = write(tmp_path, noise(516))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ExtraMissingError) as caught:
        read_recording(header)
    assert caught.value.extra == "flac"
