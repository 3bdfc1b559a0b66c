"""A study file to a bundle and a report: the pipeline, read top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.records.lazy import lazy_names as _lazy_names
from cardiofusion.study.file import Study, parse_study, read_study
from cardiofusion.study.new import new_study
from cardiofusion.study.workspace import Reporter, Silent

if TYPE_CHECKING:
    from cardiofusion.study.assembling import report_path
    from cardiofusion.study.pipeline import train_study

__all__ = [
    "Reporter",
    "Silent",
    "Study",
    "new_study",
    "parse_study",
    "read_study",
    "report_path",
    "train_study",
]

# Training needs torch; reading a study file does not.
if not TYPE_CHECKING:
    __getattr__ = _lazy_names(__name__, {"assembling": ("report_path",), "pipeline": ("train_study",)})
