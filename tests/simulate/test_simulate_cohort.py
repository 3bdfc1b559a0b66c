"""Virtual cohorts: valid, linked as they should be, and with a truth that fusion can find."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from cardiofusion.metrics import Observed, concordance
from cardiofusion.records import LEADS, Cohort
from cardiofusion.simulate import VIRTUAL_SCHEMA, cause_index, virtual_cohort, virtual_truth


@pytest.fixture(scope="module")
def cohort() -> Cohort:
    return virtual_cohort(1500, 7)


def test_it_is_a_valid_matched_cohort(cohort: Cohort) -> None:
    assert len(cohort) == 1500
    assert cohort.alignment == "matched"
    assert len(set(cohort.patient_ids)) == 1500
    assert cohort.recordings[0].record_id == cohort.patient_ids[0] == "virtual-00001"
    labelled = [task for task in cohort.tasks if task.kind != "survival"]
    assert {task.name for task in cohort.tasks} == {"event", "findings", "interaction", "survival"}
    assert {task.name: cohort.outcomes[task.name].shape[1] for task in labelled} == {
        task.name: len(task.targets) for task in labelled
    }
    assert all(set(np.unique(cohort.outcomes[task.name])) == {0.0, 1.0} for task in labelled)
    assert all(task.modalities == ("ecg", "row") for task in cohort.tasks)


def test_recordings_and_rows_speak_of_the_same_patient(cohort: Cohort) -> None:
    assert cohort.table is not None
    for source, row in list(zip(cohort.recordings, cohort.table.values, strict=True))[:50]:
        recording, values = source.read(), VIRTUAL_SCHEMA.decode(row)
        assert recording.leads == LEADS
        assert recording.signal.shape == (12, 1000)
        assert recording.calibrated
        assert recording.patient_id == recording.record_id
        assert recording.age == values["age"]
        assert recording.sex == values["sex"]


def test_every_row_is_plausible_and_only_cholesterol_is_missing(cohort: Cohort) -> None:
    assert cohort.table is not None
    for column, values in zip(VIRTUAL_SCHEMA, cohort.table.values.T, strict=True):
        missing = np.isnan(values).mean()
        assert (0.06 < missing < 0.14) if column.may_be_missing else missing == 0
        if column.kind == "number":
            assert all(column.plausible(v) for v in values[~np.isnan(values)])
        else:
            assert 0.05 < values.mean() < 0.7


def test_pressure_goes_with_hypertrophy_and_age_with_fibrillation(cohort: Cohort) -> None:
    causes = virtual_truth(1500, 7).causes
    assert cohort.table is not None
    systolic, age = cohort.table.values[:, VIRTUAL_SCHEMA.names.index("systolic")], cohort.table.values[:, 0]
    lvh, afib = causes[:, cause_index("lvh")] > 0, causes[:, cause_index("afib")] > 0
    assert systolic[lvh].mean() > systolic[~lvh].mean() + 10
    assert age[afib].mean() > age[~afib].mean() + 5


@pytest.mark.parametrize("seed", [0, 7])
def test_both_sides_are_needed_for_the_best_answer(seed: int) -> None:
    truth = virtual_truth(6000, seed)
    event = np.random.default_rng(11).random(6000) < truth.probability
    best, ecg, row = (roc_auc_score(event, p) for p in (truth.probability, truth.ecg_only, truth.row_only))
    assert 0.25 < truth.probability.mean() < 0.35
    assert 0.82 < best < 0.88
    assert 0.72 < ecg < 0.79
    assert 0.72 < row < 0.79


def test_the_truth_belongs_to_the_cohort_of_the_same_seed(cohort: Cohort) -> None:
    truth = virtual_truth(1500, 7)
    event = cohort.outcomes["event"][:, 0]
    assert 0.81 < roc_auc_score(event, truth.probability) < 0.89
    assert abs(event.mean() - truth.probability.mean()) < 0.03
    named = dict(zip(cohort.tasks[1].labels, cohort.outcomes["findings"].T, strict=True))
    assert np.array_equal(named["atrial fibrillation"], truth.causes[:, cause_index("afib")])


def test_the_row_alone_reaches_its_own_best_and_no_more() -> None:
    """A logistic regression on real rows, as an oracle for `row_only`."""
    cohort, truth = virtual_cohort(3000, 2, sampling_rate=50.0), virtual_truth(3000, 2)
    assert cohort.table is not None
    rows = np.nan_to_num(cohort.table.values, nan=5.2)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    event = cohort.outcomes["event"][:, 0]
    model = LogisticRegression().fit(rows[:1500], event[:1500])
    fitted = roc_auc_score(event[1500:], model.predict_proba(rows[1500:])[:, 1])
    assert fitted == pytest.approx(roc_auc_score(event[1500:], truth.row_only[1500:]), abs=0.02)


def test_an_interaction_is_known_by_both_together_alone(cohort: Cohort) -> None:
    """The product of the two sides is worth AUC; sums of what each says, however bent, lack it."""
    truth, event = virtual_truth(6000, 3), np.random.default_rng(1).random((6000, 2))
    drawn = event[:, 0] < truth.interaction
    best = roc_auc_score(drawn, truth.interaction)
    sides = np.column_stack([np.log(p / (1 - p)) for p in (truth.ecg_only, truth.row_only)])
    bent = np.column_stack([sides, sides**2, sides**3])
    additive = LogisticRegression(max_iter=1000).fit(bent, drawn).decision_function(bent)
    assert 0.15 < truth.interaction.mean() < 0.45
    assert best > roc_auc_score(drawn, additive) + 0.05
    own = virtual_truth(1500, 7).interaction
    assert 0.75 < roc_auc_score(cohort.outcomes["interaction"][:, 0], own) < 0.95


def test_times_follow_the_hazard_and_some_are_censored(cohort: Cohort) -> None:
    hazard = virtual_truth(1500, 7).hazard
    survival = next(task for task in cohort.tasks if task.name == "survival")
    years, event = cohort.outcomes["survival"].T
    assert survival.horizon == 5.0
    assert (years > 0).all()
    assert years.max() <= 12
    assert years[event == 0].min() >= 2
    assert 0.25 < event.mean() < 0.6
    # The integral of the hazard until an event is exponential: events expected = events seen.
    seen = float(event.sum())
    assert (hazard * years).sum() == pytest.approx(seen, abs=4 * np.sqrt(seen))
    assert 0.7 < concordance(Observed.of(cohort.outcomes["survival"]), hazard) < 0.9


def test_the_sampling_rate_changes_only_the_samples() -> None:
    slow, fast = virtual_cohort(20, 4), virtual_cohort(20, 4, sampling_rate=250.0)
    assert fast.recordings[0].read().signal.shape == (12, 2500)
    assert slow.table is not None
    assert fast.table is not None
    assert np.array_equal(slow.table.values, fast.table.values, equal_nan=True)
    assert all(np.array_equal(values, fast.outcomes[name]) for name, values in slow.outcomes.items())
