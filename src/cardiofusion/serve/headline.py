"""What the worklist says of a case in one line."""

from __future__ import annotations

from typing import Any

from cardiofusion.records import Assessment
from cardiofusion.report.wording import target_answers

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
