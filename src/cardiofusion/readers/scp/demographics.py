"""Section 1: patient, time, device and filters, as tagged fields. Names of people are not read."""

from __future__ import annotations

from datetime import datetime

from cardiofusion.readers.details import MAX_AGE, Details, known, years_between
from cardiofusion.readers.scp.rhythm import VERSION_3
from cardiofusion.readers.scp.sections import Section
from cardiofusion.records import Sex

_ID, _AGE, _BORN, _SEX, _DEVICE, _DATE, _TIME = 2, 4, 5, 8, 14, 25, 26
_HIGH_PASS, _LOW_PASS, _FILTERS, _END = 27, 28, 29, 255

_SEXES: dict[int, Sex] = {1: "male", 2: "female"}
_YEARS = {1: 1.0, 2: 1 / 12, 3: 7 / 365.25, 4: 1 / 365.25, 5: 1 / 8766}  # of one unit of age
_BITS = {0x01: ("mains filter", "60 Hz"), 0x02: ("mains filter", "50 Hz"), 0x04: ("artefact filter", "on"),
         0x08: ("baseline filter", "on")}  # fmt: skip
_MAKERS = (
    "", "Burdick", "Cambridge", "Compumed", "Datamed", "Fukuda", "Hewlett-Packard", "Marquette", "Mortara",
    "Nihon Kohden", "Okin", "Quinton", "Siemens", "Spacelabs", "Telemed", "Hellige", "ESA-OTE", "Schiller",
    "Picker-Schwarzer", "et medical devices", "Zwönitz",
)  # fmt: skip
_FIXED, _LANGUAGE = 36, 16  # bytes of the device's fixed part; the one in it that names the character set
_ENCODINGS = {
    0x03: "iso8859-2", 0x0B: "iso8859-4", 0x13: "iso8859-5", 0x1B: "iso8859-6", 0x23: "iso8859-7",
    0x2B: "iso8859-8", 0x33: "iso8859-11", 0x3B: "iso8859-15", 0x07: "utf-16-le", 0x0F: "shift_jis",
    0x17: "euc_jp", 0x1F: "euc_jp", 0x27: "gb2312", 0x2F: "euc_kr", 0x37: "utf-8",
}  # fmt: skip


def read_demographics(section: Section, details: Details) -> str:
    """Take the fields over into `details`. Returns the encoding of the record's text."""
    fields = _fields(section, details)
    device = fields.get(_DEVICE, b"").ljust(_FIXED, b"\0")
    encoding = "utf-8" if section.protocol >= VERSION_3 else _encoding(device[_LANGUAGE])
    details.patient_id = known(text_of(fields.get(_ID, b""), encoding))
    details.sex = _SEXES.get(_number(fields.get(_SEX, b"")[:1]))
    details.time = _time(fields, details)
    details.age = _age(fields, details.time)
    details.note("device", _device(device, encoding))
    _note_filters(fields, details)
    return encoding


def text_of(value: bytes, encoding: str) -> str:
    """Text up to its end mark. Writers that declare nothing, or ASCII, write what they like."""
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.partition("\0")[0].strip()


def _encoding(language: int) -> str:
    """Of a code that is none of ours: Latin-1 where it declares 8 bits, else what holds ASCII."""
    return _ENCODINGS.get(language, "latin-1" if language & 1 else "utf-8")


def _fields(section: Section, details: Details) -> dict[int, bytes]:
    """Tag -> its first value. What follows a field that does not fit is lost."""
    cursor, fields = section.cursor(), dict[int, bytes]()
    while cursor.left >= 3 and (tag := cursor.number(1)) != _END:
        size = cursor.number(2)
        if size > cursor.left:
            details.note("patient fields", f"cut short at field {tag}")
            break
        fields.setdefault(tag, cursor.take(size))
    return fields


def _age(fields: dict[int, bytes], time: datetime | None) -> float | None:
    """Years as stated, else from the day of birth. Age 0 is what writers put who do not know."""
    value = fields.get(_AGE, b"")
    years = _number(value[:2]) * _YEARS.get(_number(value[2:3]), 0.0)
    if 0 < years <= MAX_AGE:
        return round(years, 3)
    born = _day(fields.get(_BORN, b""))
    return years_between(born, time) if born and time else None


def _time(fields: dict[int, bytes], details: Details) -> datetime | None:
    day, clock = _day(fields.get(_DATE, b"")), fields.get(_TIME, b"")
    try:
        return day.replace(hour=clock[0], minute=clock[1], second=clock[2]) if day else None
    except (ValueError, IndexError):
        details.note("date", f"{day:%Y-%m-%d}")
        return None


def _day(value: bytes) -> datetime | None:
    try:
        return datetime(_number(value[:2]), value[2], value[3])
    except (ValueError, IndexError):
        return None


def _device(value: bytes, encoding: str) -> str:
    """Maker and model. After the fixed part: program, serial number, two software versions, maker."""
    names = value[_FIXED:].split(b"\0")
    maker = text_of(names[4], encoding) if len(names) > 4 else ""
    if not maker and value[7] < len(_MAKERS):
        maker = _MAKERS[value[7]]
    return f"{maker} {text_of(value[8:14], encoding)}"


def _note_filters(fields: dict[int, bytes], details: Details) -> None:
    high_pass, low_pass = _number(fields.get(_HIGH_PASS, b"")), _number(fields.get(_LOW_PASS, b""))
    if high_pass:
        details.note("high-pass filter", f"{high_pass / 100:g} Hz")
    if low_pass:
        details.note("low-pass filter", f"{low_pass} Hz")
    for bit, (key, words) in _BITS.items():
        if _number(fields.get(_FILTERS, b"")[:1]) & bit:
            details.note(key, words)


def _number(value: bytes) -> int:
    return int.from_bytes(value, "little")
