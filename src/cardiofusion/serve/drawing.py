"""How a reader wants the ECG drawn, and the drawing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup

from cardiofusion.records import InputError, Recording
from cardiofusion.report.layouts import GAINS, LAYOUTS, SPEEDS, STANDARD
from cardiofusion.report.page import drawn
from cardiofusion.report.paper import ecg_paper
from cardiofusion.report.shading import heat_frames
from cardiofusion.report.sheet import PAPER_SECONDS


@dataclass(frozen=True)
class PaperChoice:
    """How the reader wants the ECG drawn. Raises InputError "serve.paper" for what no paper has."""

    layout: str = STANDARD
    speed: float = 25.0
    gain: float = 10.0
    start: float = 0.0

    def __post_init__(self) -> None:
        if (
            self.layout not in LAYOUTS
            or self.speed not in SPEEDS
            or self.gain not in GAINS
            or not self.start >= 0
        ):
            raise InputError("serve.paper", "the ECG cannot be drawn like that", _offered())

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> PaperChoice:
        """Of `?layout=&speed=&gain=&start=`; what is not there is as usual. Raises as above."""
        try:
            scale = {name: float(query[name]) for name in ("speed", "gain", "start") if query.get(name)}
        except ValueError as error:
            raise InputError("serve.paper", "a speed, gain or start is no number", _offered()) from error
        return cls(query.get("layout") or STANDARD, **scale)

    def within(self, recording: Recording) -> PaperChoice:
        """The same, starting inside the recording."""
        latest = max(0.0, recording.duration - PAPER_SECONDS)
        return replace(self, start=min(self.start, latest))


def draw_ecg(recording: Recording, choice: PaperChoice, gradcam: Mapping[str, Any]) -> Markup:
    """The ECG as chosen. gradcam: a task's, {} for none."""
    return drawn(
        ecg_paper(
            recording,
            layout=choice.layout,
            speed=choice.speed,
            gain=choice.gain,
            start=choice.start,
            overlay=heat_frames(gradcam, PAPER_SECONDS, choice.start) if gradcam else None,
            peaks=gradcam.get("peaks"),
        )
    )


def _offered() -> str:
    speeds, gains = (", ".join(f"{value:g}" for value in values) for values in (SPEEDS, GAINS))
    return f"layout {', '.join(LAYOUTS)}; speed {speeds} mm/s; gain {gains} mm/mV; start from 0 s"
