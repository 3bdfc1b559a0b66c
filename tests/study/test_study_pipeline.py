"""The pipeline end to end: stages that are kept, runs that go on where they stopped, cohorts of one's own."""

from __future__ import annotations

import csv
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from cardiofusion.bundle import manifest_schema, read_bundle
from cardiofusion.evaluate import metrics_schema
from cardiofusion.readers import read_recording
from cardiofusion.records import CalibrationError, assessment_schema
from cardiofusion.runtime import System
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study import new_study, parse_study, read_study, report_path, train_study
from cardiofusion.writers import write_recording

TASKS = ("event", "findings", "survival")
LEARNING = (
    *("read-cohort", "pretrain", "embed-cohort", "phenotypes"),
    *("boost-event", "boost-findings", "boost-survival-5-years"),
    *(f"{stage}-{task}" for stage in ("fuse", "compare", "dealt") for task in TASKS),
)
AFTER_CMAF = {name for name in LEARNING if name.startswith(("fuse-", "compare-", "dealt-"))}
PATIENTS = 300
README = Path(__file__).resolve().parents[2] / "README.md"
# What makes a study of any data small: enough patients to calibrate on, little else.
SMALL = {
    "study": {"threads": 1},
    "pretrain": {"virtual": 64, "epochs": 1},
    "split": {"train": 0.4, "calibrate": 0.4, "test": 0.2},
    "booster": {"cross_validation": 2},
    "cmaf": {"epochs": 2},
    "phenotypes": {"bootstraps": 2},
    "evaluation": {"bootstraps": 30},
}


class Journal:
    """A Reporter that notes every stage, and stops the run where it is told to."""

    def __init__(self, stop_at: str = "", stop_after: float = 1.0) -> None:
        self.reused: dict[str, bool] = {}
        self.first_step: dict[str, int] = {}
        self._stop_at, self._stop_after, self._name = stop_at, stop_after, ""

    def stage(self, name: str, reused: bool) -> None:
        self.reused[name], self._name = reused, name
        if name == self._stop_at and self._stop_after == 0.0:
            raise KeyboardInterrupt

    def step(self, done: int, total: int) -> None:
        self.first_step.setdefault(self._name, done)
        if self._name == self._stop_at and done > self._stop_after * total:
            raise KeyboardInterrupt


def stopped(study, out: Path, at: str, after: float = 0.0) -> Journal:
    """Run a study until it is killed in a stage; what was told until then."""
    journal = Journal(at, after)
    with pytest.raises(KeyboardInterrupt):
        train_study(study, out, journal)
    return journal


def contents(work: Path) -> dict[str, bytes]:
    """Everything that the learning stages keep, but what they cost."""
    return {
        f"{stage}/{path.name}": path.read_bytes()
        for stage in LEARNING
        for path in sorted((work / stage).iterdir())
        if path.name != "stage.json"
    }


