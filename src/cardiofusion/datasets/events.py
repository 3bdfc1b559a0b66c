"""A MEDS table (Medical Event Data Standard) on disk -> the events of some codes, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records import DatasetError, ExtraMissingError

COLUMNS = ("subject_id", "time", "code", "value")
CODE_PARTS = "//"
_HINT = "one row an event in Parquet: subject_id, time (date and time), code (text), value (number)"


@dataclass(frozen=True, eq=False)
class Events:
    """subject: [n] whole numbers. time: datetime64[us], NaT for a fact without one. value: NaN where none."""

    subject: NDArray[np.int64]
    time: NDArray[np.datetime64]
    code: NDArray[np.str_]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.subject)

    def take(self, rows: NDArray[Any]) -> Events:
        """Those rows, given by number or as a mask."""
        return Events(self.subject[rows], self.time[rows], self.code[rows], self.value[rows])

    def of(self, *codes: str) -> Events:
        """The events of these codes; a code that ends with // stands for all that begin so."""
        mask = np.isin(self.code, codes)
        for code in codes:
            if code.endswith(CODE_PARTS):
                mask |= np.char.startswith(self.code, code)
        return self.take(mask)

    def first(self) -> Events:
        """The earliest event of every subject, in the order of the subjects."""
        order = self.take(np.lexsort((self.code, self.time, self.subject)))
        return order.take(np.unique(order.subject, return_index=True)[1])


def read_events(path: Path, codes: tuple[str, ...]) -> Events:
    """The events of these codes (as in `Events.of`), in no particular order.

    Raises DatasetError: no Parquet file ("dataset.format"), a column is not there or of another type
    ("dataset.column"), no such event ("dataset.empty"). Raises ExtraMissingError without polars.
    """
    frame = _frame(path)
    wanted = frame["code"].is_in(codes)
    for code in codes:
        if code.endswith(CODE_PARTS):
            wanted |= frame["code"].str.starts_with(code)
    found = frame.filter(wanted)
    if not len(found):
        raise DatasetError("dataset.empty", f"{path.name} has none of the events looked for", _HINT)
    return Events(
        found["subject_id"].to_numpy().astype(np.int64),
        found["time"].to_numpy().astype("datetime64[us]"),
        found["code"].to_numpy().astype(np.str_),
        found["value"].to_numpy().astype(np.float64),
    )


def _frame(path: Path) -> Any:
    """The four columns as a polars frame of the right types, rows without subject or code left out."""
    try:
        import polars
    except ImportError as error:
        raise ExtraMissingError("reading Parquet tables", "train") from error
    types = (polars.Int64(), polars.Datetime("us"), polars.String(), polars.Float64())
    try:
        frame = polars.read_parquet(path, columns=list(COLUMNS))
        frame = frame.with_columns(polars.col(n).cast(t) for n, t in zip(COLUMNS, types, strict=True))
        return frame.drop_nulls(["subject_id", "code"])
    except (polars.exceptions.ColumnNotFoundError, polars.exceptions.InvalidOperationError) as error:
        raise DatasetError("dataset.column", f"{path.name} is no table of events", _HINT) from error
    except (polars.exceptions.PolarsError, OSError, ValueError) as error:
        raise DatasetError("dataset.format", f"{path.name} is a damaged Parquet file", _HINT) from error
