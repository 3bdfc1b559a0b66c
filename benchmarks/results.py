"""README's table of measured results, from the metrics.json of trained bundles.

Run: python benchmarks/results.py BUNDLE [BUNDLE ...] [--write README.md]. Prints the table; --write puts it
between the markers of that file. The last line is one JSON object.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from cardiofusion.bundle import Bundle, read_bundle
from cardiofusion.conformal import chance_of_so_few
from markers import arguments, write_between

VIEWS = {
    "ecg": "ECG alone",
    "row": "clinical row alone (LightGBM)",
    "ecg+row": "fused (CMAF)",
    "lightgbm": "LightGBM on row and embedding",
    "late": "late fusion",
}
PREDICTORS = {
    "tmae": "TMAE",
    "other_leads": "the other leads' best linear map",
    "mean_beat": "the mean beat, laid at the true R peaks",
    "linear_interpolation": "linear interpolation",
}


def rows(bundle: Bundle) -> list[tuple[str, dict[str, Any]]]:
    """(what, figure) of one bundle, in reading order."""
    figures: dict[str, Any] = bundle.json("metrics.json")["figures"]
    found = []
    for task in bundle.manifest.tasks:
        proxy = "" if task.alignment == "matched" else f", {task.alignment} proxy"
        for view, words in VIEWS.items():
            found.append((f"{task.name}: AUC, {words}{proxy}", figures.get(f"{task.name}/{view}/macro/auc")))
            uno = figures.get(f"{task.name}/{view}/{task.targets[0]}/c_uno")
            found.append((f"{task.name}: Uno's C, {words}{proxy}", uno))
        found.append(
            (
                f"{task.name}: fused minus the better single view{proxy}",
                figures.get(f"{task.name}/gain/macro/auc"),
            )
        )
        found.append(
            (
                f"{task.name}: own ECG minus shuffled ECG{proxy}",
                figures.get(f"{task.name}/control/shuffled_pairs/auc"),
            )
        )
        found.append(
            (
                f"{task.name}: fused, taught with outcomes of other patients{proxy}",
                figures.get(f"{task.name}/control/dealt_labels/auc"),
            )
        )
        if len(task.targets) == 1:
            pooled = figures.get(f"{task.name}/cv/row/{task.targets[0]}/auc_pooled")
            found.append((f"{task.name}: AUC, clinical row, pooled out of fold, all patients", pooled))
        found += coverage(bundle, task.name, task.targets, figures)
    for name, words in PREDICTORS.items():
        found.append((f"masked R2 at 75 % hidden: {words}", figures.get(f"tmae/masked_r2/{name}")))
    return [(words, figure) for words, figure in found if figure]


def coverage(
    bundle: Bundle, task: str, targets: tuple[str, ...], figures: dict[str, Any]
) -> list[tuple[str, dict[str, Any]]]:
    """Coverage on the test patients, and how often exchangeable patients would show so little."""
    view = bundle.manifest.details["answers"][task]["view"]
    found = []
    for target in targets:
        sets = bundle.json("conformal.json")[task][view][target]["sets"]
        for word in ("present", "absent"):
            figure = figures.get(f"{task}/{view}/{target}/coverage_{word}")
            if figure is None or figure["value"] is None:
                continue
            covered = round(figure["value"] * figure["n"])
            chance = chance_of_so_few(covered, figure["n"], sets["n"][word], sets["coverage"])
            level = f"{100 * sets['coverage']:g} % sets"
            found.append((f"{task}: coverage of {level}, {target} {word} ({view}; p {chance:.3f})", figure))
    return found


def cell(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "not measurable"
    interval = "" if figure["low"] is None else f" [{figure['low']:.3f}, {figure['high']:.3f}]"
    return f"{figure['value']:.3f}{interval}"


def table(bundles: list[Bundle]) -> str:
    lines = ["| study | figure | value [95 % interval] | n | data |", "|---|---|---|---|---|"]
    for bundle in bundles:
        for words, figure in rows(bundle):
            lines.append(
                f"| {bundle.manifest.name} | {words} | {cell(figure)} | {figure['n']:,} | {figure['data']} |"
            )
    for bundle in bundles:
        manifest = bundle.manifest
        spent = sum(manifest.stages.values())
        lines.append(
            f"| {manifest.name} | trained parameters, time, peak memory | {manifest.total_parameters:,},"
            f" {spent / 60:.1f} min, {manifest.details['peak_memory_mib']:,} MiB | |"
            f" {manifest.threads} threads |"
        )
    return "\n".join(lines)


def main() -> None:
    folders, target = arguments(sys.argv[1:])
    bundles = [read_bundle(folder) for folder in folders]
    content = table(bundles)
    print(content)
    if target:
        write_between(target, "results", content)
    print(json.dumps({"benchmark": "results", "bundles": {b.manifest.name: b.hash for b in bundles}}))


if __name__ == "__main__":
    main()
