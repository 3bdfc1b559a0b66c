"""What an HL7 aECG says besides the samples: subject, times, device, filters, measurements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime
from xml.etree.ElementTree import Element

from cardiofusion.readers.details import MAX_AGE, Details, as_sex, known, years_between
from cardiofusion.readers.hl7 import (
    BEATS_A_MINUTE,
    DEGREES,
    SECONDS,
    YEARS,
    attribute,
    code,
    day,
    moment,
    quantity,
)
from cardiofusion.readers.mdc import MEASURED
from cardiofusion.readers.xml import text_of

TIMES = ("TIME_ABSOLUTE", "TIME_RELATIVE")
REPORTED_AGE = "21612-7"  # LOINC
DOUBTFUL_SECONDS = 1.0  # by which the samples may miss the time that the file says they took

_DURATIONS, _AXES, _RATES = (
    {term.name: measured for measured, term in MEASURED.items() if term.unit == unit}
    for unit in ("ms", "deg", "/min")
)
STATEMENTS = ("MDC_ECG_INTERPRETATION_STATEMENT", "MDC_ECG_RHY")
FILTERS = {
    "MDC_ECG_CTL_VBL_ATTR_FILTER_HIGH_PASS": "high-pass filter",
    "MDC_ECG_CTL_VBL_ATTR_FILTER_LOW_PASS": "low-pass filter",
    "MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH": "mains filter",
}
_DEVICE = (
    "manufacturerOrganization/name",
    "manufacturedSeriesDevice/manufacturerModelName",
    "manufacturedSeriesDevice/softwareName",
)


def describe(
    details: Details, root: Element, series: Element, begin: datetime | None, seconds: float
) -> None:
    """Fill `details`. begin: of the first sample where the file says; seconds: how long the samples last."""
    if series.find("derivation/derivedSeries") is not None:
        details.note("median beats", "in the file, not part of this recording")
    others = len(root.findall("component/series")) - 1
    if others:
        details.note("other series", f"{others} in the file, not part of this recording")
    _times(details, root, series, begin, seconds)
    _subject(details, root, series)
    _device(details, series)
    _measurements(details, series)


def _times(details: Details, root: Element, series: Element, begin: datetime | None, seconds: float) -> None:
    details.time = begin or next(filter(None, map(moment, _stated_times(root, series))), None)
    low, high = (moment(attribute(series, f"effectiveTime/{part}", "value")) for part in ("low", "high"))
    stated = (high - low).total_seconds() if low and high else 0.0
    if stated > 0.0 and abs(stated - seconds) > DOUBTFUL_SECONDS:
        details.note("duration", f"{stated:g} s by the file, {seconds:g} s by its samples")


def _stated_times(root: Element, series: Element) -> Iterator[str]:
    for parent in (series, root):
        for path in ("effectiveTime/low", "effectiveTime/center", "effectiveTime"):
            yield attribute(parent, path, "value")


def _subject(details: Details, root: Element, series: Element) -> None:
    subject = root.find(".//subjectAssignment/subject/trialSubject")
    person = None if subject is None else subject.find("subjectDemographicPerson")
    details.patient_id = _identity(subject) or known(text_of(person, "PatientID"))
    details.sex = as_sex(attribute(person, "administrativeGenderCode", "code"))
    born = day(attribute(person, "birthTime", "value"))
    then = details.time or next(filter(None, map(day, _stated_times(root, series))), None)
    by_birth = years_between(born, then) if born and then else None
    reported = _reported_age(root)
    details.age = by_birth if reported is None else reported
    if by_birth is not None and reported is not None and abs(by_birth - reported) > 1.0:
        details.note("age", f"{reported:g} years reported, {by_birth:g} by the date of birth")


def _identity(subject: Element | None) -> str | None:
    """Without an extension the root is the id, if it is a UUID: an OID is the clinic's, not the subject's."""
    root = attribute(subject, "id", "root")
    return known(attribute(subject, "id", "extension")) or (root if "-" in root else None)


def _reported_age(root: Element) -> float | None:
    for observation in root.iterfind("controlVariable/relatedObservation"):
        years = quantity(observation, "value", YEARS) if code(observation) == REPORTED_AGE else None
        if years is not None and 0.0 <= years <= MAX_AGE:
            return years
    return None


def _device(details: Details, series: Element) -> None:
    author = series.find("author/seriesAuthor")
    for path in _DEVICE:
        details.note("device", text_of(author, path))
    for variable in series.iterfind("controlVariable/controlVariable"):
        key = FILTERS.get(code(variable))
        for value in variable.iter("value") if key else ():
            details.note(key or "", f"{value.get('value', value.text or '')} {value.get('unit', '')}")


def _measurements(details: Details, series: Element) -> None:
    """What holds for the whole ECG: said once, or alike of every beat. Never of a single lead."""
    sets = [*series.iterfind("subjectOf/annotationSet")]
    sets += series.iterfind("derivation/derivedSeries/subjectOf/annotationSet")
    whole = [annotation for element in sets for annotation in _annotations(element)]
    beats = [annotation for parent in whole for annotation in _annotations(parent)]
    for name, values in {**_measured(beats), **_measured(whole)}.items():
        if len(values) == 1:
            details.measured[name] = values.pop()
    for annotation in (*whole, *beats):
        if code(annotation) in STATEMENTS:
            words = text_of(annotation, "value") or attribute(annotation, "value", "displayName")
            details.note("interpretation", words)


def _annotations(parent: Element) -> Iterator[Element]:
    """The annotations directly in a set, or in another annotation, but those of single leads."""
    for annotation in parent.iterfind("component/annotation"):
        regions = annotation.iterfind("support/supportingROI/component/boundary")
        if all(code(region) in TIMES for region in regions):
            yield annotation


def _measured(annotations: Iterable[Element]) -> dict[str, set[float]]:
    """Name of MEASUREMENTS -> its values in ms, beats a minute or degrees."""
    found: defaultdict[str, set[float]] = defaultdict(set)
    for annotation in annotations:
        what = code(annotation).upper().removesuffix("_GL")
        for names, units in ((_DURATIONS, SECONDS), (_AXES, DEGREES), (_RATES, BEATS_A_MINUTE)):
            value = quantity(annotation, "value", units) if what in names else None
            if value is not None and (value > 0.0 or names is _AXES):  # no interval lasts 0 ms: not measured
                found[names[what]].add(round(value * 1000.0, 6) if names is _DURATIONS else value)
    return found
