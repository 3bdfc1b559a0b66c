"""The published protocol on PTB-XL: which statement makes which label, and which fold may see what."""

from __future__ import annotations

import numpy as np
import pytest

import ptbxl_full
from cardiofusion.datasets import load_ptbxl
from cardiofusion.datasets.recordings import AbsentRecording
from cardiofusion.datasets.table import Table, read_table
from cardiofusion.records import InMemory
from cardiofusion.simulate import virtual_cohort
from features import untrained
from probing import Labels, held_out
from ptbxl_full import embed, given_statements, label_sets, measure, targets

HEADINGS = ("", "diagnostic", "form", "rhythm", "diagnostic_class", "diagnostic_subclass")
STATEMENTS = Table(
    "scp_statements.csv",
    dict(
        zip(
            HEADINGS,
            zip(
                ("IMI", "1.0", "", "", "MI", "IMI"),
                ("ILMI", "1.0", "", "", "MI", "IMI"),
                ("NDT", "1.0", "1.0", "", "STTC", "STTC"),
                ("PVC", "", "1.0", "", "", ""),
                ("SR", "", "", "1.0", "", ""),
                strict=True,
            ),
            strict=True,
        )
    ),
)
INDEX = Table(
    "ptbxl_database.csv",
    {
        "scp_codes": (
            "{'IMI': 100.0, 'ILMI': 0.0, 'SR': 0.0}",
            "{'NDT': 0.0, 'SR': 50.0}",
            "{'PVC': 100.0}",
            "{}",
        )
    },
)


@pytest.mark.parametrize(
    ("name", "names", "y"),
    [
        ("all", "ILMI IMI NDT PVC SR", ["11001", "00101", "00010", "00000"]),
        ("diagnostic", "ILMI IMI NDT", ["110", "001", "000", "000"]),
        ("subdiagnostic", "IMI STTC", ["10", "01", "00", "00"]),
        ("superdiagnostic", "MI STTC", ["10", "01", "00", "00"]),
        ("form", "NDT PVC", ["00", "10", "01", "00"]),
        ("rhythm", "SR", ["1", "1", "0", "0"]),
    ],
)
def test_statements_become_labels_whatever_their_likelihood(name, names, y):
    found, values = targets(given_statements(INDEX), label_sets(STATEMENTS)[name])
    assert found == tuple(names.split())
    assert values.tolist() == [[float(digit) for digit in row] for row in y]


@pytest.mark.data
def test_the_label_sets_of_the_release_are_those_of_the_paper(data_dir):
    sets = label_sets(read_table(data_dir / "ptb-xl" / "scp_statements.csv"))
    counts = {name: len(set(label_of.values())) for name, label_of in sets.items()}
    assert counts == {
        "all": 71,
        "diagnostic": 44,
        "subdiagnostic": 23,
        "superdiagnostic": 5,
        "form": 19,
        "rhythm": 12,
    }
    given = given_statements(read_table(data_dir / "ptb-xl" / "ptbxl_database.csv"))
    assert set().union(*given) <= set(sets["all"])
    names, y = targets(given, sets["superdiagnostic"])
    cohort = load_ptbxl(data_dir / "ptb-xl")
    order = [names.index(name) for name in cohort.tasks[0].labels]
    assert np.array_equal(y[:, order], cohort.outcomes["superclass"])


@pytest.fixture
def cohort_of_folds():
    """Features of 600 recordings in ten folds, the first of which tell the label `told`."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 6)).astype(np.float32)
    fold = np.arange(600) % 10 + 1
    told = x[:, 0] + 0.3 * rng.normal(size=600) > 0
    rare, absent = np.arange(600) == 9, np.arange(600) == 0  # one recording of fold 10, one of fold 1
    y = np.column_stack([told, rare, absent, np.ones(600)]).astype(np.float32)
    y[fold == 5] = 0.0
    labels = Labels(("told", "rare", "absent", "always"), y, np.arange(600).astype(str), fold)
    return x, labels


def test_labels_that_the_test_fold_cannot_score_are_left_out(cohort_of_folds):
    x, labels = cohort_of_folds
    found = measure({"x": x}, labels)
    assert found.labels == ("told", "rare")
    assert (found.left_out, found.unseen) == (2, 1)
    assert found.n == (420, 60, 60)  # fold 5 has no label of this set: not 480
    told, rare = found.scored["x"].by_label
    assert told > 0.9
    assert rare == 0.5
    assert found.row("form", whole=False).startswith("| form | 2 (2 left out, 1 unseen in training) | 420 / ")
    assert found.to_json()["n"] == {"train": 420, "choose": 60, "test": 60}


def test_a_part_without_a_fold_measures_nothing(cohort_of_folds):
    x, labels = cohort_of_folds
    rows = np.flatnonzero(labels.fold != 9)
    part = Labels(labels.names, labels.y[rows], labels.patients[rows], labels.fold[rows])
    assert measure({"x": x[rows]}, part) is None


def test_the_probe_never_looks_at_the_labels_it_is_tested_on(cohort_of_folds):
    x, labels = cohort_of_folds
    train, choose, test = (
        np.flatnonzero(part) for part in (labels.fold < 9, labels.fold == 9, labels.fold == 10)
    )
    scores = held_out(x, labels, train, choose, test)
    labels.y[test] = 1.0 - labels.y[test]
    assert np.array_equal(held_out(x, labels, train, choose, test), scores)


def test_recordings_that_cannot_be_read_are_left_out_and_chunks_change_nothing(monkeypatch):
    heard = [source.read() for source in virtual_cohort(3, 20_021).recordings]
    sources = [InMemory(heard[0]), AbsentRecording("2"), InMemory(heard[1]), InMemory(heard[2])]
    model, steps = untrained(), []
    _, whole = embed(sources, {"x": model}, lambda *_: None)
    monkeypatch.setattr(ptbxl_full, "CHUNK", 1)
    rows, features = embed(sources, {"x": model}, lambda *step: steps.append(step))
    assert rows.tolist() == [0, 2, 3]
    assert features["x"] == pytest.approx(whole["x"], abs=1e-5)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_folder_without_recordings_is_said():
    with pytest.raises(SystemExit, match="data fetch"):
        embed([AbsentRecording("1")], {"x": untrained()}, lambda *_: None)
