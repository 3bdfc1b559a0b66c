"""A study file to a bundle and a report: the pipeline, read top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cardiofusion.records.lazy import lazy_names as _lazy_names
from cardiofusion.study.combining import combine_bundles
from cardiofusion.study.file import Study, parse_study, read_study
from cardiofusion.study.new import new_study
from cardiofusion.study.workspace import Reporter, Silent

if TYPE_CHECKING:
    from cardiofusion.study.assembling import report_path
    from cardiofusion.study.data import load_corpus
    from cardiofusion.study.pipeline import train_study
    from cardiofusion.study.pretraining import SETTINGS, Setting, pretrain_alone

__all__ = [
    "SETTINGS",
    "Reporter",
    "Setting",
    "Silent",
    "Study",
    "combine_bundles",
    "load_corpus",
    "new_study",
    "parse_study",
    "pretrain_alone",
    "read_study",
    "report_path",
    "train_study",
]

# Training needs torch; reading a study file does not.
if not TYPE_CHECKING:
    __getattr__ = _lazy_names(
        __name__,
        {
            "assembling": ("report_path",),
            "data": ("load_corpus",),
            "pipeline": ("train_study",),
            "pretraining": ("SETTINGS", "Setting", "pretrain_alone"),
        },
    )
