"""The library's English sentences in another language.

Findings, warnings, sets and refusals come from the rooms below as English sentences with numbers in them, and
stay so in the API and in the audit. Here one is recognised as one of the templates in `phrases.py`; its
translation is filled with what the sentence held, which may be a phrase in its turn. Recognising looks for a
template's fixed parts from left to right and never goes back, so that its time is bounded whatever a file
wrote into a message.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import Markup, escape

from cardiofusion.report.wording import SPACE, clean
from cardiofusion.serve.directions import isolated, wrapped
from cardiofusion.serve.phrases import KINDS, PHRASES, Kind

MAX_TEXT = 2_000  # characters; nothing longer is looked up
MAX_DEPTH = 6  # phrases in phrases
MAX_STEPS = 400  # sentences and parts looked up for one sentence
MAX_ITEMS = 60  # of a list
MAX_COLUMN = 80  # characters of a clinical column with its value
MAX_UNKNOWN = 48  # characters of a part that may stay as it is: a label of somebody's own task
JOINTS = ("; ", " · ", ", ")  # of lists whose items are phrases
_RIGHT_TO_LEFT = str.maketrans(",;", "،؛")

_PLAIN = re.compile(r"[^,;:]+")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_NUMBER = re.compile(r"[<>]?[+\-−]?\d+(?:[.,]\d+)*(?:e[+\-]?\d+)?%?")
_CONCENTRATIONS = r"g/dL|mg/dL|[uµ]g/dL|mmol/L|mEq/L|10(?:\^[36]|[³⁶])/[uµ]L|mL/min/1\.73m[2²]"
_UNITS = rf"(?:ms|mV|s|Hz|mm|cm|kg|kg/m[2²]|mmHg|mm/h|/min|%|°|{_CONCENTRATIONS})"
# Nothing to translate: numbers with a unit, dates, versions.
_NEUTRAL = re.compile(rf"[<>≤≥±+\-−–]?\d[\d.,:+\-−– ]*(?:T[\d:.+\-]+Z?)?(?: ?{_UNITS})?")
_LEAD = r"[A-Za-z][A-Za-z0-9]{0,11}"
_SHAPES: Mapping[str, re.Pattern[str]] = {
    "number": _NUMBER,
    "unit": re.compile(r"[A-Za-zµ°%][\w/%^.·*]{0,15}"),
    "lead": re.compile(_LEAD),
    "leads": re.compile(rf"{_LEAD}(?:, {_LEAD})*(?: and {_LEAD})*"),
    "name": re.compile(r"[\w.-]{1,64}"),
}
_THOUSANDS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d,])")
_BEFORE_UNIT = re.compile(r"(?<=\d) (?=(?:ms|mV|s|Hz|mm|cm|kg|mmHg|%|/min)(?!\w))")

Gettext = Callable[[str], str]


class Said(str):
    """A sentence in the language asked for; `known` is False where it had to stay English.

    In HTML (`__html__`, which Jinja calls) it is escaped, and marked as English where it is. For the value of
    an attribute take `plain`.
    """

    __slots__ = ("known",)
    known: bool

    def __new__(cls, text: str, known: bool = True) -> Said:
        said = super().__new__(cls, text)
        said.known = known
        return said

    @property
    def plain(self) -> str:
        """The text alone, for where a `str` is expected."""
        return str.__str__(self)

    def __html__(self) -> Markup:
        text = escape(self.plain)
        return text if self.known else Markup("<span lang='en' dir='ltr'>{}</span>").format(text)


@dataclass(frozen=True)
class Phrase:
    """A template, cut at its placeholders: fixed texts, one more than `names`."""

    template: str
    fixed: tuple[str, ...]
    names: tuple[str, ...]

    @classmethod
    def of(cls, template: str) -> Phrase:
        """A template such as "{lead}: flat", cut."""
        pieces = _PLACEHOLDER.split(template)
        return cls(template, tuple(pieces[::2]), tuple(pieces[1::2]))

    def parts(self, text: str) -> dict[str, str] | None:
        """What stands in each placeholder of a sentence; None where it is another sentence."""
        place, found = len(self.fixed[0]), {}
        if not text.startswith(self.fixed[0]):
            return None
        for i, (name, fixed) in enumerate(zip(self.names, self.fixed[1:], strict=True), 1):
            end = _end(text, place, KINDS.get(name, "text"), fixed, len(self.names) - i)
            if end < place or not text.startswith(fixed, end):
                return None
            found[name], place = text[place:end], end + len(fixed)
        return found if place == len(text) else None


def _end(text: str, place: int, kind: Kind, fixed: str, left: int) -> int:
    """Where a part of `text` ends that begins at `place`, before `fixed`; -1 where none can be.

    left: parts after it. The last part is sought from the end: what stands before it may be several words.
    """
    if kind in _SHAPES:
        shape = _SHAPES[kind].match(text, place)
        return -1 if shape is None else shape.end()
    find = text.rfind if left == 1 else text.find
    end = find(fixed, place) if left else len(text) - len(fixed)
    return end if end > place or kind == "ending" else -1


@lru_cache(maxsize=1)
def _known() -> tuple[frozenset[str], Mapping[str, tuple[Phrase, ...]], tuple[Phrase, ...]]:
    """Whole sentences; templates by the word they begin with; templates that begin with a placeholder."""
    phrases = [Phrase.of(template) for template in PHRASES]
    whole = frozenset(phrase.template for phrase in phrases if not phrase.names)
    by_word: dict[str, list[Phrase]] = defaultdict(list)
    rest = []
    for phrase in sorted(phrases, key=lambda one: -sum(map(len, one.fixed))):
        word, space, _ = phrase.fixed[0].partition(" ")
        if phrase.names and space:
            by_word[word].append(phrase)
        elif phrase.names:
            rest.append(phrase)
    return whole, {word: tuple(found) for word, found in by_word.items()}, tuple(rest)


def say(text: str, gettext: Gettext, rtl: bool = False, english: bool = False) -> Said:
    """A sentence in the language of `gettext`. english: nothing is to be translated. rtl: of its lines.

    Control and direction-changing characters are replaced first: they could make a name look like another.
    """
    cleaned = clean(text)
    if english or not cleaned:
        return Said(cleaned)
    plain = cleaned.replace(SPACE, " ")
    said = _Saying(gettext, rtl).sentence(plain, 0) if len(plain) <= MAX_TEXT else None
    if said is None:
        return Said(wrapped(cleaned) if rtl else cleaned, known=False)
    return Said(isolated(_spaced(said)) if rtl else _spaced(said))


class _Saying:
    """One sentence's way into a language."""

    def __init__(self, gettext: Gettext, rtl: bool) -> None:
        self.gettext = gettext
        self.rtl = rtl
        self._steps = MAX_STEPS
        self._said: dict[str, str | None] = {}

    def sentence(self, text: str, depth: int) -> str | None:
        """A sentence, or a list of such, once each; None where it is not known."""
        inner = text.strip()
        if inner not in self._said:
            self._steps -= 1
            if depth > MAX_DEPTH or self._steps < 0:
                return None
            self._said[inner] = self._whole(inner) or self._composed(inner, depth)
        said = self._said[inner]
        return None if said is None or not inner else text.replace(inner, said, 1)

    def _whole(self, text: str) -> str | None:
        """A sentence without parts; a name as it is written in code, or with a capital, is the same."""
        whole = _known()[0]
        if text in whole:
            return self.gettext(text)
        if _NEUTRAL.fullmatch(text):
            return text
        if (name := text.replace("_", " ")) in whole:
            return self.gettext(name)
        name = text[:1].lower() + text[1:]
        return _begun(self.gettext(name)) if name in whole else None

    def _composed(self, text: str, depth: int) -> str | None:
        _, by_word, rest = _known()
        for phrase in (*by_word.get(text.partition(" ")[0], ()), *rest):
            said = self._filled(phrase, text, depth)
            if said is not None:
                return said
        return self._listed(text, depth)

    def _filled(self, phrase: Phrase, text: str, depth: int) -> str | None:
        parts = phrase.parts(text)
        if parts is None:
            return None
        said = dict(self._parts(parts, depth))
        if None in said.values():
            return None
        return _PLACEHOLDER.sub(lambda hole: str(said[hole[1]]), self.gettext(phrase.template))

    def _parts(self, parts: Mapping[str, str], depth: int) -> Iterator[tuple[str, str | None]]:
        """Each part said, None where it had to be known and is not."""
        for name, part in parts.items():
            kind = KINDS.get(name, "text")
            if kind in ("number", "unit", "lead"):
                yield name, part
            elif kind == "leads":
                yield name, self._leads(part)
            elif kind == "text":
                yield name, wrapped(part) if self.rtl else part
            else:
                yield name, self._part(part, kind, depth)

    def _part(self, part: str, kind: str, depth: int) -> str | None:
        """A phrase in a phrase: "known" has to be one; a short "phrase" or "name" that is none stays."""
        if kind == "column" and (len(part) > MAX_COLUMN or not _PLAIN.fullmatch(part)):
            return None
        said = self.sentence(part, depth + 1) if part.strip() else part
        if said is None and kind in ("phrase", "name") and len(part) <= MAX_UNKNOWN:
            return wrapped(part) if self.rtl else part
        return said

    def _leads(self, part: str) -> str:
        *some, last = part.split(" and ")
        if not some:
            return part
        pair = self.gettext("{leads} and {lead}")
        return pair.replace("{leads}", " and ".join(some)).replace("{lead}", last)

    def _listed(self, text: str, depth: int) -> str | None:
        """A list all of whose items are known."""
        for joint in JOINTS:
            items = _items(text, joint)
            if len(items) == 1:
                continue
            said = [item if _NUMBER.fullmatch(item) else self.sentence(item, depth + 1) for item in items]
            joined = joint.translate(_RIGHT_TO_LEFT) if self.rtl else joint
            return joined.join(map(str, said)) if None not in said else None
        return None


def _items(text: str, joint: str) -> list[str]:
    """A list's items; a joint in parentheses parts nothing."""
    items: list[str] = []
    for piece in text.split(joint, MAX_ITEMS):
        if items and items[-1].count("(") > items[-1].count(")"):
            items[-1] += joint + piece
        else:
            items.append(piece)
    return items


def _begun(text: str) -> str:
    return text[:1].upper() + text[1:]


def _spaced(text: str) -> str:
    """Thousands with a narrow space, for a comma may be a decimal mark; a number and its unit on one line."""
    spaced = _THOUSANDS.sub(lambda number: number[0].replace(",", "\u202f"), text)
    return _BEFORE_UNIT.sub(SPACE, spaced)
