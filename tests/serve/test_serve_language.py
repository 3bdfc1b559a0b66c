"""Languages: which one is shown, complete catalogs, nothing lost or turned round in a translation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

import locales
from cardiofusion.records import LEADS, InputError
from cardiofusion.serve.directions import (
    FIRST_STRONG_ISOLATE,
    LEFT_TO_RIGHT_ISOLATE,
    POP_ISOLATE,
    isolated,
)
from cardiofusion.serve.language import LANGUAGES, choose, translator
from cardiofusion.serve.refusals import REFUSALS
from cardiofusion.serve.rendering import environment

TRANSLATED = [code for code in LANGUAGES if code != "en"]
# What no language changes: units (a lone "s" is also a letter), leads, waves, names.
KEPT = re.compile(
    r"(?<![\w%{(])(?:mV|Hz|ms|mm|kg|mmHg|lb|cm|CardioFusion|QRS|ST-T|RR|DICOM|FHIR|CSV|AUC|SHAP|LightGBM|"
    rf"SCORE2|PREVENT|Framingham|{'|'.join(LEADS[3:])}|MLII)(?![\w])"
)
NUMBER = re.compile(r"(?<![\w%{])\d+(?:\.\d+)?(?!\w)")


@cache
def catalog(code: str) -> Catalog:
    return locales.updated(code, words())


@cache
def words() -> Catalog:
    return locales.template()


def messages(code: str) -> Iterator[Message]:
    return (message for message in catalog(code) if message.id)


def forms(text: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.mark.parametrize(
    ("cookie", "asked", "code"),
    [
        (None, None, "pt"),
        (None, "fr", "fr"),
        (None, "pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        (None, "de, es;q=0.7, ar;q=0.9", "ar"),
        (None, "ar;q=0, es;q=0.1", "es"),
        (None, "de,*;q=0.5", "pt"),
        (None, "HI-in", "hi"),
        (None, "fr;q=2, sw;q=0.4", "sw"),
        ("ar", "fr", "ar"),
        ("xx", "fr", "fr"),
        ("", "", "pt"),
    ],
)
def test_the_language_is_what_was_chosen_else_what_the_browser_asks_for(
    cookie: str | None, asked: str | None, code: str
) -> None:
    assert choose(cookie, asked, "pt") == code


@settings(deadline=None)
@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=10))
def test_no_header_gives_a_language_that_is_not_there(cookie: str, asked: str, default: str) -> None:
    assert choose(cookie, asked, default) in LANGUAGES


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(InputError, match="no words in 'de'"):
        translator("de")


def test_only_english_counts_as_reviewed_and_only_arabic_runs_from_the_right() -> None:
    assert [code for code, one in LANGUAGES.items() if one.reviewed] == ["en"]
    assert [code for code, one in LANGUAGES.items() if one.direction == "rtl"] == ["ar"]


def test_the_catalogs_are_what_make_locales_writes() -> None:
    stale = [path.name for path, content, _ in locales.files() if path.read_bytes() != content]
    assert not stale, "run `make locales`, and translate what is new"


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_text_is_translated_with_its_placeholders(code: str) -> None:
    assert list(locales.problems(catalog(code))) == []


def test_a_catalog_with_a_gap_a_lost_placeholder_or_a_guess_has_problems() -> None:
    poor = Catalog(locale="fr")
    poor.add("One {n}", "Un")
    poor.add("Two", "")
    poor.add("Three", "Trois", flags=["fuzzy"])
    poor.add("Four %(n)s", "Quatre %(n)s")
    assert len(list(locales.problems(poor))) == 3


@pytest.mark.parametrize("code", TRANSLATED)
def test_numbers_units_and_leads_come_through_every_translation(code: str) -> None:
    for message in messages(code):
        original, said = forms(message.id)[-1], forms(message.string)[-1]
        for kept in (*KEPT.findall(original), *NUMBER.findall(original)):
            assert kept in said.replace("OMS", "WHO"), f"{kept} is lost from {original!r}: {said!r}"


@pytest.mark.parametrize("code", TRANSLATED)
def test_no_translation_brings_markup_or_a_direction_of_its_own(code: str) -> None:
    for message in messages(code):
        for said in forms(message.string):
            assert not re.search("[<>\u200e\u200f\u202a-\u202e\u2066-\u2069]", said)


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_template_loads_in_every_language(code: str) -> None:
    templates = environment(code)
    for name in templates.list_templates():
        templates.get_template(name)


class Anything(dict[str, Any]):
    """Whatever a template may put into a text."""

    def __missing__(self, name: str) -> str:
        return "<7>"


@pytest.mark.parametrize("code", LANGUAGES)
def test_texts_of_templates_can_be_filled_and_what_fills_them_is_escaped(code: str) -> None:
    said = translator(code)
    texts = [message for message, file in locales.texts() if file.endswith(".html")]
    assert texts
    for text in texts:
        shown = said.gettext(text) if isinstance(text, str) else said.ngettext(text[0], text[1], 7)
        assert "<7>" not in Markup(shown) % Anything()


def test_arabic_keeps_latin_stretches_in_their_own_direction() -> None:
    said = translator("ar").gettext("The recording is too short.")
    assert POP_ISOLATE not in said
    for marked in (
        "مدة [12 ms]",
        "في [V1, V2] و [-12 ms]",
        "من [%(n)s ms]",
        "عند [95 %%]",
        "[{file}] فارغ",
        "<b>لا</b>",
    ):
        plain = marked.replace("[", "").replace("]", "")
        assert isolated(plain) == marked.replace("[", LEFT_TO_RIGHT_ISOLATE).replace("]", POP_ISOLATE)


@settings(deadline=None)
@given(st.text(alphabet="ab1 ,.%()مر<>&;\u2066\u2068\u2069", max_size=60))
def test_isolating_adds_nothing_but_isolates(text: str) -> None:
    strip = str.maketrans("", "", LEFT_TO_RIGHT_ISOLATE + FIRST_STRONG_ISOLATE + POP_ISOLATE)
    assert isolated(text).translate(strip) == text.translate(strip)


@pytest.mark.parametrize("code", TRANSLATED)
def test_every_refusal_is_explained_in_the_language(code: str) -> None:
    for reason in REFUSALS:
        assert translator(code).refusal(reason).known
        assert translator(code).refusal(reason) != REFUSALS[reason]
    assert translator(code).refusal("no.such") == ""
