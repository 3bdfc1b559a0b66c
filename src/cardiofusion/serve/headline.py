"""What the worklist says of a case in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cardiofusion.records import Assessment
from cardiofusion.report.gate import gate_reasons
from cardiofusion.report.verdicts import LABEL_NAMES, Leaning, leanings
from cardiofusion.report.wording import spoken

VERDICTS: Mapping[Leaning, str] = {
    "present": "present",
    "absent": "absent",
    "both": "cannot tell",
    "neither": "unlike",
}


def headline(assessment: Assessment) -> dict[str, Any]:
    """{"findings": [[task, target, verdict, probability, horizon]], "closed": [task], "guessed": [task],
    "cautions": [...], "warnings": count}.

    verdict: "present", "absent", "cannot tell" (the set holds both) or "unlike" (the set is empty).
    horizon: years of a survival task, else None. closed: tasks whose answer stays closed (see `gate`); their
    findings are kept for what turns out to be true, and shown nowhere. guessed: tasks about the ECG that
    were answered without one.
    """
    findings = [
        [name, target, VERDICTS[leaning], answer.probability.get(target), answer.horizon]
        for name, answer in assessment.tasks.items()
        for target, leaning in leanings(answer).items()
    ]
    return {
        "findings": findings,
        "closed": [name for name in assessment.tasks if gate_reasons(name, assessment)],
        "guessed": [name for name, answer in assessment.tasks.items() if answer.expected],
        "cautions": list(assessment.cautions),
        "warnings": len(assessment.warnings),
    }


def shown(told: Mapping[str, Any]) -> list[list[Any]]:
    """The findings of a headline that one line may show: neither closed nor guessed without an ECG."""
    left_out = {*told.get("closed", ()), *told.get("guessed", ())}
    return [finding for finding in told["findings"] if finding[0] not in left_out]


def headline_words(told: Mapping[str, Any]) -> str:
    """A headline as a sentence, for where there is no room for a list."""
    findings = [one for one in shown(told) if one[4] is None]
    there = [name for _, name, verdict, *_ in findings if verdict == "present"]
    open_ = [name for _, name, verdict, *_ in findings if verdict == "cannot tell"]
    parts = [f"present: {', '.join(map(_name, there))}"] if there else []
    unlike = [name for _, name, verdict, *_ in findings if verdict == "unlike"]
    parts += [f"cannot rule out: {', '.join(map(_name, open_))}"] if open_ else []
    parts += [f"unlike what it learnt from: {', '.join(map(_name, unlike))}"] if unlike else []
    if parts:
        return "; ".join(parts)
    return "none of what it looks for" if any(one[2] == "absent" for one in findings) else "no answer"


def _name(target: str) -> str:
    return LABEL_NAMES.get(target, spoken(target))
