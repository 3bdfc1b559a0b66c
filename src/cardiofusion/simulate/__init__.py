"""Virtual patients: 12-lead ECGs with known causes, and matched cohorts with a known truth. NumPy only."""

from cardiofusion.simulate.causes import CAUSES, Cause, cause_index
from cardiofusion.simulate.cohort import VIRTUAL_SCHEMA, VirtualTruth, virtual_cohort, virtual_truth
from cardiofusion.simulate.ecg import VirtualECGs, render, simulate_ecgs
from cardiofusion.simulate.findings import FINDING_CAUSES, FINDINGS
from cardiofusion.simulate.population import draw_causes, with_cause
from cardiofusion.simulate.targets import CAUSE_TARGETS, TARGET_KINDS, scale_causes

__all__ = [
    "CAUSES",
    "CAUSE_TARGETS",
    "FINDINGS",
    "FINDING_CAUSES",
    "TARGET_KINDS",
    "VIRTUAL_SCHEMA",
    "Cause",
    "VirtualECGs",
    "VirtualTruth",
    "cause_index",
    "draw_causes",
    "render",
    "scale_causes",
    "simulate_ecgs",
    "virtual_cohort",
    "virtual_truth",
    "with_cause",
]
