"""`backup` and `restore`: everything a clinic keeps, in one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardiofusion.cli.progress import ConsoleReporter
from cardiofusion.records import ExtraMissingError, InputError

if TYPE_CHECKING:
    from cardiofusion.serve import Settings
    from cardiofusion.serve.archive import Manifest
    from cardiofusion.serve.store import Store

PATH = click.Path(path_type=Path)


def _where(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which clinic is meant, as `serve` has them."""
    for option in (
        click.option("--database", metavar="URL", help="PostgreSQL in place of SQLite"),
        click.option("--settings", "file", type=PATH, metavar="FILE.toml", help="the server's settings"),
        click.option(
            "--data", type=PATH, metavar="DIR", help="the folder that holds everything [default: the user's]"
        ),
    ):
        command = option(command)
    return command


@contextmanager
def _extra() -> Iterator[None]:
    """Turn a missing package of the clinic application into what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cardiofusion"):
            raise
        raise ExtraMissingError("the clinic application", "serve") from error


@click.command()
@click.argument("path", type=PATH, metavar="FILE")
@_where
def backup(path: Path, file: Path | None, **given: Any) -> None:
    """Write everything that a clinic keeps into FILE, while its server runs or not.

    A backup is not encrypted and holds patients' data. In it are the original files, all tables, the audit
    log and who may sign in; not the settings file and not the bundle. The hash that is printed stands for all
    of it: keep it elsewhere, and give it to `restore --expect`.
    """
    with _extra(), ConsoleReporter() as reporter:
        from cardiofusion.serve import read_settings
        from cardiofusion.serve.audit import Audit
        from cardiofusion.serve.backup import NOT_ENCRYPTED, back_up

        settings = read_settings(file, given)
        _demand_clinic(settings.data)
        reporter.stage("backup", False)
        with _opened(settings) as store:
            manifest = back_up(store, path, reporter.step)
            Audit(store.engine).write("local", "backup.made", manifest.sha256)
    click.echo(f"{path}: {_counted(manifest)}\nhash: {manifest.sha256}")
    _warn(f"{NOT_ENCRYPTED}", *_lost(manifest))


@click.command()
@click.argument("path", type=PATH, metavar="FILE")
@click.option("--expect", metavar="HASH", help="the hash that `backup` printed: any other backup is refused")
@_where
def restore(path: Path, expect: str | None, file: Path | None, **given: Any) -> None:
    """Fill an empty data folder from a backup, and an empty database of either kind: so a clinic moves, too.

    The backup is verified to its last byte before anything is written. Nothing is overwritten: a folder or a
    database that holds something is refused.
    """
    with _extra(), ConsoleReporter() as reporter:
        from cardiofusion.serve import read_settings
        from cardiofusion.serve.audit import Audit
        from cardiofusion.serve.restoring import restore as run

        settings = read_settings(file, given)
        reporter.stage("restore", False)
        manifest = run(path, settings, reporter.step, expect)
    click.echo(f"{settings.data}: {_counted(manifest)}, as of {manifest.head.created}")
    _warn(*_lost(manifest))
    with _opened(settings) as store:
        audit = Audit(store.engine)
        audit.write("local", "backup.restored", manifest.sha256)
        click.echo(f"audit log: whole, head {audit.verify().head}")


@contextmanager
def _opened(settings: Settings) -> Iterator[Store]:
    from cardiofusion.serve.store import Store

    store = Store(settings.data, settings.database_url)
    try:
        yield store
    finally:
        store.close()


def _demand_clinic(folder: Path) -> None:
    """A backup of a folder that was mistyped would be whole, and empty."""
    if not (folder / "originals").is_dir():
        raise InputError(
            "backup.nothing",
            f"{folder.name} is no data folder of a clinic",
            "name it with --data or --settings",
        )


def _counted(manifest: Manifest) -> str:
    files = sum(name.startswith("originals/") for name in manifest.members)
    size = sum(size for size, _ in manifest.members.values())
    return f"{manifest.rows['ecg_case']:,} cases, {files:,} files, {size / 1e6:,.1f} MB"


def _lost(manifest: Manifest) -> list[str]:
    if not manifest.lost:
        return []
    names = ", ".join(name[:12] for name in manifest.lost)
    return [f"{len(manifest.lost)} original files are gone or damaged, their cases are kept: {names}"]


def _warn(*lines: str) -> None:
    for line in lines:
        click.echo(f"WARNING: {line}", err=True)
