"""The encoder's pictures in docs/pictures: what it learns from, what it rebuilds, and what that is worth.

Run: python benchmarks/pictures.py [--encoder ENCODER.safetensors] [--curves FILE.json] [--out docs/pictures].
virtual-and-real.png: four ECGs of PTB-XL and of the generator, shuffled (needs chromium). reconstruction.png:
the held-out ECG of median masked R2, hidden and rebuilt. probe-curves.png, with --curves: macro AUC by share
of labels, from {encoder: {share: [value, low, high]}}. Nobody picks by looking: real ECGs are the first of
fold 10 that fit, virtual ones the first of their seed. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

import drawing
from cardiofusion.datasets.table import read_table
from cardiofusion.readers import read_recording
from cardiofusion.records import LEADS, Recording
from cardiofusion.report.paper import ecg_paper
from cardiofusion.simulate import draw_causes, render
from cardiofusion.tmae import TMAE, Unlabelled, masks_for, network, pretrained, squared_errors
from cardiofusion.tmae.masked_r2 import centre
from features import Dataset, data_folder, trained

SEED = 3
RATE = 500.0
HELD_OUT = (9, 10)
HIDDEN_SHARE = 0.75
SIZE = (2130, 1370)  # pixels of the page with the four sheets
MARGIN = 8
COLOURS = 48  # of a palette: ECG paper needs few, and a picture of few is small
CREDIT = (
    "Real: PTB-XL 1.0.3 (Wagner et al., PhysioNet, CC BY 4.0), records {}, drawn as recorded. "
    "Virtual: cardiofusion.simulate, no person's data."
)


# --- virtual and real ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Kind:
    """A finding in words, as PTB-XL codes it and as the generator flags it; gain in mm/mV."""

    words: str
    code: str
    findings: tuple[str, ...]
    gain: float


# Block at half gain, as in a clinic: its chest leads would run over each other.
KINDS = (Kind("normal", "NORM", (), 10.0), Kind("left bundle branch block", "CLBBB", ("lbbb",), 5.0))


def real(code: str) -> tuple[str, Recording]:
    """The first record of fold 10 in sinus rhythm whose only certain finding is `code`."""
    folder = data_folder() / "ptb-xl"
    index = read_table(folder / "ptbxl_database.csv")
    for fold, given, name in zip(index["strat_fold"], index["scp_codes"], index["filename_hr"], strict=True):
        said: dict[str, float] = json.loads(given.replace("'", '"'))
        if int(fold) == HELD_OUT[-1] and said.get(code) == 100.0 and set(said) == {code, "SR"}:
            return Path(name).stem, read_recording(folder / f"{name}.hea")
    raise SystemExit(f"fold {HELD_OUT[-1]} has no {code} without other findings")


def virtual(like: Recording, findings: tuple[str, ...]) -> Recording:
    """One virtual patient of the age and sex of a real one."""
    rng = np.random.default_rng([SEED, len(findings)])
    age, male = np.array([like.age or 60.0]), np.array([float(like.sex == "male")])
    signal = render(draw_causes(1, rng, age, male, findings), rng, sampling_rate=RATE)[0]
    return Recording(signal, RATE, LEADS)


def virtual_and_real(out: Path) -> dict[str, Any]:
    sheets: list[tuple[str, Recording, float]] = []
    records = []
    for kind in KINDS:
        record, recording = real(kind.code)
        records.append(record)
        sheets.append((f"{kind.words}, real", recording, kind.gain))
        sheets.append((f"{kind.words}, virtual", virtual(recording, kind.findings), kind.gain))
    order = np.random.default_rng([SEED, 9]).permutation(len(sheets))
    named = {letter: sheets[at] for letter, at in zip("ABCD", order, strict=True)}
    key = "; ".join(f"{letter}: {words}" for letter, (words, _, _) in named.items())
    drawn = [ecg_paper(unnamed(one, letter), gain=gain) for letter, (_, one, gain) in named.items()]
    screenshot(page(drawn, key, CREDIT.format(" and ".join(records))), out, SIZE)
    return {"key": key, "records": records}


def unnamed(recording: Recording, letter: str) -> Recording:
    """Nothing but the letter, for the sheet's header tells the rest."""
    return replace(recording, patient_id=None, age=None, sex=None, time=None, record_id=letter)


