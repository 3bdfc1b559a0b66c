"""An EDF, EDF+ or BDF file as a Recording: the signals that are named as ECG leads, in mV."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from cardiofusion.readers.details import Details, as_sex, known, years_between
from cardiofusion.readers.edf.annotations import count_remarks, pauses, record_onsets
from cardiofusion.readers.edf.header import VERSIONS, Header, Signal, read_header
from cardiofusion.readers.format import HINT, MAX_MILLIVOLTS, MAX_RATE, MIN_RATE, Format
from cardiofusion.records import Recording, RecordingError, lead_name, standard_leads

MIN_STEP, MAX_STEP = 1e-5, 1000.0  # microvolts; samples of 24 bits and more have small ones
MAX_SPARSENESS = 16  # times the samples that the file holds, pauses included
MAX_CELLS = 1 << 26  # samples, missing ones included, unless the file holds more
MAX_ONSET = 86_400.0 * 366  # s from the header's time to the first record

_UNITS = {"uV": 1e-3, "uv": 1e-3, "UV": 1e-3, "µV": 1e-3, "µv": 1e-3, "mV": 1.0, "mv": 1.0, "V": 1e3}  # mV
_UTF8_MICRO = ("Âµ", "Î¼")  # as Latin-1 shows it
_PREFIX = re.compile(r"^(?:(?:ecg|ekg|lead)[\s_:-]*)+")
_REFERENCE = re.compile(r"\s*-\s*ref$", re.IGNORECASE)
_INVERTED = re.compile(r"(?:^|\s)-\w+$")  # "ECG -aVR" is not aVR
_ELECTRODES = {"la-ra": "I", "ll-ra": "II", "lf-ra": "II", "ll-la": "III", "lf-la": "III"}
_ONLY_WITH_PREFIX = frozenset({"X", "Y", "Z", "ES", "AS", "AI"})  # also accelerometers, inputs
FILTERS = {"HP": "high-pass filter", "LP": "low-pass filter", "N": "mains filter"}
_FILTER = re.compile(r"\b(HP|LP|N):\s*(DC|\d[\d.,]*\s*[a-z]{0,4})", re.IGNORECASE)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LONG_DATE = re.compile(r"(\d\d)-([A-Z]{3})-(\d{4})", re.ASCII | re.IGNORECASE)
_SHORT_DATE = re.compile(r"(\d\d)\D(\d\d)\D(\d\d)", re.ASCII)
_CLOCK = re.compile(r"(\d\d)\D(\d\d)\D(\d\d)", re.ASCII)
_FIRST_YEAR = 85  # of two digits: 1985; 84 is 2084
_NO_DATE = "01.01.85"  # seven years before EDF: stands for an unknown one


def recognises(head: bytes) -> bool:
    return head[:8] in VERSIONS and head[184:192].strip().isdigit()


def decode(content: bytes, name: str) -> Recording:
    """The ECG leads in mV, NaN where an EDF+D file was interrupted. Raises RecordingError."""
    header = read_header(content, name)
    details = _details(header)
    leads = _ecg_signals(header, details)
    rate = _rate(header, leads)
    onsets = record_onsets(content, header) if header.plus else None
    missing = pauses(onsets, header, rate)
    _check_size(int(missing.sum()), header.records * next(iter(leads.values())).samples, len(leads), name)
    signal, names = standard_leads(_with_pauses(_signal(content, header, leads), missing), tuple(leads))
    _note_start(details, 0.0 if onsets is None else float(onsets[0]))
    details.note("annotations", _counted(count_remarks(content, header)))
    return Recording(
        signal=signal,
        sampling_rate=rate,
        leads=names,
        unverified=("header", "samples"),
        **details.fields(),
    )


def _ecg_signals(header: Header, details: Details) -> dict[str, Signal]:
    """Lead -> its signal. Raises RecordingError: an unknown lead, a lead twice, or no ECG at all."""
    found: dict[str, Signal] = {}
    for signal in header.signals:
        lead = _lead(signal, header.name)
        if lead is None:
            details.note("skipped", "" if signal.annotations else signal.label)
        elif lead in found:
            raise RecordingError("recording.lead", f"{header.name} has {lead} twice", HINT)
        else:
            found[lead] = signal
            _note_filters(signal, details)
    if not found:
        labels = ", ".join(signal.label for signal in header.signals if not signal.annotations)[:100]
        raise RecordingError(
            "recording.empty",
            f"{header.name} has no ECG among its signals {labels!r}",
            "an ECG lead's label is its name, as in 'ECG II' or 'V1'",
        )
    return found


def _lead(signal: Signal, name: str) -> str | None:
    """The lead of a signal, None where it is no ECG. Raises RecordingError for an ECG of an unknown lead."""
    label = _REFERENCE.sub("", signal.label)
    folded = label.casefold()
    bare = _PREFIX.sub("", folded)
    prefixed = bare != folded
    lead = _ELECTRODES.get(bare) if "-" in bare or _INVERTED.search(label) else lead_name(bare)
    if lead and not prefixed and (lead in _ONLY_WITH_PREFIX or (signal.dimension and not _in_volts(signal))):
        return None
    if lead is None and prefixed and (not signal.dimension or _in_volts(signal)):
        raise RecordingError(
            "recording.lead",
            f"{name} has {signal.label[:16]!r}, an ECG of no lead that we know",
            "name the lead in the label, as in 'ECG II'",
        )
    return lead


def _in_volts(signal: Signal) -> bool:
    return _unit(signal) in _UNITS


def _unit(signal: Signal) -> str:
    for micro in _UTF8_MICRO:
        if signal.dimension.startswith(micro):
            return "µ" + signal.dimension.removeprefix(micro)
    return signal.dimension


def _rate(header: Header, leads: dict[str, Signal]) -> float:
    """Hz, the same for all leads. Raises RecordingError."""
    counts = {signal.samples for signal in leads.values()}
    rates = sorted(count / header.duration if header.duration > 0 else 0.0 for count in counts)
    if len(rates) > 1:
        words = " and ".join(f"{rate:g}" for rate in rates)
        raise RecordingError(
            "recording.rate",
            f"{header.name} has ECG leads of {words} Hz",
            "export all leads at one sampling rate",
        )
    if not MIN_RATE <= rates[0] <= MAX_RATE:
        raise RecordingError(
            "recording.rate",
            f"{header.name} gives a sampling rate of {rates[0]:g} Hz",
            f"an ECG's rate is {MIN_RATE:g} to {MAX_RATE:g} Hz",
        )
    return rates[0]


def _signal(content: bytes, header: Header, leads: dict[str, Signal]) -> NDArray[np.float32]:
    """[lead, sample] in mV. Raises RecordingError."""
    samples = header.records * next(iter(leads.values())).samples
    signal = np.empty((len(leads), samples), dtype=np.float32)
    for row, (lead, stored) in zip(signal, leads.items(), strict=True):
        row[:] = _millivolts(content, header, lead, stored)
    return signal


def _millivolts(content: bytes, header: Header, lead: str, signal: Signal) -> NDArray[np.float64]:
    """The samples of a lead. Raises RecordingError where unit or gain is missing or not plausible."""
    what = f"{lead} of {header.name}"
    if not _in_volts(signal):
        raise RecordingError("recording.units", f"{what} is in {signal.dimension!r}, not uV, mV or V", HINT)
    unit = _UNITS[_unit(signal)]
    step = abs(signal.scale(header.name)[0]) * unit * 1e3
    if not MIN_STEP <= step <= MAX_STEP:
        raise RecordingError(
            "recording.gain", f"{what} has steps of {step:g} uV, not of {MIN_STEP:g} to {MAX_STEP:g}", HINT
        )
    values = header.physical(content, signal)
    values *= unit
    if max(values.max(), -values.min()) > MAX_MILLIVOLTS:
        raise RecordingError("recording.gain", f"{what} has samples of more than {MAX_MILLIVOLTS:g} mV", HINT)
    return values


def _check_size(missing: int, held: int, leads: int, name: str) -> None:
    """Pauses are filled up to a limit: allocation follows what the file holds."""
    limit = min(MAX_SPARSENESS * held, max(2 * held, MAX_CELLS // leads))
    if missing + held > limit:
        raise RecordingError(
            "recording.size",
            f"{name} has {held:,} samples a lead, and pauses as long as {missing:,}",
            "split the file at its interruptions",
        )


def _with_pauses(signal: NDArray[np.float32], missing: NDArray[np.int64]) -> NDArray[np.float32]:
    """[lead, sample] with NaN put in before each record: `missing` samples."""
    breaks = np.nonzero(missing)[0]
    if not len(breaks):
        return signal
    each = signal.shape[1] // len(missing)
    parts = np.split(signal, breaks * each, axis=1)
    filled = [parts[0]]
    for part, count in zip(parts[1:], missing[breaks], strict=True):
        filled += [np.full((len(signal), count), np.nan, dtype=np.float32), part]
    return np.concatenate(filled, axis=1)


def _details(header: Header) -> Details:
    """The fields that EDF+ defines; those of plain EDF are free text, names of patients among it."""
    details = Details(time=_start(header))
    if header.plus:
        code, sex, birth, *_ = [*header.patient.split(), "X", "X", "X"]
        details.patient_id = None if code == "X" else known(code.replace("_", " "))
        details.sex = as_sex(sex)
        born = _long_date(birth)
        details.age = years_between(born, details.time) if born and details.time else None
        equipment = "".join(header.recording.split()[4:5])
        details.note("device", "" if equipment == "X" else equipment.replace("_", " "))
    if header.unstated:
        details.note("records", f"{header.records}, by the size of the file; the header does not say")
    if header.trailing:
        details.note("trailing bytes", f"{header.trailing} after the last record")
    return details


def _start(header: Header) -> datetime | None:
    """When the recording began; None where the file does not say, or says no possible time."""
    clock, date = _CLOCK.fullmatch(header.clock), _SHORT_DATE.fullmatch(header.date)
    stated = (
        header.recording.split()[1:2] if header.plus and header.recording.startswith("Startdate ") else []
    )
    if clock is None or date is None or header.date == _NO_DATE or stated == ["X"]:
        return None
    day, month, year = map(int, date.groups())
    try:
        short = datetime(year + (1900 if year >= _FIRST_YEAR else 2000), month, day)
        long = _long_date("".join(stated)) or short
        return long.replace(hour=int(clock[1]), minute=int(clock[2]), second=int(clock[3]))
    except ValueError:
        return None


def _note_start(details: Details, onset: float) -> None:
    """The time of the first sample: EDF+ keeps the fraction of a second in the first record's onset."""
    if details.time is not None and abs(onset) <= MAX_ONSET:
        try:
            details.time += timedelta(seconds=onset)
        except OverflowError:  # beyond the year 9999
            details.time = None


def _long_date(text: str) -> datetime | None:
    match = _LONG_DATE.fullmatch(text)
    if match is None or match[2].upper() not in _MONTHS:
        return None
    try:
        return datetime(int(match[3]), _MONTHS.index(match[2].upper()) + 1, int(match[1]))
    except ValueError:
        return None


def _note_filters(signal: Signal, details: Details) -> None:
    """The filters of a lead, once where leads share them."""
    for kind, value in _FILTER.findall(signal.prefilter):
        key = FILTERS[kind.upper()]
        if value.strip() not in details.notes.get(key, "").split("; "):
            details.note(key, value)


def _counted(count: int) -> str:
    return str(count) if count else ""


EDF = Format(name="EDF, EDF+ and BDF", files=".edf, .bdf", recognises=recognises, decode=decode)
