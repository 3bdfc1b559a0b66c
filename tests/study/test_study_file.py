"""A study file is understood exactly, or refused in one line that says where and what to do."""

from __future__ import annotations

import string
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cardiofusion.records import Column, StudyError, Task
from cardiofusion.study.file import MAX_STUDY_BYTES, Study, parse_study, read_study

STUDIES = Path(__file__).resolve().parents[2] / "studies"

VIRTUAL = """\
[study]
name = "mine"

[data]
dataset = "virtual"

[tasks.event]
"""

PTB = VIRTUAL.replace("virtual", "ptb-xl").replace("event", "superclass")

OWN = """\
[study]
name = "own"
[data]
dataset = "folder"
path = "cohort"
table = "patients.csv"
patient = "pid"
ecg = "file"
ecg_folder = "ecgs"
[columns.age]
source = "Age at visit"
unit = "years"
low = 18
high = 110
[columns.sex]
kind = "category"
categories = ["female", "male"]
codes = { 1 = "female", 2 = "male" }
[tasks.death]
kind = "binary"
labels = ["alive", "dead"]
column = "died"
present = ["1", "yes"]
question = "dead in a year?"
[tasks.findings]
kind = "multi_label"
labels = ["MI", "CD"]
columns = ["mi", "cd"]
modalities = ["ecg"]
"""


def parse(text: str) -> Study:
    return parse_study(text, Path("my.toml"))


def refusal(text: str) -> StudyError:
    with pytest.raises(StudyError) as caught:
        parse(text)
    error = caught.value
    assert "\n" not in error.message
    assert error.message.startswith("my.toml")
    assert error.hint
    return error


@pytest.mark.parametrize("name", ["virtual", "ptb-xl", "original"])
def test_our_studies_are_understood(name: str) -> None:
    study = read_study(STUDIES / f"{name}.toml")
    assert study.name == name
    assert study.text == (STUDIES / f"{name}.toml").read_text()


def test_what_our_studies_say() -> None:
    ptb = read_study(STUDIES / "ptb-xl.toml")
    assert (ptb.split.train, ptb.split.calibrate, ptb.split.test) == ((1, 2, 3, 4, 5, 6), (7, 8, 9), (10,))
    assert ptb.split.folds
    original = read_study(STUDIES / "original.toml")
    assert {plan.name: plan.outcome_name for plan in original.tasks} == {
        "cardio": "cardio",
        "cardio-latent": "cardio",
    }
    assert [plan.alignment for plan in original.tasks] == ["covariate", "latent"]
    assert [corpus.dataset for corpus in original.pretrain.corpora] == ["ptb-xl", "code15"]
    assert not original.split.folds


def test_a_short_file_takes_the_defaults() -> None:
    study = parse(VIRTUAL)
    assert (study.seed, study.threads, study.title) == (7, 2, "mine")
    assert (study.data.patients, study.pretrain.mask, study.conformal.coverage) == (1500, 0.75, 0.9)
    assert (study.split.train, study.split.calibrate, study.split.test) == (0.6, 0.25, 0.15)
    assert (study.booster.rounds, study.booster.cross_validation) == (None, 5)
    assert study.tasks[0].modalities == ()


def test_a_cohort_of_ones_own() -> None:
    study = parse(OWN)
    spec = study.folder_spec({})
    assert (spec.table, spec.ecg_folder) == (Path("cohort/patients.csv"), Path("cohort/ecgs"))
    age, sex = (column.column for column in spec.columns.values())
    assert age == Column("age", unit="years", low=18.0, high=110.0)
    assert [column.heading for column in spec.columns.values()] == ["Age at visit", "sex"]
    assert sex.show(sex.parse("2")) == "male"
    death, findings = study.tasks
    assert spec.tasks["death"].task("death") == Task(
        "death", ("alive", "dead"), "binary", ("ecg", "row"), "matched", "dead in a year?"
    )
    assert (death.outcome_columns, death.present) == (("died",), ("1", "yes"))
    assert findings.modalities == ("ecg",)
    assert findings.outcome_columns == ("mi", "cd")


