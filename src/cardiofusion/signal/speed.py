"""Whether time runs as the file says: an ECG read at twice or half its rate is a heart unlike any other.

Rate, QRS and T change together with the speed of the paper, and in a heart they do not.
"""

from __future__ import annotations

import numpy as np

from cardiofusion.signal.beat_shape import BeatShape
from cardiofusion.signal.reference import usual_times


def speed_evidence(shape: BeatShape) -> dict[str, float]:
    """Log likelihood ratio of an ECG read "fast" (at twice its rate) or "slow" (at half) to a right one."""
    times = shape.times[None]
    right = usual_times("right").log_density(times)
    return {
        speed: float(np.squeeze(usual_times(speed).log_density(times) - right)) for speed in ("fast", "slow")
    }
