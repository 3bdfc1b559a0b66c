"""`python -m cardiofusion`, and where the installed program starts.

The installed program is one executable: it is also the process in which strangers' files are read
(`readers/limited.py`). That way is taken before anything of the command line is loaded.
"""

import sys

WORKER = "reader-worker"  # no command: what LimitedReader starts, and nobody types


def main() -> None:
    """The command line, or the reading of files if that is what the first argument asks for."""
    if sys.argv[1:2] == [WORKER]:
        from cardiofusion.readers.worker import main as read

        del sys.argv[1]
        read()
    else:
        from cardiofusion.cli import main as command

        command()


if __name__ == "__main__":
    main()
