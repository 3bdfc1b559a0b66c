"""An SCP-ECG record as a Recording."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details
from cardiofusion.readers.format import HINT, Format
from cardiofusion.readers.scp.demographics import read_demographics
from cardiofusion.readers.scp.findings import read_measurements, read_statements
from cardiofusion.readers.scp.leads import TURNED, LeadDefinition, ecg_leads, read_leads
from cardiofusion.readers.scp.rhythm import VERSION_3, Rhythm, read_rhythm
from cardiofusion.readers.scp.sections import Record, read_record, recognises
from cardiofusion.records import Recording, RecordingError, standard_leads

MAX_SAMPLES = 1 << 22  # of all leads together: twelve leads for 11 minutes at 500 Hz
LONG_RHYTHM = 12  # a section of version 3


def decode(content: bytes, name: str) -> Recording:
    """The rhythm of section 6 in mV. Raises RecordingError."""
    record = read_record(content, name)
    sections = record.sections
    _check_complete(record, name)
    definition = read_leads(sections[3])
    details = _details(record, definition)
    leads = ecg_leads(definition, details, name)
    rhythm = read_rhythm(sections, definition)
    _note_compression(rhythm, details)
    signal, names = _signal(rhythm, definition, leads, name), tuple(leads)
    if definition.at_once:
        signal, names = standard_leads(signal, names)
    return Recording(
        signal=signal,
        sampling_rate=rhythm.sampling_rate,
        leads=names,
        unverified=() if record.verified else ("header", "samples"),
        **details.fields(),
    )


def _check_complete(record: Record, name: str) -> None:
    if 3 in record.sections and 6 in record.sections:
        return
    if LONG_RHYTHM in record.others:
        raise RecordingError(
            "recording.version",
            f"{name} holds only the long-term rhythm of SCP-ECG version 3 (section 12)",
            "export its rhythm as section 6, or in another format",
        )
    raise RecordingError("recording.empty", f"{name} has no rhythm (sections 3 and 6)", HINT)


def _signal(
    rhythm: Rhythm, definition: LeadDefinition, leads: dict[str, int], name: str
) -> NDArray[np.float32]:
    """[lead, sample] in mV; NaN where a lead was not recorded while others were."""
    kept = [definition.leads[place] for place in leads.values()]
    begin, end = min(lead.first for lead in kept), max(lead.last for lead in kept)
    length, total = end - begin + 1, sum(lead.samples for lead in kept)
    if length * len(kept) > MAX_SAMPLES:
        raise RecordingError(
            "recording.size",
            f"{name} declares {length} samples of {len(kept)} leads",
            f"at most {MAX_SAMPLES:,} in all are read",
        )
    if length > total:
        raise RecordingError("recording.header", f"{name} has times at which no lead was recorded", HINT)
    rows = [rhythm.millivolts(lead, place) for lead, place in zip(kept, leads.values(), strict=True)]
    signal = np.full((len(kept), length), np.nan, dtype=np.float32)
    for row, lead, samples in zip(signal, kept, rows, strict=True):
        turned = lead.name in TURNED
        row[lead.first - begin : lead.last - begin + 1] = -samples if turned else samples
    return signal


def _details(record: Record, definition: LeadDefinition) -> Details:
    details, sections, encoding = Details(), record.sections, "utf-8"
    if 1 in sections:
        encoding = read_demographics(sections[1], details)
    if 7 in sections:
        read_measurements(sections[7], details)
    if 8 in sections:
        read_statements(sections[8], encoding, details)
    if 5 in sections:
        details.note("reference beats", "in the file, not part of this recording")
    if LONG_RHYTHM in record.others and sections[6].protocol >= VERSION_3:
        details.note("skipped", "long-term rhythm (section 12)")
    if not definition.at_once:
        details.note("leads", "not said to have been recorded at the same time; none are derived")
    if record.trailing:
        details.note("trailing bytes", f"{record.trailing} after the record")
    return details


def _note_compression(rhythm: Rhythm, details: Details) -> None:
    if rhythm.reference:
        details.note("compression", "reference beats subtracted, added again here")
    if rhythm.reduction > 1:
        stored = rhythm.sampling_rate / rhythm.reduction
        details.note(
            "compression", f"outside the QRS low-passed and stored at {stored:g} Hz, interpolated here"
        )


SCP = Format(name="SCP-ECG", files=".scp", recognises=recognises, decode=decode)
