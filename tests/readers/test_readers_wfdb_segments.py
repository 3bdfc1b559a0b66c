"""Records of several segments: fixed and variable layout, gaps, and what is refused."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import RecordingError

FIRST = [[5, -3, 7], [1, 2, 3]]  # leads I and II
SECOND = [[40, 50], [60, 70]]

Writer = Callable[..., Path]


def join(folder: Path, *lines: str, name: str = "all", signals: int = 2, samples: str | int = 5) -> Path:
    """A header that joins segments."""
    record = f"{name}/{len([line for line in lines if not line.startswith('#')])} {signals} 500 {samples}"
    (folder / f"{name}.hea").write_text("\n".join([record, *lines]) + "\n")
    return folder / f"{name}.hea"


def layout(folder: Path, *leads: str, name: str = "layout", units: str = "mV") -> None:
    signals = "".join(f"~ 0 200/{units} 16 0 0 0 0 {lead}\n" for lead in leads)
    (folder / f"{name}.hea").write_text(f"{name} {len(leads)} 500 0\n{signals}")


def refused(header: Path, code: str = "recording.segments") -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read_recording(header)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


@pytest.fixture
def segments(tmp_path: Path, write_record: Writer) -> Path:
    """A folder with the segments s1 and s2."""
    write_record(tmp_path, FIRST, name="s1", comments=["Age: 50"])
    write_record(tmp_path, SECOND, 212, name="s2", gain="200(10)/mV")
    return tmp_path


def test_fixed_layout(segments: Path) -> None:
    """Each segment in its own format and gain."""
    recording = read_recording(join(segments, "s1 3", "# Age: 61", "s2 2"))
    second = (np.array(SECOND) - 10) / 200
    np.testing.assert_array_equal(
        recording.signal, np.hstack([np.array(FIRST) / 1000, second]).astype(np.float32)
    )
    assert (recording.leads, recording.sampling_rate) == (("I", "II"), 500.0)
    assert (recording.record_id, recording.source, recording.age) == ("all", "all.hea", 61.0)
    assert recording.unverified == ("header",)
    assert "gaps" not in recording.notes


def test_variable_layout(segments: Path, write_record: Writer) -> None:
    """Leads by name, in the layout's order; what a segment lacks is a gap, so is a segment "~"."""
    write_record(segments, [[9, 8], [7, 6]], leads=("V1", "II"), name="s3")
    layout(segments, "II", "I", "V1")
    header = join(segments, "layout 0", "s1 3", "~ 4", "s3 2", signals=3, samples=9)
    recording = read_recording(header)
    assert recording.leads == ("II", "I", "V1")
    gap, nan = [np.nan] * 4, np.nan
    expected = [
        [1, 2, 3, *gap, 7, 6],
        [5, -3, 7, *gap, nan, nan],
        [nan, nan, nan, *gap, 9, 8],
    ]
    np.testing.assert_array_equal(recording.signal, np.float32(np.array(expected) / 1000))
    assert recording.notes["gaps"] == "1 of 3 segments are empty"
    assert [path.name for path in find_recordings(segments)] == ["all.hea", "s2.hea"]


def test_leads_that_no_segment_has_are_left_out_and_others_noted(segments: Path) -> None:
    layout(segments, "V6", "II")
    recording = read_recording(join(segments, "layout 0", "s1 3", samples=3))
    assert recording.leads == ("II",)  # I is not in the layout
    assert recording.notes["skipped"] == "I is not in the layout; V6 has no samples"


def test_a_channel_of_all_segments_is_noted_once(segments: Path, write_record: Writer) -> None:
    for name in ("a", "b"):
        header = write_record(segments, FIRST, leads=("II", "ABP"), name=name)
        lines = header.read_text().splitlines()
        header.write_text("\n".join([*lines[:2], lines[2].replace("/mV", "/mmHg")]))
    recording = read_recording(join(segments, "a 3", "b 3", samples=6))
    assert (recording.leads, recording.signal.shape) == (("II",), (1, 6))
    assert recording.notes["skipped"] == "ABP in mmHg"


