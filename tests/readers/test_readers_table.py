"""ECGs in CSV and Parquet that declare themselves: round trips, refusals, hostile pages, mutants."""

from __future__ import annotations

import contextlib
import csv
import io
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.readers.table import CSV, PARQUET, decode_csv, decode_parquet
from cardiofusion.records import LEADS, ExtraMissingError, Recording, RecordingError

DECLARED = {"cardiofusion-ecg": "1", "sampling_rate": "500", "unit": "mV"}
PATIENT = {"patient_id": "17", "age": "63", "sex": "F", "time": "2024-05-30T16:32:18.5+02:00"}
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def written(
    rows: Sequence[Sequence[Any]], names: Sequence[str], declared: Mapping[str, str] = DECLARED
) -> bytes:
    """As the standard library writes it: None is an empty cell."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([names, *rows])
    return ("".join(f"# {key}: {value}\n" for key, value in declared.items()) + out.getvalue()).encode()


def refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        decode_csv(content, "t.csv")
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.code


def body(text: str, **declared: str) -> bytes:
    """A table of the given header row and rows."""
    return "".join(f"# {k}: {v}\n" for k, v in (DECLARED | declared).items()).encode() + text.encode()


# CSV -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n"])
def test_a_whole_table(mark: bytes, ends: bytes) -> None:
    values = np.random.default_rng(1).normal(size=(40, 8)).round(4)
    rows = [[*map(repr, map(float, row))] for row in values]
    rows[3][2] = ""
    content = mark + written(rows, EIGHT, DECLARED | PATIENT | {"samples": "40"}).replace(b"\n", ends)
    assert CSV.recognises(content[:4096])
    recording = decode_csv(content, "t.csv")
    assert (recording.sampling_rate, recording.leads) == (500.0, LEADS)
    assert np.argwhere(np.isnan(recording.signal)).tolist() == [[LEADS.index("V1"), 3]]
    for k, name in enumerate(EIGHT):
        kept = np.arange(40) != (3 if name == "V1" else -1)
        np.testing.assert_allclose(recording.signal[LEADS.index(name)][kept], values[kept, k], rtol=1e-6)
    assert (recording.patient_id, recording.age, recording.sex) == ("17", 63.0, "female")
    assert recording.time == datetime(2024, 5, 30, 16, 32, 18, 500_000)
    assert recording.unverified == ("header", "samples")


@pytest.mark.parametrize(("unit", "factor"), [("mV", 1.0), ("uV", 1e-3), ("µV", 1e-3), ("μV", 1e-3)])
def test_units(unit: str, factor: float) -> None:
    recording = decode_csv(body("V1\n3\n-4\n", unit=unit), "t.csv")
    np.testing.assert_allclose(recording.signal, [[3 * factor, -4 * factor]], rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("V1,V2\n1,2\n,\n3,\n", [[1, np.nan, 3], [2, np.nan, np.nan]]),
        ("V1,V2\n 1 ,\t2\nNaN,nan\n", [[1, np.nan], [2, np.nan]]),
        ("V1\n1\n\n3\n", [[1, np.nan, 3]]),
        ('V1\n1\n""\n3\n\n', [[1, np.nan, 3, np.nan]]),
        ("V1\n\n2\n", [[np.nan, 2]]),
        ("V1,V2\n1e-3,.5\n+2.,-0\n\n\n", [[1e-3, 2], [0.5, 0]]),
        ('"V1","LEAD v2"\n1,2\n', [[1], [2]]),
    ],
)
def test_cells(text: str, expected: list[list[float]]) -> None:
    np.testing.assert_allclose(decode_csv(body(text), "t.csv").signal, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (body("V1\n1\n", **{"cardiofusion-ecg": "2"}), "recording.version"),
        (body("V1\n1\n", sampling_rate=""), "recording.rate"),
        (body("V1\n1\n", sampling_rate="5"), "recording.rate"),
        (body("V1\n1\n", sampling_rate="nan"), "recording.rate"),
        (body("V1\n1\n", unit="mv"), "recording.units"),
        (body("V1\n1\n", unit="V"), "recording.units"),
        (body("V1\n1\n", samples="2"), "recording.truncated"),
        (body("V1\n1\n", samples="many"), "recording.truncated"),
        (body("V1\n1\n", age="300"), "recording.header"),
        (body("V1\n1\n", sex="x"), "recording.header"),
        (body("V1\n1\n", time="yesterday"), "recording.header"),
        (body("V1\n1\n", name="Doe"), "recording.header"),
        (body("# unit: mV\nV1\n1\n"), "recording.header"),
        (body("# no key\nV1\n1\n"), "recording.header"),
        (b"# cardiofusion-ecg: 1\nV1\n1\n", "recording.rate"),
        (b"# cardiofusion-ecg: 1", "recording.header"),
        (b"# cardiofusion-ecg: 1\n# unit: \xff\nV1\n1\n", "recording.header"),
        (body(""), "recording.truncated"),
        (body("V1"), "recording.truncated"),
        (body("V1\n"), "recording.empty"),
        (body("V1,V2\n"), "recording.empty"),
        (body("V1,V2\n,\n,\n"), "recording.empty"),
        (body("V1\n0.12\n0.1"), "recording.truncated"),
        (body("V1,time\n1,2\n"), "recording.lead"),
        (body("V1,V1\n1,2\n"), "recording.lead"),
        (body("V1;V2\n1;2\n"), "recording.lead"),
        (body("V1,V2\n1,2,3\n"), "recording.header"),
        (body("V1,V2\n1,2\n3\n"), "recording.header"),
        (body("V1,V2\n1,2\n\n3,4\n"), "recording.header"),
        (body("V1,V2\n1\n2,3,4\n"), "recording.header"),
        (body("V1,V2\n1 2,3\n"), "recording.header"),
        (body("V1,V2\n1 2, ,\n"), "recording.header"),
        (body("V1,V2\n1\r2,3\n"), "recording.header"),
        (body("V1,V2\n1\f2,3\n"), "recording.header"),
        (body("V1,V2\n1\v2,3\n"), "recording.header"),
        (body("V1,V2\n1\x002,3\n"), "recording.header"),
        (body("V1,V2\n0,5,0,6\n"), "recording.header"),
        (body("V1\n1x\n"), "recording.header"),
        (body("V1\n0x10\n"), "recording.header"),
        (body('V1\n1""2\n'), "recording.header"),
        (body("V1\ninf\n"), "recording.header"),
        (body("V1\n1e999\n"), "recording.units"),
        (body("V1\n20000\n"), "recording.units"),
        (body("V1\n١\n"), "recording.header"),
        (body("V1\n1\n# end\n"), "recording.header"),
    ],
)
def test_refusals(content: bytes, code: str) -> None:
    assert refusal(content) == code


def test_other_tables_are_not_taken_for_an_ecg() -> None:
    for head in (
        b"I,II\n0.1,0.2\n",
        b"# sampling_rate: 500\n",
        b"",
        b"#\n# cardiofusion-ecg: 1\n",
        b"\x89HDF",
    ):
        assert not CSV.recognises(head)


@given(
    rows=st.lists(
        st.lists(st.none() | st.floats(-9e3, 9e3, allow_subnormal=False), min_size=2, max_size=2),
        min_size=1,
        max_size=30,
    )
)
@settings(max_examples=150, deadline=None)
def test_what_is_written_is_read(rows: list[list[float | None]]) -> None:
    rows.append([0.5, 0.5])
    expected = np.array([[np.nan if cell is None else cell for cell in row] for row in rows]).T
    content = written(rows, ("V1", "V2"), DECLARED | {"samples": str(len(rows))})
    np.testing.assert_array_equal(decode_csv(content, "t.csv").signal, expected.astype(np.float32))


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_mutant_raises_anything_else(data: st.DataObject) -> None:
    content = bytearray(written([[0.25, -1.5, None]] * 8, ("V1", "V2", "V3"), DECLARED | PATIENT))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RecordingError):
        recording = decode_csv(bytes(content[: data.draw(st.integers(0, len(content)))]), "t.csv")
        assert not np.isinf(recording.signal).any()


@given(cut=st.integers(1, 60))
def test_a_table_that_says_how_long_it_is_cannot_be_cut(cut: int) -> None:
    content = written([[0.25, -1.5]] * 20, ("V1", "V2"), DECLARED | {"samples": "20"})
    assert refusal(content[:-cut]) == "recording.truncated"


# Parquet -------------------------------------------------------------------------------------------------


def by_polars(
    columns: Mapping[str, Sequence[Any]], declared: Mapping[str, str] = DECLARED, **how: Any
) -> bytes:
    polars = pytest.importorskip("polars")
    out = io.BytesIO()
    polars.DataFrame(columns).write_parquet(out, metadata=dict(declared), **how)
    return out.getvalue()


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def thrift(fields: Mapping[int, Any]) -> bytes:
    """A Thrift structure in the compact protocol, every int as i64: readers of i32 do not mind."""
    out, last = b"", 0
    for field, value in fields.items():
        kind, content = thrift_value(value)
        out += bytes([(field - last) << 4 | kind]) + content
        last = field
    return out + b"\0"


def thrift_value(value: Any) -> tuple[int, bytes]:
    if isinstance(value, int):
        return 6, varint(value << 1 ^ value >> 63)
    if isinstance(value, str):
        return 8, varint(len(value)) + value.encode()
    if isinstance(value, list):
        items = [thrift_value(item) for item in value]
        assert len(items) < 15
        return 9, bytes([len(items) << 4 | items[0][0]]) + b"".join(content for _, content in items)
    return 12, thrift(value)


def parquet(
    columns: Mapping[str, Sequence[float]], checksum: int | None = None, sizes: tuple[int, int] | None = None,
    values: int | None = None, elsewhere: str = "", declared: Mapping[str, str] = DECLARED,
) -> bytes:  # fmt: skip
    """A file of required doubles, plain and unpacked, a page a column; lies where told to."""
    out, chunks = b"PAR1", []
    rows = len(next(iter(columns.values())))
    for name, column in columns.items():
        data = struct.pack(f"<{rows}d", *column)
        unpacked, packed = sizes or (len(data), len(data))
        crc = {} if checksum is None else {4: (zlib.crc32(data) ^ checksum) - (1 << 32)}
        page = {
            1: 0,
            2: unpacked,
            3: packed,
            **crc,
            5: {1: rows if values is None else values, 2: 0, 3: 3, 4: 3},
        }
        header = thrift(page)
        meta = {
            1: 5,
            2: [0],
            3: [name],
            4: 0,
            5: rows,
            6: len(header + data),
            7: len(header + data),
            9: len(out),
        }
        chunks.append({**({1: elsewhere} if elsewhere else {}), 2: len(out), 3: meta})
        out += header + data
    schema = [{4: "root", 5: len(columns)}, *({1: 5, 3: 0, 4: name} for name in columns)]
    pairs = [{1: key, 2: value} for key, value in declared.items()]
    groups = [{1: chunks, 2: len(out), 3: rows}]
    footer = thrift({1: 1, 2: schema, 3: rows, 4: groups, 5: pairs})
    return out + footer + len(footer).to_bytes(4, "little") + b"PAR1"


def parquet_refusal(content: bytes) -> str:
    with pytest.raises(RecordingError) as caught:
        decode_parquet(content, "t.parquet")
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value.code


@pytest.mark.parametrize("compression", ["zstd", "snappy", "gzip", "lz4", "uncompressed"])
def test_parquet(compression: str) -> None:
    values = np.random.default_rng(2).normal(size=(8, 700)).round(3)
    columns: dict[str, Any] = {name: list(map(float, row)) for name, row in zip(EIGHT, values, strict=True)}
    columns["V6"][5], columns["V6"][6] = None, float("nan")
    content = by_polars(columns, DECLARED | PATIENT | {"samples": "700"}, compression=compression)
    assert PARQUET.recognises(content[:4096])
    assert not CSV.recognises(content[:4096])
    recording = decode_parquet(content, "t.parquet")
    assert (recording.leads, recording.sampling_rate) == (LEADS, 500.0)
    assert np.flatnonzero(np.isnan(recording.signal[11])).tolist() == [5, 6]
    np.testing.assert_allclose(recording.signal[6:11], values[2:7], rtol=1e-6)
    np.testing.assert_allclose(recording.signal[2], values[1] - values[0], atol=1e-6)
    assert (recording.patient_id, recording.age, recording.sex) == ("17", 63.0, "female")


def test_parquet_of_integers_and_many_pages_and_row_groups() -> None:
    polars = pytest.importorskip("polars")
    counts = np.arange(5000) % 90 - 45
    columns = {
        "V1": polars.Series(counts, dtype=polars.Int16),
        "V2": polars.Series(counts, dtype=polars.Float32),
    }
    content = by_polars(columns, DECLARED | {"unit": "uV"}, row_group_size=1000, data_page_size=512)
    signal = decode_parquet(content, "t.parquet").signal
    np.testing.assert_allclose(signal, np.stack([counts, counts]) / 1000.0, rtol=1e-6)


def test_parquet_by_another_writer_and_its_checksums() -> None:
    pytest.importorskip("polars")
    columns = {"V1": [0.25, -1.5, 3.0], "V2": [1.0, 2.0, 3.0]}
    plain = decode_parquet(parquet(columns), "t.parquet")
    checked = decode_parquet(parquet(columns, checksum=0), "t.parquet")
    for recording in (plain, checked):
        np.testing.assert_array_equal(recording.signal, np.float32([columns["V1"], columns["V2"]]))
    assert (plain.unverified, checked.unverified) == (("header", "samples"), ("header",))
    assert parquet_refusal(parquet(columns, checksum=1)) == "recording.checksum"
    content = parquet(columns, checksum=0)
    position = content.index(struct.pack("<d", -1.5))
    changed = content[:position] + b"\1" + content[position + 1 :]
    assert parquet_refusal(changed) == "recording.checksum"


def test_parquet_refusals() -> None:
    pytest.importorskip("polars")
    column = {"V1": [1.0, 2.0]}
    assert parquet_refusal(parquet(column, declared={"a": "b"})) == "recording.version"
    assert parquet_refusal(parquet(column, declared=DECLARED | {"unit": "V"})) == "recording.units"
    assert parquet_refusal(parquet({"time": [1.0, 2.0]})) == "recording.lead"
    assert parquet_refusal(parquet({"V1": [1.0, float("inf")]})) == "recording.units"
    assert parquet_refusal(by_polars({"V1": ["a"]})) == "recording.header"
    assert parquet_refusal(by_polars({"V1": [None, None]})) == "recording.header"
    assert parquet_refusal(by_polars({"V1": [float("nan")]})) == "recording.empty"
    assert parquet_refusal(by_polars({"V1": []})) in {"recording.header", "recording.empty"}
    assert parquet_refusal(parquet(column)[:-1]) == "recording.truncated"
    assert parquet_refusal(b"PAR1") == "recording.truncated"


def test_hostile_parquet() -> None:
    pytest.importorskip("polars")
    column = {"V1": [1.0, 2.0]}
    assert parquet_refusal(parquet(column, sizes=(2**31 - 1, 16))) == "recording.size"
    assert parquet_refusal(parquet(column, sizes=(16, 2**31 - 1))) == "recording.header"
    assert parquet_refusal(parquet(column, sizes=(-1, 16))) == "recording.header"
    assert parquet_refusal(parquet(column, values=-2048)) == "recording.header"  # aborts polars 2.1
    assert parquet_refusal(parquet(column, values=2**31 - 1)) == "recording.header"
    assert parquet_refusal(parquet(column, elsewhere="/etc/passwd")) == "recording.version"
    deep = b"\x1c" * 5000 + b"\0" * 5001
    assert parquet_refusal(b"PAR1" + deep + len(deep).to_bytes(4, "little") + b"PAR1") == "recording.header"


def test_parquet_without_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ExtraMissingError) as caught:
        decode_parquet(b"PAR1", "t.parquet")
    assert caught.value.extra == "train"


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_no_cut_or_damaged_parquet_raises_anything_else(data: st.DataObject) -> None:
    pytest.importorskip("polars")
    content = bytearray(parquet({"V1": [0.5] * 40}, checksum=0))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(RecordingError):
        recording: Recording = decode_parquet(bytes(content[: data.draw(st.integers(0, len(content)))]), "t")
        assert np.isfinite(recording.signal).all()


def test_memory_follows_the_file() -> None:
    content = body("V1\n" + "\n" * 50_000)
    tracemalloc.start()
    assert refusal(content) == "recording.empty"
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()
