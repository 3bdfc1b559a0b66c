"""CODE-15% and SaMi-Trop (Ribeiro et al., Zenodo 2021) as WFDB records: an unlabelled ECG corpus here.

The Chagas labels that come with these files are self-reported and confounded with their source, so no
task is made of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cardiofusion.datasets.encoding import encode_table, whole_text
from cardiofusion.datasets.recordings import read_index, recording_sources
from cardiofusion.datasets.table import is_missing
from cardiofusion.records import Cohort, Column

INDEX = "index.csv"
RECORDS = "records"
_HINT = "give a folder with index.csv and WFDB records; the HDF5 parts must first be converted to WFDB"

COLUMNS = (
    Column("age", unit="years", low=0, high=120),
    Column("sex", kind="category", categories=("female", "male")),
)


def load_code15(folder: Path | str) -> Cohort:
    """CODE-15% and SaMi-Trop, one row an exam, with age and sex and no outcome.

    patient_ids: `exam-<exam_id>` where the patient is not known, so that such an exam is a patient of its
    own. Damaged recordings stay in the cohort and raise RecordingError when read.

    Raises DatasetError where the index file is missing or a row cannot be understood.
    """
    folder = Path(folder)
    index = read_index(folder, INDEX, _HINT)
    table, notes = encode_table([(column, index[column.name]) for column in COLUMNS], index.name)
    exams = tuple(map(whole_text, index["exam_id"]))
    known = [None if is_missing(cell) else whole_text(cell) for cell in index["patient_id"]]
    patients = [patient or f"exam-{exam}" for patient, exam in zip(known, exams, strict=True)]
    return Cohort(
        name="code15",
        patient_ids=np.array(patients),
        recordings=recording_sources([folder / RECORDS / exam for exam in exams], exams, known, table),
        table=table,
        provenance={
            "name": "CODE-15% and SaMi-Trop",
            "version": "1.0.0",
            "licence": "CC BY 4.0",
            "citation": "Ribeiro et al. CODE-15%: a large scale annotated dataset of 12-lead ECGs. "
            "Zenodo (2021)",
            "source": "Zenodo, doi:10.5281/zenodo.4916206 and doi:10.5281/zenodo.4905618",
            "n": f"{len(index)} recordings of {len(set(patients))} patients",
            "dates": "recorded 2010 to 2016 (CODE-15%), 2011 to 2012 (SaMi-Trop)",
            "patients": f"{known.count(None)} recordings of unknown patients count as a patient each",
            **notes,
        },
    )