def test_a_segment_without_ecg_is_a_gap(segments: Path, write_record: Writer) -> None:
    write_record(segments, [[1, 2]], leads=("ABP",), gain="100/mmHg", name="pressure")
    layout(segments, "I", "II")
    recording = read_recording(join(segments, "layout 0", "pressure 2", "s1 3"))
    assert np.isnan(recording.signal[:, :2]).all()
    assert np.isfinite(recording.signal[:, 2:]).all()


def test_a_signal_without_samples_is_a_gap(segments: Path) -> None:
    """Format 0: the null signal."""
    text = (segments / "s2.hea").read_text().splitlines()
    (segments / "s2.hea").write_text(f"{text[0]}\n~ 0 200 16 0 0 0 0 I\n{text[2]}\n")
    (segments / "s2.dat").write_bytes(bytes([60, 0, 70]))
    recording = read_recording(join(segments, "s1 3", "s2 2"))
    assert np.isnan(recording.signal[0, 3:]).all()
    np.testing.assert_allclose(recording.signal[1, 3:], [0.25, 0.3])
    alone = read_recording(segments / "s2.hea")
    assert (alone.leads, alone.notes["skipped"]) == (("II",), "I has no samples")


def test_time_is_the_records_own(segments: Path) -> None:
    header = join(segments, "s1 3", "s2 2", samples="5 14:50:55 05/06/2020")
    assert read_recording(header).time == datetime(2020, 6, 5, 14, 50, 55)


def test_a_length_that_is_not_declared_is_that_of_the_segments(segments: Path) -> None:
    assert read_recording(join(segments, "s1 3", "s2 2", samples="")).signal.shape == (2, 5)
    text = (segments / "s1.hea").read_text()
    (segments / "s1.hea").write_text(text.replace("s1 2 500 3", "s1 2 500"))
    assert read_recording(join(segments, "s1 3", "s2 2")).signal.shape == (2, 5)
    assert refused(join(segments, "s1 4", "s2 2", samples=6), "recording.truncated")


@pytest.mark.parametrize("segment", ["s1", "s2"])
def test_each_segment_is_verified(segments: Path, segment: str) -> None:
    header = join(segments, "s1 3", "s2 2")
    content = bytearray((segments / f"{segment}.dat").read_bytes())
    content[-1] ^= 4
    (segments / f"{segment}.dat").write_bytes(content)
    refused(header, "recording.checksum")


def test_one_segment_without_checksums_leaves_the_samples_unverified(segments: Path) -> None:
    layout(segments, "I", "II")
    header = join(segments, "layout 0", "s1 3", "s2 2")
    assert read_recording(header).unverified == ("header",)
    (segments / "s2.hea").write_text("s2 1 500 2\ns2.dat 32 1 16 0 60 130 0 II\n")  # 16 bits of 32
    (segments / "s2.dat").write_bytes(bytes([60, 0, 0, 0, 70, 0, 0, 0]))
    assert read_recording(header).unverified == ("header", "samples")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        (("s1 3", "s2 3"), "recording.segments"),  # s2 has 2 samples
        (("s1 3", "s2 2", "s2 2"), "recording.segments"),  # an ECG that repeats itself
        (("s1 3", "s1 3"), "recording.segments"),
        (("s1 3", "~ 1"), "recording.segments"),  # 4 in all
        (("s1 3", "s2 0", "~ 2"), "recording.segments"),
        (("~ 0", "s1 3", "s2 2"), "recording.segments"),
        (("~ 5",), "recording.empty"),
        (("s1 3", "all 2"), "recording.segments"),  # nested
        (("s1 3", "other 2"), "recording.missing"),
        (("s1 3", "../s2 2"), "recording.path"),
        (("s1 3", "/etc/passwd 2"), "recording.path"),
        (("s1 3", "..\\s2 2"), "recording.path"),
        (("s1 3", "- 2"), "recording.path"),
        (("s1 3", ".. 2"), "recording.path"),
        (("s1 3", "s2 -2"), "recording.header"),
        (("s1 3", "s2"), "recording.header"),
        (("s1 3", "s2 2 9"), "recording.header"),
        (("s1 3", "s2 9999999999999"), "recording.header"),
    ],
)
def test_hostile_segments(segments: Path, lines: tuple[str, ...], code: str) -> None:
    refused(join(segments, *lines), code)