def same_contents(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    """Equal file by file, byte by byte."""
    assert set(one) == set(other)
    assert [name for name in one if one[name] != other[name]] == []


# --- a tiny virtual study: killed, resumed, run again, changed ---------------------------------------------


@pytest.fixture
def tiny(tiny_folder):
    return read_study(tiny_folder / "tiny.toml")


@pytest.fixture
def finished(tiny_folder, tmp_path):
    """A place where the tiny study has been run to its end, free to be changed: the bundle to be."""
    shutil.copytree(tiny_folder / "bundle.work", tmp_path / "bundle.work")
    return tmp_path / "bundle"


def test_a_run_killed_in_pretraining_goes_on_at_the_epoch_and_ends_the_same(tiny, tiny_folder, tmp_path):
    out, work = tmp_path / "bundle", tmp_path / "bundle.work"
    stopped(tiny, out, "pretrain", after=0.7)  # in the second of two epochs
    assert not (work / "pretrain").exists()
    assert not out.exists()
    resumed = stopped(tiny, out, "evaluate")
    assert resumed.reused["read-cohort"]
    assert not resumed.reused["pretrain"]
    assert resumed.first_step["pretrain"] > 1  # the first epoch was kept
    same_contents(contents(work), contents(tiny_folder / "bundle.work"))
    assert not list(work.glob("pretrain.checkpoint*"))  # none is left behind


def test_the_parameters_follow_from_the_kept_stages(tiny, finished, tiny_system):
    from cardiofusion.study import Silent
    from cardiofusion.study.assembling import parameters
    from cardiofusion.study.pipeline import Pipeline
    from cardiofusion.study.workspace import Workspace

    pipeline = Pipeline(tiny, Workspace(finished.with_name("bundle.work"), Silent()))
    found = parameters(pipeline)
    assert {**found, "total": sum(found.values())} == tiny_system.manifest.to_json()["parameters"]


def test_a_second_run_keeps_every_stage(tiny, finished):
    journal = stopped(tiny, finished, "bundle")
    assert [name for name in (*LEARNING, "export") if not journal.reused[name]] == []


@pytest.mark.parametrize(
    ("section", "changes", "again"),
    [
        ("conformal", {"coverage": 0.8}, set()),
        ("evaluation", {"bootstraps": 60}, set()),
        ("cmaf", {"epochs": 1}, AFTER_CMAF),
        ("phenotypes", {"bootstraps": 3}, {"phenotypes"}),
    ],
)
def test_only_what_depends_on_a_change_is_made_again(tiny, finished, section, changes, again):
    changed = replace(tiny, **{section: replace(getattr(tiny, section), **changes)})
    exported = "fuse-event" not in again
    journal = stopped(changed, finished, "bundle" if exported else "evaluate")
    assert {name for name in LEARNING if not journal.reused[name]} == again
    assert journal.reused.get("export", False) == exported


def test_another_coverage_is_promised_without_training_again(tiny, finished, tiny_bundle, tiny_system):
    changed = replace(tiny, conformal=replace(tiny.conformal, coverage=0.8))
    journal = Journal()
    train_study(changed, finished, journal)
    assert all(journal.reused[name] for name in (*LEARNING, "export"))
    assert report_path(finished).exists()
    row = {"age": 61, "sex": "male"}
    old, new = (s.assess(row=row, explain=False).tasks["event"] for s in (tiny_system, System.load(finished)))
    assert new.probability == old.probability
    assert (old.coverage, new.coverage) == (0.9, 0.8)
    assert "80" in new.guarantee
    before, after = (
        read_bundle(bundle).json("metrics.json")["figures"] for bundle in (tiny_bundle, finished)
    )
    assert set(before) == set(after)
    promises = {name for name, figure in before.items() if figure != after[name]}
    assert promises
    assert all(re.search(r"/(coverage_\w+|set_size)$", name) for name in promises), promises


def test_too_few_calibration_patients_are_named_before_any_training(tiny, tmp_path):
    few = replace(tiny, data=replace(tiny.data, patients=140))
    journal = Journal()
    with pytest.raises(CalibrationError) as caught:
        train_study(few, tmp_path / "bundle", journal)
    found, needed = map(
        int, re.findall(r"(\d+) calibration patients.* (\d+) needed", caught.value.message)[0]
    )
    assert found < needed == 9
    assert set(journal.reused) == {"read-cohort"}
    assert not (tmp_path / "bundle").exists()


def test_a_stage_is_there_whole_or_not_at_all(tiny, tmp_path):
    stopped(tiny, tmp_path / "bundle", "read-cohort", after=0.5)
    assert not (tmp_path / "bundle.work" / "read-cohort").exists()


def test_the_report_and_the_card_name_the_study_and_make_no_request(tiny_folder):
    for page in (tiny_folder / "report.html", tiny_folder / "bundle" / "model_card.html"):
        text = page.read_text("utf-8")
        assert "tiny" in text
        assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)


# --- cohorts of one's own ----------------------------------------------------------------------------------


def tuned(text: str, **more: dict[str, object]) -> str:
    """A study file with these keys set under their sections."""
    for section, keys in {**SMALL, **more}.items():
        lines = "".join(f"\n{name} = {json.dumps(value)}" for name, value in keys.items())
        text = text.replace(f"\n[{section}]", f"\n[{section}]{lines}", 1)
    return text


