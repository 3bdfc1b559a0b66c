"""CODE-15% in HDF5: against the same ECGs in WFDB, one at a time, hostile files, mutants."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.hdf5 import HDF5, decode, tracings
from cardiofusion.records import LEADS, ExtraMissingError, RecordingError, RecordingSource

h5py = pytest.importorskip("h5py")

RNG = np.random.default_rng(5)


def ecgs(count: int, pad: int = 0) -> np.ndarray:
    """[count, 4096, 12] in mV, `pad` zero samples at both ends."""
    signal = RNG.normal(size=(count, 4096, 12)).astype(np.float32)
    signal[:, :pad] = signal[:, 4096 - pad :] = 0.0
    return signal


def written(signal: np.ndarray, ids: Any = None, lib: str = "earliest", **how: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=lib) as file:
        file["exam_id"] = np.arange(7, 7 + len(signal)) if ids is None else ids
        file.create_dataset("tracings", data=signal, **how)
    return out.getvalue()


def made(build: Callable[[Any], None]) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        build(file)
    return out.getvalue()


def refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        decode(content, "e.hdf5")
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.code


LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"lib": "latest"},
    {"chunks": (1, 4096, 12)},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True, "fletcher32": True, "lib": "latest"},
    {"fletcher32": True, "chunks": (1, 512, 3)},
    {"maxshape": (None, 4096, 12)},
)


@pytest.mark.parametrize("how", LAYOUTS)
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "<f2"])
def test_a_file_of_one_ecg(how: dict[str, Any], kind: str) -> None:
    signal = ecgs(1, pad=648).astype(kind)
    content = written(signal, **how)
    assert HDF5.recognises(content[:4096])
    recording = decode(content, "e.hdf5")
    assert (recording.leads, recording.sampling_rate) == (LEADS, 400.0)
    np.testing.assert_array_equal(recording.signal, signal[0, 648:3448].T.astype(np.float32))
    assert recording.signal.flags["C_CONTIGUOUS"]
    assert recording.notes["padding"] == "648 zero samples before and 648 after it left out"
    assert recording.notes["exam_id"] == "7"
    checked = {"compression", "fletcher32"} & how.keys()
    assert recording.unverified == (("header",) if checked else ("header", "samples"))


def test_missing_samples_and_zeros_inside_stay() -> None:
    signal = ecgs(1)
    signal[0, 100:200] = 0.0
    signal[0, 0, :] = 0.0
    signal[0, 0, 3] = np.nan
    recording = decode(written(signal), "e.hdf5")
    assert recording.signal.shape == (12, 4096)
    assert np.argwhere(np.isnan(recording.signal)).tolist() == [[3, 0]]
    assert "padding" not in recording.notes


def test_ecgs_are_read_one_at_a_time(tmp_path: Path) -> None:
    """As published: the last row is empty, with exam_id 0."""
    signal = ecgs(4)
    signal[3] = signal[1] = 0.0
    content = bytearray(written(signal, np.array([5, 3, 9, 0]), chunks=(1, 4096, 12), compression="gzip"))
    path = tmp_path / "exams_part0.hdf5"
    path.write_bytes(content)
    sources: tuple[RecordingSource, ...] = tracings(path)
    assert [source.record_id for source in sources] == ["5", "3", "9"]
    first, second, third = sources
    recording = third.read()
    np.testing.assert_array_equal(recording.signal, signal[2].T)
    assert (recording.record_id, recording.source) == ("9", "exams_part0.hdf5")
    with pytest.raises(RecordingError) as caught:
        second.read()
    assert caught.value.code == "recording.empty"
    with h5py.File(path, "r") as file:  # damage the first: the others are none the worse
        position = file["tracings"].id.get_chunk_info_by_coord((0, 0, 0)).byte_offset
    content[position + 5000] ^= 1
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        first.read()
    assert caught.value.code == "recording.checksum"
    np.testing.assert_array_equal(third.read().signal, signal[2].T)
    assert refusal(bytes(content)) == "recording.version"  # not one ECG, but three


@pytest.mark.data
def test_the_same_ecgs_as_in_wfdb(data_dir: Path, tmp_path: Path) -> None:
    wfdb = pytest.importorskip("wfdb")
    headers = sorted((data_dir / "code15/records").glob("*.hea"))[:12]
    records = [wfdb.rdrecord(str(header.with_suffix(""))) for header in headers]
    kept = [(int(r.record_name), r.p_signal) for r in records if r.fs == 400 and np.any(r.p_signal)]
    signal = np.zeros((len(kept) + 1, 4096, 12), dtype=np.float32)
    for row, (_, samples) in zip(signal, kept, strict=False):
        begin = (4096 - len(samples)) // 2
        row[begin : begin + len(samples)] = samples
    path = tmp_path / "exams_part0.hdf5"
    path.write_bytes(written(signal, np.array([*(exam for exam, _ in kept), 0])))
    found = tracings(path)
    assert len(found) == len(kept) > 8
    for tracing, (exam, samples) in zip(found, kept, strict=True):
        recording = tracing.read()
        assert recording.record_id == str(exam)
        np.testing.assert_allclose(recording.signal, samples.T, rtol=0, atol=1e-6)


# Other HDF5 ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: made(lambda file: None), "recording.version"),
        (
            lambda: made(lambda file: file.update(tracings=ecgs(1))),
            "recording.version",
        ),  # CODE-test: other leads
        (lambda: made(lambda file: file.create_group("tracings").update(exam_id=[1])), "recording.version"),
        (lambda: written(ecgs(1)[:, :, :8]), "recording.version"),  # IKEM
        (lambda: written(ecgs(1)[:, :4000]), "recording.version"),
        (lambda: written(ecgs(1).astype(np.int16)), "recording.version"),
        (lambda: written(ecgs(1).astype(np.longdouble)), "recording.version"),
        (lambda: written(ecgs(1), np.array([1.0])), "recording.version"),
        (lambda: written(ecgs(1), np.array([1, 2])), "recording.version"),
        (lambda: written(ecgs(1), 3), "recording.version"),
        (lambda: written(ecgs(2)), "recording.version"),
        (lambda: written(ecgs(1), np.array([0])), "recording.version"),
        (lambda: written(ecgs(1) * 0), "recording.empty"),
        (lambda: written(ecgs(1) + np.float32("inf")), "recording.units"),
        (lambda: written(ecgs(1) * 1e5), "recording.units"),
        (lambda: written(ecgs(1))[:-1000], "recording.header"),
        (lambda: written(ecgs(1))[:100], "recording.header"),
        (lambda: b"\x89HDF\r\n\x1a\n", "recording.header"),
        (lambda: b"", "recording.header"),
    ],
)
def test_refusals(make: Callable[[], bytes], code: str) -> None:
    assert refusal(make()) == code


def test_other_files_are_not_taken_for_hdf5() -> None:
    assert not HDF5.recognises(b"MATLAB 7.3 MAT-file" + b" " * 493 + b"\x89HDF\r\n\x1a\n")


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "none.hdf5", "recording.unreadable"), (tmp_path, "recording.header")):
        with pytest.raises(RecordingError) as caught:
            tracings(path)
        assert caught.value.code == code


def test_without_h5py(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written(ecgs(1))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ExtraMissingError) as caught:
        decode(content, "e.hdf5")
    assert caught.value.extra == "hdf5"


def test_h5py_is_loaded_only_to_read() -> None:
    script = "import sys, cardiofusion.readers.hdf5; print('h5py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# Hostile HDF5 --------------------------------------------------------------------------------------------


def with_tracings(make: Callable[[Any], None]) -> bytes:
    def build(file: Any) -> None:
        file["exam_id"] = np.array([1])
        make(file)

    return made(build)


def test_links_and_data_elsewhere_are_never_followed(tmp_path: Path) -> None:
    """Their target is a pipe: opening it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    target = str(tmp_path / "pipe")
    shape = (1, 4096, 12)
    layout = h5py.VirtualLayout(shape, "f4")
    layout[:] = h5py.VirtualSource(target, "x", shape)
    growing = h5py.VirtualLayout(shape, "f4", maxshape=(None, 4096, 12))
    source = h5py.VirtualSource(target, "x", shape, maxshape=(None, 4096, 12))
    growing[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    size = 4096 * 12 * 4
    for make in (
        lambda file: file.update(tracings=h5py.ExternalLink(target, "x")),
        lambda file: file.update(tracings=h5py.SoftLink("/exam_id")),
        lambda file: file.create_virtual_dataset("tracings", layout),
        lambda file: file.create_virtual_dataset("tracings", growing),
        lambda file: file.create_dataset("tracings", shape, "f4", external=[(target, 0, size)]),
    ):
        assert refusal(with_tracings(make)) == "recording.version"


def with_chunk(stored: bytes, mask: int = 0, **how: Any) -> bytes:
    """One chunk whose stored bytes are these."""

    def make(file: Any) -> None:
        how.setdefault("chunks", (1, 4096, 12))
        dataset = file.create_dataset("tracings", (1, 4096, 12), "f4", **how)
        dataset.id.write_direct_chunk((0, 0, 0), stored, mask)

    return with_tracings(make)


RAW = bytes(4096 * 12 * 4 - 4) + b"\0\0\x80\x3f"  # one sample of 1 mV, at the very end


def test_chunks_that_unfold_beyond_their_size() -> None:
    bomb = zlib.compress(bytes(200 << 20))
    assert len(bomb) < 1 << 18
    assert refusal(with_chunk(bomb, compression="gzip")) == "recording.size"
    packed = zlib.compress(RAW)
    assert decode(with_chunk(packed, compression="gzip"), "e").signal[11].tolist() == [1.0]
    assert refusal(with_chunk(packed[:-1], compression="gzip")) == "recording.truncated"
    assert refusal(with_chunk(packed[:-1] + b"\0", compression="gzip")) == "recording.checksum"
    assert refusal(with_chunk(RAW, 1, compression="gzip")) == "recording.version"  # said not to be packed
    assert refusal(with_chunk(zlib.compress(RAW[:-1]), compression="gzip")) == "recording.truncated"
    assert refusal(with_chunk(RAW[:-1])) == "recording.truncated"


def test_no_chunk_with_a_checksum_is_read_as_zeros() -> None:
    """A damaged index may list a chunk that it does not find again: HDF5 then fills its place."""
    content = written(np.ones((1, 4096, 12), np.float32), fletcher32=True)
    index = content.index(b"TREE", content.index(b"tracings"))
    refused = 0
    for position in range(index, index + 900):
        try:
            signal = decode(content[:position] + b"\x80" + content[position + 1 :], "e.hdf5").signal
        except RecordingError:
            refused += 1
        else:
            assert (signal == 1.0).all(), position
    assert 0 < refused < 900


def test_filters_and_chunks_that_are_refused() -> None:
    def declared(**how: Any) -> bytes:
        return with_tracings(lambda file: file.create_dataset("tracings", (1, 4096, 12), "f4", **how))

    assert refusal(written(ecgs(1), compression="lzf")) == "recording.version"
    assert refusal(declared()) == "recording.truncated"  # declared, never written
    assert refusal(declared(chunks=(1, 4096, 12))) in {"recording.truncated", "recording.header"}
    assert refusal(declared(chunks=(1, 1, 1))) == "recording.size"
    assert refusal(declared(chunks=(4096, 4096, 12), maxshape=(None, 4096, 12))) == "recording.size"


def test_more_ecgs_declared_than_the_file_holds() -> None:
    def make(count: int) -> Callable[[Any], None]:
        def build(file: Any) -> None:
            file.create_dataset("exam_id", (count,), "i8", chunks=(1 << 16,))
            file.create_dataset("tracings", (count, 4096, 12), "f4", chunks=(1, 4096, 12))

        return build

    assert refusal(made(make(10**9))) == "recording.size"
    assert refusal(made(make(10**6))) in {"recording.truncated", "recording.header"}


@cache
def seeds() -> tuple[bytes, ...]:
    return tuple(written(ecgs(1, pad=500), **how) for how in LAYOUTS)


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_no_mutant_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(seeds())))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(6000, len(content)) - 1))] = data.draw(st.integers(0, 255))
    mutant = bytes(content[: data.draw(st.sampled_from([len(content)] * 4 + [len(content) // 2, 3000]))])
    with contextlib.suppress(RecordingError):
        assert not np.isinf(decode(mutant, "e.hdf5").signal).any()
