"""`Recording` to files: each format once, read back before it counts as written."""

from cardiofusion.writers.files import FORMAT_NAMES, write_recording, writer_for

__all__ = ["FORMAT_NAMES", "write_recording", "writer_for"]
