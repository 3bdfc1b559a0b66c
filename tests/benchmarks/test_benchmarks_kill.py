"""kill -9 while files are uploaded: a few moments here, 100 with CARDIOFUSION_SLOW=1."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
kill = pytest.importorskip("kill")

MOMENTS = 100 if os.environ.get("CARDIOFUSION_SLOW") else 3


@pytest.fixture
def place(tmp_path: Path) -> kill.Place:
    (tmp_path / "data").mkdir()
    return kill.Place(tmp_path / "data", None)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_nothing_that_was_accepted_is_lost(tmp_path):
    found = kill.run(tmp_path, MOMENTS, seed=11)
    assert found["wrong"] == []
    assert found["accepted"] > 0
    assert found["statuses"]["received"] == 0
    assert found["statuses"]["assessed"] > 0
    assert set(found["answers"]) == {"202"}


def test_the_check_sees_what_is_wrong(place):
    """A check that cannot fail would say nothing."""
    store = place.store()
    whole, lost = store.case(store.accept({"a": b"whole"})), store.case(store.accept({"a": b"lost"}))
    names = {content: hashlib.sha256(content).hexdigest() for content in (b"whole", b"lost", b"never")}
    assert kill.check(place, {names[b"whole"]: "", names[b"lost"]: ""} | {}) == ["a job without its case: "]
    store.originals.place(lost.files[0].sha256).unlink()
    stray = store.originals.keep(b"stray")
    store.originals.unmark([stray])
    with store.begin() as connection:
        connection.add(kill.Case(row={}))
    said = kill.check(place, {names[b"whole"]: whole.batch_id, names[b"never"]: "job"})
    for word in (
        f"accepted and not on the worklist: {names[b'never']}",
        f"no original: {names[b'lost']}",
        f"a stray file: {stray}",
        "a case of nothing",
        "something is left",
        "a job without its case: job",
    ):
        assert any(line.startswith(word) for line in said), word
    store.close()
