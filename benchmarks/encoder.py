"""What the encoder is worth: linear probes on frozen features, beside peers, on the same ECGs and folds.

Run: python benchmarks/encoder.py [ENCODER.safetensors ...] [--write FILE.md]

Without a path: the shipped encoder; a path is the `encoder.safetensors` of a bundle or of `cardiofusion
pretrain`. Beside them stand a random one of the same shape, measured amplitudes and intervals read by
LightGBM, and MiniRocket (after `make peers`). Data: PTB-XL, CODE-15 and LUDB, where CARDIOFUSION_DATA, else
../shared/data, has them. --write puts the tables between the markers `encoder` of that file. The last line is
one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

import handcrafted
from cardiofusion.metrics import percentile_interval
from cardiofusion.records import LEADS
from cardiofusion.tmae import pretrained
from features import (
    DESIGN_FOLDS,
    PEERS,
    SUPERCLASS_FINDINGS,
    Dataset,
    Encoder,
    Encoders,
    People,
    atrial_fibrillation,
    chagas,
    embedding,
    minirocket,
    only,
    remembered,
    statements,
    superclasses,
    trained,
    untrained,
)
from markers import arguments, write_between
from probing import (
    Scored,
    anchored,
    boosted,
    linear,
    regression_between,
    regression_out_of_fold,
    score,
    scores_between,
    unlearnt,
)

LABEL_SHARES = (0.1, 0.25, 0.5, 1.0)
LEAD_SETS: Mapping[str, tuple[str, ...]] = {"I": ("I",), "I, II": ("I", "II"), "12 leads": LEADS}
MIN_POSITIVE = 20
BESIDE = "beside its findings"  # superclasses only: what the encoder names is what they are made of
MINIROCKET = "MiniRocket"  # in the first tables only: its 9,996 features take minutes a table
NO_LABELS = 0.0  # the share of labels of those who learn from none

Scores = dict[str, Scored]


def superclass_rows(data: Dataset, encoders: Encoders) -> tuple[list[str], dict[float, Scores]]:
    """Macro AUC: of all patients, and of the half that choices before the findings did not look at."""
    labels = superclasses(data)
    assert data.cohort.fold is not None
    apart = ~np.isin(data.cohort.fold, DESIGN_FOLDS)
    raw = {
        share: {n: e.scores(data.ecgs, labels, share) for n, e in encoders.items()} for share in LABEL_SHARES
    }
    raw[NO_LABELS] = {
        name: unlearnt(encoder.encode(data.ecgs), labels.names, SUPERCLASS_FINDINGS)
        for name, encoder in encoders.items()
        if name.endswith(BESIDE)
    }
    by_share = {share: score(labels, raw[share]) for share in sorted(raw)}
    held = replace(labels, y=labels.y[apart], patients=data.patients[apart], fold=labels.fold[apart])
    part = score(held, {name: values[apart] for name, values in raw[1.0].items()})
    first = next(iter(encoders))
    lines = [
        f"| encoder | numbers | all, n = {len(labels.y)} | {first} minus this |"
        f" folds 6-10, n = {int(apart.sum())} | {first} minus this, folds 6-10 |",
        "|---|---|---|---|---|---|",
    ]
    for name, encoder in encoders.items():
        whole, half = by_share[1.0], part
        gaps = ["" if name == first else f[first].minus(f[name]) for f in (whole, half)]
        size = encoder.encode(data.ecgs).shape[1]
        lines.append(
            f"| {name} | {size} | {whole[name].words()} | {gaps[0]} | {half[name].words()} | {gaps[1]} |"
        )
    return lines, by_share


def share_rows(by_share: Mapping[float, Scores]) -> list[str]:
    lines = [
        f"| encoder | {' | '.join(f'{100 * share:g} %' if share else 'none' for share in by_share)} |",
        f"|{'---|' * (1 + len(by_share))}",
    ]
    for name in by_share[1.0]:
        cells = [found[name].words() if name in found else "-" for found in by_share.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def lead_rows(data: Dataset, encoders: Encoders) -> list[str]:
    labels = superclasses(data)
    lines = [f"| encoder | {' | '.join(LEAD_SETS)} |", f"|{'---|' * (1 + len(LEAD_SETS))}"]
    by_leads = {
        name: score(labels, {n: e.scores(only(data.ecgs, leads), labels) for n, e in encoders.items()})
        for name, leads in LEAD_SETS.items()
    }
    for name in encoders:
        lines.append(f"| {name} | {' | '.join(found[name].words() for found in by_leads.values())} |")
    return lines


def statement_rows(data: Dataset, encoders: Encoders) -> list[str]:
    """AUC of every statement that at least 20 recordings have; fibrillation and flutter with LUDB's."""
    labels = statements(data, MIN_POSITIVE)
    found = score(labels, {name: encoder.scores(data.ecgs, labels) for name, encoder in encoders.items()})
    lines = [f"| statement | n | {' | '.join(encoders)} |", f"|{'---|' * (2 + len(encoders))}"]
    for k, code in enumerate(labels.names):
        cells = " | ".join(f"{found[name].by_label[k]:.3f}" for name in encoders)
        lines.append(f"| {code} | {int(labels.y[:, k].sum())} | {cells} |")
    lines.append(f"| macro | | {' | '.join(found[name].words() for name in encoders)} |")
    ecgs, rhythm = atrial_fibrillation(data)
    pooled = score(rhythm, {name: encoder.scores(ecgs, rhythm) for name, encoder in encoders.items()})
    cells = " | ".join(pooled[name].words() for name in encoders)
    lines.append(f"| AFIB or AFLT, with LUDB's 200 | {int(rhythm.y.sum())} | {cells} |")
    return lines