def test_a_task_without_a_choice_may_use_all_there_is() -> None:
    without_ecg = OWN.replace('ecg = "file"\necg_folder = "ecgs"\n', "").replace('modalities = ["ecg"]\n', "")
    assert parse(without_ecg).tasks[0].modalities == ("row",)
    proxy = VIRTUAL.replace('"virtual"', '"cardio70k"').replace("[tasks.event]", "[tasks.cardio]")
    proxy += 'alignment = "latent"\n[pretrain]\ncorpora = [{ dataset = "code15" }]\n'
    assert parse(proxy).tasks[0].modalities == ("ecg", "row")


def test_a_plan_over_a_data_sets_own_task() -> None:
    given = Task("cardio", ("no", "yes"), "binary", ("row",), "matched", "theirs")
    latent = read_study(STUDIES / "original.toml").tasks[1].applied(given)
    assert (latent.name, latent.alignment, latent.modalities) == ("cardio-latent", "latent", ("ecg", "row"))
    assert parse(VIRTUAL).tasks[0].applied(given) == Task(
        "event", ("no", "yes"), "binary", ("row",), "matched", "theirs"
    )


MISTAKES = {
    # mistake: (text added or replaced, code, line, words in the message, words in the hint)
    "misspelt key": ("[conformal]\ncoverge = 0.9", "study.key", 9, "'coverge' in [conformal]", "coverage"),
    "misspelt section": ("[pretrian]\nepochs = 3", "study.section", 8, "'pretrian'", "pretrain"),
    "misspelt data set": (("virtual", "virtaul"), "study.value", 5, "virtaul", "'virtual'"),
    "impossible share": ("[conformal]\ncoverage = 1.2", "study.value", 9, "coverage = 1.2", "below 1"),
    "nothing masked": ("[pretrain]\nmask = 0.0", "study.value", 9, "mask = 0.0", "above 0"),
    "not a number": ("[pretrain]\nmask = nan", "study.value", 9, "mask = nan", "below 1"),
    "text for a number": (
        '[pretrain]\nepochs = "ten"',
        "study.type",
        9,
        "'ten' is not a whole number",
        "rounds",
    ),
    "a fraction of a round": ("[pretrain]\nepochs = 2.5", "study.type", 9, "2.5", "rounds"),
    "true for a number": ("[pretrain]\nepochs = true", "study.type", 9, "True", "rounds"),
    "a number for text": (('"mine"', "12"), "study.type", 2, "name = 12", "short name"),
    "a name with a slash": (('"mine"', '"a/b"'), "study.value", 2, "'a/b'", "letters"),
    "no name": (('name = "mine"', ""), "study.required", 1, "[study] needs 'name'", "short name"),
    "no tasks": (("[tasks.event]", ""), "study.required", None, "needs 'tasks'", "[tasks.NAME]"),
    "no data": (('[data]\ndataset = "virtual"\n', ""), "study.required", None, "needs 'data'", "[data]"),
    "unknown alignment": ('alignment = "covariates"', "study.value", 8, "covariates", "'covariate'"),
    "unknown modality": ('modalities = ["ekg"]', "study.value", 8, "ekg", "'ecg'"),
    "a modality twice": ('modalities = ["ecg", "ecg"]', "study.value", 8, "'ecg' twice", "once"),
    "no list": ('modalities = "ecg"', "study.type", 8, "list", "all there is"),
    "task name": ("[tasks.'a b']", "study.value", 8, "a b", "letters"),
    "shares above one": ("[split]\ntrain = 0.9", "study.value", 8, "add up to 1.3", "make 1"),
    "a share above one": ("[split]\ntest = 1.5", "study.value", 9, "test = 1.5", "between"),
    "folds and shares": ("[split]\ntrain = [1]", "study.value", 8, "mixes folds and shares", "all three"),
    "folds of virtual patients": (
        "[split]\ntrain = [1]\ncalibrate = [2]\ntest = [3]",
        "study.folds",
        8,
        "virtual has no folds",
        "shares",
    ),
    "columns of a published set": ("[columns.age]", "study.value", 8, "own columns", "folder"),
    "outcome of a published set": ('kind = "binary"', "study.value", 8, "brings its own kind", "leave"),
    "table of virtual patients": (
        (VIRTUAL[-14:], 'table = "x.csv"\n[tasks.event]'),
        "study.value",
        7,
        "table",
        "leave",
    ),
    "width": ("[cmaf]\nwidth = 33", "study.value", 9, "33 is not a multiple of 4", "32"),
    "corpus": ('[pretrain]\ncorpora = [{ dataset = "ludb" }]', "study.value", 9, "ludb", "code15"),
    "corpus key": (
        '[pretrain]\ncorpora = [{ dataset = "code15", pth = "x" }]',
        "study.key",
        9,
        "pth",
        "path",
    ),
    "a value for a section": (
        ("[tasks.event]", "[tasks]\nevent = 3"),
        "study.type",
        8,
        "tasks.event",
        "table",
    ),
    "unknown outcome": ("[tasks.evnt]", "study.outcome", 8, "'evnt'", "event"),
    "misspelt outcome": ('outcome = "finding"', "study.outcome", 8, "'finding'", "findings"),
    "no outcome at all": (("virtual", "code15"), "study.value", 5, "code15 has no outcome", "corpora"),
    "syntax": ("alignment = matched", "study.toml", 8, "line 8", "quotes"),
    "twice": ("[study]\nname = 'again'", "study.toml", 8, "twice", "quotes"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gives_one_clear_line(mistake: str) -> None:
    change, code, line, words, hint = MISTAKES[mistake]
    text = VIRTUAL + change if isinstance(change, str) else VIRTUAL.replace(*change)
    error = refusal(text)
    assert error.code == code
    assert words in error.message
    assert hint in error.hint
    if line is not None and mistake != "twice":
        assert f"line {line}" in error.message


OWN_MISTAKES = {
    "no patient column": (('patient = "pid"\n', ""), "study.required", "'patient'"),
    "folder without the ECG column": (('ecg = "file"\n', ""), "study.required", "'ecg'"),
    "one category": (('["female", "male"]', '["female"]'), "study.required", "'categories'"),
    "code of no category": (('2 = "male"', '2 = "mael"'), "study.category", "mael"),
    "codes that are numbers": (('2 = "male"', "2 = 3"), "study.type", "names in braces"),
    "unit of a category": (
        ('categories = ["female', 'unit = "kg"\ncategories = ["female'),
        "study.value",
        "no unit",
    ),
    "range upside down": (("low = 18", "low = 180"), "study.value", "low = 180 is not below high = 110"),
    "ordered number": (("high = 110", "high = 110\nordered = true"), "study.value", "ordered"),
    "outcome among the columns": (('"Age at visit"', '"died"'), "study.leak", "outcome of death"),
    "patient among the columns": (('"Age at visit"', '"pid"'), "study.value", "pid"),
    "three labels": (('["alive", "dead"]', '["a", "b", "c"]'), "study.value", "2 labels, not 3"),
    "no labels": (('labels = ["alive", "dead"]\n', ""), "study.required", "'labels'"),
    "no kind": (('kind = "binary"\n', ""), "study.required", "'kind'"),
    "present and absent": (('present = ["1", "yes"]', 'present = ["no"]'), "study.value", "'no' means both"),
    "no outcome column": (('column = "died"\n', ""), "study.required", "'column'"),
    "columns and labels differ": (
        ('columns = ["mi", "cd"]', 'columns = ["mi"]'),
        "study.required",
        "'columns'",
    ),
    "patients": (
        ('path = "cohort"', 'path = "cohort"\npatients = 300'),
        "study.value",
        "virtual patients only",
    ),
    "published outcome": (('column = "died"', 'column = "died"\noutcome = "x"'), "study.value", "published"),
    "column name": (("[columns.age]", '[columns."a=b"]'), "study.value", "a=b"),
}


@pytest.mark.parametrize("mistake", OWN_MISTAKES)
def test_a_mistake_in_a_cohort_of_ones_own(mistake: str) -> None:
    change, code, words = OWN_MISTAKES[mistake]
    assert change[0] in OWN
    error = refusal(OWN.replace(*change))
    assert error.code == code
    assert words in error.message
    assert "line" in error.message


@pytest.mark.parametrize(
    ("train", "calibrate", "words"),
    [
        ("[1, 2]", "[2, 3]", "fold 2 is in train and in calibrate"),
        ("[1, 1]", "[2]", "1 twice"),
        ("[]", "[2]", "no folds"),
    ],
)
def test_folds_that_make_no_sense(train: str, calibrate: str, words: str) -> None:
    error = refusal(f"{PTB}[split]\ntrain = {train}\ncalibrate = {calibrate}\ntest = [10]\n")
    assert words in error.message


def test_ecgs_that_are_not_there() -> None:
    text = VIRTUAL.replace("virtual", "cardio70k").replace("event", "cardio")
    assert parse(text).tasks[0].modalities == ()
    assert refusal(text + 'modalities = ["ecg"]').code == "study.alignment"
    error = refusal(text + 'alignment = "covariate"')
    assert (error.code, "corpora" in error.hint) == ("study.alignment", True)


def test_own_folds_need_the_fold_column() -> None:
    folds = "[split]\ntrain = [1]\ncalibrate = [2]\ntest = [3]\n"
    assert refusal(OWN + folds).code == "study.folds"
    assert parse(OWN.replace('patient = "pid"', 'patient = "pid"\nfold = "k"') + folds).split.train == (1,)


def test_where_the_data_is(tmp_path: Path) -> None:
    study = parse_study(PTB.replace('"ptb-xl"', '"ptb-xl"\npath = "../d/${PLACE}"'), tmp_path / "s.toml")
    assert study.folder_of(study.data, {"PLACE": "x"}) == tmp_path / "../d/x"
    assert study.folder_of(study.data, {"CARDIOFUSION_DATA": "/data"}) == Path("/data/ptb-xl")
    with pytest.raises(StudyError, match="PLACE"):
        study.folder_of(study.data, {})
    pathless = parse_study(PTB, tmp_path / "s.toml")
    with pytest.raises(StudyError, match="CARDIOFUSION_DATA"):
        pathless.folder_of(pathless.data, {})
    own = parse_study(OWN, tmp_path / "s.toml")
    assert own.folder_of(own.data, {"CARDIOFUSION_DATA": "/data"}) == tmp_path / "cohort"


@pytest.mark.data
def test_our_studies_find_the_data(data_dir: Path) -> None:
    for name in ("ptb-xl", "original"):
        study = read_study(STUDIES / f"{name}.toml")
        sources = (study.data, *study.pretrain.corpora)
        assert all(
            study.folder_of(source, {"CARDIOFUSION_DATA": str(data_dir)}).is_dir() for source in sources
        )


def test_fingerprints_follow_what_matters() -> None:
    study = parse(VIRTUAL)
    retitled = parse("# a comment\n" + VIRTUAL.replace('"mine"', '"mine"\ntitle = "T"'))
    assert study.fingerprint("data", "pretrain") == retitled.fingerprint("data", "pretrain")
    longer = parse(VIRTUAL + "[pretrain]\nepochs = 21\n")
    assert study.fingerprint("data") == longer.fingerprint("data")
    assert study.fingerprint("data", "pretrain") != longer.fingerprint("data", "pretrain")
    assert study.fingerprint("data") != study.fingerprint("data", extra={"rows": 3})
    assert study.fingerprint("data") != parse(VIRTUAL.replace('"mine"', '"mine"\nseed = 8')).fingerprint(
        "data"
    )
    assert parse(OWN).fingerprint("columns", "tasks") == parse(OWN).fingerprint("tasks", "columns")


def test_files_that_are_no_study(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'[study]\nname = "caf\xe9"')
    (tmp_path / "huge.toml").write_bytes(b"#" * (MAX_STUDY_BYTES + 1))
    (tmp_path / "deep.toml").write_bytes(b"a = " + b"[" * 100_000)
    for name, code in [
        ("latin.toml", "study.text"),
        ("huge.toml", "study.text"),
        ("deep.toml", "study.toml"),
        ("nowhere.toml", "study.missing"),
        (".", "study.missing"),
    ]:
        with pytest.raises(StudyError) as caught:
            read_study(tmp_path / name)
        assert caught.value.code == code


def test_a_windows_editor_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b"\xef\xbb\xbf" + VIRTUAL.replace("\n", "\r\n").encode())
    assert read_study(tmp_path / "s.toml").name == "mine"


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_damaged_file_never_gives_a_traceback(data: st.DataObject) -> None:
    text = OWN + "[split]\ntrain = 0.6\n[pretrain]\ncorpora = [{ dataset = 'folder', path = 'x' }]\n"
    position = data.draw(st.integers(0, len(text) - 1))
    length = data.draw(st.integers(0, 12))
    inserted = data.draw(st.text(string.printable, max_size=6))
    damaged = text[:position] + inserted + text[position + length :]
    with suppress(StudyError):
        assert parse(damaged).text == damaged
