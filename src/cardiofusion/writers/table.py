"""The ECG table that readers/table.py reads: CSV in mV, every sample exactly as it is."""

from __future__ import annotations

import numpy as np

from cardiofusion.readers.table import VERSION, VERSION_KEY
from cardiofusion.records import Recording
from cardiofusion.writers.writer import Writer, local_time, one_line, plain, refuse_uncalibrated

TITLE = "An ECG table"


def encode(recording: Recording) -> bytes:
    """The table; an empty cell is a missing sample. Raises RecordingError."""
    refuse_uncalibrated(recording, TITLE)
    time = local_time(recording)
    declared = {
        VERSION_KEY: VERSION,
        "sampling_rate": plain(recording.sampling_rate, 12),
        "unit": "mV",
        "samples": str(recording.signal.shape[1]),
        "patient_id": recording.patient_id and one_line(recording.patient_id),
        "age": None if recording.age is None else plain(recording.age, 3),
        "sex": recording.sex,
        "time": time and time.isoformat(),
    }
    lines = [f"# {key}: {value}" for key, value in declared.items() if value is not None]
    cells = np.where(np.isnan(recording.signal), "", recording.signal.astype(str))
    rows = [",".join(row) for row in cells.T.tolist()]
    return "\n".join([*lines, ",".join(recording.leads), *rows, ""]).encode()


def exact(_: Recording) -> float:
    """The step in mV: samples are written as they are."""
    return 0.0


CSV = Writer(name="csv", title=TITLE, suffix=".csv", encode=encode, quantum=exact)
