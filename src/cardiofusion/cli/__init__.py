"""The command line: each command calls one library function."""

import os

# A thread that waits at a barrier spins only briefly, then sleeps: with OpenMP's own default, training beside
# any other busy program was ten times slower on two cores; with no spinning at all it was slower when alone.
# It must be said before anything loads OpenMP.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from cardiofusion.cli.main import main

__all__ = ["main"]
