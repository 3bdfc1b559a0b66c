"""Kept results: made once for what they follow from, and again when that changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import kept


def test_made_once_and_again_when_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "RUNS", tmp_path)
    made: list[int] = []

    def make() -> np.ndarray:
        made.append(1)
        return np.arange(3.0)

    first = kept.kept("t", "x", {"seed": 1}, make)
    assert np.array_equal(kept.kept("t", "x", {"seed": 1}, make), first)
    assert len(made) == 1
    kept.kept("t", "x", {"seed": 2}, make)
    assert len(made) == 2


def test_nothing_unfinished_is_taken_for_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "RUNS", tmp_path)

    def interrupted() -> np.ndarray:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.kept("t", "x", {}, interrupted)
    assert np.array_equal(kept.kept("t", "x", {}, lambda: np.ones(1)), [1.0])


def test_words_do_not_change_what_code_does(tmp_path: Path) -> None:
    texts = ('"""One."""\nx = 1\n', '"""Another."""\n# why\nx = 1\n', "x = 2\n")
    found = []
    for k, text in enumerate(texts):
        (tmp_path / f"{k}.py").write_text(text)
        found.append(kept.code(tmp_path / f"{k}.py"))
    assert found[0] == found[1] != found[2]


def test_arrays_are_told_apart_by_what_they_hold() -> None:
    a = np.arange(6.0)
    assert kept.digest(a) == kept.digest(a.copy())
    assert len({kept.digest(a), kept.digest(a + 1), kept.digest(a.reshape(2, 3)), kept.digest(a, a)}) == 4
