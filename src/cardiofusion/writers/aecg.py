"""HL7 aECG: one rhythm series; a sequence set for every stretch in which the same leads are there.

The digits of a sequence have no mark for a missing sample. Leads recorded in turn, and gaps, are told by when
each set begins; a gap at either end of all leads cannot be told.
Source: HL7 aECG Implementation Guide, 21 March 2005; schema PORT_MT020001 of December 2003.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.aecg_details import FILTERS, REPORTED_AGE, STATEMENTS
from cardiofusion.readers.mdc import MEASURED, OID, lead_number
from cardiofusion.records import Recording
from cardiofusion.writers.writer import (
    Writer,
    cutoffs,
    digits_of,
    identity,
    local_time,
    microvolts,
    one_line,
    plain,
    refuse_uncalibrated,
    step_between,
    unwritable,
)

TITLE = "HL7 aECG"
MAX_SETS = 1000  # more gaps than that are no recording

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_CPT, _LOINC, _ACTS = "2.16.840.1.113883.6.12", "2.16.840.1.113883.6.1", "2.16.840.1.113883.5.4"
_GENDERS = "2.16.840.1.113883.5.1"
# Who gave a patient an id is not known: a root of our own, made of a random UUID, stands for all of them.
_PATIENTS = "2.25.218392688246211074286800091028922296387"


def encode(recording: Recording) -> bytes:
    """The document, UTF-8. Raises RecordingError: not calibrated, or in too many pieces."""
    refuse_uncalibrated(recording, TITLE)
    root = Element("AnnotatedECG", {"xmlns": "urn:hl7-org:v3", "xmlns:xsi": _XSI})
    _add(root, "id", root=str(identity(recording, "aecg")))
    _add(root, "code", code="93000", codeSystem=_CPT, codeSystemName="CPT-4")
    _add_interval(root, recording)
    _add_subject(root, recording)
    if recording.age is not None:
        observation = _add(root, "controlVariable/relatedObservation")
        _add(observation, "code", code=REPORTED_AGE, codeSystem=_LOINC, codeSystemName="LOINC")
        _add_quantity(observation, "value", plain(recording.age, 9), "a")
    _add_series(root, recording)
    indent(root, " ")
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()


def _add(parent: Element, path: str, text: str | None = None, **attributes: str) -> Element:
    """A new element at a path below `parent`; those on the way are new too."""
    for tag in path.split("/"):
        parent = SubElement(parent, tag)
    parent.attrib.update(attributes)
    parent.text = text
    return parent


def _add_quantity(parent: Element, path: str, value: str, unit: str) -> None:
    _add(parent, path, value=value, unit=unit).set("xsi:type", "PQ")


def _add_interval(parent: Element, recording: Recording) -> None:
    begin = local_time(recording)
    if begin is None:
        _add(parent, "effectiveTime", nullFlavor="UNK")
        return
    time = _add(parent, "effectiveTime")
    _add(time, "low", value=digits_of(begin))
    _add(time, "high", value=digits_of(begin + timedelta(seconds=recording.duration)))


def _add_subject(root: Element, recording: Recording) -> None:
    """The patient, as the only subject of a trial that is not known."""
    assignment = _add(root, "componentOf/timepointEvent/componentOf/subjectAssignment")
    subject = _add(assignment, "subject/trialSubject")
    if recording.patient_id is None:
        _add(subject, "id", nullFlavor="UNK")
    else:
        _add(subject, "id", root=_PATIENTS, extension=one_line(recording.patient_id))
    if recording.sex is not None:
        code = recording.sex[0].upper()
        _add(subject, "subjectDemographicPerson/administrativeGenderCode", code=code, codeSystem=_GENDERS)
    _add(assignment, "componentOf/clinicalTrial/id", nullFlavor="NI")


def _add_series(root: Element, recording: Recording) -> None:
    series = _add(root, "component/series")
    _add(series, "id", root=str(identity(recording, "aecg series")))
    _add(series, "code", code="RHYTHM", codeSystem=_ACTS)
    _add_interval(series, recording)
    device = one_line(recording.notes.get("device", ""))
    if device:
        _add(series, "author/seriesAuthor/manufacturedSeriesDevice/manufacturerModelName", device)
    for key, hertz in cutoffs(recording).items():
        variable = _add(series, "controlVariable/controlVariable")
        _add(
            variable,
            "code",
            code=next(code for code, named in FILTERS.items() if named == key),
            codeSystem=OID,
        )
        cutoff = _add(variable, "component/controlVariable")
        _add(cutoff, "code", code="MDC_ECG_CTL_VBL_ATTR_FILTER_CUTOFF_FREQ", codeSystem=OID)
        _add_quantity(cutoff, "value", hertz, "Hz")
    _add_sets(series, recording)
    _add_annotations(series, recording)


def _add_sets(series: Element, recording: Recording) -> None:
    steps = microvolts(recording)
    for begin, end in _stretches(steps):
        element = _add(series, "component/sequenceSet")
        _add_time(element, recording, begin)
        for lead, row in zip(recording.leads, steps[:, begin:end], strict=True):
            if not np.isnan(row[0]):
                _add_lead(element, lead, row)


def _stretches(steps: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """(first sample, end) of each stretch in which the same leads are there, and some are."""
    missing = np.isnan(steps)
    changes = np.flatnonzero((missing[:, 1:] != missing[:, :-1]).any(axis=0)) + 1
    if len(changes) >= MAX_SETS:
        raise unwritable(TITLE, f"a signal in {len(changes) + 1:,} pieces")
    edges = [0, *changes.tolist(), steps.shape[1]]
    return ((a, b) for a, b in pairwise(edges) if not missing[:, a].all())


def _add_time(element: Element, recording: Recording, begin: int) -> None:
    """When a set begins, and the time between its samples."""
    rate, start = recording.sampling_rate, local_time(recording)
    sequence = _add(element, "component/sequence")
    clock, kind = ("TIME_RELATIVE", "GLIST_PQ") if start is None else ("TIME_ABSOLUTE", "GLIST_TS")
    _add(sequence, "code", code=clock, codeSystem=_ACTS)
    value = _add(sequence, "value")
    value.set("xsi:type", kind)
    if start is None:
        _add(value, "head", value=plain(begin / rate, 9), unit="s")
    else:
        _add(value, "head", value=digits_of(start + timedelta(seconds=begin / rate)))
    _add(value, "increment", value=plain(step_between(rate)), unit="s")


def _add_lead(element: Element, lead: str, row: NDArray[np.float64]) -> None:
    sequence = _add(element, "component/sequence")
    code = _add(sequence, "code", code=f"MDC_ECG_LEAD_{lead.upper()}")
    if lead_number(lead) is not None:
        code.set("codeSystem", OID)
    value = _add(sequence, "value")
    value.set("xsi:type", "SLIST_PQ")
    _add(value, "origin", value="0", unit="uV")
    _add(value, "scale", value="1", unit="uV")
    _add(value, "digits", " ".join(map(str, row.astype(np.int64).tolist())))


def _add_annotations(series: Element, recording: Recording) -> None:
    """What a device measured, and said, of the whole ECG."""
    statement = one_line(recording.notes.get("interpretation", ""))
    if not recording.measured and not statement:
        return
    annotations = _add(series, "subjectOf/annotationSet")
    for name, value in recording.measured.items():
        annotation = _add(annotations, "component/annotation")
        _add(annotation, "code", code=MEASURED[name].name, codeSystem=OID)
        _add_quantity(annotation, "value", plain(value), MEASURED[name].unit)
    if statement:
        annotation = _add(annotations, "component/annotation")
        _add(annotation, "code", code=STATEMENTS[0], codeSystem=OID)
        _add(annotation, "value", statement).set("xsi:type", "ST")


AECG = Writer(name="aecg", title=TITLE, suffix=".xml", encode=encode)
