"""The command line: each command calls one library function."""

import os

# Threads that wait at a barrier sleep instead of spinning: beside any other busy program, spinning made
# training four times slower on two cores. It must be said before anything loads OpenMP.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from cardiofusion.cli.main import main

__all__ = ["main"]
