"""WFDB (PhysioNet): a text header beside binary or MATLAB v4 signal files.

Source: header(5) and signal(5), WFDB Applications Guide, G. B. Moody.
"""

from cardiofusion.readers.wfdb.reader import FILES, belongs, decode, find, headers, locate, parts, read

__all__ = ["FILES", "belongs", "decode", "find", "headers", "locate", "parts", "read"]
