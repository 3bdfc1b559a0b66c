"""`users` and `audit`: what an administrator does at the console of a shared server."""

from __future__ import annotations

import io
import json
import re

import pytest
from sqlalchemy import text

from cardiofusion.serve.guard import Accounts
from cardiofusion.serve.store.migrating import open_database

PASSWORD = "correct horse battery"


@pytest.fixture
def server(tmp_path, run, monkeypatch):
    """Runs a command for a server's data folder, with what is typed on standard input."""

    def call(*arguments, typed=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        return run(*arguments, "--data", tmp_path)

    return call


@pytest.fixture
def accounts(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'cardiofusion.db'}")
    yield Accounts(engine)
    engine.dispose()


def test_an_account_from_its_making_to_its_end(server, accounts):
    made = server("users", "add", "Ada", "--role", "clinician", "--password-stdin", typed=f"{PASSWORD}\n")
    assert (made.code, made.out) == (0, "ada: clinician\n")
    assert accounts.check("ada", PASSWORD).role == "clinician"
    assert server("users", "role", "ada", "admin").code == 0
    assert accounts.check("ada", PASSWORD).role == "admin"
    assert server("users", "password", "ada", "--password-stdin", typed="another horse battery\n").code == 0
    assert accounts.check("ada", PASSWORD) is None
    assert accounts.check("ada", "another horse battery") is not None
    assert "disabled" in server("users", "disable", "ada").out
    assert accounts.check("ada", "another horse battery") is None
    assert re.fullmatch(r"ada: admin, since \d{4}-\d\d-\d\d, disabled\n", server("users", "list").out)
    assert "disabled" not in server("users", "disable", "ada", "--undo").out
    assert accounts.check("ada", "another horse battery") is not None


def test_a_token_is_printed_once_and_kept_as_its_hash(server, accounts, tmp_path):
    server("users", "add", "cart", "--role", "clinician", "--password-stdin", typed=f"{PASSWORD}\n")
    token = server("users", "token", "cart", "--for", "ward 3", "--days", "30").out.strip()
    assert accounts.credentials.token_actor(token).name == "cart"
    listed = server("users", "list").out
    assert "token ward 3, until " in listed
    assert token not in listed
    assert token.encode() not in b"".join(path.read_bytes() for path in tmp_path.glob("cardiofusion.db*"))
    assert server("users", "token", "cart", "--for", "ward 3", "--revoke").out == "cart: 1 ended\n"
    assert accounts.credentials.token_actor(token) is None


def test_the_console_leaves_its_trace_and_no_secret(server, tmp_path):
    server("users", "add", "ada", "--role", "reader", "--password-stdin", typed=f"{PASSWORD}\n")
    server("users", "disable", "ada")
    shown = server("audit", "show").out.splitlines()
    assert [line.split()[3:5] for line in shown] == [
        ["console", "account.add"],
        ["console", "account.disable"],
    ]
    assert shown[0].endswith("role=reader")
    lines = [json.loads(line) for line in server("audit", "show", "--json").out.splitlines()]
    assert [line["seq"] for line in lines] == [1, 2]
    assert PASSWORD not in repr(lines) + repr(shown)


def test_the_log_is_verified_and_its_head_can_be_kept(server, refused, tmp_path, accounts):
    server("users", "add", "ada", "--role", "reader", "--password-stdin", typed=f"{PASSWORD}\n")
    verified = server("audit", "verify")
    assert verified.code == 0
    (head,) = re.findall(r"^head: (1:[0-9a-f]{64})$", verified.out, re.MULTILINE)
    server("users", "disable", "ada")
    assert server("audit", "verify", "--expect-head", head).code == 0
    with open_database(f"sqlite:///{tmp_path / 'cardiofusion.db'}").begin() as connection:
        connection.execute(text("UPDATE audit SET actor = 'nobody' WHERE seq = 2"))
    said = refused("audit", "verify", "--data", tmp_path)
    assert "line 2: it was changed" in said
    assert "[audit.broken]" in said


def test_what_is_typed_twice_must_agree(run, tmp_path, monkeypatch):
    typed = iter([PASSWORD, "another horse", PASSWORD, PASSWORD])
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: next(typed))
    ran = run("users", "add", "ada", "--role", "reader", "--data", tmp_path)
    assert ran.code == 0
    assert next(typed, None) is None
    assert PASSWORD not in ran.out + ran.err


def test_mistakes_are_told_in_one_line(refused, tmp_path, monkeypatch):
    for arguments, typed, said in (
        (("users", "add", "1", "--role", "reader", "--password-stdin"), PASSWORD, "accounts.name"),
        (("users", "add", "ada", "--role", "reader", "--password-stdin"), "short", "accounts.password"),
        (("users", "add", "ada", "--role", "reader", "--password-stdin"), "", "accounts.password"),
        (("users", "disable", "nobody"), "", "accounts.unknown"),
        (("users", "password", "nobody", "--password-stdin"), PASSWORD, "accounts.unknown"),
        (("users", "token", "nobody", "--for", "x"), "", "accounts.unknown"),
        (("audit", "verify", "--expect-head", "x"), "", "audit.head"),
    ):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert said in refused(*arguments, "--data", tmp_path)
    assert "serve.folder" in refused("users", "list", "--data", tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_nobody_yet(server):
    assert "users add" in server("users", "list").out
