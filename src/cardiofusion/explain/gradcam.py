"""Grad-CAM over time, lead by lead: where in the ECG the model looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.explain.arrays import Float, checked, checked_names
from cardiofusion.records import InputError, Task

PEAK_LEVEL = 0.5  # of the map's maximum: what counts as a peak's width


@dataclass(frozen=True)
class Peak:
    """A stretch of one lead that the model looked at. start, end: s. weight: the map's height, 0 to 1."""

    lead: str
    start: float
    end: float
    weight: float

    @property
    def words(self) -> str:
        """ "V2, 3.2-3.4 s" """
        return f"{self.lead}, {self.start:.1f}-{self.end:.1f} s"


def directions(task: Task, outputs: int) -> NDArray[np.float32]:
    """[target, output] which outputs of a network the map of each target is about, and how much.

    A target is one output. Of a survival task the outputs are the hazards of stretches of time: all alike.
    """
    if task.kind == "survival":
        return np.full((1, outputs), 1.0 / outputs, dtype=np.float32)
    return np.eye(outputs, dtype=np.float32)


def grad_cam(
    activation: NDArray[np.floating],
    gradient: NDArray[np.floating],
    spread: NDArray[np.floating] | None = None,
) -> Float:
    """Grad-CAM [lead, frame] from a convolution's activation and the score's gradient there.

    activation, gradient: [lead, channel, frame]. Selvaraju et al., ICCV 2017, in one dimension and with
    weights of each lead's own: the gradient's mean over time weighs the channels, only support for the score
    is kept, and the largest value in the ECG is 1. A map without any support stays zero.
    spread: [frame, window] where the last `window` frames are averages over others: the share that each
    frame has in each of them. Their part of the map is laid where it is from.
    Raises InputError for shapes that differ or numbers that are not finite.
    """
    dimensions = ("lead", "channel", "frame")
    features = checked("the activation", activation, dimensions)
    slopes = checked("the gradient", gradient, dimensions)
    if features.shape != slopes.shape:
        raise InputError(
            "explain.shape",
            f"the activation is {features.shape} but its gradient {slopes.shape}",
            "both must come from the same layer",
        )
    cam: Float = np.maximum(np.einsum("lc,lcf->lf", slopes.mean(axis=2), features), 0.0)
    if spread is not None:
        cam = _laid_out(cam, checked("the spread", spread, ("frame", "window")))
    largest = float(cam.max())
    return cam / largest if largest > 0 else cam


def _laid_out(cam: Float, spread: Float) -> Float:
    """A map over time and the averages behind it, [lead, frame + window], over time alone."""
    frames, window = spread.shape
    if cam.shape[1] != frames + window:
        raise InputError(
            "explain.shape",
            f"{cam.shape[1]} frames of the map are not {frames} of time and {window} averages",
            "both must come from the same run",
        )
    return cam[:, :frames] + cam[:, frames:] @ spread.T


def upsample_map(cam: NDArray[np.floating], samples: int) -> Float:
    """A map [lead, frame] at every sample [lead, sample]: straight lines between the frames' centres."""
    coarse = checked("the map", cam, ("lead", "frame"))
    frames = coarse.shape[1]
    centres = (np.arange(frames) + 0.5) / frames
    times = (np.arange(samples) + 0.5) / samples
    return np.stack([np.interp(times, centres, row) for row in coarse])


def cam_peaks(
    cam: NDArray[np.floating], leads: Sequence[str], duration: float, top: int = 3
) -> tuple[Peak, ...]:
    """The `top` highest stretches of a map [lead, frame], each in one lead, highest first.

    duration: s that the map spans. A stretch is a run of frames of at least PEAK_LEVEL of the map's maximum.
    """
    heights = checked("the map", cam, ("lead", "frame"))
    checked_names("leads of the map", tuple(leads), len(heights))
    largest, frame = float(heights.max()), duration / heights.shape[1]
    if largest <= 0:
        return ()
    peaks = [
        Peak(lead, start * frame, end * frame, float(row[start:end].max() / largest))
        for lead, row in zip(leads, heights, strict=True)
        for start, end in runs(row >= PEAK_LEVEL * largest)
    ]
    return tuple(sorted(peaks, key=lambda peak: -peak.weight)[:top])


def runs(high: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, end) of every run of True."""
    edges = np.flatnonzero(np.diff(high.astype(np.int8), prepend=0, append=0))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
