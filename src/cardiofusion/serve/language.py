"""The languages of the pages, by gettext, and which one a browser is shown.

Catalogs (`locale/<code>/LC_MESSAGES/cardiofusion.mo`) are compiled from the .po beside them (`make locales`).
Nobody who practises medicine in the language has reviewed a translation yet: `Language.reviewed` says so, and
pages do.

Numbers look alike in every language: digits 0 to 9, a point before decimals, and between thousands a narrow
space (ISO 80000-1) where English has a comma, for a comma is the decimal mark of half of these languages.
Dates are 2026-11-28. What a clinician copies from one sheet to another is then the same characters
everywhere, and like those on the ECG's paper. Units and names of leads are never translated.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from cardiofusion.records import InputError
from cardiofusion.serve.directions import isolated
from cardiofusion.serve.refusals import REFUSALS
from cardiofusion.serve.saying import Said, say

DOMAIN = "cardiofusion"
MAX_HEADER = 1_000  # characters of Accept-Language that are looked at

Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True)
class Language:
    """code: BCP 47. name: what it calls itself. reviewed: whether clinicians have reviewed its words.

    English is what the sentences are written in.
    """

    code: str
    name: str
    direction: Direction = "ltr"
    reviewed: bool = False


LANGUAGES: Mapping[str, Language] = {
    language.code: language
    for language in (
        Language("en", "English", reviewed=True),
        Language("fr", "Français"),
        Language("es", "Español"),
        Language("pt", "Português"),
        Language("ar", "العربية", "rtl"),
        Language("hi", "हिन्दी"),
        Language("sw", "Kiswahili"),
    )
}


class Translator:
    """One language's words."""

    def __init__(self, language: Language, catalog: gettext.NullTranslations) -> None:
        self.language = language
        self._catalog = catalog

    @property
    def code(self) -> str:
        """ "fr" """
        return self.language.code

    @property
    def direction(self) -> Direction:
        """ "ltr", or "rtl" where lines run from right to left"""
        return self.language.direction

    def gettext(self, message: str) -> str:
        """A text of the pages; itself where it has no translation.

        Right to left, what is Latin in it is isolated, so that "12 ms" is not turned round.
        """
        return self._laid(self._catalog.gettext(message) if message else "")

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        """The form of a text that n things take."""
        return self._laid(self._catalog.ngettext(singular, plural, n))

    def say(self, text: object) -> Said:
        """A sentence of the library (a finding, a warning, a set in words ...) in this language.

        One that is not known stays English; in HTML it is then marked so (see Said).
        """
        return say(str(text), self._catalog.gettext, self.direction == "rtl", self.code == "en")

    def refusal(self, code: str) -> Said:
        """What an error's code means, in one sentence that any clinician understands; "" for an unknown code.

        For beside the error's own message, which says what exactly, and which not every language has.
        """
        return Said(self.gettext(REFUSALS.get(code, "")))

    def _laid(self, text: str) -> str:
        return isolated(text) if self.direction == "rtl" else text


@lru_cache(maxsize=len(LANGUAGES))
def translator(code: str) -> Translator:
    """The words of a language. Raises InputError for one we do not have."""
    if code not in LANGUAGES:
        raise InputError(
            "serve.language", f"there are no words in {code[:20]!r}", f"one of {' '.join(LANGUAGES)}"
        )
    if code == "en":
        return Translator(LANGUAGES[code], gettext.NullTranslations())
    catalog = files("cardiofusion.serve").joinpath("locale", code, "LC_MESSAGES", f"{DOMAIN}.mo")
    with catalog.open("rb") as handle:
        return Translator(LANGUAGES[code], gettext.GNUTranslations(handle))


def choose(cookie: str | None, accept_language: str | None, default: str) -> str:
    """The language a page is shown in: what was chosen before, else what the browser wants, else the default.

    accept_language: quality values after RFC 9110 (12.5.4); "pt-BR" is answered by "pt" (lookup, RFC 4647).
    """
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    for tag in _by_quality((accept_language or "")[:MAX_HEADER]):
        if tag == "*":
            break
        code = tag.split("-")[0].lower()
        if code in LANGUAGES:
            return code
    return default if default in LANGUAGES else "en"


def _by_quality(header: str) -> list[str]:
    """The tags of a header that are not refused (q=0), the most wanted first."""
    wanted: list[tuple[float, str]] = []
    for entry in header.split(","):
        tag, *parameters = (part.strip() for part in entry.split(";"))
        weights = [re.fullmatch(r"[qQ]\s*=\s*([01](?:\.\d{0,3})?)", part) for part in parameters]
        quality = min((float(weight[1]) if weight else 0.0 for weight in weights), default=1.0)
        if tag and 0.0 < quality <= 1.0:
            wanted.append((quality, tag))
    return [tag for _, tag in sorted(wanted, key=lambda pair: -pair[0])]
