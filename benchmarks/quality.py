"""Planted faults, found or not, and false alarms: PTB-XL's ECGs without a remark on noise; virtual patients.

Run: python benchmarks/quality.py [--write docs/quality.md]. Every fault of faults.py is planted in every ECG
once. AUC: planted against untouched, by the fault's own measure, interval by bootstrap over patients. Found:
share in which quality then warns of it (Wilson's interval). The reference of beats learnt from no ECG of
PTB-XL, but choices were made with these figures in view, and the limits on noise, height and saturation were
set on these ECGs; the virtual patients were drawn when all was settled. The last line is one JSON object.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cardiofusion.metrics import bootstrap, roc_auc, wilson_interval
from cardiofusion.readers import read_recording
from cardiofusion.records import Recording
from cardiofusion.signal import assess_quality
from faults import FAULTS, Fault
from markers import arguments, write_between
from quality_reference import DATA, code15_recordings, virtual_recordings

SEED, VIRTUAL, VIRTUAL_SEED = 3, 400, 79
REMARKS = ("baseline_drift", "static_noise", "burst_noise", "electrodes_problems")
Case = tuple[str, Recording]  # patient, ECG


def ptbxl(remarked: bool = False) -> Iterator[tuple[dict[str, str], Recording]]:
    """Rows and ECGs at 500 Hz without a remark about noise; or those with one."""
    folder = DATA / "ptb-xl"
    with (folder / "ptbxl_database.csv").open(newline="", encoding="utf-8") as handle:
        for row in csv.DictReader(handle):
            if any(row[remark].strip() for remark in REMARKS) == remarked:
                yield row, read_recording(folder / f"{row['filename_hr']}.hea")


def warnings(recording: Recording) -> set[str]:
    return {finding.code for finding in assess_quality(recording).findings if finding.severity != "note"}


def measured(fault: Fault, cases: Sequence[Case], alarmed: Sequence[set[str]]) -> dict[str, object]:
    """AUC and share found, with intervals; ECGs that already warn of it do not count as found."""
    rng = np.random.default_rng(SEED)
    planted = [fault.plant(recording, rng) for _, recording in cases]
    score = np.array([fault.score(r) for _, r in cases] + [fault.score(r) for r in planted])
    y, groups = np.repeat([0.0, 1.0], len(cases)), np.array([patient for patient, _ in cases] * 2)
    low, high = bootstrap(roc_auc, y, score, groups, np.random.default_rng(SEED))
    codes = set(fault.codes)
    asked = [i for i, before in enumerate(alarmed) if not before & codes]
    found = float(np.mean([bool(warnings(planted[i]) & codes) for i in asked]))
    return {
        "fault": fault.name,
        "auc": [roc_auc(y, score), low, high],
        "found": [found, *wilson_interval(found, len(asked))],
        "n": len(cases),
    }


def measure_all(name: str, cases: Sequence[Case]) -> list[dict[str, object]]:
    alarmed = [warnings(recording) for _, recording in cases]
    rows = []
    for fault in FAULTS:
        print(f"{name}: {fault.name}", file=sys.stderr, flush=True)
        rows.append(measured(fault, cases, alarmed))
    return rows


def false_alarms() -> dict[str, object]:
    """Of PTB-XL's ECGs without a remark: which findings, and the share that has any."""
    counts: Counter[str] = Counter()
    ids: dict[str, list[str]] = {}
    alarmed, paced, n = 0, 0, 0
    for row, recording in ptbxl():
        codes = warnings(recording)
        n += 1
        paced += codes == {"paced"} and bool(row["pacemaker"].strip())
        alarmed += bool(codes)
        counts.update(codes)
        for code in codes:
            ids.setdefault(code, []).append(row["ecg_id"])
    false = alarmed - paced
    return {
        "n": n,
        "any": alarmed,
        "rightly_paced": paced,
        "share": [false / n, *wilson_interval(false / n, n)],
        "codes": dict(counts),
        "ids": ids,
    }


def of_code15() -> Counter[str]:
    """How many of CODE-15%'s ECGs have which warning; the reference learnt from them."""
    counts: Counter[str] = Counter()
    for recording in code15_recordings():
        counts.update({"ECGs"} | warnings(recording))
    return counts


def shown(value: object) -> str:
    middle, low, high = value  # type: ignore[misc]
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def table(
    ptb: Sequence[dict[str, object]],
    virtual: Sequence[dict[str, object]],
    alarms: dict[str, object],
    code15: Counter[str],
) -> str:
    lines = [
        f"| fault planted | PTB-XL (n = {ptb[0]['n']}): AUC | found "
        f"| virtual (n = {virtual[0]['n']}): AUC | found |",
        "|---|---|---|---|---|",
    ]
    for real, made in zip(ptb, virtual, strict=True):
        cells = [real["fault"], *(shown(of[key]) for of in (real, made) for key in ("auc", "found"))]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    others = "; ".join(f"{code} {n}" for code, n in code15.most_common())
    by_code = "; ".join(f"{code} {', '.join(ids)}" for code, ids in sorted(alarms["ids"].items()))  # type: ignore[attr-defined]
    lines += [
        "",
        f"False alarms: of PTB-XL's {alarms['n']} ECGs without a remark about noise {alarms['any']} have a "
        f"warning, {alarms['rightly_paced']} of them because a pacemaker is at work; without these "
        f"{shown(alarms['share'])}. By ecg_id: {by_code}.",
        "",
        f"Warnings in CODE-15%: {others}.",
    ]
    return "\n".join(lines)


def main() -> None:
    _, target = arguments(sys.argv[1:])
    cases = [(row["patient_id"], recording) for row, recording in ptbxl()]
    virtual = [(str(i), recording) for i, recording in enumerate(virtual_recordings(VIRTUAL, VIRTUAL_SEED))]
    alarms, code15 = false_alarms(), of_code15()
    ptb_rows, virtual_rows = measure_all("PTB-XL", cases), measure_all("virtual", virtual)
    text = table(ptb_rows, virtual_rows, alarms, code15)
    print(text)
    if target:
        write_between(Path(target), "quality", text)
    print(
        json.dumps(
            {
                "benchmark": "quality",
                "ptb_xl": ptb_rows,
                "virtual": virtual_rows,
                "false_alarms": alarms,
                "code15": code15,
            }
        )
    )


if __name__ == "__main__":
    main()
