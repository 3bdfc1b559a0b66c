"""The command line: each command calls one library function."""

from cardiofusion.cli.main import main

__all__ = ["main"]
