"""The catalogs of the pages' languages: extracts texts, keeps what is translated, compiles.

    python benchmarks/locales.py            # cardiofusion.pot, then each language's .po and .mo
    python benchmarks/locales.py --check    # says what would change or is not translated; exits with 1

Texts are those of `_()` and `{% trans %}` in templates, of `gettext` and `ngettext` in pages, and the
library's phrases. Files hold no date and no line number, so that the same texts give the same files.
"""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from cardiofusion.serve.language import DOMAIN, LANGUAGES
from cardiofusion.serve.phrases import PHRASES
from cardiofusion.serve.refusals import REFUSALS

SERVE = Path(__file__).resolve().parent.parent / "src" / "cardiofusion" / "serve"
LOCALE = SERVE / "locale"
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("**/templates/**.svg", "jinja2")]
OPTIONS = {"**/templates/**": {"newstyle_gettext": "true", "silent": "false"}}
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
DATED = (
    "POT-Creation-Date",
    "PO-Revision-Date",
    "Generated-By",
    "Report-Msgid-Bugs-To",
    "Project-Id-Version",
    "Last-Translator",
    "Language-Team",
)
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|\{\w*\}|%%")


class Dateless(Catalog):
    """A catalog whose header holds nothing that changes by itself."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:  # type: ignore[override]
        return [(name, value) for name, value in Catalog.mime_headers.fget(self) if name not in DATED]

    @mime_headers.setter
    def mime_headers(self, headers: list[tuple[str, str]]) -> None:
        Catalog.mime_headers.fset(self, headers)


def texts() -> Iterator[tuple[str | tuple[str, ...], str]]:
    """Every text to translate, with the file that it is from."""
    found = extract_from_dir(SERVE, METHODS, OPTIONS, KEYWORDS)
    pages = ((file, message) for file, _, message, _, _ in found)
    for file, message in sorted(pages, key=lambda pair: (pair[0], str(pair[1]))):
        if "locale/" not in file:
            yield message, file
    for phrase in PHRASES:
        yield phrase, "phrases.py"
    for refusal in REFUSALS.values():
        yield refusal, "refusals.py"


def template() -> Dateless:
    """All texts, untranslated."""
    catalog = _catalog(None)
    for message, file in texts():
        catalog.add(message, locations=[(file, 0)])
    return catalog


def _catalog(code: str | None) -> Dateless:
    about = "# {} of CardioFusion's pages. Made by `make locales`; translations are kept.\n#"
    return Dateless(
        locale=code,
        domain=DOMAIN,
        project="CardioFusion",
        charset="utf-8",
        fuzzy=False,
        header_comment=about.format(f"{LANGUAGES[code].name}: words" if code else "Words"),
    )


def updated(code: str, words: Catalog) -> Dateless:
    """The language's catalog with the texts of `words`: what was translated stays, nothing is guessed."""
    path = po_file(code)
    old = read_po(io.BytesIO(path.read_bytes()), locale=code) if path.exists() else _catalog(code)
    new = _catalog(code)
    for message in words:
        if not message.id:
            continue
        before = old.get(message.id)
        new.add(message.id, None if before is None else before.string, message.locations, message.flags)
    return new


def po_file(code: str) -> Path:
    return LOCALE / code / "LC_MESSAGES" / f"{DOMAIN}.po"


def mo_file(code: str) -> Path:
    return po_file(code).with_suffix(".mo")


def po_bytes(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_po(buffer, catalog, width=110, include_lineno=False, ignore_obsolete=True)
    return buffer.getvalue()


def mo_bytes(catalog: Catalog) -> bytes:
    buffer = io.BytesIO()
    write_mo(buffer, catalog)
    return buffer.getvalue()


def problems(catalog: Catalog) -> Iterator[str]:
    """What is wrong with the translations of a catalog."""
    for message in catalog:
        if not message.id:
            continue
        ids, strings = _tuple(message.id), _tuple(message.string)
        if message.fuzzy or not all(strings):
            yield f"not translated: {ids[0]!r}"
        elif any(sorted(_filled(string)) != sorted(_filled(ids[-1])) for string in _compared(message)):
            yield f"other placeholders than {ids[0]!r}: {strings[0]!r}"


def _compared(message: Message) -> tuple[str, ...]:
    """A form for one or two things may leave the number out: those of more are compared."""
    return _tuple(message.string)[-1:] if isinstance(message.id, tuple) else _tuple(message.string)


def _filled(text: str) -> list[str]:
    return PLACEHOLDER.findall(text)


def _tuple(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text or "",) if text is None or isinstance(text, str) else tuple(text)


def files() -> Iterator[tuple[Path, bytes, Catalog]]:
    """Every file of `locale/` as it should be, with its catalog."""
    words = template()
    yield LOCALE / f"{DOMAIN}.pot", po_bytes(words), words
    for code in LANGUAGES:
        if code != "en":
            catalog = updated(code, words)
            yield po_file(code), po_bytes(catalog), catalog
            yield mo_file(code), mo_bytes(catalog), catalog


def main(check: bool) -> int:
    wrong = 0
    for path, content, catalog in files():
        if path.suffix == ".po":
            for problem in problems(catalog):
                wrong += 1
                print(f"{catalog.locale_identifier}: {problem}")
        if check and (not path.exists() or path.read_bytes() != content):
            wrong += 1
            print(f"{path.relative_to(SERVE)} is not what `make locales` would write")
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print(f"{len(LANGUAGES) - 1} languages, {wrong} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
