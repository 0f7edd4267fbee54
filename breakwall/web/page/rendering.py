"""Templates as answers: in the reader's language, escaped. `SecurityHeaders` says what they may load."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from breakwall.web.access.access import cookie_name
from breakwall.web.page import labels
from breakwall.web.page.assets import assets
from breakwall.web.page.own_texts import own_text
from breakwall.web.page.words import LANGUAGES, Words, choose_language

TEMPLATES = Path(__file__).parents[1] / "templates"
COOKIE = "breakwall_language"
_A_YEAR = 31_536_000


@cache
def environment() -> Environment:
    """The templates. A name that is not given is an error, and each value is escaped."""
    made = Environment(
        autoescape=True,
        loader=FileSystemLoader(TEMPLATES),
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["code"] = as_code
    made.globals["asset"] = lambda name: assets()[name].address
    made.globals["labels"] = labels
    made.globals["own_text"] = own_text
    made.globals["languages"] = LANGUAGES
    return made


def as_code(text: str) -> Markup:
    """The text, escaped, with what is between two backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def reader(request: Request) -> Words:
    """The words of whoever asks."""
    asked, kept = request.query_params.get("lang"), request.cookies.get(COOKIE)
    return Words(choose_language(asked, kept, request.headers.get("Accept-Language")))


def render(template: str, words: Words, **values: Any) -> str:
    """The HTML of a template."""
    named = {"_": words.text, "ngettext": words.count, "words": words}
    return environment().get_template(template).render(**named, **values)


def answer(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A whole page. It remembers a language that was asked for, and offers to sign out where somebody has signed in.

    It says what was done, if its address has ``done``: a name of `labels.DONE`.
    """
    words = reader(request)
    others = {
        name: request.url.include_query_params(lang=name) for name in LANGUAGES if name != words.language
    }
    addresses = {name: f"{url.path}?{url.query}" for name, url in others.items()}
    done = labels.DONE.get(request.query_params.get("done", ""))
    page = {
        "other_languages": addresses,
        "path": request.url.path,
        "address": f"{request.url.path}?{request.url.query}".rstrip("?"),
        "done": done and words.text(done),
    }
    html = render(template, words, **page, has_session=cookie_name(request) in request.cookies, **values)
    response = HTMLResponse(html, status, headers={"Content-Language": words.language})
    if request.query_params.get("lang") == words.language:
        response.set_cookie(COOKIE, words.language, max_age=_A_YEAR, httponly=True, samesite="lax")
    return response
