"""A tiny WFDB writer, one sample at a time, that shares no code with the reader."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

MISSING = {16: -(2**15), 24: -(2**23), 32: -(2**31), 80: -128, 212: -2048}
MATLAB_TYPES = {16: 30, 32: 20, 80: 50}


def encode(sample_format: int, values: Sequence[int]) -> bytes:
    """ADC values in file order as signal(5) lays them out."""
    if sample_format == 80:
        return bytes(value + 128 for value in values)
    if sample_format != 212:
        width = sample_format // 8
        return b"".join(value.to_bytes(width, "little", signed=True) for value in values)
    out = bytearray()
    for first, second in zip(values[::2], [*values[1::2], None][: (len(values) + 1) // 2], strict=True):
        one, two = first & 0xFFF, (second or 0) & 0xFFF
        out += bytes([one & 0xFF, (one >> 8) | (two >> 8) << 4, two & 0xFF][: 3 if second is not None else 2])
    return bytes(out)


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
) -> Path:
    """A record of adc [signal][sample] in one signal file; returns its header."""
    flat = [row[t] for t in range(len(adc[0])) for row in adc]
    file = f"{name}.mat" if matlab else f"{name}.dat"
    head = b""
    if matlab:
        words = (MATLAB_TYPES[sample_format], len(adc), len(adc[0]), 0, 4)
        head = b"".join(word.to_bytes(4, "little") for word in words) + b"val\0"
    (folder / file).write_bytes(head + encode(sample_format, flat))
    lines = [record_line.format(name=name, signals=len(adc), samples=len(adc[0]))]
    for row, lead in zip(adc, leads, strict=False):
        checksum = (sum(row) + 2**15) % 2**16 - 2**15
        form = f"{sample_format}+24" if matlab else str(sample_format)
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
