"""An ECG as a table, a column a lead and a row a sample, that declares its rate and unit. CSV:

    # cardiofusion-ecg: 1
    # sampling_rate: 500
    # unit: mV                  or uV
    # samples: 5000             from here on optional; rows are counted where it is given
    # patient_id: 17
    # age: 63                   years
    # sex: female
    # time: 2024-05-30T16:32:18
    I,II,V1
    0.012,-0.104,0.3
    0.015,,0.31                 an empty cell is a missing sample

Parquet has the same keys in its key-value metadata (other keys are not looked at), NULL or NaN for a missing
sample, and needs polars. No other table is taken for an ECG.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.decimals import MAX_NUMBERS, as_millivolts, decimals
from cardiofusion.readers.details import Details, as_age, as_sex, known, number
from cardiofusion.readers.format import MAX_RATE, MIN_RATE, Format
from cardiofusion.readers.parquet_pages import MAGIC, check_pages
from cardiofusion.records import ExtraMissingError, Recording, RecordingError, lead_name, standard_leads

if TYPE_CHECKING:
    import polars

MAX_LEADS = 64
MAX_HEADER_BYTES = 1 << 16
MAX_CELLS_A_BYTE, SPARE_CELLS = 16, 1 << 20  # of Parquet: an ECG packs into a byte a sample, a bomb into none
VERSION_KEY, VERSION = "cardiofusion-ecg", "1"
NEEDED = (VERSION_KEY, "sampling_rate", "unit")
KEYS = (*NEEDED, "samples", "patient_id", "age", "sex", "time")
HINT = f"its first lines declare {', '.join(NEEDED)}, and may {', '.join(KEYS[len(NEEDED) :])}"
CELLS_HINT = "write plain decimal numbers with points, a comma between cells, nothing for a missing sample"

_MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "µV": 1e-3, "μV": 1e-3}
_DECLARED = re.compile(rb"(?:\xef\xbb\xbf)?#[ \t]*" + VERSION_KEY.encode() + rb"[ \t]*:")


def recognises_csv(head: bytes) -> bool:
    return _DECLARED.match(head) is not None


def decode_csv(content: bytes, name: str) -> Recording:
    """The table in mV, NaN for empty cells. Raises RecordingError."""
    declared, names, body = _parts(content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n"), name)
    leads = _leads(names, name)
    return _recording(declared, leads, _cells(body, len(leads), name), name)


def recognises_parquet(head: bytes) -> bool:
    return head.startswith(MAGIC)


def decode_parquet(content: bytes, name: str) -> Recording:
    """The table in mV, NaN for NULL. Raises RecordingError; ExtraMissingError without polars."""
    try:
        import polars
    except ImportError as error:
        raise ExtraMissingError("reading Parquet", "train") from error
    if not hasattr(polars, "read_parquet_metadata"):
        raise ExtraMissingError("reading Parquet's metadata (a newer polars)", "train")
    with _polars_errors(polars.exceptions.PanicException, name):
        checked = check_pages(content, name)
        declared = polars.read_parquet_metadata(io.BytesIO(content))
        if VERSION_KEY not in declared:
            raise RecordingError("recording.version", f"{name} does not declare itself as an ECG", HINT)
        cells = _columns(polars.scan_parquet(io.BytesIO(content)), len(content), name)
    return _recording(declared, _leads(cells, name), np.stack([*cells.values()]), name, checked)


def _parts(content: bytes, name: str) -> tuple[dict[str, str], list[str], bytes]:
    """What is declared, the names of the columns, and the rows below."""
    declared: dict[str, str] = {}
    position = 0
    while content[position : position + 1] == b"#":
        end = content.find(b"\n", position, MAX_HEADER_BYTES)
        key, colon, value = _text(content[position + 1 : end], name).partition(":")
        if end < 0 or not colon or key.strip() not in KEYS or key.strip() in declared:
            raise RecordingError("recording.header", f"{name} declares {key.strip()[:40]!r}", HINT)
        declared[key.strip()] = value.strip()
        position = end + 1
    end = content.find(b"\n", position, position + MAX_HEADER_BYTES)
    if end < 0:
        raise RecordingError("recording.truncated", f"{name} ends before its first row of samples", HINT)
    names = [cell.strip().strip('"') for cell in _text(content[position:end], name).split(",")]
    return declared, names, content[end + 1 :]


def _text(line: bytes, name: str) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RecordingError("recording.header", f"{name} has a header that is no UTF-8", HINT) from error


def _cells(body: bytes, columns: int, name: str) -> NDArray[np.float64]:
    """[column, row], NaN for empty cells."""
    if body and not body.endswith(b"\n"):
        raise RecordingError(
            "recording.truncated", f"{name} ends within a row", "every row ends with a line break"
        )
    if columns == 1:  # of a single lead, an empty line is a missing sample; some writers quote it
        body = (b"\n" + body).replace(b'\n""\n', b"\n\n").replace(b'\n""\n', b"\n\n")[1:]
    else:
        body = body.rstrip(b"\n") + b"\n"
    characters = np.frombuffer(body if body.strip(b"\n") else b"", dtype=np.uint8)
    separates = (characters == ord(",")) | (characters == ord("\n"))
    separators = characters[separates]
    if len(separators) > MAX_NUMBERS:
        raise RecordingError(
            "recording.size", f"{name} has {len(separators):,} samples", f"at most {MAX_NUMBERS:,} are read"
        )
    if len(separators) % columns or not _is_grid(separators.reshape(-1, columns)):
        raise RecordingError("recording.header", f"{name} has rows of other than {columns} cells", CELLS_HINT)
    return _numbers(body, characters, separates, name).reshape(-1, columns).T


def _numbers(
    body: bytes, characters: NDArray[np.uint8], separates: NDArray[np.bool_], name: str
) -> NDArray[np.float64]:
    """One number a cell, NaN where it is empty."""
    spaces = separates.copy()
    for space in b" \t\r":
        spaces |= characters == space
    begins = np.flatnonzero(~spaces & np.concatenate([[True], spaces[:-1]])[: len(spaces)])
    cells = np.searchsorted(np.flatnonzero(separates), begins)
    if not body.isascii() or (np.diff(cells) == 0).any():
        raise RecordingError("recording.header", f"{name} has cells that are no numbers", CELLS_HINT)
    numbers = np.full(int(separates.sum()), np.nan)
    if len(cells):
        spaced = body.translate(bytes.maketrans(b",\n", b"  ")).decode("ascii")
        numbers[cells] = decimals(spaced, name, missing=True)
    return numbers


def _is_grid(separators: NDArray[np.uint8]) -> bool:
    """Whether a comma follows every cell [row, column] but the last, and a line break that."""
    return bool((separators[:, :-1] == ord(",")).all() and (separators[:, -1] == ord("\n")).all())


def _columns(frame: polars.LazyFrame, size: int, name: str) -> dict[str, NDArray[np.float64]]:
    """Column -> its samples, NaN for NULL; how many is known before any is read. size: bytes of the file."""
    import polars

    schema = frame.collect_schema()
    if not 1 <= len(schema) <= MAX_LEADS or not all(kind.is_numeric() for kind in schema.dtypes()):
        raise RecordingError(
            "recording.header",
            f"{name} has columns that are no numbers, or over {MAX_LEADS}",
            "one column a lead",
        )
    rows = frame.select(polars.len()).collect().item()
    most = min(MAX_NUMBERS, SPARE_CELLS + MAX_CELLS_A_BYTE * size)
    if rows * len(schema) > most:
        raise RecordingError(
            "recording.size", f"{name} has {rows:,} rows", f"of so many bytes, {most:,} samples are read"
        )
    table = frame.collect()
    return {column: table[column].cast(polars.Float64).to_numpy() for column in table.columns}


def _recording(
    declared: Mapping[str, str],
    leads: tuple[str, ...],
    cells: NDArray[np.float64],
    name: str,
    checked: bool = False,
) -> Recording:
    rate, factor = _scale(declared, name)
    details = _details(declared, name)
    if not cells.shape[1] or np.isnan(cells).all():
        raise RecordingError("recording.empty", f"{name} has no samples", CELLS_HINT)
    if declared.get("samples") and number(declared["samples"]) != cells.shape[1]:
        what = f"{cells.shape[1]} rows, not the {declared['samples'][:20]} it declares"
        raise RecordingError("recording.truncated", f"{name} has {what}", "write the file again")
    signal, leads = standard_leads(as_millivolts(cells * factor, name), leads)
    return Recording(
        signal=signal,
        sampling_rate=rate,
        leads=leads,
        unverified=("header",) if checked else ("header", "samples"),
        **details.fields(),
    )


def _scale(declared: Mapping[str, str], name: str) -> tuple[float, float]:
    """Hz, and mV a unit."""
    if declared.get(VERSION_KEY) != VERSION:
        raise RecordingError(
            "recording.version",
            f"{name} is of version {declared.get(VERSION_KEY, '')[:20]!r}",
            f"we read {VERSION}",
        )
    rate = number(declared.get("sampling_rate"))
    if rate is None or not MIN_RATE <= rate <= MAX_RATE:
        raise RecordingError(
            "recording.rate", f"{name} declares no sampling_rate of {MIN_RATE:g} to {MAX_RATE:g} Hz", HINT
        )
    unit = declared.get("unit", "")
    if unit not in _MILLIVOLTS:
        raise RecordingError("recording.units", f"{name} declares the unit {unit[:20]!r}, not mV or uV", HINT)
    return rate, _MILLIVOLTS[unit]


def _details(declared: Mapping[str, str], name: str) -> Details:
    stated = {key: known(declared.get(key)) for key in ("patient_id", "age", "sex", "time")}
    details = Details(
        patient_id=stated["patient_id"],
        age=as_age(stated["age"]),
        sex=as_sex(stated["sex"]),
        time=_time(stated["time"]),
    )
    for key, value in stated.items():
        if value is not None and getattr(details, key) is None:
            raise RecordingError("recording.header", f"{name} declares no plausible {key}", HINT)
    return details


def _time(text: str | None) -> datetime | None:
    """ISO 8601, as the local time it states."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError:
        return None


def _leads(names: Iterable[str], name: str) -> tuple[str, ...]:
    leads: list[str] = []
    for column in names:
        lead = lead_name(column)
        if lead is None or lead in leads:
            what = "twice" if lead else "which is no lead we know"
            raise RecordingError(
                "recording.lead",
                f"{name} has the column {column[:20]!r} {what}",
                "name each column after its lead",
            )
        leads.append(lead)
    return tuple(leads)


@contextmanager
def _polars_errors(panic: type[BaseException], name: str) -> Iterator[None]:
    """Damaged Parquet raises many kinds of errors, panics of the Rust part among them."""
    try:
        yield
    except RecordingError:
        raise
    except (Exception, panic) as error:
        raise RecordingError(
            "recording.header", f"{name} is no complete Parquet: {_short(error)}", "write the file again"
        ) from error


def _short(error: Any) -> str:
    return " ".join(str(error).split())[:80]


CSV = Format(name="ECG table", files=".csv", recognises=recognises_csv, decode=decode_csv)
PARQUET = Format("ECG table", ".parquet", recognises_parquet, decode_parquet, sure=False)
