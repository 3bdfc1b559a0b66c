"""Every text field of a file of every format, one after another holding something else than it should."""

from __future__ import annotations

import copy
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from specimens import Specimen, real, synthetic, writer

LONGEST = 200  # characters of a field; what is longer holds samples
XML = ("GE MUSE", "HL7 aECG", "Philips", "Schiller")
EDF_FIELDS = {"patient": (8, 88), "recording": (88, 168), "date": (168, 176), "time": (176, 184)}
EDF_SIGNAL_FIELDS = {"label": 16, "transducer": 80, "dimension": 8}  # in this order, all signals' of each
EDF_PREFILTER = (80 + 16 + 80 + 8 + 8 * 4, 80)  # bytes a signal before it, width

Changed = tuple[str, dict[str, bytes]]  # the field's name, the files


def changed(format_name: str, payload: str) -> Iterator[Changed]:
    """Each text field of this format's specimens in turn replaced by `payload`, cut where it has a width."""
    specimens = [*synthetic(format_name)[:2], *real(format_name)[:1]]
    for number, specimen in enumerate(specimens):
        for name, files in _fields(format_name, specimen, payload):
            yield f"{number}: {name}", files


def _fields(format_name: str, specimen: Specimen, payload: str) -> Iterator[Changed]:
    if format_name == "WFDB":
        return _wfdb(specimen.files, payload)
    ways = {
        "Apple Health": _header_lines,
        "CSV table": _table,
        "DICOM": _dicom,
        "EDF": _edf,
        "FHIR": _fhir,
        "CODE-15% HDF5": _hdf5,
        "Parquet table": _parquet,
        "SCP-ECG": _scp,
    } | dict.fromkeys(XML, _xml)
    ((file_name, content),) = specimen.files.items()
    found = ways[format_name](content, payload)
    return ((name, {file_name: made}) for name, made in found)


def _xml(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    """Texts and attributes; those of one name in one place, for leads have many."""
    seen = set()
    for index, node in enumerate(ET.fromstring(content).iter()):
        keys = [
            key
            for key, text in (("", node.text or ""), *node.attrib.items())
            if 0 < len(text.strip()) < LONGEST
        ]
        for key in keys:
            if (name := f"{node.tag} {key}") not in seen:
                seen.add(name)
                yield name, _with_xml(content, index, key, payload)


def _with_xml(content: bytes, index: int, key: str, payload: str) -> bytes:
    root = ET.fromstring(content)
    node = next(one for at, one in enumerate(root.iter()) if at == index)
    if key:
        node.set(key, payload)
    else:
        node.text = payload
    return ET.tostring(root)


def _fhir(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    subject = {"identifier": {"system": "urn:oid:1.2.3", "value": "17"}, "display": "A"}
    whole = {**json.loads(content), "subject": subject}
    yield from _json(json.dumps(whole).encode(), payload)


def _json(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    document = json.loads(content)
    for path in _leaves(document):
        made = copy.deepcopy(document)
        place = made
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = payload
        yield "/".join(map(str, path)), json.dumps(made).encode()


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(entry, (*path, key))
    elif isinstance(value, str) and len(value) < LONGEST:
        yield path


def _header_lines(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    """`# name: value`, `name,value`, and the names of columns."""
    lines = content.decode().split("\n")
    for index, line in enumerate(lines[:40]):
        named = re.match(r"(# [^:]+: |[^:,#]+,(?!-?[\d.]+(?:,|$)))", line)
        if named:
            quoted = payload if line.startswith("#") else '"{}"'.format(payload.replace('"', '""'))
            made = [*lines[:index], named[1] + quoted, *lines[index + 1 :]]
            yield f"line {index}", "\n".join(made).encode()


def _table(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    w = writer("table")
    known = "".join(f"# {name}: {value}\n" for name, value in w.PATIENT.items()).encode()
    yield from _header_lines(content.replace(b"# age: 63\n", b"").replace(b"\n", b"\n" + known, 1), payload)


def _wfdb(files: dict[str, bytes], payload: str) -> Iterator[Changed]:
    """Words and comments of the header."""
    (header,) = (name for name in files if name.endswith(".hea"))
    lines = files[header].decode().split("\n")
    for index, line in enumerate(lines):
        for start, end in [*_words(line), *([(line.index(":") + 1, len(line))] if ":" in line else [])]:
            made = [*lines[:index], line[:start] + payload + line[end:], *lines[index + 1 :]]
            yield f"line {index} at {start}", files | {header: "\n".join(made).encode()}


def _words(line: str) -> Iterator[tuple[int, int]]:
    yield from (found.span() for found in re.finditer(r"\S+", line))


def _dicom(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    import pydicom

    texts = ("AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
    names = {(element.tag, element.VR) for element in _dataset(content).iterall() if element.VR in texts}
    before = pydicom.config.settings.writing_validation_mode
    pydicom.config.settings.writing_validation_mode = pydicom.config.IGNORE
    try:
        for tag, kind in sorted(names):
            dataset = _dataset(content)
            next(element for element in dataset.iterall() if element.tag == tag).value = payload
            out = io.BytesIO()
            dataset.save_as(out)
            yield f"{tag} {kind}", out.getvalue()
    finally:
        pydicom.config.settings.writing_validation_mode = before


def _dataset(content: bytes) -> Any:
    import pydicom

    return pydicom.dcmread(io.BytesIO(content))


def _edf(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    signals = int(content[252:256])
    fields = dict(EDF_FIELDS)
    ends = [0]
    for width in EDF_SIGNAL_FIELDS.values():
        ends.append(ends[-1] + width * signals)
    for (name, width), (start, _) in zip(EDF_SIGNAL_FIELDS.items(), pairwise(ends), strict=True):
        fields[name] = (256 + start, 256 + start + width)
    before, width = EDF_PREFILTER
    fields["prefilter"] = (256 + before * signals, 256 + before * signals + width)
    for name, (start, end) in fields.items():
        cut = payload.encode("ascii", "replace")[: end - start].ljust(end - start)
        yield name, content[:start] + cut + content[end:]


def _hdf5(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    """The format has no text but the names of what it holds: one more of them."""
    import h5py

    out = io.BytesIO(content)
    with h5py.File(out, "r+") as file:
        file[payload.replace("/", "|")] = payload
        file.attrs["patient_id"] = payload
    yield "another dataset", out.getvalue()


def _parquet(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    import polars

    table = polars.read_parquet(io.BytesIO(content))
    w = writer("table")
    declared = w.DECLARED | {"sampling_rate": "250", "patient_id": "17", "age": "63", "sex": "F"}
    columns = {name: table[name].to_list() for name in table.columns}
    for name in declared:
        yield name, w.by_polars(columns, declared | {name: payload})
    first, *others = columns
    yield "a column", w.by_polars({payload: columns[first]} | {k: columns[k] for k in others}, declared)


def _scp(content: bytes, payload: str) -> Iterator[tuple[str, bytes]]:
    """Texts of section 1: last and first name, patient's number, device, comments ..."""
    w = writer("scp")
    made: Callable[..., Any] = w.Ecg
    rows = [[10, 20, 30, 20, 10] * 500] * 8
    del content
    for tag in (0, 1, 2, 3, 14, 20, 21, 22, 23, 30, 35):
        patient = w.tag(tag, payload.encode()[:64] + b"\0")
        yield f"tag {tag}", made(rows, patient=patient).write()
