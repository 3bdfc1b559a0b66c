"""The nouns: recordings, clinical rows, cohorts, tasks, assessments; errors, leads, splits."""

from cardiofusion.records.assessment import (
    NOTICE,
    Assessment,
    Finding,
    Quality,
    Severity,
    TaskAnswer,
    assessment_schema,
)
from cardiofusion.records.clinical import ClinicalSchema, ClinicalTable, Column, Value
from cardiofusion.records.cohort import ALIGNMENT_WORDS, Alignment, Cohort, Modality, Task, TaskKind
from cardiofusion.records.errors import (
    BundleError,
    CalibrationError,
    CardioFusionError,
    ClinicalError,
    DatasetError,
    ExportError,
    ExtraMissingError,
    FetchError,
    InputError,
    RecordingError,
    StorageError,
    StudyError,
)
from cardiofusion.records.figure import Figure
from cardiofusion.records.files import replacing, storage_errors, write_bytes, write_text
from cardiofusion.records.leads import (
    INDEPENDENT_LEADS,
    LEADS,
    OTHER_LEADS,
    complete_limb_leads,
    lead_name,
)
from cardiofusion.records.recording import InMemory, Recording, RecordingSource, Sex
from cardiofusion.records.splits import merge_duplicates, patient_folds, waveform_hash
from cardiofusion.records.units import conversion_factor, known_unit, split_quantity

__all__ = [
    "ALIGNMENT_WORDS",
    "INDEPENDENT_LEADS",
    "LEADS",
    "NOTICE",
    "OTHER_LEADS",
    "Alignment",
    "Assessment",
    "BundleError",
    "CalibrationError",
    "CardioFusionError",
    "ClinicalError",
    "ClinicalSchema",
    "ClinicalTable",
    "Cohort",
    "Column",
    "DatasetError",
    "ExportError",
    "ExtraMissingError",
    "FetchError",
    "Figure",
    "Finding",
    "InMemory",
    "InputError",
    "Modality",
    "Quality",
    "Recording",
    "RecordingError",
    "RecordingSource",
    "Severity",
    "Sex",
    "StorageError",
    "StudyError",
    "Task",
    "TaskAnswer",
    "TaskKind",
    "Value",
    "assessment_schema",
    "complete_limb_leads",
    "conversion_factor",
    "known_unit",
    "lead_name",
    "merge_duplicates",
    "patient_folds",
    "replacing",
    "split_quantity",
    "storage_errors",
    "waveform_hash",
    "write_bytes",
    "write_text",
]
