"""Several samples of a signal in each frame: rates, skew, checksums, formats that pack across frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers import read_recording
from cardiofusion.records import RecordingError

FORMATS = (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)
LEAD = [5, -3, 7, 60, -20, 0]  # three frames of two samples
PRESSURE = [1, 2, 3]

Writer = Callable[..., Path]


@st.composite
def framed(draw: st.DrawFn) -> tuple[int, list[int], list[list[int]]]:
    frames = draw(st.integers(1, 7))
    frame = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3))
    value = st.integers(-60, 60)
    rows = [draw(st.lists(value, min_size=frames * n, max_size=frames * n)) for n in frame]
    return draw(st.sampled_from(FORMATS)), frame, rows


def pressure(header: Path, line: int) -> None:
    """Let a signal be no ECG."""
    lines = header.read_text().splitlines()
    lines[line] = lines[line].replace("/mV", "/mmHg")
    header.write_text("\n".join(lines))


@given(case=framed())
@settings(deadline=None, max_examples=150)
def test_what_was_written_is_read(
    scratch: Path, write_record: Writer, case: tuple[int, list[int], list[list[int]]]
) -> None:
    """The first signal is an ECG, the others are not, at rates of their own; all are verified."""
    sample_format, frame, rows = case
    record_line = f"{{name}} {{signals}} 62.5 {len(rows[0]) // frame[0]}"
    header = write_record(scratch, rows, sample_format, frame=frame, record_line=record_line)
    for line in range(2, len(rows) + 1):
        pressure(header, line)
    recording = read_recording(header)
    assert recording.sampling_rate == 62.5 * frame[0]
    np.testing.assert_array_equal(recording.signal[0], np.float32(np.array(rows[0]) / 1000))


def test_leads_of_one_rate_beside_a_slower_channel(tmp_path: Path, write_record: Writer) -> None:
    """As MIMIC's waveforms have it: 62.47 frames a second, 4 samples of an ECG in each."""
    line = "{name} {signals} 62.4725/999.56(8675310) {samples}"
    rows = [LEAD, PRESSURE, LEAD[::-1]]
    header = write_record(tmp_path, rows, leads=("II", "ABP", "V1"), frame=(2, 1, 2), record_line=line)
    pressure(header, 2)
    recording = read_recording(header)
    assert recording.sampling_rate == 62.4725 * 2
    assert recording.leads == ("II", "V1")
    assert recording.notes["skipped"] == "ABP in mmHg"
    np.testing.assert_array_equal(recording.signal, np.float32(np.array([LEAD, LEAD[::-1]]) / 1000))


def test_leads_of_unequal_rates_are_refused(tmp_path: Path, write_record: Writer) -> None:
    with pytest.raises(RecordingError, match="1, 2 samples a frame") as caught:
        read_recording(write_record(tmp_path, [LEAD, PRESSURE], frame=(2, 1)))
    assert caught.value.code == "recording.frames"


@pytest.mark.parametrize(("rate", "read"), [(0.5, False), (1, True), (1000, True), (1001, False)])
def test_the_rate_of_the_leads_must_be_that_of_an_ecg(
    tmp_path: Path, write_record: Writer, rate: float, read: bool
) -> None:
    row = list(range(20))
    header = write_record(tmp_path, [row], frame=[10], record_line=f"{{name}} {{signals}} {rate} {{samples}}")
    if read:
        assert read_recording(header).sampling_rate == rate * 10
    else:
        with pytest.raises(RecordingError) as caught:
            read_recording(header)
        assert caught.value.code == "recording.rate"


def test_skew_is_of_frames(tmp_path: Path, write_record: Writer) -> None:
    """header(5): samples before the record's first are in the file and in the checksum."""
    header = write_record(tmp_path, [LEAD, LEAD], frame=(2, 2))
    header.write_text(header.read_text().replace(" 16x2 ", " 16x2:1 ", 1))
    signal = read_recording(header).signal * 1000
    np.testing.assert_array_equal(signal[0], np.float32([7, 60, -20, 0, np.nan, np.nan]))
    np.testing.assert_array_equal(signal[1], np.float32(LEAD))


def test_a_changed_sample_within_a_frame_is_refused(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, [LEAD], frame=[2])
    content = bytearray((tmp_path / "rec.dat").read_bytes())
    content[2] ^= 1
    (tmp_path / "rec.dat").write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.code == "recording.checksum"


def test_a_length_in_frames_is_checked_against_the_file(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, [LEAD, PRESSURE], frame=(2, 1))
    pressure(header, 2)
    header.write_text(header.read_text().replace("500 3", "500 4", 1))
    with pytest.raises(RecordingError, match="holds 3 samples") as caught:
        read_recording(header)
    assert caught.value.code == "recording.truncated"
    header.write_text(header.read_text().replace("500 4", "500", 1))
    assert read_recording(header).signal.shape == (1, 6)


@pytest.mark.parametrize("sample_format", FORMATS)
@pytest.mark.parametrize("frame", [(1, 1), (2, 1), (1, 4)])
def test_files_longer_than_a_chunk(
    tmp_path: Path,
    write_record: Writer,
    monkeypatch: pytest.MonkeyPatch,
    sample_format: int,
    frame: tuple[int, int],
) -> None:
    """Differences go on, skew is undone and packed samples line up where the next chunk begins."""
    monkeypatch.setattr("cardiofusion.readers.wfdb.samples._CHUNK", 20)
    rows = [np.random.default_rng(n).integers(-60, 60, size=41 * n).tolist() for n in frame]
    header = write_record(tmp_path, rows, sample_format, frame=frame)
    layout = f" {sample_format}" + (f"x{frame[0]}" if frame[0] > 1 else "")
    header.write_text(header.read_text().replace(f"{layout} ", f"{layout}:7 ", 1))
    pressure(header, 2)
    moved = np.full(41 * frame[0], np.nan)
    moved[: 34 * frame[0]] = rows[0][7 * frame[0] :]
    np.testing.assert_array_equal(read_recording(header).signal[0], np.float32(moved / 1000))


def test_segments_share_their_samples_a_frame(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, [LEAD], frame=[2], name="a")
    write_record(tmp_path, [LEAD], frame=[2], name="b")
    header = tmp_path / "all.hea"
    header.write_text("all/3 1 500 7\na 3\n~ 1\nb 3\n")
    recording = read_recording(header)
    assert recording.sampling_rate == 1000
    expected = [*LEAD, np.nan, np.nan, *LEAD]
    np.testing.assert_array_equal(recording.signal[0] * 1000, np.float32(expected))
    write_record(tmp_path, [LEAD], frame=[3], name="b")
    header.write_text("all/2 1 500 5\na 3\nb 2\n")
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.code == "recording.frames"
