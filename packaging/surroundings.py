"""Runs in the installed program before anything of ours: what its own start changed is put back.

The program finds its libraries through LD_LIBRARY_PATH, which its starter sets. They are found by now; a
browser that we start must not find them in place of the system's.
"""

import os
import sys

if sys.platform.startswith("linux"):
    before = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if before:
        os.environ["LD_LIBRARY_PATH"] = before
