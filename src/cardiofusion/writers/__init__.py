"""`Recording` to files: one format a file, read back before it counts; de-identified if asked."""

from cardiofusion.writers.conversion import Conversion, Refusal, convert_file, convert_folder, errors_path
from cardiofusion.writers.deidentify import deidentify, new_key, read_key
from cardiofusion.writers.files import FORMAT_NAMES, Written, write_recording, writer_for

__all__ = [
    "FORMAT_NAMES",
    "Conversion",
    "Refusal",
    "Written",
    "convert_file",
    "convert_folder",
    "deidentify",
    "errors_path",
    "new_key",
    "read_key",
    "write_recording",
    "writer_for",
]