def write_cohort(folder: Path, ecg: bool) -> Path:
    """A user's folder: `patients.csv`, and `ecgs/NAME.hea` with every patient's ECG."""
    cohort = virtual_cohort(PATIENTS, 31)
    assert cohort.table is not None
    with (folder / "patients.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        columns = [column for column in cohort.table.schema.names if column != "diastolic"]
        writer.writerow(["patient", *(["ecg_file"] if ecg else []), *columns, "died"])
        for k, source in enumerate(cohort.recordings):
            shown = cohort.table.schema.decode(cohort.table.values[k])
            values = ["" if shown[name] is None else shown[name] for name in columns]
            name = [f"{k + 1:04d}"] if ecg else []
            writer.writerow([f"P{k:04d}", *name, *values, int(cohort.outcomes["event"][k, 0])])
            if ecg:
                recording = replace(source.read(), record_id=name[0], patient_id=None, age=None, sex=None)
                write_recording(recording, folder / "ecgs" / f"{recording.record_id}.hea")
    return folder / "patients.csv"


def documents_hold(bundle: Path) -> None:
    jsonschema.validate(json.loads((bundle / "manifest.json").read_text("utf-8")), manifest_schema())
    jsonschema.validate(json.loads((bundle / "metrics.json").read_text("utf-8")), metrics_schema())


def answered(assessment) -> None:
    document = json.loads(json.dumps(assessment.to_json(), allow_nan=False))
    jsonschema.validate(document, assessment_schema())
    assert document["tasks"]


@pytest.mark.slow
def test_readmes_lines_take_a_cohort_of_ones_own_to_an_assessment(tmp_path, monkeypatch, capsys):
    """README's Python block as it stands, but for a smaller study."""
    folder = tmp_path / "mine"
    folder.mkdir()
    write_cohort(folder, ecg=True)
    (folder / "ecgs" / "0005.dat").write_bytes(b"\0" * 100)  # one bad record stops nothing
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("cardiofusion.study.new_study", lambda *given: tuned(new_study(*given)))
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    named: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), named)
    assert "died" in capsys.readouterr().out
    assert named["study"].tasks[0].outcome_columns == ("died",)
    documents_hold(folder / "bundle")
    assert "0005" in report_path(folder / "bundle").read_text("utf-8")
    recording = read_recording(folder / "ecgs" / "0007.hea")
    found = named["system"].assess(recording, {"age": 61, "sex": "male", "weight": "180lb"})
    answered(found)
    (answer,) = found.tasks.values()
    assert set(answer.by_modality) == {"ecg", "row", "ecg+row"}
    assert answer.alignment == "matched"


@pytest.mark.slow
def test_a_cohort_of_ecgs_without_clinical_columns(tmp_path):
    write_cohort(tmp_path, ecg=True)
    text = """
[study]
name = "ecg-only"
[data]
dataset = "folder"
table = "patients.csv"
patient = "patient"
ecg = "ecg_file"
ecg_folder = "ecgs"
[tasks.died]
kind = "binary"
labels = ["alive", "dead"]
column = "died"
[pretrain]
[split]
[booster]
[cmaf]
[phenotypes]
[evaluation]
"""
    study = parse_study(tuned(text), tmp_path / "study.toml")
    train_study(study, tmp_path / "mine", Journal())
    documents_hold(tmp_path / "mine")
    system = System.load(tmp_path / "mine")
    found = system.assess(read_recording(tmp_path / "ecgs" / "0007.hea"))
    answered(found)
    assert set(found.tasks["died"].by_modality) == {"ecg"}
    assert system.manifest.schema is None


def test_a_cohort_of_rows_without_ecgs(tmp_path):
    table = write_cohort(tmp_path, ecg=False)
    file = tmp_path / "study.toml"
    file.write_text(tuned(new_study(table, None, file)), encoding="utf-8")
    journal = Journal()
    train_study(read_study(file), tmp_path / "mine", journal)
    assert not {"pretrain", "phenotypes", "embed-cohort"} & set(journal.reused)
    documents_hold(tmp_path / "mine")
    system = System.load(tmp_path / "mine")
    found = system.assess(row={"age": 61, "sex": "male", "systolic": 140})
    answered(found)
    (answer,) = found.tasks.values()
    assert set(answer.by_modality) == {"row"}
    assert "row.cholesterol" in found.missing
    assert system.manifest.parameters.get("total", 0) == 0
    bare = virtual_cohort(1, 5).recordings[0].read()
    beside = system.assess(bare, {"age": bare.age, "sex": bare.sex})
    assert beside.tasks  # an ECG that the bundle cannot use does not stop the row


def test_a_study_gives_the_same_bundle_each_time(tmp_path):
    """Rows only, for speed: the same file and seed, run twice from nothing, differ in dates alone."""
    table = write_cohort(tmp_path, ecg=False)
    study = parse_study(tuned(new_study(table, None, tmp_path / "s.toml")), tmp_path / "s.toml")
    bundles = []
    for name in ("one", "two"):
        train_study(study, tmp_path / name, Journal())
        bundles.append(read_bundle(tmp_path / name))
    figures = [bundle.json("metrics.json")["figures"] for bundle in bundles]
    assert figures[0] == figures[1]
    for name in bundles[0].names:
        if name not in {"metrics.json", "model_card.html"}:
            assert bundles[0].bytes(name) == bundles[1].bytes(name), name
    assert np.isfinite([f["value"] for f in figures[0].values() if f["value"] is not None]).all()
