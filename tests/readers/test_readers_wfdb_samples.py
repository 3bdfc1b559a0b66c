"""Sample formats: round trips, checksums, sizes, skew and missing samples."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers import read_recording, wfdb
from cardiofusion.records import RecordingError

FORMATS = (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)
LIMITS = {16: 2**15, 24: 2**23, 32: 2**31, 61: 2**15, 80: 128, 160: 2**15, 212: 2048, 310: 512, 311: 512}
WHOLE = (16, 61, 80, 160, 311)  # where no byte holds parts of two samples that could change together unseen
RAMP = [[5, -3, 7, 100, -20, 0], [1, 2, 3, 4, 5, 6]]

Writer = Callable[..., Path]


@st.composite
def adc_values(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    sample_format = draw(st.sampled_from(FORMATS))
    limit = LIMITS.get(sample_format, 64)  # 64: differences of one byte
    signals, samples = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    value = st.integers(-limit, limit - 1)
    row = st.lists(value, min_size=samples, max_size=samples)
    return sample_format, draw(st.lists(row, min_size=signals, max_size=signals))


@given(case=adc_values(), gain=st.sampled_from([200, 1000, 4880]), baseline=st.integers(-2000, 2000))
@settings(deadline=None, max_examples=150)
def test_what_was_written_is_read(
    scratch: Path,
    write_record: Writer,
    missing_markers: dict[int, int],
    case: tuple[int, list[list[int]]],
    gain: int,
    baseline: int,
) -> None:
    sample_format, adc = case
    recording = read_recording(write_record(scratch, adc, sample_format, gain=f"{gain}({baseline})/mV"))
    values = np.array(adc, dtype=np.float64)
    missing = values == missing_markers.get(sample_format)
    expected = np.where(missing, np.nan, (values - baseline) / gain)
    np.testing.assert_array_equal(recording.signal, expected.astype(np.float32))
    assert recording.leads == ("I", "II", "V1", "V2")[: len(adc)]
    assert recording.calibrated
    covered = sample_format in WHOLE or (sample_format in (212, 310) and len(adc) > 1)
    assert recording.unverified == (("header",) if covered else ("header", "samples"))


@pytest.mark.parametrize("sample_format", [16, 32, 80])
def test_matlab_files(tmp_path: Path, write_record: Writer, sample_format: int) -> None:
    recording = read_recording(write_record(tmp_path, RAMP, sample_format, matlab=True))
    np.testing.assert_array_equal(recording.signal, (np.array(RAMP) / 1000).astype(np.float32))


@pytest.mark.parametrize("position", range(24))
def test_a_changed_matlab_header_is_refused(tmp_path: Path, write_record: Writer, position: int) -> None:
    header = write_record(tmp_path, RAMP, matlab=True)
    content = bytearray((tmp_path / "rec.mat").read_bytes())
    content[position] ^= 0x41
    (tmp_path / "rec.mat").write_bytes(content)
    if position < 20:
        with pytest.raises(RecordingError, match="MATLAB") as caught:
            read_recording(header)
        assert caught.value.code == "recording.matlab"
    else:  # the variable's name carries nothing
        assert read_recording(header).signal.shape == (2, 6)


@pytest.mark.parametrize("frame", [1, 3])
@pytest.mark.parametrize("signals", [1, 2])
@pytest.mark.parametrize("sample_format", FORMATS)
def test_no_changed_sample_byte_is_accepted_where_samples_are_verified(
    tmp_path: Path, write_record: Writer, sample_format: int, signals: int, frame: int
) -> None:
    """Exhaustive over bytes, and over values where samples share them. Bits of no sample may change."""
    no_initial = "{file} {format} {gain} 16 0 0 {checksum} 0 {lead}"
    adc = [[0, 20, *row[:4]] for row in RAMP[:signals]]
    header = write_record(tmp_path, adc, sample_format, signal_line=no_initial, frame=[frame] * signals)
    files = {path.name: path.read_bytes() for path in (header, tmp_path / "rec.dat")}
    original = wfdb.decode("rec.hea", files)
    accepted = False
    values = range(0, 256, 1 if sample_format in (212, 310, 311) else 17)
    for position in range(len(files["rec.dat"])):
        for value in values:
            changed = bytearray(files["rec.dat"])
            changed[position] = value
            try:
                recording = wfdb.decode("rec.hea", files | {"rec.dat": bytes(changed)})
            except RecordingError as error:
                assert error.code in {"recording.checksum", "recording.initial_value"}  # noqa: PT017
                continue
            accepted |= not np.array_equal(recording.signal, original.signal, equal_nan=True)
    assert not (accepted and original.unverified == ("header",))
    if sample_format in WHOLE or (sample_format in (212, 310) and (signals, frame) == (2, 1)):
        assert original.unverified == ("header",)
    if sample_format in (24, 32, 212) and signals * frame == 1:
        assert accepted  # so that the flag is no empty caution


def test_the_sum_of_one_signal_in_12_bits_does_not_see_every_byte(
    tmp_path: Path, write_record: Writer
) -> None:
    """The middle byte of a pair holds high bits of both samples: one may lose what the other gains."""
    header = write_record(tmp_path, [[5, 6, 0x215, 3]], 212)
    assert read_recording(header).unverified == ("header", "samples")
    content = bytearray((tmp_path / "rec.dat").read_bytes())
    assert content[4] == 0x02
    content[4] = 0x20
    (tmp_path / "rec.dat").write_bytes(content)
    np.testing.assert_array_equal(read_recording(header).signal[0] * 1000, np.float32([5, 6, 0x015, 0x203]))


def test_a_placeholder_is_no_checksum(tmp_path: Path, write_record: Writer) -> None:
    """header(5): where the number of samples is not given, 0 may stand for the checksum."""
    line = "{file} {format} {gain} 16 0 {initial} 0 0 {lead}"
    header = write_record(tmp_path, RAMP, record_line="{name} {signals} 500", signal_line=line)
    assert read_recording(header).unverified == ("header", "samples")


def test_checksum_of_zero_is_a_checksum(tmp_path: Path, write_record: Writer) -> None:
    line = "{file} {format} {gain} 16 0 {initial} 0 0 {lead}"
    with pytest.raises(RecordingError) as caught:
        read_recording(write_record(tmp_path, RAMP, signal_line=line))
    assert caught.value.code == "recording.checksum"


def test_unsigned_checksums_are_read(tmp_path: Path, write_record: Writer) -> None:
    """PTB-XL writes them as 0..65535, most others as -32768..32767."""
    line = "{file} {format} {gain} 16 0 {initial} 65535 0 {lead}"
    assert read_recording(write_record(tmp_path, [[-1, 0]], signal_line=line)).signal.shape == (1, 2)


def test_initial_value_must_match(tmp_path: Path, write_record: Writer) -> None:
    line = "{file} {format} {gain} 16 0 6 {checksum} 0 {lead}"
    with pytest.raises(RecordingError) as caught:
        read_recording(write_record(tmp_path, RAMP, signal_line=line))
    assert caught.value.code == "recording.initial_value"


@pytest.mark.parametrize("sample_format", FORMATS)
def test_a_shorter_file_is_refused_with_both_numbers(
    tmp_path: Path, write_record: Writer, sample_format: int
) -> None:
    header = write_record(tmp_path, RAMP, sample_format)
    dat = tmp_path / "rec.dat"
    dat.write_bytes(dat.read_bytes()[:-1])
    with pytest.raises(RecordingError, match=r"holds [45] samples a lead, its header declares 6") as caught:
        read_recording(header)
    assert caught.value.code == "recording.truncated"


def test_a_longer_file_is_noted_and_padding_is_not(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, RAMP)
    original = (tmp_path / "rec.dat").read_bytes()
    (tmp_path / "rec.dat").write_bytes(original + b"\0" * 40)
    recording = read_recording(header)
    assert recording.signal.shape == (2, 6)
    assert recording.notes["trailing bytes"].startswith("40 ")
    (tmp_path / "rec.dat").write_bytes(original + b"\0")
    assert "trailing bytes" not in read_recording(header).notes


@pytest.mark.parametrize("record_line", ["{name} {signals} 500", "{name} {signals} 500 0"])
@pytest.mark.parametrize("sample_format", FORMATS)
def test_length_from_the_file_where_not_declared(
    tmp_path: Path, write_record: Writer, sample_format: int, record_line: str
) -> None:
    header = write_record(tmp_path, RAMP, sample_format, record_line=record_line)
    assert read_recording(header).signal.shape == (2, 6)


def test_an_empty_signal_file_is_refused(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, RAMP, record_line="{name} {signals} 500")
    (tmp_path / "rec.dat").write_bytes(b"")
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.code == "recording.empty"


def test_nothing_is_allocated_for_what_a_header_only_declares(tmp_path: Path, write_record: Writer) -> None:
    for declared in (10**6, 10**7, 999_999_999_999):
        header = write_record(tmp_path, RAMP, record_line=f"{{name}} {{signals}} 500 {declared}")
        tracemalloc.start()
        with pytest.raises(RecordingError) as caught:
            read_recording(header)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert caught.value.code in {"recording.truncated", "recording.size"}
        assert peak < 1_000_000


def test_skew_is_undone(tmp_path: Path, write_record: Writer) -> None:
    """A signal skewed by 2 was stored 2 samples late: its last 2 samples are not in the file."""
    header = write_record(tmp_path, RAMP)
    text = header.read_text().replace("rec.dat 16 ", "rec.dat 16:2 ", 1)
    header.write_text(text)
    signal = read_recording(header).signal
    np.testing.assert_array_equal(signal[0] * 1000, np.float32([7, 100, -20, 0, np.nan, np.nan]))
    np.testing.assert_array_equal(signal[1] * 1000, np.float32(RAMP[1]))


def test_byte_offset_and_two_signal_files(tmp_path: Path, write_record: Writer) -> None:
    write_record(tmp_path, RAMP[:1], name="a")
    write_record(tmp_path, RAMP[1:], 212, name="b")
    (tmp_path / "a.dat").write_bytes(b"preamble" + (tmp_path / "a.dat").read_bytes())
    header = tmp_path / "both.hea"
    header.write_text("both 2 250 6\na.dat 16+8 1000 16 0 5 89 0 I\nb.dat 212 1000 16 0 1 21 0 II\n")
    np.testing.assert_array_equal(read_recording(header).signal, (np.array(RAMP) / 1000).astype(np.float32))


def test_signals_that_share_a_file_share_its_format(tmp_path: Path, write_record: Writer) -> None:
    header = write_record(tmp_path, RAMP)
    header.write_text(header.read_text().replace("rec.dat 16 ", "rec.dat 212 ", 1))
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.code == "recording.header"


def test_no_checksum_is_flagged(tmp_path: Path, write_record: Writer) -> None:
    line = "{file} {format} {gain} 16 0 {initial}"
    header = write_record(tmp_path, [[1, 2]], signal_line=line)
    with pytest.raises(RecordingError, match="without a lead name"):  # the name comes after the checksum
        read_recording(header)
    blank = "rec 2 500 2\nrec.dat 16 1000 16 0 1 3 0 I\nresp.dat 16 1/ohm 16 0\n"
    header.write_text(blank)
    (tmp_path / "resp.dat").write_bytes(b"\1\0\2\0")
    recording = read_recording(header)
    assert recording.leads == ("I",)
    assert recording.unverified == ("header", "samples")
