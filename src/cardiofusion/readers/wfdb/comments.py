"""What PhysioNet's data sets write in a header's free text: patient, date and time."""

from __future__ import annotations

import re
from datetime import datetime

from cardiofusion.readers.details import Details, as_age, as_sex, known

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PATIENT_KEYS = frozenset({"patient id", "patient_id", "patientid", "subject id", "subject_id"})

_TAGGED = re.compile(r"<([^<>]{1,60})>\s*:?\s*([^<]*)")  # "<age>: 65 <sex>: F", several in a line
_KEYED = re.compile(r"([A-Za-z][^:<>]{0,60}?)\s*:\s*(.*)")  # "Age: 65"
_MITDB = re.compile(r"(\d{1,3})\s+([MF])\b.*")  # "69 M 1085 1629 x1", the first comment of a record
_DATE = re.compile(r"(\d{1,2})[/-](\d{1,2}|[A-Za-z]{3})[/-](\d{4})", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,6})\d*)?", re.ASCII)


def parse_comments(lines: tuple[str, ...]) -> Details:
    """A header's comments, without their '#'."""
    comments = Details()
    for position, line in enumerate(lines):
        mitdb = _MITDB.fullmatch(line) if position == 0 else None
        tagged = _TAGGED.findall(line)
        keyed = _KEYED.fullmatch(line)
        if mitdb and as_age(mitdb[1]) is not None:
            comments.age, comments.sex = as_age(mitdb[1]), as_sex(mitdb[2])
            comments.note("comment", line)
        elif tagged and line.startswith("<"):
            for key, value in tagged:
                _take(comments, key.strip(), value.strip())
        elif keyed:
            _take(comments, keyed[1], keyed[2])
        elif line:
            comments.note("comment", line)
    return comments


def parse_clock(text: str) -> datetime | None:
    """Date and time in either order ("14:50:55 05/05/2020", "05-May-2020 14:50:55"); None where not plain."""
    tokens = text.split()
    dates = [match for token in tokens if (match := _DATE.fullmatch(token))]
    times = [match for token in tokens if (match := _TIME.fullmatch(token))]
    if len(tokens) != 2 or len(dates) != 1 or len(times) != 1:
        return None
    day, month, year = dates[0].groups()
    hour, minute, second, fraction = times[0].groups()
    number = int(month) if month.isdigit() else _month(month)
    microsecond = int((fraction or "0").ljust(6, "0"))
    try:
        return datetime(int(year), number, int(day), int(hour), int(minute), int(second), microsecond)
    except ValueError:
        return None


def _take(comments: Details, key: str, value: str) -> None:
    folded = key.casefold()
    if known(value) is None:
        return
    if folded == "age" and comments.age is None and as_age(value) is not None:
        comments.age = as_age(value)
    elif folded in {"sex", "gender"} and comments.sex is None and as_sex(value):
        comments.sex = as_sex(value)
    elif folded in _PATIENT_KEYS and comments.patient_id is None:
        comments.patient_id = known(value)
    else:
        comments.note(key, value)


def _month(name: str) -> int:
    """1 to 12, whatever the machine's language; 0 (no month) for anything else."""
    return _MONTHS.index(name.lower()) + 1 if name.lower() in _MONTHS else 0
