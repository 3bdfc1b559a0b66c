"""`audit`: is the log of who did what still whole, and what does it say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from cardiofusion.cli.accounts import of_a_server, opened

if TYPE_CHECKING:
    from cardiofusion.serve.audit import Line


@click.group()
def audit() -> None:
    """The log of who did what: without patients' names, and changes to it show."""


@audit.command("verify")
@click.option("--expect-head", metavar="SEQ:HASH", help="a head printed earlier and kept elsewhere")
@of_a_server
def verify(server: Any, expect_head: str | None) -> None:
    """Go through the whole log; the first line that was changed, removed or moved is named.

    Keep the head that is printed on paper or another machine: whoever can write to the database could write
    the log anew, and only an earlier head shows that.
    """
    with opened(server) as (_, log):
        verified = log.verify(expect_head)
    click.echo(f"{verified.lines:,} lines, each as it was written")
    click.echo(f"head: {verified.head}")


@audit.command("show")
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="how many of the newest")
@click.option("--json", "as_json", is_flag=True, help="all lines, each as a JSON object, the oldest first")
@of_a_server
def show(server: Any, last: int, as_json: bool) -> None:
    """The newest lines, the newest last."""
    with opened(server) as (_, log):
        for line in log.lines() if as_json else reversed(log.last(last)):
            fields = {**vars(line), "time": line.time.isoformat(timespec="microseconds")}
            click.echo(json.dumps(fields) if as_json else _line(line))


def _line(line: Line) -> str:
    detail = (f"{name}={value}" for name, value in line.detail.items())
    moment = f"{line.time:%Y-%m-%d %H:%M:%S}"
    return " ".join([str(line.seq), moment, line.actor, line.action, line.subject, *detail]).rstrip()
