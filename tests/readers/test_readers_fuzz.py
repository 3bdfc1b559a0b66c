"""Seeded mutants of headers and signal files: a Recording that holds, or one of our errors; never a hang."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, OTHER_LEADS, RecordingError

LOG = logging.getLogger(__name__)
MUTANTS = 100_000 if os.environ.get("CARDIOFUSION_SLOW") == "1" else 1_500
SLOWEST = 2.0  # seconds for one mutant of a tiny record
TOKENS = (
    b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"2147483648", b"-32768", b"65536", b"../rec.dat",
    b"/dev/zero", b"rec.hea", b"rec/3", b"16x2", b"16:5", b"212", b"24+1", b"80", b"16+24", b"0(0)/mV",
    b"1/uV", b"1000(99999)/mV", b"mmHg", b"\xb5V", b"\xff\xfe", b"\0", b"#", b"\n", b"\r\n", b"\t", b" ",
    b"12:00:00", b"05-May-2020", b"I", b"V1", "Ⅳ٣".encode(), b"<age>: 5", b"~", b"-", b"%s%n", b"A" * 300,
)  # fmt: skip

Rng = np.random.Generator


def change_bytes(content: bytes, rng: Rng) -> bytes:
    out = bytearray(content)
    for position in rng.integers(0, len(out), size=int(rng.integers(1, 4))):
        out[position] = int(rng.integers(0, 256))
    return bytes(out)


def cut(content: bytes, rng: Rng) -> bytes:
    return content[: int(rng.integers(0, len(content)))]


def grow(content: bytes, rng: Rng) -> bytes:
    position = int(rng.integers(0, len(content)))
    return content[:position] + rng.bytes(int(rng.integers(1, 40))) + content[position:]


def swap_token(content: bytes, rng: Rng) -> bytes:
    tokens = content.split(b" ")
    tokens[int(rng.integers(0, len(tokens)))] = TOKENS[int(rng.integers(0, len(TOKENS)))]
    return b" ".join(tokens)


def insert_token(content: bytes, rng: Rng) -> bytes:
    position = int(rng.integers(0, len(content)))
    return content[:position] + TOKENS[int(rng.integers(0, len(TOKENS)))] + content[position:]


def change_digit(content: bytes, rng: Rng) -> bytes:
    digits = [i for i, byte in enumerate(content) if chr(byte).isdigit()]
    position = int(rng.choice(digits))
    return content[:position] + str(rng.integers(0, 10)).encode() + content[position + 1 :]


def shuffle_lines(content: bytes, rng: Rng) -> bytes:
    lines = content.split(b"\n")
    picked = rng.integers(0, len(lines), size=int(rng.integers(0, len(lines) + 3)))
    return b"\n".join(lines[i] for i in picked)


BINARY = (change_bytes, cut, grow)
TEXT = (*BINARY, swap_token, swap_token, insert_token, change_digit, change_digit, shuffle_lines)


def rewrite(path: Path, content: bytes) -> None:
    """A new file each time: some file systems wait for the disk when an old one is overwritten."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


@pytest.fixture(scope="module")
def seeds(scratch: Path, write_record: Callable[..., Path]) -> list[tuple[bytes, bytes, str]]:
    """(header, signal file, its suffix) of small records in every format."""
    rng = np.random.default_rng(1)
    found = []
    for sample_format, matlab in (
        (16, False),
        (24, False),
        (32, False),
        (80, False),
        (212, False),
        (16, True),
    ):
        adc = rng.integers(-100, 100, size=(4, 25)).tolist()
        comments = ["Age: 61", "<sex>: F", "a comment"]
        header = write_record(scratch, adc, sample_format, comments=comments, matlab=matlab)
        suffix = ".mat" if matlab else ".dat"
        found.append((header.read_bytes(), header.with_suffix(suffix).read_bytes(), suffix))
    return found


@pytest.mark.timeout(3600)
def test_mutants(scratch: Path, seeds: list[tuple[bytes, bytes, str]]) -> None:
    rng = np.random.default_rng(20_201)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(MUTANTS):
        header, samples, suffix = seeds[number % len(seeds)]
        if rng.random() < 0.7:
            header = TEXT[int(rng.integers(0, len(TEXT)))](header, rng)
        else:
            samples = BINARY[int(rng.integers(0, len(BINARY)))](samples, rng)
        rewrite(scratch / "rec.hea", header)
        rewrite(scratch / f"rec{suffix}", samples)
        started = time.perf_counter()
        outcomes[_outcome(scratch / "rec.hea")] += 1
        slowest = max(slowest, time.perf_counter() - started)
    assert slowest < SLOWEST
    assert outcomes["read"] > MUTANTS // 50  # the mutants reach the samples, not only the grammar
    assert len(outcomes) > 8  # and many different refusals
    LOG.info("%d mutants, slowest %.1f ms: %s", MUTANTS, 1e3 * slowest, outcomes.most_common())


def _outcome(header: Path) -> str:
    refusal = None
    try:
        recording = read_recording(header)
    except RecordingError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code.startswith("recording.")
        assert refusal.hint
        assert "\n" not in str(refusal)
        return refusal.code
    assert not np.isinf(recording.signal).any()
    assert 10 <= recording.sampling_rate <= 10_000
    assert set(recording.leads) <= set(LEADS + OTHER_LEADS)
    assert recording.age is None or 0 <= recording.age <= 120
    assert recording.unverified[0] == "header"
    return "read"
