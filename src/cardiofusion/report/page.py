"""Templates to one self-contained HTML page: inline style, nothing fetched, everything escaped."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import jinja2
from markupsafe import Markup

from cardiofusion.report import wording


def render(template: str, **variables: object) -> str:
    """The template filled with these variables. Text is cleaned and escaped; only Markup passes as it is."""
    return _environment().get_template(template).render(style=_style(), **variables)


def drawn(svg: str) -> Markup:
    """An SVG of this room, which has escaped its text itself, for a template."""
    return Markup(svg)  # noqa: S704 - see above


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cardiofusion.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else wording.clean(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = wording.percent
    return environment


@cache
def _style() -> Markup:
    # Our own file, not anybody's input.
    return Markup(files("cardiofusion.report").joinpath("style.css").read_text("utf-8"))  # noqa: S704
