"""A tiny WFDB writer, one sample at a time, that shares no code with the reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

BITS = {8: 8, 16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 10, 311: 10}
MISSING = {form: -(2 ** (bits - 1)) for form, bits in BITS.items() if form != 8}
MATLAB_TYPES = {16: 30, 32: 20, 80: 50}


def encode(sample_format: int, values: Sequence[int]) -> bytes:
    """ADC values in file order (of format 8 differences) as signal(5) lays them out."""
    if sample_format in (80, 160):
        width = sample_format // 80
        return b"".join((value + 2 ** (8 * width - 1)).to_bytes(width, "little") for value in values)
    if sample_format in (212, 310, 311):
        return encode_packed(sample_format, values)
    width, order = (2, "big") if sample_format == 61 else (sample_format // 8, "little")
    return b"".join(value.to_bytes(width, order, signed=True) for value in values)


def encode_packed(sample_format: int, values: Sequence[int]) -> bytes:
    """Blocks of two or three samples; of the last one the bytes that hold any."""
    many, sizes = (2, (2, 3)) if sample_format == 212 else (3, (2, 4 if sample_format == 310 else 3, 4))
    out = bytearray()
    for start in range(0, len(values), many):
        samples = values[start : start + many]
        a, b, c = (*(value % 2 ** BITS[sample_format] for value in samples), 0, 0, 0)[:3]
        word = {
            212: a | b >> 8 << 12 | b % 256 << 16,
            310: a << 1 | c % 32 << 11 | b << 17 | c >> 5 << 27,
            311: a | b << 10 | c << 20,
        }[sample_format]
        out += word.to_bytes(4, "little")[: sizes[len(samples) - 1]]
    return bytes(out)


def differences(row: Sequence[int]) -> list[int]:
    return [0, *(after - before for before, after in pairwise(row))]


def write(
    folder: Path,
    adc: Sequence[Sequence[int]],
    sample_format: int = 16,
    leads: Sequence[str] = ("I", "II", "V1", "V2"),
    name: str = "rec",
    record_line: str = "{name} {signals} 500 {samples}",
    signal_line: str = "{file} {format} {gain} 16 0 {initial} {checksum} 0 {lead}",
    gain: str = "1000(0)/mV",
    comments: Sequence[str] = (),
    matlab: bool = False,
    frame: Sequence[int] | None = None,
) -> Path:
    """A record of adc [signal][sample] in one signal file; returns its header.

    frame: samples a frame of each signal, 1 unless given.
    """
    frame = frame or [1] * len(adc)
    frames = len(adc[0]) // frame[0]
    rows = [differences(row) for row in adc] if sample_format == 8 else adc
    flat = [
        row[t * n + i] for t in range(frames) for row, n in zip(rows, frame, strict=True) for i in range(n)
    ]
    file = f"{name}.mat" if matlab else f"{name}.dat"
    head = b""
    if matlab:
        words = (MATLAB_TYPES[sample_format], len(adc), len(adc[0]), 0, 4)
        head = b"".join(word.to_bytes(4, "little") for word in words) + b"val\0"
    (folder / file).write_bytes(head + encode(sample_format, flat))
    lines = [record_line.format(name=name, signals=len(adc), samples=frames)]
    for row, lead, n in zip(adc, leads, frame, strict=False):
        checksum = (sum(row) + 2**15) % 2**16 - 2**15
        form = f"{sample_format}{'' if n == 1 else f'x{n}'}{'+24' if matlab else ''}"
        lines.append(
            signal_line.format(
                file=file, format=form, gain=gain, initial=row[0], checksum=checksum, lead=lead
            )
        )
    header = folder / f"{name}.hea"
    header.write_text("\n".join([*lines, *(f"#{comment}" for comment in comments)]) + "\n", encoding="utf-8")
    return header


@pytest.fixture(scope="session")
def write_record() -> Callable[..., Path]:
    return write


@pytest.fixture(scope="session")
def missing_markers() -> dict[int, int]:
    return MISSING


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for property tests, which rewrite the same record in it."""
    return tmp_path_factory.mktemp("wfdb")
