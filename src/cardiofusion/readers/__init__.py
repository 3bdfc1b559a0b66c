"""Files to `Recording`: one format a file, sniffed by name and content. Never a guessed unit."""

from cardiofusion.readers.files import find_recordings, read_bytes, read_recording
from cardiofusion.readers.limited import LimitedReader, read_limited
from cardiofusion.readers.source import RecordingFile
from cardiofusion.readers.wfdb.writing import write_wfdb

__all__ = [
    "LimitedReader",
    "RecordingFile",
    "find_recordings",
    "read_bytes",
    "read_limited",
    "read_recording",
    "write_wfdb",
]
