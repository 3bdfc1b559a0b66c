"""`cardiofusion`: the group of commands, and what a mistake looks like."""

from __future__ import annotations

import sys

import click

from cardiofusion import __version__
from cardiofusion.cli.accounts import users
from cardiofusion.cli.assessing import assess, embed, inspect
from cardiofusion.cli.auditing import audit
from cardiofusion.cli.converting import convert
from cardiofusion.cli.fetching import data
from cardiofusion.cli.keeping import backup, restore
from cardiofusion.cli.serving import serve
from cardiofusion.cli.training import combine, demo, pretrain, study, train
from cardiofusion.records import NOTICE, CardioFusionError

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells have it


@click.group(epilog=NOTICE, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cardiofusion")
def commands() -> None:
    """ECG and clinical row to sets of labels with a guarantee: on a CPU, offline."""


for command in (
    *(assess, audit, backup, combine, convert, data, demo, embed, inspect),
    *(pretrain, restore, serve, study, train, users),
):
    commands.add_command(command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command. Mistakes in the input end in one line and a hint on stderr, and exit code 2."""
    try:
        code = commands.main(arguments, prog_name="cardiofusion", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except CardioFusionError as error:
        _say(f"error: {error.message}", f"hint: {error.hint}  [{error.code}]")
        sys.exit(EXIT_MISTAKE)
    except click.UsageError as error:
        shown = error.ctx.command_path if error.ctx else "cardiofusion"
        _say(f"error: {error.format_message()}", f"hint: {shown} --help")
        sys.exit(EXIT_MISTAKE)
    except (KeyboardInterrupt, click.Abort):
        _say("stopped: what was complete is kept; the same command goes on from there")
        sys.exit(EXIT_INTERRUPTED)
    except MemoryError:
        _say("error: out of memory", "hint: smaller batches or fewer records at a time  [memory]")
        sys.exit(EXIT_MISTAKE)
    except BrokenPipeError:
        sys.exit(EXIT_INTERRUPTED)
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        _say(
            f"error: {name}{(error.strerror or str(error)).lower()}",
            "hint: check the path and its permissions",
        )
        sys.exit(EXIT_MISTAKE)


def _say(*lines: str) -> None:
    for line in lines:
        click.echo(line, err=True)
