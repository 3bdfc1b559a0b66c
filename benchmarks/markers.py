"""What the benchmarks share: their arguments, and the marked places of a Markdown file that they fill."""

from __future__ import annotations

from pathlib import Path


def arguments(words: list[str]) -> tuple[list[Path], Path | None]:
    """(folders, the file behind --write)."""
    if "--write" not in words:
        return [Path(word) for word in words], None
    at = words.index("--write")
    return [Path(word) for word in words[:at] + words[at + 2 :]], Path(words[at + 1])


def between(path: Path, name: str) -> str:
    """What stands between `<!-- name: begin -->` and `<!-- name: end -->`; ValueError without."""
    _, found, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name}: begin -->\n")
    content, found_end, _ = rest.partition(f"\n<!-- {name}: end -->")
    if not (found and found_end):
        raise ValueError(f"{path.name} has no place for {name}")
    return content


def write_between(path: Path, name: str, content: str) -> None:
    """Replace what stands between `<!-- name: begin -->` and `<!-- name: end -->`; ValueError without."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        raise ValueError(f"{path.name} has no place for {name}")
    path.write_text(f"{before}{begin}\n{content}\n{end}{after}", encoding="utf-8")
