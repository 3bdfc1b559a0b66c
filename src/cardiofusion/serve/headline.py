"""What the worklist says of a case in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiofusion.records import Assessment
from cardiofusion.report.verdicts import LABEL_NAMES
from cardiofusion.report.wording import spoken, target_answers

VERDICTS = {"●": "present", "○": "absent", "◐": "cannot tell"}


def headline(assessment: Assessment) -> dict[str, Any]:
    """{"findings": [[task, target, verdict, probability, horizon]], "cautions": [...], "warnings": count}.

    verdict: "present", "absent", "cannot tell" (the set holds both) or "unlike" (the set is empty).
    horizon: years of a survival task, else None.
    """
    findings = [
        [name, told.target, VERDICTS.get(told.mark, "unlike"), told.probability, answer.horizon]
        for name, answer in assessment.tasks.items()
        for told in target_answers(answer)
    ]
    cautions = list(getattr(assessment, "cautions", ()))
    return {"findings": findings, "cautions": cautions, "warnings": len(assessment.warnings)}


def headline_words(told: Mapping[str, Any]) -> str:
    """A headline as a sentence, for where there is no room for a list."""
    findings = [one for one in told["findings"] if one[4] is None]
    there = [name for _, name, verdict, *_ in findings if verdict == "present"]
    open_ = [name for _, name, verdict, *_ in findings if verdict == "cannot tell"]
    parts = [f"present: {', '.join(map(_name, there))}"] if there else []
    parts += [f"cannot rule out: {', '.join(map(_name, open_))}"] if open_ else []
    return "; ".join(parts) or "none of what it looks for"


def _name(target: str) -> str:
    return LABEL_NAMES.get(target, spoken(target))
