"""The process in which LimitedExaminer reads and examines: see `readers.worker`.

python -m cardiofusion.signal.worker MEMORY_BYTES CPU_SECONDS
"""

from __future__ import annotations

from cardiofusion.readers import worker
from cardiofusion.signal.examining import WISH, wish


def main() -> None:
    """Read and examine until there is nothing more to read."""
    worker.main({WISH: wish})


if __name__ == "__main__":
    main()
