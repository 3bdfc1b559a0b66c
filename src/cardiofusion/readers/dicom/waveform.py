"""The multiplex groups of a DICOM waveform: checked, in mV, and placed side by side in time.

Channels of a group take turns, sample by sample: value = sample x sensitivity x correction + baseline. Groups
may be the same time at other rates, successive times, or beats averaged from another group.
Source: DICOM PS3.3 C.10.9 and A.34.3 (four successive groups of three leads, and a rhythm strip).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details
from cardiofusion.readers.dicom.dataset import Item
from cardiofusion.readers.dicom.leads import channel_lead, channel_words
from cardiofusion.readers.format import HINT, MAX_MILLIVOLTS, MAX_RATE, MIN_RATE
from cardiofusion.records import RecordingError

MAX_CHANNELS = 256  # in a group; the standard has at most 24
MIN_STEP, MAX_STEP = 1e-5, 1000.0  # microvolts; samples of 24 bits and more have small ones
MAX_SPARSENESS = 16  # times the samples that the file holds: 12 single leads in turn, and pauses
MAX_CELLS = 1 << 26  # samples, missing ones included, unless the file holds more
PADDING_SECONDS = 0.2  # how long an ordinary value must last to be padding
MAX_DISAGREEMENT = 0.01  # mV between two groups in the same sample of a lead

_UNITS = {"uV": 1e-3, "µV": 1e-3, "mV": 1.0, "V": 1e3}  # mV
_SPOKEN_UNITS = {"microvolt": 1e-3, "millivolt": 1.0, "volt": 1e3}
_TYPES: dict[tuple[int, str], np.dtype[Any]] = {  # (bits allocated, interpretation) -> type of a sample
    (8, "SB"): np.dtype(np.int8),
    (8, "UB"): np.dtype(np.uint8),
    (16, "SS"): np.dtype(np.int16),
    (16, "US"): np.dtype(np.uint16),
    (32, "SL"): np.dtype(np.int32),
    (32, "UL"): np.dtype(np.uint32),
}
_AVERAGED = ("MEDIAN", "AVERAGE", "TEMPLATE", "REPRESENTATIVE")
FILTERS = {
    "high-pass filter": "FilterLowFrequency",
    "low-pass filter": "FilterHighFrequency",
    "mains filter": "NotchFilterFrequency",
}


@dataclass(frozen=True)
class Piece:
    """Successive samples of a lead in mV, of which the first is number `start` on the recording's clock."""

    lead: str
    start: int
    values: NDArray[np.float32]


