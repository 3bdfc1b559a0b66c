"""Running commands in this process, and what they leave on stdout and stderr."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cardiofusion.cli import main

MISTAKE = 2


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """run("assess", BUNDLE, ...): the command as the shell would run it."""

    def call(*arguments: object) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, captured.out, captured.err)

    return call


@pytest.fixture
def refused(run: Callable[..., Ran]) -> Callable[..., str]:
    """The command ends as a mistake must: exit code 2, one line that says what, one hint; what they say."""

    def call(*arguments: object) -> str:
        ran = run(*arguments)
        lines = ran.err.strip().splitlines()
        assert ran.code == MISTAKE, ran
        assert len([line for line in lines if line.startswith("error: ")]) == 1, ran.err
        assert len([line for line in lines if line.startswith("hint: ")]) == 1, ran.err
        assert lines[-2].startswith("error: ")
        assert lines[-1].startswith("hint: ")
        assert "Traceback" not in ran.err + ran.out
        assert not any(str(argument) in ran.out for argument in arguments if isinstance(argument, Path))
        return ran.err

    return call