def chagas_rows(code15: Dataset, encoders: Encoders) -> list[str]:
    ecgs, labels = chagas(code15)
    found = score(labels, {name: encoder.scores(ecgs, labels) for name, encoder in encoders.items()})
    positive = int(labels.y.sum())
    return [
        f"| Chagas ({positive} of {len(labels.y)}) | {' | '.join(encoders)} |",
        f"|{'---|' * (1 + len(encoders))}",
        f"| AUC | {' | '.join(found[name].words() for name in encoders)} |",
    ]


def person_rows(populations: Mapping[str, People], encoders: Encoders) -> list[str]:
    """Sex and age within a population, out of fold, and from the other population."""
    lines = ["| data | encoder | sex, AUC | age, years off (the median alone) | n |", "|---|---|---|---|---|"]
    for name, people in populations.items():
        (other,) = (p for key, p in populations.items() if key != name)
        guess = float(np.abs(people.age - np.median(people.age)).mean())
        for label, encoder in encoders.items():
            here, there = encoder.encode(people.ecgs), encoder.encode(other.ecgs)
            carried = scores_between(there, other.sex, here, encoder.reader)
            sex = score(people.sex, {"own": encoder.scores(people.ecgs, people.sex), "carried": carried})
            ages = carried_age = "-"
            if encoder.reader is linear:
                ages = off(regression_out_of_fold(here, people.age, people.sex), people, guess)
                carried_age = off(regression_between(there, other.age, other.sex, here), people, guess)
            own, other_way = (sex[key].words() for key in ("own", "carried"))
            n = len(people.ecgs)
            lines.append(f"| {name} | {label} | {own} | {ages} | {n} |")
            lines.append(f"| {name}, learnt on the other | {label} | {other_way} | {carried_age} | {n} |")
    return lines


def off(predicted: Any, people: People, guess: float) -> str:
    """Mean absolute error with its interval over patients."""
    errors = np.abs(predicted - people.age)
    rng = np.random.default_rng(3)
    patients, inverse = np.unique(people.sex.patients, return_inverse=True)
    draws = rng.multinomial(len(patients), np.full(len(patients), 1 / len(patients)), size=1000)[:, inverse]
    low, high = percentile_interval((draws @ errors) / draws.sum(axis=1))
    return f"{errors.mean():.1f} [{low:.1f}-{high:.1f}] ({guess:.1f})"


def report(encoders: Encoders) -> tuple[str, dict[str, Any]]:
    ptbxl, code15 = Dataset.read("ptb-xl"), Dataset.read("code15")
    n, people = len(ptbxl.ecgs), len(np.unique(ptbxl.patients))
    rows, by_share = superclass_rows(ptbxl, encoders)
    brief = {name: e for name, e in encoders.items() if name != MINIROCKET and not name.endswith(BESIDE)}
    populations = {"PTB-XL": People.of(ptbxl), "CODE-15": People.of(code15)}
    blocks = {
        f"PTB-XL superclasses, n = {n} ({people} patients), 5 folds by patient, macro AUC:": rows,
        "The same with fewer labelled patients:": share_rows(by_share),
        "The same from fewer leads:": lead_rows(ptbxl, encoders),
        f"Every statement with n >= {MIN_POSITIVE}, AUC:": statement_rows(ptbxl, brief),
        "Inside CODE-15's source `CODE-15%`, self-reported:": chagas_rows(code15, brief),
        "Who the patient is:": person_rows(populations, brief),
    }
    content = "\n\n".join(f"{title}\n\n" + "\n".join(lines) for title, lines in blocks.items())
    curves = {
        name: {str(share): interval(found[name]) for share, found in by_share.items() if name in found}
        for name in encoders
    }
    return content, {"benchmark": "encoder", "n": n, "macro_auc": curves}


def interval(found: Scored) -> list[float]:
    low, high = percentile_interval(found.drawn)
    return [round(value, 4) for value in (found.value, low, high)]


def main() -> None:
    torch.set_num_threads(1)
    paths, target = arguments(sys.argv[1:])
    models = {path.parent.name or path.stem: trained(path) for path in paths} or {"shipped": pretrained()}
    encoders = {name: embedding(model) for name, model in models.items()}
    for name, model in models.items():
        if model.config.findings:
            beside = replace(encoders[name], reader=anchored(SUPERCLASS_FINDINGS))
            encoders[f"{name}, {BESIDE}"] = beside
    encoders["random weights"] = embedding(untrained())
    encoders["measured, LightGBM"] = Encoder(handcrafted.features, boosted)
    if PEERS.exists():
        encoders[MINIROCKET] = Encoder(minirocket)
    else:
        print("MiniRocket is left out: `make peers` installs it", file=sys.stderr)
    content, summary = report({name: remembered(encoder) for name, encoder in encoders.items()})
    print(content)
    if target:
        write_between(target, "encoder", content)
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
