"""`python -m cardiofusion`, and where the installed program starts.

The installed program is one executable: it is also the process in which strangers' files are read
and examined (`readers/limited.py`, `signal/examining.py`). That way is taken before anything of the command
line is loaded.
"""

import sys
from importlib import import_module

# No commands: what LimitedReader and LimitedExaminer start, and nobody types.
WORKERS = {
    "reader-worker": "cardiofusion.readers.worker",
    "examining-worker": "cardiofusion.signal.worker",
}


def main() -> None:
    """The command line, or the work of a worker if that is what the first argument asks for."""
    worker = WORKERS.get(sys.argv[1]) if sys.argv[1:] else None
    if worker is not None:
        del sys.argv[1]
        import_module(worker).main()
    else:
        from cardiofusion.cli import main as command

        command()


if __name__ == "__main__":
    main()
