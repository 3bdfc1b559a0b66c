"""README and the encoder's card show what the log holds, and nothing of a table is taken for another."""

from __future__ import annotations

import pytest

import excerpt
from markers import between

TEXT = """
| encoder | none | 100 % |
|---|---|---|
| a | - | 0.9 |
| b | 0.8 | 0.7 |

words
| x | y |
|---|---|
| a | 1 |
"""


def test_tables_are_read_cell_by_cell() -> None:
    first, second = excerpt.tables(TEXT)
    assert first["b"] == {"encoder": "b", "none": "0.8", "100 %": "0.7"}
    assert second == {"a": {"x": "a", "y": "1"}}


def test_two_columns_of_one_heading_are_refused() -> None:
    with pytest.raises(ValueError, match="one heading"):
        excerpt.tables("| a | b | b |\n|---|---|---|\n| 1 | 2 | 3 |")


@pytest.mark.parametrize("target", excerpt.TARGETS, ids=lambda path: path.name)
def test_what_readers_see_is_what_the_log_says(target) -> None:
    shown = between(target, "excerpt")
    assert "\n".join(excerpt.labels_table()) in shown
    assert excerpt.paired() in shown
    assert excerpt.hidden() in shown


def test_ours_stand_first_and_the_peers_below() -> None:
    lines = excerpt.labels_table()
    assert "shipped" in lines[2]
    assert sum("shipped" in line for line in lines) == 3
    assert any("xresnet1d" in line for line in lines)
