"""The addresses of an action: GET shows its form, POST does it and goes back, or shows the form again and says why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from breakwall.errors import BreakwallError
from breakwall.payments.db.errors import DatabaseUnavailableError
from breakwall.payments.interventions import Author
from breakwall.web.access.access import RETRY_AFTER
from breakwall.web.action_body import Operator
from breakwall.web.errors import problem_of
from breakwall.web.page.acting.action_page import (
    ActionImpossibleError,
    ActionPage,
    ActionRefusedError,
    Done,
)
from breakwall.web.page.acting.asked import Asked, SentForm
from breakwall.web.page.problem_route import PageRoute, away
from breakwall.web.page.rendering import answer, reader
from breakwall.web.services import UsedServices

Show = Callable[[Asked], ActionPage]
"""Gives the page as things are now. Raises `ActionImpossibleError`."""

Act = Callable[[Asked, Author], Done]
"""Does it, once the fields are right. Raises `ActionRefusedError` or `ActionImpossibleError`."""


def action_router() -> APIRouter:
    """A router for actions: `add_action` fills it. Who may not act gets a page that says so."""
    return APIRouter(include_in_schema=False, route_class=PageRoute)


def add_action(router: APIRouter, address: str, show: Show, act: Act) -> None:
    """Add both routes of an action. ``address`` may have parameters: they are in `Asked.path`."""

    def form(request: Request, services: UsedServices, operator: Operator) -> Response:
        asked = Asked(services, reader(request), operator, request.path_params, dict(request.query_params))
        return _shown(request, asked, show)

    def send(request: Request, services: UsedServices, operator: Operator, given: SentForm) -> Response:
        asked = Asked(services, reader(request), operator, request.path_params, given)
        return _done(request, asked, show, act)

    router.add_api_route(address, form, methods=["GET"])
    router.add_api_route(address, send, methods=["POST"])


def _shown(request: Request, asked: Asked, show: Show, refused: ActionRefusedError | None = None) -> Response:
    """The action's page as things are now, after a refusal with everything that was typed."""
    try:
        page = show(asked)
    except ActionImpossibleError as error:
        if refused is not None and error.status == 503:
            return _send_again(request, asked, error.why)
        return _impossible(request, error, refused)
    except DatabaseUnavailableError:
        return away(request) if refused is None else _send_again(request, asked, _away(asked))
    except BreakwallError as error:
        raise problem_of(error) from error
    if refused is None:
        return _form(request, asked, page)
    return _form(request, asked, page, refused, asked.given)


def _done(request: Request, asked: Asked, show: Show, act: Act) -> Response:
    try:
        page = show(asked)
        done = act(asked, asked.author(page))
    except ActionRefusedError as refused:
        return _shown(request, asked, show, refused)
    except ActionImpossibleError as error:
        if error.status == 503:
            return _send_again(request, asked, error.why, nothing_done=True)
        return _impossible(request, error)
    except DatabaseUnavailableError:
        return _shown(request, asked, show, ActionRefusedError(_away(asked), 503))
    except BreakwallError as error:
        raise problem_of(error) from error
    asked.services.live.look_again()
    return RedirectResponse(_with_done(done.address or page.back, done.kind), 303)


def _with_done(address: str, kind: str) -> str:
    """The address with what was done, and at its top, where it is said."""
    parts = urlsplit(address)
    query = "&".join(part for part in (parts.query, urlencode({"done": kind})) if part)
    return f"{parts.path}?{query}"


def _form(
    request: Request,
    asked: Asked,
    page: ActionPage,
    refused: ActionRefusedError | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    shown: dict[str, Any] = {"page": page, "fields": list(asked.fields(page)), "refused": refused}
    status = 200 if refused is None else refused.status
    html = answer(request, "act.html", status=status, typed=typed, **shown)
    if status == 503:
        html.headers["Retry-After"] = str(RETRY_AFTER)
    return html


def _impossible(
    request: Request, error: ActionImpossibleError, refused: ActionRefusedError | None = None
) -> Response:
    return answer(request, "impossible.html", status=error.status, error=error, refused=refused)


def _away(asked: Asked) -> str:
    return asked.words.text(
        "The orders database does not answer. Nothing was changed, unless the connection was lost meanwhile."
    )


def _send_again(request: Request, asked: Asked, why: str, *, nothing_done: bool = False) -> Response:
    """While something does not answer, nobody can say what the form is about. It can be sent again as it is.

    ``nothing_done``: that much is known.
    """
    shown: dict[str, Any] = {"given": asked.given, "why": why, "nothing_done": nothing_done}
    html = answer(request, "send_again.html", status=503, **shown)
    html.headers["Retry-After"] = str(RETRY_AFTER)
    return html
