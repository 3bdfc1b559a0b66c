"""Findings are made of flags that the virtual patients have, and cover what a reader would call abnormal."""

from __future__ import annotations

import numpy as np

from cardiofusion.simulate import (
    CAUSE_TARGETS,
    FINDING_CAUSES,
    FINDINGS,
    TARGET_KINDS,
    draw_causes,
    scale_causes,
)

BENIGN = {"early_repolarisation", "arm_reversal", "chest_reversal", "dextrocardia", "low_voltage"}


def test_every_cause_of_a_finding_is_a_flag() -> None:
    for causes, names in zip(FINDING_CAUSES, FINDINGS.values(), strict=True):
        assert [CAUSE_TARGETS[cause] for cause in causes] == list(names)
        assert all(TARGET_KINDS[cause] == "flag" for cause in causes)
        assert len(set(causes)) == len(causes)


def test_what_is_found_is_abnormal_but_for_extra_beats() -> None:
    abnormal = set(FINDINGS["abnormal"])
    for name, causes in FINDINGS.items():
        assert set(causes) <= abnormal or name == "ectopic_beats"
    assert not abnormal & BENIGN


def test_virtual_patients_have_every_finding_and_some_have_none() -> None:
    targets, _ = scale_causes(draw_causes(3000, np.random.default_rng(1)))
    shares = np.array([(targets[:, list(causes)].max(axis=1) > 0).mean() for causes in FINDING_CAUSES])
    assert (shares > 0.02).all()
    assert (shares < 0.9).all()
