"""`users`: the people of a shared server, and the tokens of their programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cardiofusion.records import ExtraMissingError, InputError

if TYPE_CHECKING:
    from cardiofusion.serve.audit import Audit
    from cardiofusion.serve.guard import Accounts, Person

PATH = click.Path(path_type=Path)
BY = "console"  # who the audit log says it was: whoever may write to the data folder
TOKEN_DAYS = 90


def of_a_server(command: Callable[..., None]) -> Callable[..., None]:
    """The options that say which server is meant, handed on as `server`: as `serve` would be told."""

    @click.option("--data", type=PATH, metavar="DIR", help="the server's data folder [default: the user's]")
    @click.option("--settings", type=PATH, metavar="FILE.toml", help="the server's settings")
    @click.option("--database", metavar="URL", help="PostgreSQL in place of SQLite")
    @wraps(command)
    def with_server(data: Path | None, settings: Path | None, database: str | None, **given: Any) -> None:
        command(server=(settings, {"data": data, "database": database}), **given)

    return with_server


@contextmanager
def opened(server: tuple[Path | None, dict[str, Any]]) -> Iterator[tuple[Accounts, Audit]]:
    """A server's accounts and audit log. Raises ExtraMissingError, InputError, StorageError."""
    try:
        from cardiofusion.serve import read_settings
        from cardiofusion.serve.audit import Audit
        from cardiofusion.serve.guard import Accounts
        from cardiofusion.serve.store.migrating import open_database
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("cardiofusion"):
            raise
        raise ExtraMissingError("the clinic application", "serve") from error
    settings = read_settings(*server)
    if not settings.data.is_dir():
        raise InputError(
            "serve.folder", "there is no data folder", "name it with --data, or start `serve` once"
        )
    engine = open_database(settings.database_url)
    try:
        yield Accounts(engine), Audit(engine)
    finally:
        engine.dispose()


@click.group()
def users() -> None:
    """The people of a shared server: reader, clinician or admin."""


@users.command("add")
@click.argument("name", metavar="NAME")
@click.option(
    "--role", type=click.Choice(["reader", "clinician", "admin"]), required=True, help="what they may"
)
@click.option("--password-stdin", is_flag=True, help="read the password from standard input")
@of_a_server
def add(server: Any, name: str, role: str, password_stdin: bool) -> None:
    """Make an account; the password is asked for. NAME: letters, digits and . _ @ -"""
    with opened(server) as (accounts, audit):
        person = accounts.add(name, role, _password(password_stdin))
        audit.write(BY, "account.add", person.id, role=role)
    click.echo(f"{person.name}: {role}")


@users.command("list")
@of_a_server
def show(server: Any) -> None:
    """All accounts, with their tokens."""
    with opened(server) as (accounts, _):
        people = accounts.people()
        tokens = {person.id: accounts.credentials.tokens(person.id) for person in people}
    for person in people:
        click.echo(_line(person))
        for token in tokens[person.id]:
            click.echo(f"    token {token.name}, until {_day(token.expires)}")
    if not people:
        click.echo("nobody yet: cardiofusion users add NAME --role admin")


@users.command("disable")
@click.argument("name", metavar="NAME")
@click.option("--undo", is_flag=True, help="open the account again")
@of_a_server
def disable(server: Any, name: str, undo: bool) -> None:
    """Shut an account: its sessions and tokens end at once."""
    with opened(server) as (accounts, audit):
        person = accounts.disable(name, not undo)
        audit.write(BY, "account.enable" if undo else "account.disable", person.id)
    click.echo(_line(person))


@users.command("role")
@click.argument("name", metavar="NAME")
@click.argument("role", type=click.Choice(["reader", "clinician", "admin"]))
@of_a_server
def role(server: Any, name: str, role: str) -> None:
    """Give an account another role: its sessions end."""
    with opened(server) as (accounts, audit):
        person = accounts.set_role(name, role)
        audit.write(BY, "account.role", person.id, role=role)
    click.echo(_line(person))


@users.command("password")
@click.argument("name", metavar="NAME")
@click.option("--password-stdin", is_flag=True, help="read the password from standard input")
@of_a_server
def password(server: Any, name: str, password_stdin: bool) -> None:
    """Set another password: sessions end, tokens stay."""
    with opened(server) as (accounts, audit):
        accounts.person(name)  # before anybody types a password in vain
        person = accounts.set_password(name, _password(password_stdin))
        audit.write(BY, "account.password", person.id)
    click.echo(f"{person.name}: the password is set")


@users.command("token")
@click.argument("name", metavar="NAME")
@click.option("--for", "label", required=True, metavar="LABEL", help="which program it is for")
@click.option(
    "--days", type=click.IntRange(1, 366), default=TOKEN_DAYS, show_default=True, help="how long it lasts"
)
@click.option("--revoke", is_flag=True, help="end the tokens of that label in place of making one")
@of_a_server
def token(server: Any, name: str, label: str, days: int, revoke: bool) -> None:
    """Make a token by which a program acts as NAME; it is printed this once."""
    with opened(server) as (accounts, audit):
        person = accounts.person(name)
        if revoke:
            ended = accounts.credentials.revoke(person.id, label)
            audit.write(BY, "token.revoke", person.id, tokens=ended)
            click.echo(f"{person.name}: {ended} ended")
            return
        secret = accounts.credentials.new_token(person.id, label, days)
        audit.write(BY, "token.add", person.id, days=days)
    click.echo(secret)


def _password(from_stdin: bool) -> str:
    """Never an argument: other users of the machine can read those."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = click.prompt("Password", hide_input=True, confirmation_prompt="Again")
    return typed


def _line(person: Person) -> str:
    return (
        f"{person.name}: {person.role}, since {_day(person.created)}{', disabled' if person.disabled else ''}"
    )


def _day(moment: Any) -> str:
    return "for ever" if moment is None else f"{moment:%Y-%m-%d}"