@dataclass(frozen=True)
class Group:
    """A multiplex group. leads: lead -> the position of its channel, for the channels that are ECG."""

    item: Item
    channels: tuple[Item, ...]
    leads: dict[str, int]

    @classmethod
    def of(cls, item: Item, details: Details) -> Group:
        """Raises RecordingError."""
        channels = tuple(item.items("ChannelDefinitionSequence", "channel"))
        if len(channels) > MAX_CHANNELS:
            raise RecordingError("recording.size", f"{item.name} has {len(channels)} channels", HINT)
        leads: dict[str, int] = {}
        for position, channel in enumerate(channels):
            lead, computed = channel_lead(channel)
            if lead in leads:
                raise RecordingError("recording.lead", f"{item.name} has {lead} twice", HINT)
            if lead is None:
                details.note("skipped", channel_words(channel))
                continue
            leads[lead] = position
            if computed:
                details.note("leads computed by the device", lead)
        return cls(item, channels, leads)

    @property
    def original(self) -> bool:
        return self.item.text("WaveformOriginality").upper() != "DERIVED"

    @property
    def averaged(self) -> bool:
        """Whether this is a typical beat, not a rhythm, by its label."""
        return any(word in self.label.upper() for word in _AVERAGED)

    @property
    def label(self) -> str:
        return self.item.text("MultiplexGroupLabel")

    @cached_property
    def rate(self) -> float:
        rate = self.item.number("SamplingFrequency")
        if rate is None or not MIN_RATE <= rate <= MAX_RATE:
            given = "no sampling rate" if rate is None else f"a sampling rate of {rate:g} Hz"
            raise RecordingError("recording.rate", f"{self.item.name} gives {given}", HINT)
        return rate

    @cached_property
    def offset(self) -> float | None:
        """Seconds from the start of the recording; None where the file does not say."""
        offset = self.item.number("MultiplexGroupTimeOffset")
        return None if offset is None else offset / 1000.0

    @cached_property
    def size(self) -> int:
        """Samples of a channel, by what the file declares."""
        return self.item.integer("NumberOfWaveformSamples")

    def pieces(self, details: Details) -> list[Piece]:
        """The leads in mV, NaN where padded. Raises RecordingError."""
        samples = self._samples()
        missing = self._missing(samples, details)
        return [
            self._piece(lead, samples[:, position], missing[:, position] if missing is not None else None)
            for lead, position in self.leads.items()
        ]

    def _samples(self) -> NDArray[np.integer]:
        """[sample, channel] as stored. Raises RecordingError where the bytes are not as many as declared."""
        count, expected = len(self.channels), self.size
        if self.item.integer("NumberOfWaveformChannels") != count:
            raise self.item.wrong(f"{count} channels described, and another number declared")
        stored = self.item.samples("WaveformData", self._type)
        trailing = len(self.item.octets("WaveformData")) - expected * count * self._type.itemsize
        if trailing < 0 or not expected:
            raise RecordingError(
                "recording.truncated",
                f"{self.item.name} has {len(stored)} samples for {count} channels of {expected}",
                HINT,
            )
        if trailing > 1:  # one byte makes an odd number of bytes even
            raise self.item.wrong(f"{trailing} bytes more than its {count} channels of {expected} samples")
        return stored[: expected * count].reshape(expected, count)

    @cached_property
    def _type(self) -> np.dtype[np.integer]:
        bits = self.item.integer("WaveformBitsAllocated")
        interpretation = self.item.text("WaveformSampleInterpretation")
        if (bits, interpretation) not in _TYPES:
            raise RecordingError(
                "recording.version",
                f"{self.item.name} has samples of {bits} bits in the interpretation {interpretation[:16]!r}",
                "we read linear samples of 8, 16 or 32 bits (SB, UB, SS, US, SL, UL)",
            )
        return _TYPES[bits, interpretation]

    def _missing(self, samples: NDArray[np.integer], details: Details) -> NDArray[np.bool_] | None:
        """Which samples are padding; None where there is none.

        Some writers declare 0 as padding, which every ECG crosses: a value within the signal's own range
        counts only where it lasts.
        """
        padding = self.item.samples("WaveformPaddingValue", self._type)[:1]
        mask = samples == padding[0] if len(padding) else None
        if mask is None or not mask.any():
            return None
        others = samples[~mask]
        if others.size and others.min() < padding[0] < others.max():
            mask = lasting(mask, max(round(PADDING_SECONDS * self.rate), 2))
            details.note(
                "padding",
                f"{padding[0]} lies within the signal: missing only where it lasts {PADDING_SECONDS:g} s",
            )
        return mask

    def _piece(self, lead: str, stored: NDArray[np.integer], missing: NDArray[np.bool_] | None) -> Piece:
        channel = self.channels[self.leads[lead]]
        self._check_bits(channel, stored if missing is None else stored[~missing])
        step, baseline = _scale(channel)
        values = stored * step + baseline
        if missing is not None:
            values[missing] = np.nan
        if (np.abs(values) > MAX_MILLIVOLTS).any():
            raise RecordingError(
                "recording.gain", f"{channel.name} has samples of more than {MAX_MILLIVOLTS:g} mV", HINT
            )
        return Piece(lead, self._start(channel), values.astype(np.float32))

    def _check_bits(self, channel: Item, stored: NDArray[np.integer]) -> None:
        """Samples use no more bits than declared: the highest is the sign, extended (C.10.9.1.7)."""
        allocated = 8 * self._type.itemsize
        bits = channel.integer("WaveformBitsStored") if channel.octets("WaveformBitsStored") else allocated
        if not 1 <= bits <= allocated:
            raise channel.wrong(f"{bits} bits stored of {allocated}")
        signed = self._type.kind == "i"
        lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if stored.size and (stored.min() < lowest or stored.max() > highest):
            raise channel.wrong(f"samples beyond the {bits} bits that it declares")

    def _start(self, channel: Item) -> int:
        """Number of the first sample, from where the recording's clock begins, to the nearest."""
        skew = channel.number("ChannelTimeSkew")
        samples = 0.0 if skew is not None else channel.number("ChannelSampleSkew") or 0.0
        seconds = (self.offset or 0.0) + (skew or 0.0) + (channel.number("ChannelOffset") or 0.0)
        return round(seconds * self.rate + samples)


def rhythm(items: Sequence[Item], details: Details, name: str) -> list[Group]:
    """The groups that are the recording: one, or several at the same rate on the same clock.

    Raises RecordingError: none ("recording.empty"), or leads in a group that cannot be put beside the others.
    """
    groups = [group for group in (Group.of(item, details) for item in items) if group.leads]
    rhythms = [group for group in groups if not group.averaged]
    chosen = [group for group in rhythms if group.original] or rhythms
    if not chosen:
        what = "only typical beats" if groups else "no ECG among its channels"
        raise RecordingError("recording.empty", f"{name} has {what}", HINT)
    if not chosen[0].original:
        details.note("originality", "derived from other waveforms")
    for group in groups:
        if group not in chosen:
            details.note("not part of this recording", group.label or "a derived waveform")
    return _beside(chosen, details)


