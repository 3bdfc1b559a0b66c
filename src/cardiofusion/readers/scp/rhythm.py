"""Sections 5 and 6: reference beats and rhythm, and what becomes of them together.

Every lead is a stream of 16-bit samples or of their first or second differences, Huffman coded or not, in
steps of some nanovolts. From the rhythm a reference beat may have been subtracted; and what is left may keep
every sample only around the QRS ("bimodal"), and elsewhere one low-passed sample for every two to four.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.format import HINT
from cardiofusion.readers.scp.beats import Beats, read_beats
from cardiofusion.readers.scp.huffman import Table, decode, read_tables
from cardiofusion.readers.scp.leads import Lead, LeadDefinition
from cardiofusion.readers.scp.sections import Section
from cardiofusion.records import RecordingError

MIN_STEP = 10  # nV; the field ends at 65,535
MIN_INTERVAL, MAX_INTERVAL = 50, 20_000  # microseconds: 20 kHz to 50 Hz
MAX_REDUCTION = 4
PADDING_BITS = 16  # streams and sections end on an even byte
VERSION_3 = 26  # its drafts were numbered 2.6 to 2.9
NEXT_VERSION = 40


@dataclass(frozen=True)
class Encoded:
    """Section 5 or 6. step: nV. interval: microseconds. differences: none, first or second. unused: bytes.

    flag: in section 6, whether it is bimodal; in version 3, whether it is Huffman coded.
    """

    step: int
    interval: int
    differences: int
    flag: bool
    streams: tuple[bytes, ...]
    unused: int
    what: str

    def samples(self, place: int, count: int, tables: tuple[Table, ...]) -> tuple[NDArray[np.int64], int]:
        """`count` samples of the lead at this place, in steps, and the bits left after them."""
        stream, what = self.streams[place], f"lead {place + 1} in {self.what}"
        if tables:
            values, left = decode(stream, count, tables, what)
        elif 2 * count <= len(stream):
            values = np.frombuffer(stream, "<i2", count).astype(np.int64)
            left = 8 * (len(stream) - 2 * count)
        else:
            raise RecordingError("recording.truncated", f"{what} ends before its {count} samples", HINT)
        return _undo_differences(values, self.differences), left


@dataclass(frozen=True)
class Rhythm:
    """All that the samples of a lead follow from.

    reduction: how many samples one stands for outside the protected areas of `beats`.
    reference: the beat that is to be added; None where none was subtracted.
    """

    encoded: Encoded
    tables: tuple[Table, ...]
    reduction: int = 1
    beats: Beats | None = None
    reference: Encoded | None = None

    @property
    def sampling_rate(self) -> float:
        """Hz, of the samples that `millivolts` returns."""
        return 1e6 * self.reduction / self.encoded.interval

    def millivolts(self, lead: Lead, place: int) -> NDArray[np.float32]:
        """The samples of one lead."""
        if self.beats and self.reduction > 1:
            samples = self._spread(lead, place, self.beats)
        else:
            samples, _ = self.encoded.samples(place, lead.samples, self.tables)
        signal = samples * self.encoded.step  # nV
        if self.beats and self.reference:
            beat, _ = self.reference.samples(place, self.beats.samples(self.reference.interval), self.tables)
            self.beats.add(signal, lead, beat * self.reference.step)
        return (signal * 1e-6).astype(np.float32)

    def _spread(self, lead: Lead, place: int, beats: Beats) -> NDArray[np.int64]:
        """Bimodal samples at the full rate, in steps: interpolated where there are fewer."""
        stretches = beats.stretches(lead)
        stored = sum(samples if full else sum(divmod(samples, self.reduction)) for samples, full in stretches)
        samples, left = self.encoded.samples(place, stored, self.tables)
        if left >= PADDING_BITS:  # the writer stored more: these are not its areas
            raise RecordingError(
                "recording.header",
                f"lead {place + 1} in {self.encoded.what} does not fit the protected areas",
                HINT,
            )
        return np.concatenate(_pieces(samples, stretches, self.reduction))


def read_rhythm(sections: dict[int, Section], definition: LeadDefinition) -> Rhythm:
    """Section 6, with what it needs of sections 2, 4 and 5. Raises RecordingError."""
    section, count = sections[6], len(definition.leads)
    encoded, tables = read_encoded(section, count), read_tables(sections.get(2))
    if section.protocol >= VERSION_3:
        _check_version_3(section, encoded, tables, definition)
        return Rhythm(encoded, tables)
    if not definition.subtracted and not (encoded.flag and 5 in sections):
        # Bimodal, but no reference beat: then nothing was left out, or the streams end too early.
        return Rhythm(encoded, tables)
    if 4 not in sections or 5 not in sections:
        raise RecordingError(
            "recording.header",
            f"{section.what} needs reference beats (sections 4 and 5) that are missing",
            HINT,
        )
    beats, reference = read_beats(sections[4]), read_encoded(sections[5], count)
    reduction = _reduction(encoded, reference)
    _check_beats(beats, reduction, definition.subtracted, section.what)
    return Rhythm(encoded, tables, reduction, beats, reference if definition.subtracted else None)


def read_encoded(section: Section, leads: int) -> Encoded:
    """Section 5 or 6 of so many leads. Raises RecordingError."""
    cursor = section.cursor()
    step, interval = cursor.number(2), cursor.number(2)
    differences, flag = cursor.number(1), cursor.number(1)
    if step < MIN_STEP:
        raise RecordingError("recording.gain", f"{section.what} has steps of {step} nV", HINT)
    if not MIN_INTERVAL <= interval <= MAX_INTERVAL:
        raise RecordingError("recording.rate", f"{section.what} has a sample every {interval} us", HINT)
    if differences > 2:
        raise RecordingError(
            "recording.header", f"{section.what} has differences of order {differences}", HINT
        )
    sizes = [cursor.number(2) for _ in range(leads)]
    streams = tuple(cursor.take(size) for size in sizes)
    return Encoded(step, interval, differences, bool(flag), streams, cursor.left, section.what)


def _reduction(encoded: Encoded, reference: Encoded) -> int:
    """How many samples one stands for outside the protected areas: the intervals of rhythm and beat say."""
    reduction, rest = divmod(encoded.interval, reference.interval)
    if rest or not 1 <= reduction <= (MAX_REDUCTION if encoded.flag else 1):
        raise RecordingError(
            "recording.version",
            f"{encoded.what} has a sample every {encoded.interval} us, its reference beat every"
            f" {reference.interval} us",
            "we read rhythm at the rate of its reference beat, or bimodal at a half to a quarter of it",
        )
    return reduction


def _check_beats(beats: Beats, reduction: int, subtracted: bool, what: str) -> None:
    """Whether section 4 says all that is needed."""
    if reduction > 1 and beats.protected is None:
        raise RecordingError(
            "recording.version",
            f"{what} is bimodal, but section 4 names no protected areas",
            "versions 1.0 and 1.1 do not say where samples were left out; export it in a later version",
        )
    if subtracted and beats.zones and not beats.length:
        raise RecordingError("recording.header", f"{what} needs a reference beat, which is empty", HINT)


def _check_version_3(
    section: Section, encoded: Encoded, tables: tuple[Table, ...], definition: LeadDefinition
) -> None:
    """Version 3 dropped subtraction and decimation; its section 6 is read where it is laid out as before."""
    fits = encoded.unused < PADDING_BITS // 8 and encoded.flag == bool(tables)
    if section.protocol >= NEXT_VERSION or definition.subtracted or not fits:
        raise RecordingError(
            "recording.version",
            f"{section.what} is of version {section.protocol / 10:g}, in a layout we do not know",
            "export it as SCP-ECG version 2",
        )


def _undo_differences(values: NDArray[np.int64], order: int) -> NDArray[np.int64]:
    """Samples of 16 bits, as which writers subtract; the first ones are stored as they are."""
    if order == 2 and len(values) > 1:
        values = np.concatenate([values[:1], np.cumsum(np.append(values[1] - values[0], values[2:]))])
    if order:
        values = np.cumsum(values)
    return values.astype(np.int16).astype(np.int64)


def _pieces(
    samples: NDArray[np.int64], stretches: list[tuple[int, bool]], reduction: int
) -> list[NDArray[np.int64]]:
    """The stretches of a lead at the full rate. A rest too short to be reduced stands as it is."""
    pieces, position = [], 0
    for count, full in stretches:
        groups, rest = (0, count) if full else divmod(count, reduction)
        pieces.append(_interpolated(samples[position : position + groups], reduction))
        pieces.append(samples[position + groups : position + groups + rest])
        position += groups + rest
    return pieces


def _interpolated(samples: NDArray[np.int64], reduction: int) -> NDArray[np.int64]:
    """Each sample in the middle of those it stands for, straight lines between; level at either end."""
    if not len(samples):
        return samples
    middles = np.arange(len(samples)) * reduction + reduction // 2
    spread = np.interp(np.arange(len(samples) * reduction), middles, samples)
    return np.rint(spread).astype(np.int64)
