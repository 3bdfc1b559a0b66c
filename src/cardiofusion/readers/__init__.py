"""Files to `Recording`: one format a file, sniffed by name and content. Never a guessed unit."""

from cardiofusion.readers.files import find_recordings, read_bytes, read_files, read_recording
from cardiofusion.readers.source import RecordingFile

__all__ = ["RecordingFile", "find_recordings", "read_bytes", "read_files", "read_recording"]