def test_a_nested_record_is_refused(segments: Path) -> None:
    join(segments, "s2 2", name="inner", samples=2)
    assert "inner" in refused(join(segments, "s1 3", "inner 2")).message


def test_segments_that_differ_are_refused_without_a_layout(segments: Path, write_record: Writer) -> None:
    write_record(segments, SECOND, leads=("II", "I"), name="s2")
    refused(join(segments, "s1 3", "s2 2"))
    write_record(segments, SECOND, name="s2", record_line="{name} {signals} 250 {samples}")
    assert "250" in refused(join(segments, "s1 3", "s2 2")).message
    write_record(segments, SECOND[:1], name="s2")
    refused(join(segments, "s1 3", "s2 2"))
    layout(segments, "I", "II")
    assert read_recording(join(segments, "layout 0", "s1 3", "s2 2")).signal.shape == (2, 5)
    refused(join(segments, "layout 0", "s1 3", "s2 2", signals=3))


def test_a_layout_alone_holds_nothing(segments: Path) -> None:
    layout(segments, "I", "II")
    refused(join(segments, "layout 0", samples=0), "recording.empty")
    refused(join(segments, "layout 0", "~ 5"), "recording.empty")
    refused(segments / "layout.hea", "recording.empty")
    layout(segments, "ABP", units="mmHg")
    refused(join(segments, "layout 0", "s1 3", signals=1, samples=3), "recording.units")


@pytest.mark.parametrize("gap", [10**8, 10**12 - 1])
def test_nothing_is_allocated_for_gaps_that_are_only_declared(segments: Path, gap: int) -> None:
    header = join(segments, "s1 3", f"~ {gap}", "s2 2", samples=gap + 5)
    tracemalloc.start()
    refused(header, "recording.size" if gap < 10**10 else "recording.header")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_gap_may_be_as_long_as_what_is_there(
    segments: Path, write_record: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cardiofusion.readers.wfdb.record.MAX_GAP", 3)
    layout(segments, "I", "II", "V1")
    assert read_recording(join(segments, "layout 0", "s1 3", "~ 3", signals=3, samples=6)).leads == (
        "I",
        "II",
    )
    (segments / "s1.hea").write_text("s1 2 500 3\n~ 0 200 16 0 0 0 0 I\ns1.dat 16 1000 16 0 5 6 0 II\n")
    (segments / "s1.dat").write_bytes(bytes([5, 0, 1, 0, 0, 0]))
    assert read_recording(join(segments, "s1 3", "~ 3", samples=6)).leads == ("II",)
    write_record(segments, FIRST, name="s1")
    assert read_recording(join(segments, "s1 3", "~ 1", samples=4)).signal.shape == (2, 4)
    assert read_recording(join(segments, "s1 3", "~ 3", samples=6)).signal.shape == (2, 6)
    refused(join(segments, "s1 3", "~ 4", samples=7), "recording.size")


def test_no_more_segments_than_the_cap(segments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cardiofusion.readers.wfdb.header.MAX_SEGMENTS", 1)
    assert read_recording(join(segments, "s1 3", samples=3)).signal.shape == (2, 3)
    assert "at most 1" in refused(join(segments, "s1 3", "s2 2"), "recording.header").message
