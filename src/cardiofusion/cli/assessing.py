"""`assess`, `embed` and `inspect`: what runs without torch."""

from __future__ import annotations

import json
from pathlib import Path

import click

from cardiofusion.cli.clinical import read_clinical, read_settings
from cardiofusion.cli.progress import ConsoleReporter
from cardiofusion.records import Assessment, InputError, Recording, RecordingError, write_text

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("bundle", type=PATH, metavar="[BUNDLE]", required=False)
@click.option("--ecg", type=PATH, metavar="FILE", help="an ECG file")
@click.option("--clinical", type=PATH, metavar="FILE", help="a clinical row: CSV with one row, or JSON")
@click.option(
    "--set", "settings", multiple=True, metavar="NAME=VALUE", help="a clinical value: age=61, weight=180lb"
)
@click.option("--json", "as_json", is_flag=True, help="print the whole assessment as JSON")
@click.option("--html", type=PATH, metavar="FILE", help="write one self-contained sheet")
@click.option("--expect-hash", metavar="SHA256", help="refuse any bundle but this one")
def assess(
    bundle: Path | None,
    ecg: Path | None,
    clinical: Path | None,
    settings: tuple[str, ...],
    as_json: bool,
    html: Path | None,
    expect_hash: str | None,
) -> None:
    """Assess one patient from an ECG, a clinical row, or both.

    BUNDLE is a folder, or the name of a bundle that comes with the package: `reference` (where none is
    named) or `original`.

    An ECG that is unfit for reading is still answered, with why and what to do at the bedside; where there is
    no clinical row either, the command then ends with exit code 2.

    Values go by the names of the bundle's columns. Published risk scores (Framingham, SCORE2, PREVENT ...)
    stand beside the model where all that they ask for is there; for them these names are taken too:

    \b
    age, sex, height, weight, bmi, systolic, egfr
    total_cholesterol, hdl_cholesterol   5.2 (mmol/L) or 200mg/dL
    smoking, diabetes, pressure_treatment, statin, cardiovascular_disease   yes or no
    race           white, black, other
    risk_region    low, moderate, high, very high (SCORE2)
    who_region     (WHO 2019) north africa and middle east, central sub-saharan africa,
                   eastern, southern or western sub-saharan africa, andean latin america,
                   central, southern or tropical latin america, caribbean, high-income
                   north america, high-income asia pacific, central asia, east asia,
                   south asia, southeast asia, central, eastern or western europe,
                   australasia, oceania
    """
    from cardiofusion.readers import read_recording
    from cardiofusion.runtime import System

    system = System.load(bundle, expect_hash)
    row = {**(read_clinical(clinical) if clinical else {}), **read_settings(settings)}
    recording = read_recording(ecg) if ecg else None
    assessment = system.assess(recording, row)
    if html:
        _write_sheet(html, assessment, recording)
    _print(assessment, as_json, html)
    _refuse_unfit(assessment)


def _write_sheet(place: Path, assessment: Assessment, recording: Recording | None) -> None:
    from cardiofusion.report import patient_sheet

    write_text(place, patient_sheet(assessment, recording))


def _print(assessment: Assessment, as_json: bool, sheet: Path | None) -> None:
    """In words, with where the sheet lies, or as JSON, with nothing beside it."""
    from cardiofusion.report import assessment_text

    if as_json:
        click.echo(json.dumps(assessment.to_json(), indent=1, allow_nan=False))
        return
    click.echo(assessment_text(assessment))
    if sheet:
        click.echo(f"\nsheet: {sheet}")


def _refuse_unfit(assessment: Assessment) -> None:
    """Exit code 2 for an ECG that cannot be read, where nothing else was there to be answered from."""
    if assessment.tasks or assessment.quality is None or not assessment.quality.reasons:
        return
    raise RecordingError(
        "recording.unfit",
        f"this ECG is unfit for reading: {' '.join(assessment.quality.reasons)}",
        "record it again, or give a clinical row",
    )


@click.command()
@click.option("--dataset", metavar="NAME", help="a published data set: ptb-xl or code15")
@click.option("--data", type=PATH, metavar="DIR", help="the data set's folder")
@click.option("--ecg", type=PATH, metavar="PATH", help="an ECG file, or any folder of them")
@click.option("--bundle", type=PATH, metavar="BUNDLE", help="whose encoder to use (default: the shipped one)")
@click.option("--out", required=True, type=PATH, metavar="FILE.npz", help="the file to write")
def embed(dataset: str | None, data: Path | None, ecg: Path | None, bundle: Path | None, out: Path) -> None:
    """Embeddings of many ECGs: arrays ids, embedding [n, d] and quality; refusals in FILE.errors.csv.

    The shipped encoder gives 87 numbers. The last 7 rank the ECGs by findings: abnormal, infarction, ST-T
    change, conduction disturbance, hypertrophy, fibrillation or flutter, ectopic beats.
    """
    from cardiofusion.runtime import Encoder, System, embed_to_file
    from cardiofusion.tmae import shipped_encoder

    sources = _sources(dataset, data, ecg)
    encoder = System.load(bundle).encoder if bundle else Encoder(shipped_encoder())
    with ConsoleReporter() as reporter:
        reporter.stage("embed", False)
        embedded, refused = embed_to_file(encoder, sources, out, reporter.step)
    click.echo(
        f"{out}: {embedded} embedded, {refused} refused"
        + (f" (see {out.name}.errors.csv)" if refused else "")
    )


def _sources(dataset: str | None, data: Path | None, ecg: Path | None) -> list:  # type: ignore[type-arg]
    from cardiofusion.datasets import load_dataset
    from cardiofusion.readers import RecordingFile, find_recordings, read_recording

    if (dataset is None) == (ecg is None):
        raise InputError(
            "input.which", "give either --dataset with --data, or --ecg", "cardiofusion embed --help"
        )
    if ecg is not None and ecg.is_file():
        read_recording(ecg)  # the only one that was asked for: what is wrong with it is the answer
        return [RecordingFile(ecg, record_id=ecg.stem)]
    if ecg is not None:
        return [
            RecordingFile(path, record_id=str(path.relative_to(ecg).with_suffix("")))
            for path in find_recordings(ecg)
        ]
    if data is None:
        raise InputError("input.folder", f"where is {dataset}?", "add --data DIR")
    return list(load_dataset(str(dataset), data).recordings)


@click.command()
@click.argument("path", type=PATH)
@click.option("--json", "as_json", is_flag=True, help="print JSON")
def inspect(path: Path, as_json: bool) -> None:
    """What an ECG file or a bundle is, checked."""
    from cardiofusion.runtime.inspection import describe, describe_text

    found = describe(path)
    click.echo(json.dumps(found, indent=1, allow_nan=False) if as_json else describe_text(found))
