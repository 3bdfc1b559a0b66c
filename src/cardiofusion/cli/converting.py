"""`convert`: ECG files from one format into another."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import click

from cardiofusion.cli.progress import ConsoleReporter
from cardiofusion.records import InputError

PATH = click.Path(path_type=Path)
PATIENCE = 5.0  # s of work before progress is shown
REFUSED = 2  # exit code where some files were refused


@click.command()
@click.argument("source", type=PATH, metavar="IN")
@click.argument("target", type=PATH, metavar="OUT")
@click.option(
    "--format",
    "kind",
    metavar="NAME",
    help="wfdb, edf, dicom, aecg, fhir or csv (default: by OUT's suffix); needed where OUT is a folder",
)
@click.option("--deidentify", "private", is_flag=True, help="remove names, ids, dates and words (see above)")
@click.option(
    "--key", "key_file", type=PATH, metavar="FILE", help="the secret behind the new ids; made if absent"
)
@click.option("--force", is_flag=True, help="replace files that are there already")
def convert(
    source: Path, target: Path, kind: str | None, private: bool, key_file: Path | None, force: bool
) -> None:
    """Convert an ECG file, or all below a folder, into another format.

    OUT's suffix names the format: .hea (WFDB), .edf, .dcm, .xml (HL7 aECG), .json (FHIR), .csv. What was
    written is read back before it counts: a format that cannot keep samples, gaps, leads, rate, patient id,
    sex or time refuses; what else it has no place for (age, measurements, notes) is named. Of a folder, what
    is there already is kept; refusals are listed in OUT.errors.csv.

    --deidentify gives patients and records new ids and files new names, moves the dates of a patient by the
    same number of weeks, drops ages over 89 and all words. The same --key gives the same ids and dates
    again: keep it secret, and apart from the files. Without it, nobody can do that, you included.
    """
    from cardiofusion.writers import convert_file

    if key_file is not None and not private:
        raise InputError("convert.key", "--key is for --deidentify", "add --deidentify, or leave --key out")
    _check_format(source, target, kind)
    key = _key(source, target, key_file) if private else None
    if private and key_file is None:
        click.echo("the key of the new ids is not kept: another run gives others (--key FILE keeps one)")
    if source.is_dir() and kind is not None:
        _convert_folder(source, target, kind, key, force)
    else:
        done = convert_file(source, target, kind, key, force)
        click.echo(f"wrote {done.path}")
        if done.left_out:
            click.echo(f"not kept, or not in full: {', '.join(done.left_out)}")


def _check_format(source: Path, target: Path, kind: str | None) -> None:
    """Raises InputError where nothing names a format that we write: before a key is made."""
    from cardiofusion.writers import FORMAT_NAMES, writer_for

    if source.is_dir() and kind is None:
        raise InputError(
            "convert.format",
            "a folder does not say which format to write",
            f"add --format {', '.join(FORMAT_NAMES)}",
        )
    writer_for(target, kind)


def _key(source: Path, target: Path, key_file: Path | None) -> bytes:
    from cardiofusion.readers import find_recordings, read_recording
    from cardiofusion.writers import new_key, read_key

    if key_file is None:
        if source.is_dir() and target.is_dir() and any(target.iterdir()):
            raise InputError(
                "convert.key",
                f"{target.name} holds files already, and ids of another key cannot be told from its own",
                "add the --key of the earlier run, or name an empty folder",
            )
        return new_key()
    if target.resolve() in key_file.resolve().parents:
        raise InputError(
            "convert.key", "the key would lie among the files it protects", "keep it somewhere else"
        )
    if not key_file.exists():  # one is made, but not for what cannot be read
        (find_recordings if source.is_dir() else read_recording)(source)
    return read_key(key_file)


def _convert_folder(source: Path, target: Path, kind: str, key: bytes | None, force: bool) -> None:
    from cardiofusion.writers import convert_folder, errors_path

    with ConsoleReporter() as reporter:
        done = convert_folder(source, target, kind, key, force, _after_a_while(reporter))
    listed = f" (see {errors_path(target).name})" if done.refused else ""
    aside = f"; other files left aside: {done.aside}" if done.aside else ""
    click.echo(
        f"{target}: {done.written} written, {done.kept} kept, {len(done.refused)} refused{listed}{aside}"
    )
    if done.left_out:
        counted = ", ".join(f"{what} (in {count})" for what, count in done.left_out.items())
        click.echo(f"not kept, or not in full: {counted}")
    if done.refused:
        click.get_current_context().exit(REFUSED)


def _after_a_while(reporter: ConsoleReporter) -> Callable[[int, int], None]:
    """Steps that are shown once the work has taken a while."""
    began, shown = time.monotonic(), False

    def step(done: int, total: int) -> None:
        nonlocal shown
        if not shown and time.monotonic() - began > PATIENCE:
            reporter.stage("convert", False)
            shown = True
        if shown:
            reporter.step(done, total)

    return step
