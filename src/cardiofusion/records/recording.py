"""One ECG in millivolts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cardiofusion.records.errors import RecordingError

Sex = Literal["female", "male"]

# What devices measure: beats a minute, ms, degrees.
MEASUREMENTS = ("heart_rate", "pr", "p_duration", "qrs", "qt", "qtc", "p_axis", "qrs_axis", "t_axis")


@dataclass(frozen=True, eq=False)
class Recording:
    """One ECG.

    signal: float32 [lead, sample] in mV, NaN where the file marks a sample as missing.
    sampling_rate: Hz. leads: standard names, one a row of `signal`.
    age: years. time: local time of the recording. source: file name or generator, never a full path.
    calibrated: False where the file's gain cannot be trusted as mV.
    unverified: what no checksum covers ("header", "samples"): flagged, not refused.
    measured: what the file's own program measured, by the names of MEASUREMENTS (beats/min, ms, degrees).
    notes: anything else the file says (device, comments), as text.

    Raises RecordingError where shapes, rate or names contradict each other.
    """

    signal: NDArray[np.float32]
    sampling_rate: float
    leads: tuple[str, ...]
    record_id: str = ""
    patient_id: str | None = None
    age: float | None = None
    sex: Sex | None = None
    time: datetime | None = None
    source: str = ""
    calibrated: bool = True
    unverified: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise RecordingError("recording.invalid", problem, "check how this recording was made")

    def _problem(self) -> str | None:
        if self.signal.ndim != 2 or self.signal.dtype != np.float32:
            return f"signal is {self.signal.dtype} {self.signal.shape}, not float32 [lead, sample]"
        if self.signal.shape[0] != len(self.leads) or not self.leads:
            return f"{self.signal.shape[0]} signal rows but {len(self.leads)} lead names"
        if len(set(self.leads)) != len(self.leads):
            return f"a lead name stands twice in {', '.join(self.leads)}"
        if self.signal.shape[1] == 0:
            return "the recording holds no samples"
        if not (np.isfinite(self.sampling_rate) and self.sampling_rate > 0):
            return f"the sampling rate is {self.sampling_rate}, not a positive number of Hz"
        return None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.signal.shape[1] / self.sampling_rate)


class RecordingSource(Protocol):
    """Something that becomes a Recording when read: a file, or an ECG in memory.

    `read` raises RecordingError where that is not possible.
    """

    @property
    def record_id(self) -> str: ...

    def read(self) -> Recording: ...


@dataclass(frozen=True)
class InMemory:
    """A RecordingSource that already holds its Recording."""

    recording: Recording

    @property
    def record_id(self) -> str:
        return self.recording.record_id

    def read(self) -> Recording:
        return self.recording
