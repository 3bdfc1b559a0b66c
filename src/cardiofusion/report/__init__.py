"""What people read: true-scale ECG paper, one HTML file a patient, study or bundle, terminal text."""

from cardiofusion.report.card import model_card
from cardiofusion.report.paper import ecg_paper
from cardiofusion.report.sheet import patient_sheet
from cardiofusion.report.study import StudyReport, study_report
from cardiofusion.report.text import assessment_text

__all__ = ["StudyReport", "assessment_text", "ecg_paper", "model_card", "patient_sheet", "study_report"]
