"""README's transcript: runs the demo and puts what it printed between the markers of a file.

Run: python benchmarks/transcript.py OUT [--write README.md]. The last line is one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys

from markers import arguments, write_between


def main() -> None:
    (out,), target = arguments(sys.argv[1:])
    command = [sys.executable, "-m", "cardiofusion", "demo", "--out", str(out)]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    print(done.stdout)
    if target:
        write_between(target, "transcript", f"```text\n{done.stdout.strip()}\n```")
    print(json.dumps({"benchmark": "transcript", "seconds": done.stdout.split()[-2]}))


if __name__ == "__main__":
    main()
