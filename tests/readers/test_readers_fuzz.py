"""Seeded mutants of WFDB records, in memory: a Recording that holds, or one of our errors; never a hang.

Every format, samples a frame, FLAC, MATLAB, and records of several segments; some also from a disk.
"""

from __future__ import annotations

import io
import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cardiofusion.readers import read_files, read_recording
from cardiofusion.records import LEADS, OTHER_LEADS, Recording, RecordingError

LOG = logging.getLogger(__name__)
SLOW = os.environ.get("CARDIOFUSION_SLOW") == "1"
MUTANTS = int(os.environ.get("CARDIOFUSION_MUTANTS", 100_000 if SLOW else 1_500))
ON_DISK = 10  # every so many are read from a disk too
SLOWEST = 2.0  # seconds for one mutant of a tiny record
TOKENS = (
    b"0", b"-1", b"1e999", b"nan", b"99999999999999999999", b"2147483648", b"-32768", b"65536", b"../rec.dat",
    b"/dev/zero", b"rec.hea", b"rec/3", b"16x2", b"16:5", b"212", b"24+1", b"80", b"16+24", b"0(0)/mV",
    b"1/uV", b"1000(99999)/mV", b"mmHg", b"\xb5V", b"\xff\xfe", b"\0", b"#", b"\n", b"\r\n", b"\t", b" ",
    b"8", b"61", b"160", b"310", b"311", b"516", b"524", b"0", b"16x4", b"212x3:1", b"s1 25", b"~ 25",
    b"s0 0", b"s1", b"rec/4", b"12:00:00", b"05-May-2020", b"I", b"V1", "Ⅳ٣".encode(), b"<age>: 5", b"~",
    b"-", b"%s%n", b"A" * 300,
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


Files = dict[str, bytes]


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory, write_record: Callable[..., Path]) -> list[Files]:
    """The files of small records of every kind."""
    rng = np.random.default_rng(1)
    comments = ["Age: 61", "<sex>: F", "a comment"]
    kinds: list[dict[str, Any]] = [{"sample_format": n} for n in (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)]
    kinds += [{"matlab": True}, {"frame": (4, 4, 4, 4)}, {"sample_format": 212, "frame": (3, 3, 3, 3)}]
    found = []
    for kind in kinds:
        folder = tmp_path_factory.mktemp("seed")
        samples = 25 * kind.get("frame", (1,))[0]
        adc = rng.integers(-60, 60, size=(4, samples)).tolist()
        write_record(folder, adc, comments=comments, **kind)
        found.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    found += [_joined(found[1], layout=layout) for layout in (False, True)]
    found += [_flac(found[1], sample_format) for sample_format in ("516", "524")]
    return found


def _joined(record: Files, layout: bool) -> Files:
    """Two segments like this record, in a variable layout with a gap between them."""
    lines = [b"s0 0", b"s1 25", b"~ 9", b"s2 25"] if layout else [b"s1 25", b"s2 25"]
    signals = b"".join(b"~ 0 200/mV 16 0 0 0 0 %b\n" % lead for lead in (b"II", b"I", b"V2", b"V1"))
    files = {"rec.hea": b"rec/%d 4 500 %d\n" % (len(lines), 59 if layout else 50) + b"\n".join(lines)}
    for name in ("s1", "s2"):
        files[f"{name}.hea"] = record["rec.hea"].replace(b"rec", name.encode())
        files[f"{name}.dat"] = record["rec.dat"]
    return files | ({"s0.hea": b"s0 4 500 0\n" + signals} if layout else {})


def _flac(record: Files, sample_format: str) -> Files:
    soundfile = pytest.importorskip("soundfile")
    content, shift = io.BytesIO(), {"516": 16, "524": 8}[sample_format]
    samples = np.frombuffer(record["rec.dat"], dtype="<i2").reshape(-1, 4).astype(np.int32) << shift
    soundfile.write(content, samples, 96000, format="FLAC", subtype=f"PCM_{32 - shift}")
    header = record["rec.hea"].replace(b"rec.dat 16", f"rec.dat {sample_format}".encode())
    return {"rec.hea": header, "rec.dat": content.getvalue()}


@pytest.mark.timeout(3600)
def test_mutants(seeds: list[Files], scratch: Path) -> None:
    rng = np.random.default_rng(20_201)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    for number in range(MUTANTS):
        files = dict(seeds[number % len(seeds)])
        texts = [name for name in files if name.endswith(".hea")]
        binaries = [name for name in files if name not in texts]
        names, mutations = (texts, TEXT) if rng.random() < 0.7 else (binaries, BINARY)
        name = names[int(rng.integers(0, len(names)))]
        files[name] = mutations[int(rng.integers(0, len(mutations)))](files[name], rng)
        started = time.perf_counter()
        outcome = _outcome(partial(read_files, files))
        slowest = max(slowest, time.perf_counter() - started)
        outcomes[outcome] += 1
        if number % ON_DISK == 0 and outcome != "recording.files":
            assert _on_disk(files, scratch / str(number)) in {outcome, "recording.unreadable"}
    LOG.info("%d mutants, slowest %.1f ms: %s", MUTANTS, 1e3 * slowest, outcomes.most_common())
    assert slowest < SLOWEST
    assert outcomes["read"] > MUTANTS // 50  # the mutants reach the samples, not only the grammar
    assert len(outcomes) > 10  # and many different refusals


def _on_disk(files: Files, folder: Path) -> str:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    outcome = _outcome(partial(read_recording, folder / "rec.hea"))
    shutil.rmtree(folder)
    return outcome


def _outcome(read: Callable[[], Recording]) -> str:
    refusal = None
    try:
        recording = read()
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
