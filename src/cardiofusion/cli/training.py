"""`train`, `pretrain`, `study new` and `demo`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from cardiofusion.bundle import read_bundle
from cardiofusion.cli.progress import ConsoleReporter
from cardiofusion.records import ExtraMissingError, InputError, StorageError, write_text

CORPORA = ("code15", "ptb-xl", "folder")
PATH = click.Path(path_type=Path)


@click.command()
@click.argument("study_file", type=PATH, metavar="STUDY.toml")
@click.option("--out", required=True, type=PATH, metavar="BUNDLE", help="the folder to write the bundle to")
@click.option("--work", type=PATH, metavar="DIR", help="where stages are kept (default: BUNDLE.work)")
def train(study_file: Path, out: Path, work: Path | None) -> None:
    """Train a bundle from a study file; a run that was stopped goes on where it was."""
    from cardiofusion.study import read_study

    _train(read_study(study_file), out, work)


@click.command()
@click.option("--out", required=True, type=PATH, metavar="DIR", help="the folder to write the encoder to")
@click.option(
    "--corpus",
    "corpora",
    multiple=True,
    metavar="DATASET=DIR",
    help="ECGs without labels: code15=DIR, ptb-xl=DIR or folder=DIR; may be given again",
)
@click.option(
    "--setting",
    type=click.Choice(["laptop", "shipped"]),
    default="laptop",
    show_default=True,
    help="a quarter of an hour, or as long as the shipped encoder learnt",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=7, show_default=True, help="of every choice"
)
@click.option("--threads", type=click.IntRange(1, 256), default=2, show_default=True, help="CPU threads")
def pretrain(out: Path, corpora: tuple[str, ...], setting: str, seed: int, threads: int) -> None:
    """Pretrain the ECG encoder on virtual patients and unlabelled ECGs; stopped, it goes on where it was."""
    named = [_corpus(given) for given in corpora]
    with _training_extra():
        from cardiofusion.study import SETTINGS, load_corpus, pretrain_alone
    loaded = [load_corpus(dataset, folder) for dataset, folder in named]
    with ConsoleReporter() as reporter:
        card = pretrain_alone(SETTINGS[setting], loaded, out, reporter, seed, threads)
    click.echo(
        f"encoder     {out / 'encoder.safetensors'}  (sha256 {card['sha256']['encoder.safetensors'][:12]}...)"
    )
    click.echo(f"parameters  {sum(card['parameters'].values()):,}")
    click.echo(
        f"learnt from {card['usable_ecgs']:,} real ECGs and {card['data'][-1]['n_recordings']:,} virtual ones"
    )
    click.echo(f"cost        {card['minutes']} min")


def _corpus(given: str) -> tuple[str, Path]:
    dataset, sign, folder = given.partition("=")
    if not sign or dataset not in CORPORA or not folder:
        raise InputError(
            "input.corpus",
            f"--corpus {given} names no data set and folder",
            f"DATASET is {', '.join(CORPORA)}",
        )
    return dataset, Path(folder)


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=PATH, metavar="BUNDLE...")
@click.option("--out", required=True, type=PATH, metavar="BUNDLE", help="the folder to write the bundle to")
@click.option("--name", required=True, metavar="NAME", help="short name of the new bundle")
@click.option("--title", default="", metavar="WORDS", help="one line for its card")
def combine(bundles: tuple[Path, ...], out: Path, name: str, title: str) -> None:
    """One bundle that answers what several answer; they must share an encoder."""
    from cardiofusion.study import combine_bundles

    digest = combine_bundles(bundles, out, name, title)
    click.echo(f"bundle      {out}  (sha256 {digest[:12]}...)")


@click.group()
def study() -> None:
    """Study files."""


@study.command("new")
@click.argument("table", type=PATH, metavar="TABLE")
@click.option("--ecg", "ecg_folder", type=PATH, metavar="DIR", help="the folder that holds the ECG files")
@click.option("--out", type=PATH, default=Path("study.toml"), show_default=True, help="the file to write")
@click.option("--force", is_flag=True, help="replace the file where it exists")
def study_new(table: Path, ecg_folder: Path | None, out: Path, force: bool) -> None:
    """Write a commented study file from a look at a CSV or Parquet table."""
    from cardiofusion.study import new_study

    if out.exists() and not force:
        raise StorageError(
            "storage.exists", f"{out.name} exists already", "add --force, or name another file with --out"
        )
    write_text(out, new_study(table, ecg_folder, out))
    click.echo(f"wrote {out}: check its guesses, then: cardiofusion train {out} --out bundle")


@click.command()
@click.option("--out", type=PATH, default=Path("demo"), show_default=True, help="the folder to write to")
def demo(out: Path) -> None:
    """Virtual patients, all stages trained on them, one assessed: needs no data and no network."""
    from importlib.resources import as_file, files

    from cardiofusion.study import read_study
    from cardiofusion.study.demonstration import assess_newcomer

    started = time.monotonic()
    with as_file(files("cardiofusion.study").joinpath("virtual.toml")) as path:
        plan = read_study(path)
    _train(plan, out / "bundle", out / "work")
    click.echo(assess_newcomer(plan, out))
    click.echo(f"\nThe whole demo took {time.monotonic() - started:.0f} s.")


def _train(plan: object, out: Path, work: Path | None) -> None:
    from cardiofusion.study import Study

    assert isinstance(plan, Study)
    with _training_extra():
        from cardiofusion.study import report_path, train_study
    with ConsoleReporter() as reporter:
        digest = train_study(plan, out, reporter, work)
    manifest = read_bundle(out, digest).manifest
    spent, memory = sum(manifest.stages.values()), manifest.details["peak_memory_mib"]
    click.echo(f"bundle      {out}  (sha256 {digest[:12]}...)")
    click.echo(f"report      {report_path(out)}")
    click.echo(f"parameters  {manifest.total_parameters:,} trained in all networks of the bundle")
    click.echo(f"cost        {spent / 60:.1f} min in its stages, peak memory {memory:,} MiB")
    for line in manifest.details["notes"]:
        click.echo(f"finding     {line}")


@contextmanager
def _training_extra() -> Iterator[None]:
    """Says which extra to install where training's packages are not there."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cardiofusion"):
            raise  # a mistake of ours, not a package that is not there
        raise ExtraMissingError("training", "train") from error
