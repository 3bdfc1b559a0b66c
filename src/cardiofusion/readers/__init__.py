"""Files to `Recording`: one format a file, recognised by what it holds. Never a guessed unit."""

from cardiofusion.readers.files import find_recordings, read_bytes, read_files, read_recording
from cardiofusion.readers.grouping import group_files
from cardiofusion.readers.limited import LimitedReader, read_limited
from cardiofusion.readers.source import RecordingFile

__all__ = [
    "LimitedReader",
    "RecordingFile",
    "find_recordings",
    "group_files",
    "read_bytes",
    "read_files",
    "read_limited",
    "read_recording",
]
