"""The clinical row's models beside their peers: cardio70k, survival in NHANES I and MUSIC, one row's time.

Run: python benchmarks/tabular.py [--only cardio|automl|survival|row] [--write docs/tabular.md]. Needs the
data (CARDIOFUSION_DATA, else ../shared/data); peers run in environments of their own (`make peers-tabular
peers-automl`) and are said to be missing where there is none. Scores are kept under runs/tabular by what they
follow from, so an interrupted run goes on. --write fills the places `tabular-cardio` and so on of that file.
The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import tabular_cardio_report
import tabular_row
import tabular_survival_report
from markers import arguments, write_between

Report = Callable[[], tuple[dict[str, str], dict[str, Any]]]
PARTS: Mapping[str, Report] = {
    "cardio": tabular_cardio_report.report,
    "automl": tabular_cardio_report.automl,
    "survival": tabular_survival_report.report,
    "row": tabular_row.report,
}


def main() -> None:
    words = sys.argv[1:]
    chosen = tuple(PARTS)
    if "--only" in words:
        at = words.index("--only")
        chosen, words = (words[at + 1],), words[:at] + words[at + 2 :]
    _, target = arguments(words)
    summary: dict[str, Any] = {"benchmark": "tabular", "threads": 1}
    for part in chosen:
        blocks, numbers = PARTS[part]()
        content = "\n\n".join(f"{title}\n\n{body}" for title, body in blocks.items())
        print(content, end="\n\n")
        if target:
            write_between(target, f"tabular-{part}", content)
        summary |= numbers
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
