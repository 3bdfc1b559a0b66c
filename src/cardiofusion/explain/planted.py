"""Virtual patients have known causes: does the map point at the one that was planted?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.explain.arrays import checked, checked_names


@dataclass(frozen=True)
class PlantedWindow:
    """Where a cause shows: leads, and spans of time (start, end) in s, one a beat or one for all."""

    leads: frozenset[str]
    spans: tuple[tuple[float, float], ...]

    def share(self, leads: Sequence[str], duration: float) -> float:
        """Share of the ECG that the window covers: how often a map of random peaks would hit it.

        Spans must not overlap.
        """
        inside = sum(min(end, duration) - max(start, 0.0) for start, end in self.spans)
        return len(self.leads & set(leads)) / len(leads) * inside / duration


def planted_cause_hit(
    cam: NDArray[np.floating],
    window: PlantedWindow,
    leads: Sequence[str],
    duration: float,
    tolerance: float = 0.0,
) -> bool:
    """The pointing game (Zhang et al., ECCV 2016): does the map's highest frame lie in the window?

    cam: [lead, frame] over `duration` s. tolerance: s by which the frame's centre may miss a span.
    A map without a peak points nowhere.
    """
    heights = checked("the map", cam, ("lead", "frame"))
    checked_names("leads of the map", tuple(leads), len(heights))
    if heights.max() == heights.min():
        return False
    lead, frame = np.unravel_index(int(heights.argmax()), heights.shape)
    time = (frame + 0.5) * duration / heights.shape[1]
    inside = any(start - tolerance <= time <= end + tolerance for start, end in window.spans)
    return bool(inside and leads[int(lead)] in window.leads)
