"""The end of the demo: a virtual patient the bundle has never met, assessed from files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from cardiofusion.metrics import roc_auc
from cardiofusion.readers import read_recording
from cardiofusion.records import write_text
from cardiofusion.report import assessment_text, patient_sheet
from cardiofusion.runtime import System
from cardiofusion.simulate import virtual_cohort, virtual_truth
from cardiofusion.study.file import Study
from cardiofusion.writers import write_recording

NEWCOMER_SEED = 20_000
TRUTH_PATIENTS = 4000


def assess_newcomer(study: Study, out: Path) -> str:
    """Write the patient's files and sheet.html under `out`; the assessment, and the truth, as text."""
    cohort = virtual_cohort(1, study.seed + NEWCOMER_SEED)
    recording = cohort.recordings[0].read()
    header = write_recording(recording, out / f"{recording.record_id}.hea", overwrite=True)
    assert cohort.table is not None
    row = {k: v for k, v in cohort.table.schema.decode(cohort.table.values[0]).items() if v is not None}
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows([list(row), list(row.values())])
    write_text(out / "patient.csv", table.getvalue())
    recording = read_recording(header)
    system = System.load(out / "bundle")
    assessment = system.assess(recording, row)
    write_text(out / "sheet.html", patient_sheet(assessment, recording))
    return "\n".join([assessment_text(assessment), "", _truth(study, system), "", _again(out, header)])


def _truth(study: Study, system: System) -> str:
    """Virtual patients have a right answer: the AUC that nobody can beat, beside ours."""
    truth = virtual_truth(TRUTH_PATIENTS, study.seed + NEWCOMER_SEED + 1)
    best = {"ecg": truth.ecg_only, "row": truth.row_only, "ecg+row": truth.probability}
    lines = ["Truth of `event`: AUC of the best possible model, and of this bundle on its test patients"]
    for view, probability in best.items():
        found = system.manifest.metrics.get(f"event/{view}/macro/auc", {})
        shown = "{value:.3f} [{low:.3f}-{high:.3f}], n = {n}".format(**found) if found else "not measured"
        lines.append(f"  {view:<8} possible {roc_auc(truth.event, probability):.3f}   bundle {shown}")
    return "\n".join(lines)


def _again(out: Path, header: Path) -> str:
    return "\n".join(
        [
            f"Sheet of this patient:  {out / 'sheet.html'}",
            f"Report of the study:    {out / 'report.html'}",
            f"Again:  cardiofusion assess {out / 'bundle'} --ecg {header} --clinical {out / 'patient.csv'}",
        ]
    )
