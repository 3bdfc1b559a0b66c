"""Pretraining by itself writes what the package ships, goes on where it stopped, and serves studies."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cardiofusion.records import Cohort, InputError
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study import SETTINGS, Setting, Silent, load_corpus, parse_study, pretrain_alone
from cardiofusion.study.encoding import history_of, load_encoder, pretrain_encoder
from cardiofusion.study.pipeline import Pipeline
from cardiofusion.study.sections import Pretrain
from cardiofusion.study.workspace import Workspace
from cardiofusion.tmae import shipped_encoder
from cardiofusion.tmae.weights import CARD, GRAPH, WEIGHTS, read_shipped

TINY = Setting(epochs=3, virtual=16, batch=8, real_batch=4, echo=2)
STEPS = 9  # 12 real ECGs make three steps an epoch

STUDY = """
[study]
name = "shipped"
[data]
dataset = "virtual"
patients = 640
[tasks.event]
"""


class StopAt(Silent):
    """A reporter that is interrupted at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def step(self, done: int, total: int) -> None:
        if total == STEPS and done == self.at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def corpus() -> Cohort:
    return virtual_cohort(12, 31_007)


@pytest.fixture(scope="module")
def made(corpus: Cohort, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pretrain") / "encoder"
    pretrain_alone(TINY, [corpus], out, Silent(), seed=3, threads=1)
    return out


def test_what_it_writes_can_be_shipped(made: Path) -> None:
    found = read_shipped(made)
    assert set(found.contents) == {WEIGHTS, GRAPH}
    assert found.card["seed"] == 3
    assert found.card["usable_ecgs"] == 12
    assert found.card["data"][-1]["n_recordings"] == 48
    assert [epoch["number"] for epoch in history_of(made)] == [0, 1, 2]
    assert load_encoder(made).config.n_causes > 0


def test_stopped_it_goes_on_and_ends_with_the_same_weights(
    made: Path, corpus: Cohort, tmp_path: Path
) -> None:
    out = tmp_path / "encoder"
    with pytest.raises(KeyboardInterrupt):
        pretrain_alone(TINY, [corpus], out, StopAt(5), seed=3, threads=1)
    assert not (out / CARD).exists()
    pretrain_alone(TINY, [corpus], out, Silent(), seed=3, threads=1)
    assert digest(out / WEIGHTS) == digest(made / WEIGHTS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_every_epoch_meets_other_virtual_patients(
    monkeypatch: pytest.MonkeyPatch, corpus: Cohort, tmp_path: Path
) -> None:
    from cardiofusion.study import pretraining

    seeds = []
    real: Callable[..., object] = pretraining.virtual_causes
    monkeypatch.setattr(pretraining, "virtual_causes", lambda n, seed: seeds.append(seed) or real(n, seed))
    pretrain_alone(TINY, [corpus], tmp_path / "encoder", Silent(), seed=3, threads=1)
    assert len(set(seeds)) == len(seeds) == TINY.epochs + 1  # the last teach it to copy along time


class Noting(Silent):
    """A reporter that remembers which stages were made."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def stage(self, name: str, reused: bool) -> None:
        if not reused:
            self.made.append(name)


def test_what_changes_is_made_again_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, corpus: Cohort, tmp_path: Path
) -> None:
    from cardiofusion.study import pretraining

    def stages(setting: Setting) -> list[str]:
        noted = Noting()
        pretrain_alone(setting, [corpus], tmp_path / "encoder", noted, seed=3, threads=1)
        return noted.made

    monkeypatch.setattr(pretraining, "encoder_graph", lambda model: b"not looked at here")
    short = replace(TINY, epochs=1)
    assert stages(short) == ["read-virtual", "pretrain", "echo"]
    assert stages(short) == []
    assert stages(replace(short, echo=1)) == ["echo"]
    monkeypatch.setattr(pretraining, "structure", lambda: "another network")
    assert stages(replace(short, echo=1)) == ["pretrain", "echo"]


def test_without_an_ecg_it_says_how_to_give_some(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no real ECG") as caught:
        pretrain_alone(TINY, [], tmp_path / "encoder", Silent(), seed=3, threads=1)
    assert "--corpus" in caught.value.hint


def test_the_settings_differ_in_length_only() -> None:
    shipped = SETTINGS["shipped"]
    assert replace(SETTINGS["laptop"], epochs=shipped.epochs, echo=shipped.echo) == shipped


# --- studies that take the shipped one -----------------------------------------------------------------


def test_a_study_without_epochs_takes_the_shipped_encoder(tmp_path: Path) -> None:
    plan = parse_study(STUDY, tmp_path / "s.toml").pretrain
    assert plan.shipped
    assert not replace(plan, epochs=3).shipped
    pretrain_encoder(plan, None, 7, 1, tmp_path, tmp_path / "checkpoint", lambda *_: None)  # type: ignore[arg-type]
    assert (tmp_path / WEIGHTS).read_bytes() == shipped_encoder().bytes(WEIGHTS)
    assert history_of(tmp_path) == shipped_encoder().card["history"]


def test_the_study_says_when_the_shipped_encoder_knew_a_test_patient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = parse_study(STUDY, tmp_path / "s.toml")
    pipeline = Pipeline(study, Workspace(tmp_path / "work", Silent()))
    pipeline.read()
    ecgs = pipeline.cohort_ecgs
    assert ecgs is not None
    assert not pipeline.transductive
    everybody = len(pipeline.held_out_ecgs)
    known = ecgs.digest[pipeline.groups.test[0]]
    monkeypatch.setitem(shipped_encoder().card, "seen", [known])  # type: ignore[arg-type]
    del pipeline.transductive
    assert pipeline.transductive
    assert len(pipeline.held_out_ecgs) == everybody - np.count_nonzero(ecgs.digest == known)
    taught = replace(study, pretrain=Pretrain(epochs=2))
    own = Pipeline(taught, pipeline.workspace)
    assert not own.transductive


def test_a_folder_of_ecgs_is_a_corpus(tmp_path: Path) -> None:
    from cardiofusion.writers import write_recording

    for source in virtual_cohort(3, 5).recordings:
        write_recording(source.read(), tmp_path / f"{source.record_id}.hea")
    assert len(load_corpus("folder", tmp_path).recordings) == 3
