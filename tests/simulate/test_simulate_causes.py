"""Causes: ranges, mixture, what goes with what, and causes as targets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion import simulate
from cardiofusion.records import InputError
from cardiofusion.simulate import (
    CAUSE_TARGETS,
    CAUSES,
    TARGET_KINDS,
    cause_index,
    draw_causes,
    scale_causes,
    with_cause,
)
from cardiofusion.simulate.prevalence import CONFLICTS, RARE

FLAG_COLUMNS = [i for i, cause in enumerate(CAUSES) if cause.kind == "flag"]


@pytest.fixture(scope="module")
def causes() -> np.ndarray:
    return draw_causes(8000, np.random.default_rng(0))


def of(causes: np.ndarray, name: str) -> np.ndarray:
    return causes[:, cause_index(name)]


def test_every_cause_is_named_once_with_a_source_and_a_range() -> None:
    assert len({cause.name for cause in CAUSES}) == len(CAUSES)
    assert all(cause.source and cause.low < cause.high for cause in CAUSES)
    assert all(cause.unit for cause in CAUSES if cause.kind == "number")
    with pytest.raises(InputError, match="no cause"):
        cause_index("heart rate")


def test_the_public_names_exist() -> None:
    assert len(set(simulate.__all__)) == len(simulate.__all__)
    assert all(hasattr(simulate, name) for name in simulate.__all__)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), age=st.floats(18, 95), sex=st.sampled_from([0.0, 1.0]))
def test_draws_stay_inside_their_ranges(seed: int, age: float, sex: float) -> None:
    drawn = draw_causes(20, np.random.default_rng(seed), np.full(20, age), np.full(20, sex))
    assert drawn.dtype == np.float32
    for column, cause in zip(drawn.T, CAUSES, strict=True):
        assert np.float32(cause.low) <= column.min()
        assert column.max() <= np.float32(cause.high)
        assert cause.kind == "number" or set(np.unique(column)) <= {0.0, 1.0}


def test_the_mixture_is_balanced_for_learning(causes: np.ndarray) -> None:
    healthy = (causes[:, FLAG_COLUMNS].sum(axis=1) == 0).mean()
    assert 0.38 < healthy < 0.55
    share = causes[:, FLAG_COLUMNS].mean(axis=0)
    assert share.min() > 0.003
    assert share.max() < 0.15
    assert causes[:, FLAG_COLUMNS].sum(axis=1).max() <= 8


def test_rare_findings_are_rare_and_common_ones_stay_common() -> None:
    causes = draw_causes(30_000, np.random.default_rng(2))
    for name, (at_sixty, _, _) in RARE.items():
        assert 0.5 * at_sixty < of(causes, name).mean() < 1.6 * at_sixty, name
        assert 0.004 < of(causes, name).mean() < 0.02, name
    shares = {"lvh": 0.07, "infarct_inferior": 0.055, "infarct_anteroseptal": 0.04, "nonspecific_t": 0.053}
    shares |= {"ischaemia_lateral": 0.043, "afib": 0.043, "lbbb": 0.026, "rbbb": 0.026, "lafb": 0.036}
    for name, share in shares.items():
        assert of(causes, name).mean() > share, name


def test_what_excludes_each_other_is_never_drawn_together(causes: np.ndarray) -> None:
    for first, second in CONFLICTS:
        assert not ((of(causes, first) > 0) & (of(causes, second) > 0)).any(), (first, second)


def test_attendants_come_only_with_what_they_attend(causes: np.ndarray) -> None:
    of_others = {
        "ventricular_escape": ("av_block_3",),
        "rv_strain": ("rvh",),
        "lv_strain": ("lvh",),
        "bigeminy": ("pvc", "pac"),
    }
    for name, others in of_others.items():
        attended = np.any([of(causes, other) > 0 for other in others], axis=0)
        assert 0 < of(causes, name).sum() < attended.sum()
        assert not (of(causes, name)[~attended] > 0).any()


def test_rare_findings_move_their_causes(causes: np.ndarray) -> None:
    assert of(causes, "rate")[of(causes, "av_block_3") > 0].max() <= 46
    assert of(causes, "rate")[of(causes, "svt") > 0].min() >= 148
    assert of(causes, "qtc")[of(causes, "short_qt") > 0].max() < 340 < 1 + of(causes, "qtc").mean()
    assert of(causes, "qrs_duration")[of(causes, "ventricular_escape") > 0].min() >= 120
    assert of(causes, "p_axis")[of(causes, "junctional") > 0].max() <= -60
    assert of(causes, "t_amplitude")[of(causes, "hyperkalaemia") > 0].min() > 0.5
    low = of(causes, "hypokalaemia") > 0
    assert np.median(of(causes, "t_amplitude")[low]) < 0.6 * np.median(of(causes, "t_amplitude")[~low])
    assert np.median(of(causes, "st_down")[of(causes, "pericarditis") > 0]) > 0.08


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_targets_of_any_causes_are_finite_and_zero_where_masked(data: st.DataObject) -> None:
    values = [
        data.draw(st.floats(c.low, c.high) if c.kind == "number" else st.sampled_from([0.0, 1.0]))
        for c in CAUSES
    ]
    targets, mask = scale_causes(np.array([values], dtype=np.float32))
    assert np.isfinite(targets).all()
    assert set(np.unique(mask)) <= {0.0, 1.0}
    assert (targets[mask == 0] == 0).all()


def test_no_number_sticks_to_the_end_of_its_range(causes: np.ndarray) -> None:
    for column, cause in zip(causes.T, CAUSES, strict=True):
        if cause.kind == "number" and cause.name not in (
            "rr_variation",
            "ectopic_share",
            "p_terminal",
            "infarct_size",
        ):
            assert np.mean((column == np.float32(cause.low)) | (column == np.float32(cause.high))) < 0.01


def test_causes_go_together_as_in_patients(causes: np.ndarray) -> None:
    wide = (of(causes, "lbbb") + of(causes, "rbbb") + of(causes, "paced")) > 0
    assert of(causes, "qrs_duration")[wide].min() >= 120
    assert (of(causes, "pr")[of(causes, "av_block_1") > 0] > 200).all()
    assert of(causes, "qrs_axis")[of(causes, "lafb") > 0].max() < -40 + 1
    assert of(causes, "lv_strain")[of(causes, "lvh") == 0].sum() == 0
    assert of(causes, "infarct_size")[of(causes, "infarct_inferior") > 0].min() >= 0.3
    assert of(causes, "rr_variation")[(of(causes, "afib") > 0) & (of(causes, "paced") == 0)].min() > 0.12
    assert (of(causes, "lbbb") * of(causes, "rbbb")).sum() == 0


def test_repolarisation_turns_against_a_left_bundle_branch_block(causes: np.ndarray) -> None:
    targets, _ = scale_causes(causes)
    angle = targets[:, CAUSE_TARGETS.index("qrs_t_angle")]
    assert angle[of(causes, "lbbb") > 0].mean() > angle[causes[:, FLAG_COLUMNS].sum(axis=1) == 0].mean() + 1.5


def test_age_and_sex_shift_the_causes() -> None:
    def at(age: float, sex: float) -> np.ndarray:
        n = 4000
        return draw_causes(n, np.random.default_rng(1), np.full(n, age), np.full(n, sex))

    young, old, women = at(25, 1), at(80, 1), at(80, 0)
    assert of(young, "qrs_axis").mean() > of(old, "qrs_axis").mean() + 15
    assert of(young, "t_amplitude").mean() > of(old, "t_amplitude").mean()
    assert of(old, "afib").mean() > 2 * of(young, "afib").mean()
    assert of(old, "infarct_inferior").mean() > 1.5 * of(young, "infarct_inferior").mean()
    assert of(young, "early_repolarisation").mean() > of(old, "early_repolarisation").mean()
    assert of(women, "qrs_duration").mean() < of(old, "qrs_duration").mean()
    assert of(women, "qtc").mean() > of(old, "qtc").mean()


def test_asked_findings_are_given_to_everyone_and_nothing_else() -> None:
    drawn = draw_causes(30, np.random.default_rng(0), findings=("rbbb", "lafb"))
    assert of(drawn, "rbbb").all()
    assert of(drawn, "lafb").all()
    assert (drawn[:, FLAG_COLUMNS].sum(axis=1) == 2).all()


def test_with_cause_changes_one_column_of_a_copy(causes: np.ndarray) -> None:
    some = causes[:5]
    changed = with_cause(some, "rate", 61.0)
    assert (of(changed, "rate") == 61.0).all()
    assert np.array_equal(np.delete(changed, cause_index("rate"), 1), np.delete(some, cause_index("rate"), 1))
    assert not (of(some, "rate") == 61.0).any()


def test_targets_are_standardised_and_masked_where_undefined(causes: np.ndarray) -> None:
    targets, mask = scale_causes(causes)
    assert targets.shape == mask.shape == (len(causes), len(CAUSE_TARGETS))
    assert targets.dtype == mask.dtype == np.float32
    assert len(TARGET_KINDS) == len(CAUSE_TARGETS) == len(set(CAUSE_TARGETS))
    for i, (name, kind) in enumerate(zip(CAUSE_TARGETS, TARGET_KINDS, strict=True)):
        seen = targets[mask[:, i] > 0, i]
        if kind == "flag":
            assert set(np.unique(seen)) <= {0.0, 1.0}
        elif not name.endswith(("_cos", "_sin")):
            assert abs(seen.mean()) < 0.2, name
            assert 0.75 < seen.std() < 1.3, name
    no_p = sum(of(causes, name) for name in ("afib", "aflt", "junctional", "svt")) > 0
    apart = of(causes, "av_block_3") > 0
    assert np.array_equal(mask[:, CAUSE_TARGETS.index("p_duration")] == 0, no_p)
    assert np.array_equal(mask[:, CAUSE_TARGETS.index("pr")] == 0, no_p | apart)
    assert np.array_equal(mask[:, CAUSE_TARGETS.index("ventricular_escape")] == 1, apart)
    assert (targets[mask == 0] == 0).all()


def test_targets_of_an_axis_name_it() -> None:
    causes = with_cause(draw_causes(3, np.random.default_rng(0)), "qrs_axis", -60.0)
    targets, _ = scale_causes(causes)
    cos, sin = (targets[:, CAUSE_TARGETS.index(f"qrs_axis_{part}")] for part in ("cos", "sin"))
    assert np.degrees(np.arctan2(sin, cos)) == pytest.approx(-60.0, abs=1e-3)
