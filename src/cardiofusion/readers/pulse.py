"""The calibration pulse that some cardiographs append to every channel: zeros, a constant, zeros to the end.

It is no ECG, but it tells two things: what a step is worth, and, where samples are stored as differences that
add up, whether a channel was decoded to its right end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT
from cardiofusion.records import RecordingError

MIN_CHANNELS = 2  # one may look like a pulse by chance

Steps = NDArray[np.int32]


@dataclass(frozen=True)
class Pulse:
    """start, end: its first sample and the one after its last. height: in steps."""

    start: int
    end: int
    height: int


def find_pulse(steps: Steps, name: str) -> Pulse | None:
    """The pulse of [channel, sample], None where no two channels end in the same one.

    Raises RecordingError ("recording.checksum") where some channels end in it and others do not: one wrong
    difference on the way changes all that follows, and a wrong limb lead those derived from it.
    """
    found = [_at_end(row) for row in steps]
    alike = Counter(pulse for pulse in found if pulse is not None).most_common(1)
    if not alike or alike[0][1] < MIN_CHANNELS:
        return None
    pulse = alike[0][0]
    for channel, other in enumerate(found, start=1):
        if other != pulse:
            raise RecordingError(
                "recording.checksum",
                f"channel {channel} of {name} does not end in the calibration pulse of the others",
                HINT,
            )
    return pulse


def length_before(steps: Steps, pulse: Pulse) -> int:
    """How many samples come before the zeros that lead to the pulse; 0 where there are only zeros."""
    filled = np.flatnonzero(steps[:, : pulse.start].any(axis=0))
    return int(filled[-1]) + 1 if len(filled) else 0


def _at_end(row: NDArray[np.int32]) -> Pulse | None:
    changes = np.flatnonzero(np.diff(row)) + 1
    if len(changes) < 2:
        return None
    start, end = (int(change) for change in changes[-2:])
    return None if row[start - 1] or row[-1] else Pulse(start, end, int(row[start]))
