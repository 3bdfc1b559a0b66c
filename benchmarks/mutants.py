"""Seeded mutants of ECG files: what disks, networks, careless programs and malice make of them.

A mutant is known by its format and number. Its label says what the change can have touched:

    anything    any byte: mV, rate or leads may come out otherwise, which is wrong
    covered     only bytes that a checksum of the format covers
    harmless    nothing that mV, rate or leads depend on
    resealed    the samples or their description, and the checksum put right: a sound file of another ECG
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from bombs import inflate_dicom, unfold_hdf5, unfold_parquet
from changes_bytes import BINARY, Change, Rng, change_edge, set_number
from changes_formats import (
    change_dicom_length,
    change_dicom_number,
    change_dicom_type,
    change_edf_cell,
    drop_dicom_item,
    in_base64,
    in_covered_bytes,
    in_muse_samples,
    in_scp,
    rename_column,
    reseal_muse,
    reseal_scp,
)  # fmt: skip
from changes_text import TEXT, XML, add_comment
from specimens import Specimen

Label = Literal["anything", "covered", "harmless", "resealed"]

SEED = 20_210

LABELS: dict[Change, Label] = {
    in_covered_bytes: "covered",
    in_muse_samples: "covered",
    in_scp: "covered",
    reseal_muse: "resealed",
    reseal_scp: "resealed",
    unfold_hdf5: "resealed",
    unfold_parquet: "resealed",
    add_comment: "harmless",
}
KINDS: dict[str, tuple[Change, ...]] = {
    "Apple Health": (*TEXT, rename_column),
    "CODE-15% HDF5": (*BINARY, *(change_edge, set_number) * 6, unfold_hdf5),
    "CSV table": (*TEXT, rename_column),
    "DICOM": (
        *BINARY, *(change_dicom_type, change_dicom_length, change_dicom_number, drop_dicom_item) * 2,
        inflate_dicom,
    ),
    "EDF": (*BINARY, *(change_edf_cell,) * 8),
    "FHIR": TEXT,
    "GE MUSE": (*XML, in_muse_samples, reseal_muse),
    "HL7 aECG": XML,
    "Parquet table": (*BINARY, *(change_edge, set_number) * 4, unfold_parquet),
    "Philips": (*XML, in_base64, in_base64),
    "SCP-ECG": (*BINARY, in_scp, *(reseal_scp,) * 8),
    "Schiller": XML,
    "WFDB": (*BINARY, in_covered_bytes),
    "WFDB header": TEXT,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """files: by name. kind: what was done, for words. specimen: of what."""

    number: int
    kind: str
    label: Label
    files: dict[str, bytes]
    specimen: int


def mutant(specimens: Sequence[Specimen], number: int) -> Mutant:
    """The mutant of this number: the same one every time."""
    rng = np.random.default_rng([SEED, number])
    place = number % len(specimens)
    specimen = specimens[place]
    names = list(specimen.files)
    name = names[0] if len(names) == 1 or rng.random() < 0.6 else names[1]
    kinds = changes(specimen.format, name.endswith(".hea"))
    label, kind = kinds[int(rng.integers(len(kinds)))]
    changed = _changed(kind, specimen.files[name], rng)
    return Mutant(number, kind.__name__, label, {**specimen.files, name: changed}, place)


def _changed(change: Change, content: bytes, rng: Rng) -> bytes:
    """Of a document in UTF-16, what reads as text is changed as text."""
    if content[:2] not in (b"\xff\xfe", b"\xfe\xff") or change in BINARY:
        return change(content, rng)
    text = change(content.decode("utf-16").encode("utf-8", "replace"), rng)
    return text.decode("utf-8", "replace").encode("utf-16")


@lru_cache
def changes(format_name: str, header: bool) -> list[tuple[Label, Change]]:
    """The kinds of mutants of a format; of WFDB, of its header or of its signal file."""
    found = KINDS[f"{format_name} header" if header else format_name]
    return [(LABELS.get(change, "anything"), change) for change in found]