def page(drawn: list[str], key: str, credit: str) -> str:
    return (
        "<!doctype html><meta charset=utf-8><style>body{margin:8px;font:15px system-ui,sans-serif;color:#222}"
        "main{display:grid;grid-template-columns:1fr 1fr;gap:8px}svg.ecg-paper{width:100%;height:auto}"
        "p{margin:6px 2px}.key{font-size:13px;transform:rotate(180deg);color:#555}</style>"
        f"<main>{''.join(drawn)}</main><p>Two of these ECGs are of people, two are virtual. {credit}</p>"
        f"<p class=key>{key}</p>"
    )


def screenshot(html: str, out: Path, size: tuple[int, int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, taken = Path(folder) / "page.html", Path(folder) / "page.png"
        source.write_text(html, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        window = f"--window-size={size[0]},{size[1]}"
        places = [f"--user-data-dir={folder}/user", f"--screenshot={taken}", window]
        command = ["chromium", *flags, *places, source.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        shrink(taken, out)


def shrink(picture: Path, out: Path) -> None:
    """A palette of few colours, and no white below the last line."""
    with Image.open(picture) as opened:
        image = opened.convert("RGB")
    white = Image.new("RGB", image.size, "white")
    _, _, _, bottom = ImageChops.difference(image, white).getbbox() or (0, 0, *image.size)
    shown = image.crop((0, 0, image.width, min(bottom + MARGIN, image.height)))
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(out, optimize=True)


# --- reconstruction -----------------------------------------------------------------------------------------


def reconstruction(model: TMAE, out: Path) -> dict[str, Any]:
    ecgs, records = held_out()
    hidden = masks_for(ecgs, model.config.n_patches, HIDDEN_SHARE, SEED)
    predict = network(model)
    errors = squared_errors(ecgs, hidden, predict)
    each = 1.0 - errors[:, 0] / errors[:, 1]
    at = int(np.argsort(each)[len(each) // 2])
    one = Unlabelled(ecgs.signal[[at]], ecgs.present[[at]])
    truth = centre(one)
    shown = np.where(hidden[[at]], np.float32(0.0), truth)
    rebuilt = predict(shown, hidden[[at]], one.present)
    words = (
        f"PTB-XL record {records[at]} (CC BY 4.0): of {len(each)} held-out ECGs (folds 9 and 10) the one of"
        f" median masked R², {each[at]:.2f}; 10 to 90 % of them: {np.quantile(each, 0.1):.2f} to"
        f" {np.quantile(each, 0.9):.2f}. Grid: 0.2 s, 0.5 mV;"
        f" traces cut at ±{drawing.REACH_MV:g} mV."
    )
    drawing.triptych(truth[0], hidden[at], rebuilt[0], words, out)
    shrink(out, out)
    return {"record": str(records[at]), "masked_r2": round(float(each[at]), 3), "n": len(each)}


def held_out() -> tuple[Unlabelled, NDArray[np.str_]]:
    """Whole 12-lead ECGs that the encoder has not seen."""
    data = Dataset.read("ptb-xl")
    assert data.cohort.fold is not None
    rows = np.isin(data.cohort.fold, HELD_OUT) & data.ecgs.usable & data.ecgs.present.all(axis=1)
    return Unlabelled(data.ecgs.signal[rows], data.ecgs.present[rows]), data.ecgs.record_ids[rows]


def main() -> None:
    parser = argparse.ArgumentParser(description="the encoder's pictures")
    parser.add_argument("--encoder", type=Path, help="a safetensors file; the shipped encoder without")
    parser.add_argument("--curves", type=Path, help="{encoder: {share: [value, low, high]}} as JSON")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    given = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "pictures"}
    found["virtual-and-real"] = virtual_and_real(given.out / "virtual-and-real.png")
    model = trained(given.encoder) if given.encoder else pretrained()
    found["reconstruction"] = reconstruction(model, given.out / "reconstruction.png")
    if given.curves:
        curves: drawing.Curves = json.loads(given.curves.read_text(encoding="utf-8"))
        drawing.probe_curves(curves, given.out / "probe-curves.png")
        shrink(given.out / "probe-curves.png", given.out / "probe-curves.png")
        found["probe-curves"] = list(curves)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
