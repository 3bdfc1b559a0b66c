"""`serve`: the clinic application."""

from __future__ import annotations

from pathlib import Path

import click

PATH = click.Path(path_type=Path)


@click.command()
@click.option(
    "--data", type=PATH, metavar="DIR", help="the folder that holds everything [default: the user's]"
)
@click.option(
    "--settings", "file", type=PATH, metavar="FILE.toml", help="settings of a server (docs/clinic.md)"
)
@click.option("--bundle", metavar="BUNDLE", help="a folder or a shipped name [default: reference]")
@click.option("--host", metavar="ADDRESS", help="where to listen [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 takes any that is free [default: 8321]")
@click.option("--database", metavar="URL", help="PostgreSQL in place of SQLite: postgresql://user@host/name")
@click.option("--shared", is_flag=True, default=None, help="people sign in (see `cardiofusion users`)")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    help="processes that read and examine ECGs [default: 1, or 2 where there are 3 cores]",
)
@click.option("--dicom-port", type=click.IntRange(1, 65535), help="receive ECGs by DICOM C-STORE")
@click.option("--examples/--no-examples", default=None, help="virtual patients on the first worklist")
@click.option("--browser/--no-browser", default=True, help="open the browser on the worklist")
def serve(file: Path | None, browser: bool, **given: object) -> None:
    """Serve the clinic application on this machine: worklist, sheets, API, FHIR.

    The address that is printed holds the token of this start: whoever has it may use the server. No page
    fetches anything from elsewhere, and every file stays in the data folder.
    """
    from cardiofusion.records import ExtraMissingError

    try:
        from cardiofusion.serve import read_settings
        from cardiofusion.serve.server import serve as run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cardiofusion"):
            raise
        raise ExtraMissingError("the clinic application", "serve") from error
    run(read_settings(file, given), click.echo, browser)