def placed(pieces: Sequence[Piece], name: str) -> tuple[NDArray[np.float32], tuple[str, ...], int]:
    """Pieces on one clock: [lead, sample] in mV, NaN where a lead was not recorded; leads; the first sample.

    Raises RecordingError where they lie too far apart, contradict each other or hold nothing.
    """
    start = min(piece.start for piece in pieces)
    length = max(piece.start + len(piece.values) for piece in pieces) - start
    leads = tuple(dict.fromkeys(piece.lead for piece in pieces))
    held = sum(len(piece.values) for piece in pieces)
    if length * len(leads) > min(MAX_SPARSENESS * held, max(2 * held, MAX_CELLS)):
        raise RecordingError(
            "recording.size", f"{name} has groups too far apart in time to be one recording", HINT
        )
    signal = np.full((len(leads), length), np.nan, dtype=np.float32)
    for piece in sorted(pieces, key=lambda piece: -len(piece.values)):
        window = signal[leads.index(piece.lead), piece.start - start :][: len(piece.values)]
        if (np.abs(window - piece.values) > MAX_DISAGREEMENT).any():
            raise RecordingError(
                "recording.header", f"{name} has {piece.lead} twice at the same time, with other values", HINT
            )
        np.copyto(window, piece.values, where=np.isnan(window))
    if np.isnan(signal).all():
        raise RecordingError("recording.empty", f"{name} has padding in place of all its samples", HINT)
    return signal, leads, start


def lasting(mask: NDArray[np.bool_], least: int) -> NDArray[np.bool_]:
    """Of a mask [sample, channel], the runs of at least `least` samples."""
    edges = np.diff(np.pad(mask.T.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    channels, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    kept = np.zeros_like(mask)
    for run in np.nonzero(ends - starts >= least)[0]:
        kept[starts[run] : ends[run], channels[run]] = True
    return kept


def note_channels(group: Group, details: Details) -> bool:
    """Note filters and states of the leads' channels; whether their gain can be trusted."""
    used = [(lead, group.channels[position]) for lead, position in group.leads.items()]
    for key, keyword in FILTERS.items():
        found = {channel.text(keyword) for _, channel in used} - {"", "0"}
        details.note(key, ", ".join(f"{value[:16]} Hz" for value in sorted(found)))
    states = {lead: channel.text("ChannelStatus").upper() for lead, channel in used}
    for lead, state in states.items():
        if state not in {"", "OK"}:
            details.note("channel status", f"{lead} {state[:40]}")
    return not any("UNCALIBRATED" in state for state in states.values())


def _beside(groups: list[Group], details: Details) -> list[Group]:
    """The largest group, and those on the same clock at the same rate."""
    largest = max(groups, key=lambda group: (len(group.leads), group.size))
    kept = []
    for group in groups:
        together = group.rate == largest.rate and None not in (group.offset, largest.offset)
        if group is largest or together:
            kept.append(group)
        elif group.leads.keys() <= largest.leads.keys():
            details.note("not part of this recording", group.label or "another waveform of the same leads")
        else:
            raise RecordingError(
                "recording.rate" if group.rate != largest.rate else "recording.header",
                f"{group.item.name} has other leads than {largest.item.name}, and when they were recorded "
                "relative to each other, or at which common rate, is not said",
                "export all leads in one multiplex group",
            )
    return kept


def _scale(channel: Item) -> tuple[float, float]:
    """(mV a step, mV at 0). Raises RecordingError where the file does not say them, or not plausibly."""
    unit = _millivolts(channel)
    sensitivity = channel.number("ChannelSensitivity")
    if sensitivity is None:
        raise RecordingError("recording.gain", f"{channel.name} has no sensitivity", HINT)
    correction = channel.number("ChannelSensitivityCorrectionFactor")
    step = sensitivity * (1.0 if correction is None else correction) * unit
    if not MIN_STEP <= 1e3 * step <= MAX_STEP:
        raise RecordingError(
            "recording.gain",
            f"{channel.name} has steps of {1e3 * step:g} uV, not of {MIN_STEP:g} to {MAX_STEP:g}",
            HINT,
        )
    return step, (channel.number("ChannelBaseline") or 0.0) * unit


def _millivolts(channel: Item) -> float:
    """mV in the channel's unit."""
    code = channel.code("ChannelSensitivityUnitsSequence")
    spoken = _SPOKEN_UNITS.get(code.meaning.casefold().removesuffix("s"), _UNITS.get(code.value))
    if code.value not in _UNITS or spoken != _UNITS[code.value]:
        given = f"the unit {code.value[:16]!r} ({code.meaning[:24]!r})" if code.value else "no unit"
        raise RecordingError("recording.units", f"{channel.name} has {given}, not uV, mV or V", HINT)
    return _UNITS[code.value]
