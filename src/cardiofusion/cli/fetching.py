"""`data fetch`: the only command that uses the network."""

from __future__ import annotations

from pathlib import Path

import click

from cardiofusion.cli.progress import ConsoleReporter


@click.group()
def data() -> None:
    """Published data sets."""


@data.command("fetch")
@click.argument("name", metavar="NAME")
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR", help="the folder to fill"
)
@click.option(
    "--rate", type=click.Choice(["100", "500"]), default="100", show_default=True, help="sampling rate, Hz"
)
@click.option("--base-url", metavar="URL", help="a mirror (default: the publisher's server)")
def fetch(name: str, folder: Path, rate: str, base_url: str | None) -> None:
    """Download a published data set, checked file by file; one that was stopped goes on. NAME: ptb-xl."""
    from cardiofusion.datasets import fetch_dataset

    with ConsoleReporter() as reporter:
        reporter.stage("fetch", False)
        fetched = fetch_dataset(name, folder, int(rate), base_url, reporter.step)
    click.echo(f"{folder}: {fetched.title} complete, {fetched.files:,} files ({fetched.new:,} fetched now)")
