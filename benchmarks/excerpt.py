"""The encoder's figures that README.md and its card show, taken from the tables of docs/encoder-log.md.

Run: python benchmarks/excerpt.py. It measures nothing: `make encoder supervised masked` do, and run it after.
"""

from __future__ import annotations

from pathlib import Path

from markers import between, write_between

ROOT = Path(__file__).resolve().parents[1]
LOG = ROOT / "docs" / "encoder-log.md"
TARGETS = (ROOT / "README.md", ROOT / "src" / "cardiofusion" / "tmae" / "shipped" / "CARD.md")
SHARES = {
    "none": "none",
    "10 %": "10 % of labels",
    "50 %": "50 % of labels",
    "100 %": "AUC, 5 folds by patient",
}
PROBED = {
    "shipped, beside its findings": "shipped encoder, linear probe beside its findings",
    "shipped": "shipped encoder, linear probe",
    "measured, LightGBM": "measured amplitudes and intervals, LightGBM",
    "MiniRocket": "MiniRocket, linear probe",
    "random weights": "the same encoder, random weights, linear probe",
}
TAUGHT = {
    "fine-tuned": "shipped encoder, fine-tuned",
    "xresnet1d": "xresnet1d, from scratch",
    "S4D": "S4D, from scratch",
    "TMAE from scratch": "the same encoder, from scratch",
}

Rows = dict[str, dict[str, str]]  # first cell -> heading -> cell


def tables(text: str) -> list[Rows]:
    """Every Markdown table of a text."""
    found: list[Rows] = []
    headings: list[str] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            headings = []
        elif not headings:
            headings = cells
            if len(set(cells)) < len(cells):
                raise ValueError(f"two columns have one heading: {line}")
            found.append({})
        elif set(cells) != {"---"}:
            found[-1][cells[0]] = dict(zip(headings, cells, strict=True))
    return found


def labels_table() -> list[str]:
    """Macro AUC by share of the labels, ours first; a peer that the log lacks is left out."""
    probed = next(t for t in tables(between(LOG, "encoder")) if "none" in next(iter(t.values())))
    (taught,) = tables(between(LOG, "supervised"))
    ours = ["shipped, beside its findings", "shipped", "fine-tuned"]
    lines = [f"| labels used | {' | '.join(SHARES)} |", f"|{'---|' * (1 + len(SHARES))}"]
    for name in (*ours, *(n for n in (*PROBED, *TAUGHT) if n not in ours)):
        row = probed.get(name, {}) if name in PROBED else taught[name]
        if not row:
            continue
        cells = [row.get(heading, "-") for heading in (SHARES if name in PROBED else SHARES.values())]
        lines.append(f"| {(PROBED | TAUGHT)[name]} | {' | '.join(cells)} |")
    return lines


def paired() -> str:
    first = next(t for t in tables(between(LOG, "encoder")) if "numbers" in next(iter(t.values())))
    peers = [name for name in ("MiniRocket", "random weights", "measured, LightGBM") if name in first]
    gaps = [f"{PROBED[name]} {first[name]['shipped minus this']}" for name in peers]
    return f"Paired, all labels, the plain probe minus: {'; '.join(gaps)}."


def hidden() -> str:
    patches, spans = tables(between(LOG, "masked"))
    three, second = patches["75 %"], spans["1 s"]
    return (
        f"Masked R2 of real ECGs it has not seen: {three['shipped']} with 75 % of the patches hidden,"
        f" {three['minus linear map']} above the other leads' linear map; {second['shipped']} in a second"
        f" that all leads hide, {second['minus the better peer']} above the mean beat where beats are due."
    )


def main() -> None:
    title = "PTB-XL ids 1-500, five superclasses, macro AUC [95 % by patient], 5 folds by patient:"
    content = "\n".join([title, "", *labels_table(), "", paired(), hidden()])
    for target in TARGETS:
        write_between(target, "excerpt", content)
    print(content)


if __name__ == "__main__":
    main()
