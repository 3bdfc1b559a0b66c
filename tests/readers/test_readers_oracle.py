"""The reference implementation (wfdb) reads the same: real records of five publishers, and its own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import find_recordings, read_recording
from cardiofusion.records import RecordingError, lead_name

wfdb = pytest.importorskip("wfdb")

SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"
SAMPLED = 30  # records of a folder, evenly spread, unless SLOW
FOLDERS = ("ptb-xl/records100", "ptb-xl/records500", "code15", "ludb", "cinc2021", "mitdb")
# Record name with its suffix, date before time: wfdb 4.3.1 raises.
UNREAD_BY_WFDB = ("E00015", "E00018")


def assert_same(header: Path, reference_header: Path | None = None) -> None:
    """Same rate and leads, and every sample within half an ADC step; missing samples in the same places."""
    ours = read_recording(header)
    reference = wfdb.rdrecord(str((reference_header or header).with_suffix("")))
    assert ours.sampling_rate == reference.fs
    assert list(ours.leads) == [lead_name(name) for name in reference.sig_name]
    steps = 1.0 / np.array(reference.adc_gain)[:, None]
    difference = np.abs(ours.signal - reference.p_signal.T)
    np.testing.assert_array_equal(np.isnan(ours.signal), np.isnan(reference.p_signal.T))
    assert np.all((difference <= 0.5 * steps) | np.isnan(difference)), header.name


@pytest.mark.data
@pytest.mark.parametrize("folder", FOLDERS)
def test_real_records(data_dir: Path, tmp_path: Path, folder: str) -> None:
    headers = find_recordings(data_dir / folder)
    if not SLOW and len(headers) > SAMPLED:
        headers = [headers[i] for i in np.linspace(0, len(headers) - 1, SAMPLED).astype(int)]
    for header in headers:
        assert_same(header, _repaired(header, tmp_path) if header.stem in UNREAD_BY_WFDB else None)
    assert len(headers) == {"cinc2021": 12, "mitdb": 2}.get(folder, len(headers)) > 0


def _repaired(header: Path, folder: Path) -> Path:
    """The record as wfdb can read it: plain name, no date."""
    text = re.sub(r"^(\S+)\.mat (\S+ \S+ \S+) .*", r"\1 \2", header.read_text(), count=1)
    (folder / header.name).write_text(text)
    (folder / f"{header.stem}.mat").write_bytes(header.with_suffix(".mat").read_bytes())
    return folder / header.name


@pytest.mark.data
def test_every_real_record_passes_its_checksums(data_dir: Path) -> None:
    for folder in FOLDERS:
        headers = find_recordings(data_dir / folder)
        for header in headers if SLOW else headers[::10]:
            assert read_recording(header).unverified == ("header",), header.name


@pytest.mark.data
def test_real_records_changed_in_one_byte_are_refused(data_dir: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(20)
    for name in ("ptb-xl/records100/00000/00001_lr", "ludb/data/1", "mitdb/100", "code15/records/1000001"):
        header = (data_dir / name).with_suffix(".hea")
        original = header.with_suffix(".dat").read_bytes()
        (tmp_path / header.name).write_bytes(header.read_bytes())
        for position in rng.integers(0, len(original), size=10):
            changed = bytearray(original)
            changed[position] ^= int(rng.integers(1, 256))
            (tmp_path / f"{header.stem}.dat").write_bytes(changed)
            with pytest.raises(RecordingError):
                read_recording(tmp_path / header.name)


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")  # pandas, inside wfdb
@pytest.mark.parametrize("sample_format", ["16", "24", "32", "80", "212", "508", "516", "524"])
@pytest.mark.parametrize("samples", [1, 2, 333])
def test_records_that_wfdb_wrote(tmp_path: Path, sample_format: str, samples: int) -> None:
    rng = np.random.default_rng(samples)
    signal = rng.normal(size=(samples, 3)) * 0.1
    signal[samples // 2, 1] = np.nan
    wfdb.wrsamp(
        "rec",
        fs=250,
        units=["mV"] * 3,
        sig_name=["I", "II", "V1"],
        p_signal=signal,
        fmt=[sample_format] * 3,
        adc_gain=[200.0, 199.5, 200.0],
        baseline=[0, 3, -4],
        write_dir=str(tmp_path),
    )
    assert_same(tmp_path / "rec.hea")
    assert np.isnan(read_recording(tmp_path / "rec").signal).sum() == 1


def test_skew_as_wfdb_undoes_it(tmp_path: Path, write_record: Callable[..., Path]) -> None:
    adc = np.random.default_rng(3).integers(-900, 900, size=(4, 40)).tolist()
    header = write_record(tmp_path, adc)
    lines = header.read_text().splitlines()
    # The same for all: on different skews wfdb 4.3.1 raises.
    skewed = [line.replace(" 16 ", " 16:2 ", 1) for line in lines[1:]]
    header.write_text("\n".join([lines[0], *skewed]) + "\n")
    assert_same(header)


@pytest.mark.parametrize("sample_format", [8, 16, 24, 32, 61, 80, 160, 212, 310, 311])
@pytest.mark.parametrize("samples", [1, 2, 3, 334])
def test_formats_that_wfdb_reads_only(
    tmp_path: Path, write_record: Callable[..., Path], sample_format: int, samples: int
) -> None:
    adc = np.random.default_rng(samples).integers(-60, 60, size=(4, samples)).tolist()
    assert_same(write_record(tmp_path, adc, sample_format))


@pytest.mark.parametrize("sample_format", [8, 16, 24, 61, 80, 160, 212, 310, 311])
@pytest.mark.parametrize("frame", [(4, 1), (1, 3), (2, 5)])
def test_samples_a_frame(
    tmp_path: Path, write_record: Callable[..., Path], sample_format: int, frame: tuple[int, int]
) -> None:
    rng = np.random.default_rng(sum(frame))
    rows = [rng.integers(-60, 60, size=41 * n).tolist() for n in frame]
    header = write_record(tmp_path, rows, sample_format, frame=frame)
    lines = header.read_text().splitlines()
    header.write_text("\n".join([*lines[:2], lines[2].replace("/mV", "/mmHg")]))
    ours = read_recording(header)
    reference = wfdb.rdrecord(str(header.with_suffix("")), smooth_frames=False)
    assert ours.sampling_rate == reference.fs * reference.samps_per_frame[0]
    np.testing.assert_allclose(ours.signal[0], reference.e_p_signal[0], rtol=1e-6)


@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop")  # pandas, inside wfdb
def test_flac_with_samples_a_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    signals = [rng.integers(-900, 900, size=4 * 50) for _ in range(2)]
    wfdb.wrsamp(
        "rec",
        fs=62.5,
        units=["mV"] * 2,
        sig_name=["II", "V1"],
        e_d_signal=signals,
        samps_per_frame=[4, 4],
        fmt=["516"] * 2,
        adc_gain=[200.0] * 2,
        baseline=[0] * 2,
        write_dir=str(tmp_path),
    )
    ours = read_recording(tmp_path / "rec.hea")
    reference = wfdb.rdrecord(str(tmp_path / "rec"), smooth_frames=False)
    assert ours.sampling_rate == 250
    np.testing.assert_allclose(ours.signal, np.array(reference.e_p_signal), rtol=1e-6)


@pytest.mark.parametrize("layout", [False, True])
def test_segments(tmp_path: Path, write_record: Callable[..., Path], layout: bool) -> None:
    """Formats, gains and, in a variable layout, the order of leads differ between segments."""
    rng = np.random.default_rng(8)
    first, second = (rng.integers(-900, 900, size=(2, n)).tolist() for n in (31, 20))
    write_record(tmp_path, first, name="s1")
    leads, gain = (("II", "I"), "200(7)/mV") if layout else (("I", "II"), "1000(0)/mV")
    write_record(tmp_path, second, 212, name="s2", leads=leads, gain=gain)
    lines = ["s1 31", "~ 9", "s2 20"] if layout else ["s1 31", "s2 20"]
    if layout:
        signals = "".join(f"~ 0 200(0)/mV 16 0 0 0 0 {lead}\n" for lead in ("I", "II"))
        (tmp_path / "s0.hea").write_text(f"s0 2 500 0\n{signals}")
        lines.insert(0, "s0 0")
    samples = 60 if layout else 51
    header = tmp_path / "all.hea"
    header.write_text("\n".join([f"all/{len(lines)} 2 500 {samples}", *lines]) + "\n")
    ours = read_recording(header)
    reference = wfdb.rdrecord(str(tmp_path / "all"))
    assert list(ours.leads) == reference.sig_name
    np.testing.assert_allclose(ours.signal, reference.p_signal.T, rtol=1e-5, atol=1e-6)
