"""Commands that work: what they print, what they write, and that every option is documented."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import click
import jsonschema
import numpy as np
import pytest

from cardiofusion import __version__
from cardiofusion.cli.main import commands
from cardiofusion.datasets import load_dataset
from cardiofusion.readers import find_recordings
from cardiofusion.records import NOTICE, assessment_schema
from cardiofusion.simulate import virtual_cohort
from cardiofusion.study import read_study
from cardiofusion.tabular import SCORE_INPUTS
from cardiofusion.writers import write_recording


def every_command(group=commands, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))
        yield (*path, name), command


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(p, c, id=" ".join(p)) for p, c in every_command()]
)
def test_help_documents_the_command_and_all_its_options(run, path, command):
    ran = run(*path, "--help")
    assert ran.code == 0
    assert command.help
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.name} is not documented"
            assert all(name in ran.out for name in option.opts)


def test_help_names_every_command_and_what_this_is_not(run):
    ran = run("--help")
    assert ran.code == 0
    assert set(commands.commands) == {
        *("assess", "combine", "convert", "data", "demo", "embed", "inspect", "pretrain", "study", "train"),
        *("audit", "backup", "restore", "serve", "users"),
    }
    assert all(name in ran.out for name in commands.commands)
    assert "Not a medical device" in " ".join(ran.out.split())


def test_version(run):
    ran = run("--version")
    assert ran.code == 0
    assert __version__ in ran.out


# --- assess ------------------------------------------------------------------------------------------------


def test_assess_reads_files_and_prints_words(run, tiny_bundle, virtual_patient):
    ran = run("assess", tiny_bundle, "--ecg", virtual_patient.header, "--clinical", virtual_patient.table)
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.startswith(NOTICE)
    for word in (
        "Answer: Event",
        "Answer: Findings",
        "Answer: Survival",
        "within 5 years",
        "Quality",
        "From",
    ):
        assert word in ran.out


def test_assess_is_the_library_function(run, tiny_bundle, tiny_system, virtual_patient):
    options = ("--ecg", virtual_patient.header, "--clinical", virtual_patient.table, "--json")
    ran = run("assess", tiny_bundle, *options)
    found = json.loads(ran.out)
    jsonschema.validate(found, assessment_schema())
    expected = tiny_system.assess(virtual_patient.recording, virtual_patient.row)
    for name, answer in expected.tasks.items():
        assert found["tasks"][name]["probability"] == pytest.approx(answer.probability, abs=1e-3)


@pytest.mark.parametrize(
    ("settings", "weight"),
    [
        (("weight=82kg",), 82.0),
        (("weight=180lb",), 81.6466),
        (("weight = 82",), 82.0),
        (("weight=82,5",), 82.5),
    ],
)
def test_assess_from_set_alone(run, tiny_bundle, settings, weight):
    given = [word for setting in ("age=61", "sex=male", *settings) for word in ("--set", setting)]
    ran = run("assess", tiny_bundle, *given, "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["patient"]["row"]["weight"]["value"] == pytest.approx(weight, abs=1e-3)
    assert found["patient"]["row"]["age"]["value"] == 61
    assert set(found["tasks"]["event"]["by_modality"]) == {"row"}
    assert "ecg" in found["missing"]


def test_assess_an_ecg_alone(run, tiny_bundle, virtual_patient):
    found = json.loads(run("assess", tiny_bundle, "--ecg", virtual_patient.header, "--json").out)
    assert set(found["tasks"]["event"]["by_modality"]) == {"ecg"}


def test_set_wins_over_the_file_and_json_rows_are_read(run, tiny_bundle, tmp_path):
    (tmp_path / "row.json").write_text('{"age": 50, "sex": "female", "cholesterol": null}', encoding="utf-8")
    ran = run("assess", tiny_bundle, "--clinical", tmp_path / "row.json", "--set", "age=61", "--json")
    row = json.loads(ran.out)["patient"]["row"]
    assert row["age"]["value"] == 61
    assert row["sex"]["value"] == "female"
    assert "cholesterol" not in row


def test_assess_writes_a_sheet(run, tiny_bundle, virtual_patient, tmp_path):
    sheet = tmp_path / "sheet.html"
    ran = run("assess", tiny_bundle, "--ecg", virtual_patient.header, "--html", sheet)
    assert ran.code == 0
    assert str(sheet) in ran.out
    text = sheet.read_text("utf-8")
    assert "<svg" in text
    assert "<script src" not in text


def test_assess_prints_published_scores_beside_the_model(run, tiny_bundle):
    words = (
        "age=55 sex=male height=180 weight=97.2kg systolic=140 smoker=no diabetes=no pressure_treatment=no"
    )
    given = [word for setting in words.split() for word in ("--set", setting)]
    ran = run("assess", tiny_bundle, *given)
    assert ran.code == 0
    section = " ".join(ran.out[ran.out.index("Published scores") :].split("\n\n")[0].split())
    assert "they answer other questions" in section
    assert "Framingham 2008 with body mass index 17 % in 10 years" in section
    assert (
        "missing: total_cholesterol, hdl_cholesterol, race, risk_region, who_region, egfr, statin" in section
    )
    found = json.loads(run("assess", tiny_bundle, *given, "--json").out)["scores"]
    assert [score["name"] for score in found["risks"]] == ["framingham_2008_office"]
    assert all(score["missing"] or score["outside"] for score in found["absent"])


def test_help_names_what_published_scores_ask_for(run):
    words = set(run("assess", "--help").out.replace(",", " ").split())
    assert set(SCORE_INPUTS.names) <= words
    assert {c for column in SCORE_INPUTS for c in " ".join(column.categories).split()} - words <= {
        "female",
        "male",
    }


def test_assess_json_stays_json_beside_a_sheet(run, tiny_bundle, virtual_patient, tmp_path):
    sheet = tmp_path / "sheet.html"
    ran = run("assess", tiny_bundle, "--ecg", virtual_patient.header, "--html", sheet, "--json")
    json.loads(ran.out)
    assert sheet.exists()


def test_a_warning_stands_before_any_number(run, tiny_bundle, virtual_patient):
    options = ("--ecg", virtual_patient.header, "--set", "age=99", "--set", "sex=male")
    ran = run("assess", tiny_bundle, *options)
    assert ran.code == 0
    assert 0 < ran.out.index("WRONG PATIENT?") < ran.out.index("Answer:")


def test_the_expected_hash_is_accepted(run, tiny_bundle, tiny_system):
    ran = run("assess", tiny_bundle, "--set", "age=61", "--expect-hash", tiny_system.bundle.hash)
    assert ran.code == 0


def test_the_installed_command_runs(tiny_bundle):
    done = subprocess.run(
        [sys.executable, "-c", "from cardiofusion.cli import main; main()", "assess", str(tiny_bundle),
         "--set", "age=61", "--json"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    jsonschema.validate(json.loads(done.stdout), assessment_schema())


# --- inspect -----------------------------------------------------------------------------------------------


def test_inspect_an_ecg(run, virtual_patient):
    found = json.loads(run("inspect", virtual_patient.header, "--json").out)
    assert found["what"] == "ecg"
    assert found["sampling_rate"] == 100.0
    assert found["unit"] == "mV"
    assert found["intervals"]["qrs"]["unit"] == "ms"
    assert set(found["amplitudes"]) == set(found["leads"])
    words = run("inspect", virtual_patient.header)
    assert words.code == 0
    assert "sampling rate: 100" in words.out
    assert f"  qrs: {found['intervals']['qrs']['value']:g} ms ± " in words.out


def test_inspect_an_unfit_ecg_measures_nothing(run, virtual_patient, tmp_path):
    signal = np.zeros_like(virtual_patient.recording.signal)
    header = write_recording(replace(virtual_patient.recording, signal=signal), tmp_path / "flat.hea")
    found = json.loads(run("inspect", header, "--json").out)
    assert found["quality"] == "unfit"
    assert found["intervals"] == found["amplitudes"] == {}
    assert found["rhythm"] is None


def test_inspect_a_bundle(run, tiny_bundle, tiny_system):
    found = json.loads(run("inspect", tiny_bundle, "--json").out)
    assert found["what"] == "bundle"
    assert found["hash"] == tiny_system.bundle.hash
    assert [task["name"] for task in found["tasks"]] == ["event", "findings", "survival"]
    words = run("inspect", tiny_bundle)
    assert words.code == 0
    assert tiny_system.bundle.hash in words.out


# --- embed -------------------------------------------------------------------------------------------------


def test_embed_a_folder_with_a_corrupt_record_among_good_ones(run, tiny_bundle, tmp_path):
    folder, out = tmp_path / "ecgs", tmp_path / "e.npz"
    for k, source in enumerate(virtual_cohort(6, 20_015).recordings):
        write_recording(source.read(), folder / ("b" if k % 2 else "a") / f"{source.record_id}.hea")
    broken = find_recordings(folder)[2]
    broken.with_suffix(".dat").write_bytes(b"\1" * 300)
    ran = run("embed", "--bundle", tiny_bundle, "--ecg", folder, "--out", out)
    assert ran.code == 0
    assert "5 embedded, 1 refused" in ran.out
    ids = [
        str(path.relative_to(folder).with_suffix("")) for path in find_recordings(folder) if path != broken
    ]
    with np.load(out, allow_pickle=False) as found:
        assert found["ids"].tolist() == ids
        assert found["embedding"].shape[0] == len(found["quality"]) == 5
    with (tmp_path / "e.npz.errors.csv").open(newline="") as handle:
        (listed,) = csv.DictReader(handle)
    assert listed["record"] == str(broken.relative_to(folder).with_suffix(""))
    assert listed["code"].startswith("recording.")
    assert zipfile.is_zipfile(out)


def test_embed_one_file(run, tmp_path):
    """With the shipped encoder, as README shows it for a folder."""
    (source,) = virtual_cohort(1, 20_016).recordings
    header = write_recording(source.read(), tmp_path / "ecgs" / f"{source.record_id}.hea")
    assert "1 embedded, 0 refused" in run("embed", "--ecg", header, "--out", tmp_path / "one.npz").out
    run("embed", "--ecg", tmp_path / "ecgs", "--out", tmp_path / "all.npz")
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "all.npz") as everything:
        assert one["ids"].tolist() == everything["ids"].tolist()
        assert np.array_equal(one["embedding"], everything["embedding"])


@pytest.fixture
def part_of_ptb_xl(data_dir, tmp_path):
    """PTB-XL with 24 of its records, in an order that is not that of their numbers."""
    whole, part = data_dir / "ptb-xl", tmp_path / "ptb-xl"
    part.mkdir()
    for path in whole.iterdir():
        if path.name != "ptbxl_database.csv":
            (part / path.name).symlink_to(path)
    with (whole / "ptbxl_database.csv").open(newline="", encoding="utf-8") as handle:
        heading, *rows = csv.reader(handle)
    chosen = np.random.default_rng(2).permutation(len(rows))[:24]
    with (part / "ptbxl_database.csv").open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([heading, *(rows[k] for k in chosen)])
    return part


@pytest.mark.data
def test_embed_ptb_xl_in_the_order_of_the_data_set(run, tiny_bundle, part_of_ptb_xl, tmp_path):
    out = tmp_path / "ptb.npz"
    options = ("--dataset", "ptb-xl", "--data", part_of_ptb_xl, "--bundle", tiny_bundle, "--out", out)
    assert run("embed", *options).code == 0
    with (tmp_path / "ptb.npz.errors.csv").open(newline="") as handle:
        refused = {row["record"] for row in csv.DictReader(handle)}
    order = [source.record_id for source in load_dataset("ptb-xl", part_of_ptb_xl).recordings]
    assert order != sorted(order, key=int)
    with np.load(out, allow_pickle=False) as found:
        assert found["ids"].tolist() == [name for name in order if name not in refused]
        assert np.isfinite(found["embedding"]).all()


# --- study new ---------------------------------------------------------------------------------------------


def test_study_new_writes_a_file_that_is_read(run, tmp_path):
    table = tmp_path / "clinic.csv"
    rows = [f"P{k},{40 + k % 40},{'mf'[k % 2]},{k % 3 == 0:d}" for k in range(60)]
    table.write_text("\n".join(["patient,age,sex,died", *rows]), encoding="utf-8")
    out = tmp_path / "mine.toml"
    ran = run("study", "new", table, "--out", out)
    assert ran.code == 0
    assert str(out) in ran.out
    assert {column.name for column in read_study(out).columns} == {"age", "sex"}


# --- data fetch --------------------------------------------------------------------------------------------


def test_data_fetch_says_what_it_did_and_is_done_the_second_time(run, mirror, tmp_path):
    folder = tmp_path / "ptb-xl"
    command = ("data", "fetch", "ptb-xl", "--to", folder, "--base-url", mirror.url)
    ran = run(*command)
    assert ran.code == 0
    assert ran.out == f"{folder}: PTB-XL 1.0.3 complete, 8 files (8 fetched now)\n"
    assert (folder / "records100" / "00000" / "00001_lr.hea").exists()
    assert "8 files (0 fetched now)" in run(*command).out
    assert "8 files (4 fetched now)" in run(*command, "--rate", "500").out
    assert (folder / "records500" / "00000" / "00001_hr.hea").exists()
