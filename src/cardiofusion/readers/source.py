"""A recording still on disk, with what a table says about its patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cardiofusion.readers.files import read_recording
from cardiofusion.records import Recording, Sex

_PATIENT_FIELDS = ("patient_id", "age", "sex")


@dataclass(frozen=True)
class RecordingFile:
    """A RecordingSource: a file, read when asked for, and the patient's fields from elsewhere.

    path: as `read_recording` takes it. age: years. record_id: the file's name without its extension
    where none is given.
    """

    path: Path
    patient_id: str | None = None
    age: float | None = None
    sex: Sex | None = None
    record_id: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "record_id", self.record_id or Path(self.path).stem)

    def read(self) -> Recording:
        """The recording, with the given fields where the file has none.

        Where both speak and disagree the file's own stays and `notes["patient conflict"]` names both.
        Raises RecordingError.
        """
        recording = read_recording(self.path)
        changes: dict[str, Any] = {"record_id": self.record_id}
        conflicts = []
        for name in _PATIENT_FIELDS:
            given, own = getattr(self, name), getattr(recording, name)
            if own is None:
                changes[name] = given
            elif given is not None and given != own:
                conflicts.append(f"{name} is {own} in the file, {given} beside it")
        if conflicts:
            changes["notes"] = {**recording.notes, "patient conflict": "; ".join(conflicts)}
        return replace(recording, **changes)
