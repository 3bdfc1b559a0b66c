"""Templates to pages, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse

from cardiofusion import __version__
from cardiofusion.records import NOTICE
from cardiofusion.report import wording
from cardiofusion.report.verdicts import LABEL_NAMES, task_title
from cardiofusion.serve.headline import shown
from cardiofusion.serve.language import LANGUAGES, Translator, choose, translator

LANGUAGE_COOKIE = "cf_language"
THEME_COOKIE = "cf_theme"
THEMES = ("auto", "light", "dark")


def page(request: Request, template: str, http_status: int = 200, **variables: Any) -> HTMLResponse:
    """A template filled for whoever asks. Text is cleaned and escaped; what is HTML already passes."""
    said = language_of(request)
    actor = request.scope.get("state", {}).get("actor")
    shown = {
        "notice": NOTICE,
        "version": __version__,
        "actor": actor,
        "language": said,
        "languages": LANGUAGES,
        "theme": theme_of(request),
        "path": request.url.path,
        "settings": request.app.state.clinic.settings,
        **variables,
    }
    html = environment(said.code).get_template(template).render(shown)
    return HTMLResponse(html, http_status, headers={"Content-Language": said.code, "Vary": "Accept-Language"})


def language_of(request: Request) -> Translator:
    """As chosen on the page, else as the browser asks, else the server's."""
    default = request.app.state.clinic.settings.language
    asked = request.headers.get("accept-language", "")
    return translator(choose(request.cookies.get(LANGUAGE_COOKIE), asked, default))


def theme_of(request: Request) -> str:
    """ "auto", "light" or "dark"."""
    chosen = request.cookies.get(THEME_COOKIE, "auto")
    return chosen if chosen in THEMES else "auto"


@cache
def environment(language: str) -> jinja2.Environment:
    """Templates of the room with a language's words in them."""
    said = translator(language)
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("cardiofusion.serve"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if hasattr(value, "__html__") else wording.clean(value),
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    made.install_gettext_callables(  # type: ignore[attr-defined]
        said.gettext, said.ngettext, newstyle=True
    )
    made.filters |= FILTERS
    made.filters["say"] = said.say
    return made


def _capitalise(text: str) -> str:
    """The first letter large, all else as it is: an abbreviation stays one."""
    return type(text)(text[:1].upper() + text[1:])


def local(moment: datetime) -> str:
    """A moment as this machine's clock shows it; one without a zone, an ECG's own, as it is."""
    return (moment.astimezone() if moment.tzinfo else moment).strftime("%Y-%m-%d %H:%M")


FILTERS: Mapping[str, Any] = {
    "share": wording.share,
    "spoken": wording.spoken,
    "task": task_title,
    "number": wording.number,
    "unit": wording.unit_words,
    "capitalise": _capitalise,
    "shown": shown,
    "label": lambda target: LABEL_NAMES.get(target, wording.spoken(target)),
    "local": local,
}
