"""An ECG and what is told of it before a model sees it, here or in a process with limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any

from cardiofusion.readers import LimitedReader
from cardiofusion.readers.wire import WireError, receive_recording, receive_words
from cardiofusion.records import InputError, Measurements, Quality, Recording
from cardiofusion.records.typed_json import from_json, plain
from cardiofusion.signal.measuring import measure
from cardiofusion.signal.quality import assess_quality

WISH = "examine"
FAULT = re.compile(r"\w{1,60} in [\w.<>]{1,60}:\d{1,9}", re.ASCII)


class ExaminingFault(RuntimeError):  # noqa: N818 - no error of a file: a mistake of ours
    """Examining an ECG failed: the kind of error and the line of ours, none of its words."""


@dataclass(frozen=True)
class Examined:
    """measurements: None where the ECG is unfit: nothing is measured in it."""

    recording: Recording
    quality: Quality
    measurements: Measurements | None

    @property
    def fit(self) -> bool:
        """Whether a model may read it."""
        return self.quality.grade != "unfit"


@dataclass(frozen=True)
class _Told:
    """What crosses from the worker, besides the recording."""

    quality: Quality
    measurements: Measurements | None


def examine(recording: Recording) -> Examined:
    """Its quality, and all that can be measured in it. No valid Recording raises."""
    quality = assess_quality(recording)
    fit = quality.grade != "unfit"
    return Examined(recording, quality, measure(recording, quality) if fit else None)


class LimitedExaminer(LimitedReader):
    """A `LimitedReader` whose workers also examine what they read, beside whoever waits for them.

    An ECG takes some 70 ms to examine, most of what an assessment takes: in another process it leaves this
    one's interpreter free for whoever else asks.
    """

    module = "cardiofusion.signal.worker"
    word = "examining-worker"

    def examine_files(self, files: Mapping[str, bytes]) -> Examined:
        """One recording's files, read and examined. Raises as `read_files`, and ExaminingFault."""
        return self._ask(files, (WISH,), _receive_examined)


def wish(recording: Recording) -> dict[str, Any]:
    """The worker's further answer."""
    examined = examine(recording)
    document: dict[str, Any] = plain(_Told(examined.quality, examined.measurements))
    return document


def _fault(header: Mapping[str, Any]) -> Exception:
    """A fault as it may stand in a log: a file that took the worker over writes no words of its own there."""
    words = f"{header['fault']} in {header.get('at')}"
    return ExaminingFault(words) if FAULT.fullmatch(words) else WireError("a fault that is none")


def _receive_examined(stream: IO[bytes]) -> Examined:
    recording = receive_recording(stream)
    header = receive_words(stream)
    if "fault" in header:
        raise _fault(header)
    try:
        told = from_json(_Told, header, "examined")
    except InputError as error:  # a file took the worker over
        raise WireError(error.message) from error
    examined = Examined(recording, told.quality, told.measurements)
    if examined.fit != (examined.measurements is not None):
        raise WireError("measured where it is unfit, or not where it is fit")
    return examined
