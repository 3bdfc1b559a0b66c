"""Apple Health's export of a watch ECG (CSV): lead I, a header in the phone's language, then microvolts.

    Name,...
    Date of Birth,"Jan 8, 1962"
    Recorded Date,2024-05-30 16:32:18 -0700
    Classification,Sinus Rhythm
    Symptoms,
    Software Version,1.90
    Device,"Watch7,12"
    Sample Rate,512 hertz
                                (two empty lines)
    Lead,Lead I
    Unit,µV
                                (an empty line, then a number a line)

Keys and words are translated ("Messrate,511,562 Hertz"), decimals may have commas; the order is the same
everywhere. So each line is known by its value and place, never by its key; the name is not looked at.
Source: exports as users show them, English and German; Apple publishes no description.
"""

from __future__ import annotations

import re
from datetime import datetime

from cardiofusion.readers.decimals import as_millivolts, decimals
from cardiofusion.readers.details import Details, years_between
from cardiofusion.readers.format import HINT, Format
from cardiofusion.records import Recording, RecordingError

MIN_RATE, MAX_RATE = 100.0, 1000.0  # Hz; watches have 510 to 515
MAX_HEADER_LINES = 32
MAX_BYTES = 1 << 24  # an ECG has 150,000
WATCH_SECONDS = 30.0  # every ECG of a watch

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) [+-]\d{4}", re.ASCII)
_RATE = re.compile(r"([0-9]{2,4}(?:[.,][0-9]{1,6})?)\s*(\w+)")
_WATCH = re.compile(r"Watch\d{1,2},\d{1,2}", re.ASCII)
_LEAD_ONE = re.compile(r"(?<![A-Za-z])I(?![A-Za-z])")
_QUOTED = re.compile(r'^"([^"\n]*)"$', re.MULTILINE)
_TWO_IN_A_LINE = re.compile(r"\S[^\S\n]+\S")
# "hertz" begins so in the languages of CLDR that the watch speaks.
_HERTZ = ("hz", "hert", "herc", "χερτζ", "герц", "הרץ", "هرتز", "ヘルツ", "赫", "헤르츠")
_MILLIVOLTS = {"µv": 1e-3, "μv": 1e-3, "uv": 1e-3, "мкв": 1e-3, "mv": 1.0}
_BIRTHDAYS = ("%Y-%m-%d", "%d.%m.%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y")
_BETWEEN = ("interpretation", "symptoms", "software", "device")  # from the recorded date to the sample rate


def recognises(head: bytes) -> bool:
    values = _values(_header(head.decode("utf-8", "ignore").replace("\r\n", "\n")))
    dated = any(map(_MOMENT.fullmatch, values)) and any(_hertz(value) is not None for value in values)
    return dated and any(_WATCH.fullmatch(value) or value.casefold() in _MILLIVOLTS for value in values)


def decode(content: bytes, name: str) -> Recording:
    """Lead I in mV. Raises RecordingError."""
    text = _text(content, name)
    values = _values(_header(text))
    unit = _unit_line(values, name)
    rate = _rate(values[:unit], name)
    samples = decimals(_plain(text.split("\n", unit + 1)[unit + 1 :], name), name)
    if not len(samples):
        raise RecordingError("recording.empty", f"{name} has a header without samples", HINT)
    details = _details(values[:unit])
    if abs(len(samples) / rate - WATCH_SECONDS) > 1.0:
        details.note("duration", f"{len(samples) / rate:.1f} s; a watch records {WATCH_SECONDS:g} s")
    return Recording(
        signal=as_millivolts(samples * _MILLIVOLTS[values[unit].casefold()], name)[None],
        sampling_rate=rate,
        leads=("I",),
        unverified=("header", "samples"),
        **details.fields(),
    )


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise RecordingError(
            "recording.size", f"{name} has {len(content):,} bytes", f"{MAX_BYTES:,} are read"
        )
    try:
        return content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise RecordingError("recording.header", f"{name} is no UTF-8 text", HINT) from error


def _header(text: str) -> list[str]:
    """The first lines, of which some may already be samples."""
    return text.removeprefix("\ufeff").split("\n", MAX_HEADER_LINES)[:MAX_HEADER_LINES]


def _values(header: list[str]) -> list[str]:
    """What stands after the first comma of each line."""
    return [line.partition(",")[2].strip().strip('"').strip() for line in header]


def _unit_line(values: list[str], name: str) -> int:
    """The last line of the header, the lead above it. Raises RecordingError."""
    rate = next((k for k, value in enumerate(values) if _hertz(value) is not None), len(values))
    unit = next((k for k in range(rate, len(values)) if values[k].casefold() in _MILLIVOLTS), None)
    if unit is None:
        raise RecordingError("recording.units", f"{name} does not say that it is in microvolts", HINT)
    if not any(map(_LEAD_ONE.search, values[rate:unit])):
        raise RecordingError("recording.lead", f"{name} does not say that it is lead I", HINT)
    return unit


def _hertz(value: str) -> float | None:
    match = _RATE.fullmatch(value)
    if not match or not match[2].casefold().startswith(_HERTZ):
        return None
    return float(match[1].replace(",", "."))


def _rate(values: list[str], name: str) -> float:
    rate = next((rate for value in values if (rate := _hertz(value)) is not None), None)
    if rate is None or not MIN_RATE <= rate <= MAX_RATE:
        what = "no sample rate" if rate is None else f"{rate:g} Hz"
        raise RecordingError(
            "recording.rate", f"{name} has {what}, not {MIN_RATE:g} to {MAX_RATE:g} Hz", HINT
        )
    return rate


def _plain(lines: list[str], name: str) -> str:
    """Numbers with decimal points, one a line."""
    body = _QUOTED.sub(r"\1", "\n".join(lines))
    if _TWO_IN_A_LINE.search(body):
        raise RecordingError("recording.header", f"{name} has more than one number in a line", HINT)
    if "," in body and "." in body:
        raise RecordingError(
            "recording.header",
            f"{name} has both commas and points in its numbers",
            "which are decimal is not said",
        )
    return body.replace(",", ".")


def _details(values: list[str]) -> Details:
    """values: of the header's lines above the unit."""
    details = Details()
    date = next((k for k, value in enumerate(values) if _MOMENT.fullmatch(value)), len(values))
    rate = next((k for k, value in enumerate(values) if _hertz(value) is not None), 0)
    if date < rate:
        details.time = _parsed(values[date][:19], ("%Y-%m-%d %H:%M:%S",))
        born = _parsed(values[date - 1], _BIRTHDAYS) if date else None
        details.age = years_between(born, details.time) if born and details.time else None
    if rate - date == len(_BETWEEN) + 1:
        for key, value in zip(_BETWEEN, values[date + 1 : rate], strict=True):
            details.note(key, value)
    return details


def _parsed(text: str, forms: tuple[str, ...]) -> datetime | None:
    for form in forms:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    return None


APPLE = Format(name="Apple Health ECG", files=".csv", recognises=recognises, decode=decode)
